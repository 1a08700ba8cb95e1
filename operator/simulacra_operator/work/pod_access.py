"""What pods get, besides the addresses of store and keys, to reach both: credentials or an identity, and a way out.

Credentials never stand in a Job: they are in one Secret of the operator's own namespace, which is copied into every
tenant's namespace and taken from there by `envFrom`. An installation with workload identity needs none: annotations
of the pods' ServiceAccount, or a projected ServiceAccount token with an audience (Vault's Kubernetes auth).
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

COPY = POD_SECRET
"""Name of the Secret in the tenants' namespaces."""
TOKEN_FOLDER = "/var/run/secrets/simulacra.dev"  # noqa: S105 - a path
"""Where the projected token is, as the file `token`."""
_TOKEN_SECONDS = 3600
_RULE = (
    '[{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}], "ports": [{"protocol": "TCP", "port": 443}]}]'
)


@dataclass(frozen=True)
class PodAccess:
    """How pods reach the store and the key provider.

    Attributes:
        secret: name of the Secret whose keys are the pods' environment variables; None: they get none.
        annotations: annotations of the pods' ServiceAccount.
        audience: audience of the projected token; None: pods have no token.
        egress: rules of the tenants' NetworkPolicy (`networking.k8s.io/v1` NetworkPolicyEgressRule).
    """

    secret: str | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    audience: str | None = None
    egress: tuple[Object, ...] = ()

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> PodAccess:
        """Read the four variables.

        Raises:
            ValueError: naming the one that is malformed and what it must look like.
        """
        return cls(
            secret=env.get(SECRET_VARIABLE) or None,
            annotations=tuple(sorted(_annotations(env.get(ANNOTATIONS_VARIABLE) or "{}").items())),
            audience=env.get(AUDIENCE_VARIABLE) or None,
            egress=tuple(_egress(env.get(EGRESS_VARIABLE) or "[]")),
        )

    def give(self, pod: Object) -> Object:
        """Return a pod's spec whose one container has the Secret's variables and the token."""
        (container,) = pod["containers"]
        if self.secret is not None:
            container = {**container, "envFrom": [{"secretRef": {"name": COPY}}]}
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
        form = '{"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/simulacra"}'
        raise ValueError(
            f"{ANNOTATIONS_VARIABLE} is malformed: set it to a JSON object of strings, for example {form}"
        )
    return value


def _egress(text: str) -> list[Object]:
    """A rule without `to` would open everything, which nobody should write by leaving something out."""
    value = _json(text)
    rules: list[Any] = value if isinstance(value, list) else [None]
    if not all(
        isinstance(rule, dict) and rule.get("to") and rule.keys() <= {"to", "ports"}
        for rule in rules
    ):
        raise ValueError(
            f"{EGRESS_VARIABLE} is malformed: set it to a JSON list of NetworkPolicy egress rules, each of which says "
            f"where `to`, for example {_RULE}"
        )
    return rules


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
