"""What API, operator, trainer and client agree on besides the kinds."""
