"""Who is calling: client secrets, the built-in issuer, token verification, and the tenant behind a client."""
