"""The confined child process that parses uploads."""
