"""Datasets: their documents, retention, and knowledge of causes."""
