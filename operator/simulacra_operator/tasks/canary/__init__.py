"""The canary: a tenant of the installation whose marks are looked for after their erasure."""
