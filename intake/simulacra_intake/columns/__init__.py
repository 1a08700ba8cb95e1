"""Cleaning of one column: its kind, values and schema entry."""
