"""The machinery around the reconcilers: queue, controller, executor, leadership, kopf."""
