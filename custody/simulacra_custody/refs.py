"""Names of artifacts: their object keys and the encryption contexts that bind them there."""

import re
from dataclasses import dataclass
from typing import Self

PART = re.compile(r"[a-z0-9][a-z0-9._-]{0,250}")
"""One part of an object key: lower case, at most 251 characters, a legal file name everywhere."""


def check_part(part: str, field: str) -> None:
    """Reject a part that could leave its folder or differ between file systems.

    Raises:
        ValueError: names ``field`` and the rule, never the value.
    """
    if not PART.fullmatch(part) or ".." in part:
        raise ValueError(f"{field} must match ^{PART.pattern}$ and not contain '..'")


@dataclass(frozen=True, slots=True, order=True)
class ResourceRef:
    """A custom resource that owns artifacts.

    Attributes:
        kind: lower-case plural of its kind: ``datasets``, ``models`` and so on.
    """

    tenant: str
    kind: str
    uid: str

    def __post_init__(self) -> None:
        for field in ("tenant", "kind", "uid"):
            check_part(getattr(self, field), field)

    @property
    def prefix(self) -> str:
        """The resource's folder, ending in ``/``."""
        return f"tenants/{self.tenant}/{self.kind}/{self.uid}/"

    @property
    def encryption_context(self) -> dict[str, str]:
        """The context of the resource's wrapped data key."""
        return {"tenant": self.tenant, "kind": self.kind, "uid": self.uid}

    def artifact(self, name: str) -> "ArtifactRef":
        """Return an artifact of this resource, e.g. ``raw`` or ``parts/00000.parquet``."""
        return ArtifactRef(self.tenant, self.kind, self.uid, name)


@dataclass(frozen=True, slots=True, order=True)
class ArtifactRef:
    """An artifact of a resource; its ``name`` may contain one ``/``."""

    tenant: str
    kind: str
    uid: str
    name: str

    def __post_init__(self) -> None:
        parts = self.name.split("/")
        if len(parts) > 2:
            raise ValueError("artifact may contain at most one '/'")
        for part in parts:
            check_part(part, "artifact")
        _ = self.resource

    @property
    def resource(self) -> ResourceRef:
        """The resource that owns the artifact."""
        return ResourceRef(self.tenant, self.kind, self.uid)

    @property
    def key(self) -> str:
        """The object key, ``tenants/<tenant>/<kind>/<uid>/<artifact>``."""
        return self.resource.prefix + self.name

    @property
    def encryption_context(self) -> dict[str, str]:
        """The context of the artifact's message; the name ``artefact`` is stored in every one."""
        return {**self.resource.encryption_context, "artefact": self.name}

    @classmethod
    def from_key(cls, key: str) -> Self:
        """Return the artifact of an object key. Raises ValueError for any other key."""
        root, _, path = key.partition("/")
        parts = path.split("/", 3)
        if root != "tenants" or len(parts) != 4:
            raise ValueError("an artifact's key is tenants/<tenant>/<kind>/<uid>/<artifact>")
        return cls(*parts)
