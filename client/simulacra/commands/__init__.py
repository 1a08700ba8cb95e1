"""The commands of `simulacra`, most in a module for each noun; `simulacra.cli` joins them."""
