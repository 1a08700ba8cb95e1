"""Recognizers of text columns: each knows one form of cells."""
