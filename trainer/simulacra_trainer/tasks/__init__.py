"""Tasks of a Job's pod (prepare, fit, generate, estimate) and their access to stored artifacts."""
