"""The commands of `simulacra`, one module for each noun of the API; `simulacra.cli` joins them."""
