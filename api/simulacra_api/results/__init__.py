"""Results that a customer asks a model for: what their routes have in common."""
