"""What a pass sees of a resource: the objects, their conditions, its Job and pods."""
