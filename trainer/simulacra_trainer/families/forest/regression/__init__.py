"""Regressions on earlier columns: additive, log-linear and smooth ones, and canonical variates."""
