"""Dataset: the upload is complete, a `prepare` Job cleans it."""
