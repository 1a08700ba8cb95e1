"""A small server that speaks the part of the Kubernetes API which this product uses."""

from __future__ import annotations

from simulacra_embedded.controlplane.app import create_app
from simulacra_embedded.controlplane.store import Store

__all__ = ["Store", "create_app"]
