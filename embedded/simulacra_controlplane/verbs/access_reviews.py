"""Who am I, and may I? The holder of a token is the one administrator, so every answer is yes."""

from __future__ import annotations

from typing import Any

from simulacra_controlplane import errors
from simulacra_controlplane.objects import Object, now

USER = {"username": "embedded:admin", "groups": ["system:masters", "system:authenticated"]}


def review(kind: str, body: Any) -> Object:
    """A SelfSubjectReview or SelfSubjectAccessReview.

    Raises:
        ApiError: 400.
    """
    if not isinstance(body, dict) or body.get("kind") != kind:
        raise errors.bad_request(f"the body must be a {kind}")
    if kind == "SelfSubjectReview":
        status: dict[str, Any] = {"userInfo": USER}
    else:
        status = {
            "allowed": True,
            "reason": "the embedded control plane has one user, who may do everything",
        }
    return {**body, "metadata": {"creationTimestamp": now()}, "status": status}
