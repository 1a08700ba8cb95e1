"""Controllers: garbage collection, namespace deletion, expiry of events."""
