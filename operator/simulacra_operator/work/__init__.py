"""What Dataset, Model, GenerationJob and EffectEstimate share: resources whose work is one Job."""
