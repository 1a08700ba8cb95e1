"""Generated rows beside real ones: columns, pairs of columns, dependences and a discriminator."""
