"""The custom resources as pydantic models."""
