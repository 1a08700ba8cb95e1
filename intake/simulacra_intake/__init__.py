"""The way of a table into the engine and out again: hostile uploads in, clean tables inside."""
