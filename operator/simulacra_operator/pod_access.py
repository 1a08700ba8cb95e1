"""How pods authenticate to the store and the key provider, their egress and their compute.

Credentials are never in a Job. They are in one Secret of the operator's namespace, which is copied
into every tenant's namespace and read by `envFrom`. With workload identity there are none: pods
have annotations on their ServiceAccount, or a projected token with an audience (Vault).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from simulacra_crds.kinds.tenant import POD_SECRET
from simulacra_crds.kube.client import Object

SECRET_VARIABLE = "SIMULACRA_POD_SECRET"  # noqa: S105 - a variable's name
ANNOTATIONS_VARIABLE = "SIMULACRA_TRAINER_SA_ANNOTATIONS"
AUDIENCE_VARIABLE = "SIMULACRA_POD_TOKEN_AUDIENCE"
EGRESS_VARIABLE = "SIMULACRA_POD_EGRESS"
QUOTA_VARIABLE = "SIMULACRA_TENANT_COMPUTE"

TOKEN_FOLDER = "/var/run/secrets/simulacra.dev"  # noqa: S105 - a path
"""Folder of the projected token, a file named `token`."""
_TOKEN_SECONDS = 3600
COMPUTE = {
    "cpu": "requests.cpu",
    "memory": "requests.memory",
    "gpu": "requests.nvidia.com/gpu",
}
"""Resources of a tenant that may be limited, and their names in a ResourceQuota."""
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
        compute: what all pods of one tenant may request, by resource; absent: without limit.
    """

    secret: str | None = None
    annotations: tuple[tuple[str, str], ...] = ()
    audience: str | None = None
    egress: tuple[Object, ...] = ()
    compute: tuple[tuple[str, str], ...] = ()

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> PodAccess:
        """Read the five variables.

        Raises:
            ValueError: a variable is malformed; the message names it and gives an example.
        """
        return cls(
            secret=env.get(SECRET_VARIABLE) or None,
            annotations=tuple(sorted(_annotations(env.get(ANNOTATIONS_VARIABLE) or "{}").items())),
            audience=env.get(AUDIENCE_VARIABLE) or None,
            egress=tuple(_egress(env.get(EGRESS_VARIABLE) or "[]")),
            compute=tuple(_compute(env.get(QUOTA_VARIABLE) or "{}")),
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


def _compute(text: str) -> Iterator[tuple[str, str]]:
    """Yield the resources of a ResourceQuota, each as the API server stores it."""
    value = _json(text)
    for name, given in value.items() if isinstance(value, dict) else [("", text)]:
        if given == "":
            continue
        found = re.fullmatch("([1-9][0-9]{0,8})(Mi|Gi|Ti)?", str(given))
        if name not in COMPUTE or found is None or (found[2] is None) == (name == "memory"):
            raise ValueError(
                f"{QUOTA_VARIABLE} is malformed: set it to a JSON object of whole numbers, memory "
                'in Mi, Gi or Ti, for example {"cpu": 16, "memory": "64Gi", "gpu": 2}'
            )
        yield COMPUTE[name], canonical(int(found[1]), found[2] or "")


def canonical(count: int, unit: str = "") -> str:
    """Return a quantity as the API server stores it: 8000 as 8k, 1024Mi as 1Gi.

    Another form would differ from the stored one for ever. Source: canonical form of a quantity in
    k8s.io/apimachinery/pkg/api/resource.
    """
    units, step = (("Mi", "Gi", "Ti", "Pi"), 1024) if unit else (("", "k", "M", "G"), 1000)
    at = units.index(unit)
    while count and count % step == 0 and at + 1 < len(units):
        count, at = count // step, at + 1
    return f"{count}{units[at]}"


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
