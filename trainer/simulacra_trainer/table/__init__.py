"""Tables at the edge of the trainer: hostile uploads in, clean tables inside."""
