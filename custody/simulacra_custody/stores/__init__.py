"""Object stores: a local directory or S3, and the mark that names a store's owner."""
