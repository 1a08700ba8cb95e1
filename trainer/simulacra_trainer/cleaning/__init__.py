"""From a raw table to a clean one with its schema, relations and shown figures."""
