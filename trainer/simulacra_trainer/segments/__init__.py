"""Shares of answers in segments: partial pooling, intervals, worth and verdicts."""
