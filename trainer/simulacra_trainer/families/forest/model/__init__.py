"""A fitted forest: drawing, do(), counterfactual twins, and its stored form."""
