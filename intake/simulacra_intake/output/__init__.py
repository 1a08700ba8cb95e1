"""Generated rows in the upload's own types, columns and file format."""
