"""Access: signups, credential claims and secret rotation."""
