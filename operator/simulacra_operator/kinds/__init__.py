"""One module or package per custom resource kind: its facts, decisions and status."""
