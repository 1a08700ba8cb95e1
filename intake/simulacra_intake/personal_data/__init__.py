"""Personal data, known by their form and by the names of columns."""
