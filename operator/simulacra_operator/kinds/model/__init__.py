"""Model: once its Dataset is Ready, a `fit` Job learns it."""
