"""Parsers of words: numbers, dates, times, periods, and orders of levels."""
