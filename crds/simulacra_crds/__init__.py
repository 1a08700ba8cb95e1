"""The contract of Simulacra: its custom resources, and what its components agree on besides."""
