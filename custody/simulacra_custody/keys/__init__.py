"""Key providers: a local keyring, Vault or OpenBao, AWS KMS, and customers' own AWS KMS keys."""
