"""Effect estimates."""
