"""Trees of binary splits: their growth, rows on their way down, and the donors in their leaves."""
