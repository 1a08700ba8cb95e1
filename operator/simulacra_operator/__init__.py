"""The operator: custom resources become Jobs, expiry, erasure and tenants."""
