"""Custody of customer bytes: keys, envelope encryption, object stores and the audit log."""
