"""What `simulacra up` does: one data directory (`datadir`), five programs (`child`, `programs`), first steps
(`bootstrap`), and the order of starting and stopping them (`supervise`).
"""
