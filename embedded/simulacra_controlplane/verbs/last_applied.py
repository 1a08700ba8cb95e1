"""The way from client-side to server-side `kubectl apply`.

Client-side apply keeps its last configuration in an annotation. When the manager `kubectl` then
applies on the server, what that configuration says is its own and no conflict, and the annotation
follows. Source: apimachinery `managedfields/internal/lastapplied{manager,updater}.go`.
"""

from __future__ import annotations

import json
from typing import Any

from simulacra_controlplane.objects import Object
from simulacra_controlplane.resources import Schema
from simulacra_controlplane.verbs import fieldset
from simulacra_controlplane.verbs.fieldset import Path

MANAGER = "kubectl"
_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"


def _annotation(obj: Object) -> str | None:
    text: str | None = (obj["metadata"].get("annotations") or {}).get(_ANNOTATION)
    return text


def allowed(live: Object, schema: Schema) -> set[Path]:
    """The fields that the last client-side configuration set."""
    try:
        config = json.loads(_annotation(live) or "{}")
    except ValueError:
        return set()
    return set(fieldset.members(fieldset.owned_part(config), schema, containers=False))


def follow(live: Object, merged: Object, config: Object) -> Object:
    """The merged object with the annotation brought up to date, where the live one has it."""
    if _annotation(live) is None:
        return merged
    metadata: dict[str, Any] = {k: v for k, v in config["metadata"].items() if k != "managedFields"}
    others = {k: v for k, v in metadata.get("annotations", {}).items() if k != _ANNOTATION}
    metadata = {**metadata, "annotations": others}
    text = (
        json.dumps({**config, "metadata": metadata}, separators=(",", ":"), sort_keys=True) + "\n"
    )
    annotations = {**(merged["metadata"].get("annotations") or {}), _ANNOTATION: text}
    return {**merged, "metadata": {**merged["metadata"], "annotations": annotations}}
