"""What an object may look like: schemas, defaults, pruning, validation, CEL, CRDs."""
