"""Average causal effects, overall and by segment, with a verdict of what each rests on."""
