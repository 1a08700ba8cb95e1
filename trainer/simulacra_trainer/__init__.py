"""The trainer: what runs inside a Job: prepare, fit, generate, estimate. Knows no Kubernetes."""
