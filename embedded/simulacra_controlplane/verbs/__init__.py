"""What a request does: read, watch, write, patch, delete, logs, and tables for kubectl."""
