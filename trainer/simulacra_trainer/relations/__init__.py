"""Relations between numbers that hold in every row: found, left out of learning, kept."""
