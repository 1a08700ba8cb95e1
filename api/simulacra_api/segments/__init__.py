"""Segment estimates: shares of answers in segments, with interval, worth and verdict."""
