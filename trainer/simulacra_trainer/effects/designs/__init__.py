"""Effects by a stated design: parallel trends over waves, and instruments."""
