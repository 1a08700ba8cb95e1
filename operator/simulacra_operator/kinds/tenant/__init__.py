"""Tenant: a namespace with its guard rails, and a key that is proven to work."""
