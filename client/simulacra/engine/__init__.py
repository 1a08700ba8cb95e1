"""The engine in this process, without a server: fit, generate, estimate, report, save, load.

It runs the pipeline of the pods (`simulacra_trainer.in_process`). No other module of the client
imports the engine, and this package does so only when it is used (ADR 0067).
"""
