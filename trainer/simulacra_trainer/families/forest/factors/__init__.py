"""Factor scores, through which the items of a wide battery act on later columns."""
