"""Questions to a model, each declared once, and what an answer may say without names."""
