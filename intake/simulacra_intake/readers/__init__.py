"""Readers of the upload formats, each a stream of Arrow batches."""
