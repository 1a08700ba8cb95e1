"""Object stores: a local directory or S3, and the store's owner mark."""
