"""The customer's commands; `simulacra.cli` puts them together."""
