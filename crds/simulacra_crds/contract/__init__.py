"""Agreements of API, operator, trainer and client besides the custom resources."""
