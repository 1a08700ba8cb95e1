"""Generations: conditions, probes, attainment and downloads."""
