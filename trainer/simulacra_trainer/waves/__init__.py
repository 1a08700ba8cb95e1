"""What moved between the waves of repeated cross-sections, how surely, and by whom it was moved."""
