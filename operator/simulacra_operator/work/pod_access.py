"""How pods authenticate to the store and the key provider, and which egress they have.

Credentials are never in a Job. They are in one Secret of the operator's namespace, which is copied
into every tenant's namespace and read by `envFrom`. With workload identity there are none: pods
have annotations on their ServiceAccount, or a projected token with an audience (Vault).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulacra_crds.kinds.tenant import POD_SECRET
from simulacra_crds.kube.client import Object

SECRET_VARIABLE = "SIMULACRA_POD_SECRET"  # noqa: S105 - a variable's name
ANNOTATIONS_VARIABLE = "SIMULACRA_TRAINER_SA_ANNOTATIONS"
AUDIENCE_VARIABLE = "SIMULACRA_POD_TOKEN_AUDIENCE"
EGRESS_VARIABLE = "SIMULACRA_POD_EGRESS"

TOKEN_FOLDER = "/var/run/secrets/simulacra.dev"  # noqa: S105 - a path
"""Folder of the projected token, a file named `token`."""
_TOKEN_SECONDS = 3600
_ANNOTATIONS = '{"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/simulacra"}'
_RULE = (
    '[{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"protocol": "TCP", "port": 443}]}]'
)


@dataclass(frozen=True)
class PodAccess:
    """How pods reach the store and the key provider.

    Attributes:
        secret: Secret whose keys are the pods' environment variables; None: they get none.
        annotations: annotations of the pods' ServiceAccount.
        audience: audience of the projected token; None: pods have no token.
        egress: rules of the tenants' NetworkPolicy (`NetworkPolicyEgressRule`).
    """

    secret: str | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    audience: str | None = None
    egress: tuple[Object, ...] = ()

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> PodAccess:
        """Read the four variables.

        Raises:
            ValueError: a variable is malformed; the message names it and gives an example.
        """
        return cls(
            secret=env.get(SECRET_VARIABLE) or None,
            annotations=tuple(sorted(_annotations(env.get(ANNOTATIONS_VARIABLE) or "{}").items())),
            audience=env.get(AUDIENCE_VARIABLE) or None,
            egress=tuple(_egress(env.get(EGRESS_VARIABLE) or "[]")),
        )

    def give(self, pod: Object) -> Object:
        """Return a pod spec whose one container has the Secret's variables and the token."""
        (container,) = pod["containers"]
        if self.secret is not None:
            container = {**container, "envFrom": [{"secretRef": {"name": POD_SECRET}}]}
        if self.audience is None:
            return {**pod, "containers": [container]}
        mount = {"name": "identity", "mountPath": TOKEN_FOLDER, "readOnly": True}
        token = {"audience": self.audience, "expirationSeconds": _TOKEN_SECONDS, "path": "token"}
        volume = {"name": "identity", "projected": {"sources": [{"serviceAccountToken": token}]}}
        container = {**container, "volumeMounts": [*container["volumeMounts"], mount]}
        return {**pod, "containers": [container], "volumes": [*pod["volumes"], volume]}


def _annotations(text: str) -> dict[str, str]:
    value = _json(text)
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        raise ValueError(
            f"{ANNOTATIONS_VARIABLE} is malformed: "
            f"set it to a JSON object of strings, for example {_ANNOTATIONS}"
        )
    return value


def _egress(text: str) -> list[Object]:
    """Parse the egress rules. A rule without `to` would allow every destination."""
    value = _json(text)
    rules: list[Any] = value if isinstance(value, list) else [None]
    if not all(
        isinstance(rule, dict) and rule.get("to") and rule.keys() <= {"to", "ports"}
        for rule in rules
    ):
        raise ValueError(
            f"{EGRESS_VARIABLE} is malformed: set it to a JSON list of NetworkPolicy egress "
            f"rules with a `to` each, for example {_RULE}"
        )
    return rules


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
