"""Changes of single counterfactual pairs."""
