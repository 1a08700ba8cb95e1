"""The Python SDK and the simulacra command: what a customer imports and types."""
