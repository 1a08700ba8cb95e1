"""Uploads of seed tables: in one request or in pieces, checked and encrypted while they arrive."""
