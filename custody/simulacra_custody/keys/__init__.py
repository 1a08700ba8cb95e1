"""Key providers: local keyring, Vault or OpenBao, AWS KMS, customer keys."""
