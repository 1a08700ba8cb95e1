"""Access requests, credential claims and secret rotation."""
