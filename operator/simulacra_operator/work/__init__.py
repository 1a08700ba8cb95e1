"""What Dataset, Model, GenerationJob and the estimates share: resources whose work is one Job."""
