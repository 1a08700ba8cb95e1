"""The tenant's usage and audit events."""
