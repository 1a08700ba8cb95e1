"""Datasets: schema, retention, knowledge of causes and refits."""
