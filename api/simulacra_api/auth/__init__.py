"""Authentication: client secrets, built-in issuer, token verification, tenant lookup."""
