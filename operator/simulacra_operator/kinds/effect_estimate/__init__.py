"""EffectEstimate: once its Model is Ready, an `estimate` Job answers one causal question."""
