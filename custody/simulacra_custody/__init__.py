"""Custody: where customer bytes live: keys, envelope encryption, object store, audit log."""
