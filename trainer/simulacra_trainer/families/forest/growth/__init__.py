"""Growth of the samplers: the training rows, the method of each column, and its stages."""
