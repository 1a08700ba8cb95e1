"""Drafts: rows from a description alone, which the answer holds and nothing keeps."""
