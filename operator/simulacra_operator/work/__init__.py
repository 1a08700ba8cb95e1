"""What Dataset, Model, GenerationJob and EffectEstimate share: a resource whose work is one Job."""
