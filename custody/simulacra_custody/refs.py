"""Names of customer artefacts: the object keys they live under and the encryption context that binds them there."""

import re
from dataclasses import dataclass
from typing import Self

PART = re.compile(r"[a-z0-9][a-z0-9._-]{0,250}")
"""One path part of an object key: lower case, at most 251 characters, so that it is a legal file name everywhere."""


def check_part(part: str, field: str) -> None:
    """Refuse a path part that could leave its folder or differ between file systems.

    Raises:
        ValueError: naming ``field`` and the rule, never the value.
    """
    if not PART.fullmatch(part) or ".." in part:
        raise ValueError(f"{field} must match ^{PART.pattern}$ and not contain '..'")


@dataclass(frozen=True, slots=True, order=True)
class ResourceRef:
    """One custom resource that owns artifacts.

    Attributes:
        tenant: tenant name.
        kind: lower-case plural: ``datasets``, ``models``, ``generationjobs``, ``effectestimates``.
        uid: the resource's uid.
    """

    tenant: str
    kind: str
    uid: str

    def __post_init__(self) -> None:
        for field in ("tenant", "kind", "uid"):
            check_part(getattr(self, field), field)

    @property
    def prefix(self) -> str:
        """The folder of the resource, ending in ``/``."""
        return f"tenants/{self.tenant}/{self.kind}/{self.uid}/"

    @property
    def encryption_context(self) -> dict[str, str]:
        """The context that the resource's data key is wrapped in."""
        return {"tenant": self.tenant, "kind": self.kind, "uid": self.uid}

    def artifact(self, name: str) -> "ArtifactRef":
        """One artifact of this resource, e.g. ``raw`` or ``parts/00000.parquet``."""
        return ArtifactRef(self.tenant, self.kind, self.uid, name)


@dataclass(frozen=True, slots=True, order=True)
class ArtifactRef:
    """One artifact of one resource; ``artefact`` may hold one ``/``."""

    tenant: str
    kind: str
    uid: str
    artefact: str

    def __post_init__(self) -> None:
        parts = self.artefact.split("/")
        if len(parts) > 2:
            raise ValueError("artefact may contain at most one '/'")
        for part in parts:
            check_part(part, "artefact")
        _ = self.resource

    @property
    def resource(self) -> ResourceRef:
        """The resource that owns the artifact."""
        return ResourceRef(self.tenant, self.kind, self.uid)

    @property
    def key(self) -> str:
        """The object key, ``tenants/<tenant>/<kind>/<uid>/<artifact>``."""
        return self.resource.prefix + self.artefact

    @property
    def encryption_context(self) -> dict[str, str]:
        """The context that the artifact's message is bound to."""
        return {**self.resource.encryption_context, "artefact": self.artefact}

    @classmethod
    def from_key(cls, key: str) -> Self:
        """The artifact that lives under an object key; ValueError if none can."""
        root, _, path = key.partition("/")
        parts = path.split("/", 3)
        if root != "tenants" or len(parts) != 4:
            raise ValueError("an artefact's key is tenants/<tenant>/<kind>/<uid>/<artefact>")
        return cls(*parts)
