"""Personal data and persons in a table: found, never learned, and counted once each."""
