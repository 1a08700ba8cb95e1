"""The contrast of two values and the models that predict treatment and outcome in it."""
