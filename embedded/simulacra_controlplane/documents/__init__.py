"""Documents of discovery and OpenAPI."""
