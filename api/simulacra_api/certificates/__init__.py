"""Erasure certificates, checkpoints and the keys that verify them."""
