"""Which resources are served: the built-in table and what the stored CRDs add."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from simulacra_controlplane.errors import qualified

Schema = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One printer column: its head and the JSONPath of its cell."""

    name: str
    type: str
    path: str
    description: str = ""
    priority: int = 0
    format: str = ""


@dataclass(frozen=True)
class Resource:
    """One served resource in one version.

    Attributes:
        storage: Key of the objects in the store, shared by all versions of the resource.
        status: Whether `/status` is a subresource (spec and status are then written apart).
        schema: Structural schema of the whole object (custom resources), else None: built-ins have
            theirs by kind.
        generation: Whether `metadata.generation` is kept.
        returns_deleted: Whether DELETE answers with the object instead of a Status.
        create_on_update: Whether PUT creates what is not there.
    """

    group: str
    version: str
    plural: str
    singular: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = False
    custom: bool = False
    generation: bool = False
    returns_deleted: bool = False
    create_on_update: bool = False
    schema: Schema = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    selectable: tuple[str, ...] = ()

    @property
    def storage(self) -> str:
        """The plural with its group: `jobs.batch`."""
        return qualified(self.plural, self.group)

    @property
    def api_version(self) -> str:
        """`batch/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def verbs(self) -> list[str]:
        """The verbs of discovery."""
        return ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]

    @property
    def subresources(self) -> list[str]:
        """Names of the served subresources."""
        names = ["status"] if self.status else []
        if self.storage == "namespaces":
            names.append("finalize")
        if self.storage == "pods":
            names.append("log")
        return names


def _builtin(
    group: str, plural: str, kind: str, short: str = "", flags: str = "", category: str = ""
) -> Resource:
    """Return a resource with these words as its flags; `cluster`: it is in no namespace."""
    words: dict[str, Any] = dict.fromkeys(flags.split(), True)
    return Resource(
        group,
        "v1",
        plural,
        kind.lower(),
        kind,
        namespaced=not words.pop("cluster", False),
        short_names=tuple(short.split()),
        categories=(category,) if category else (),
        **words,
    )


BUILTINS: tuple[Resource, ...] = (
    _builtin("", "configmaps", "ConfigMap", "cm"),
    _builtin("", "events", "Event", "ev"),
    _builtin("", "limitranges", "LimitRange", "limits"),
    _builtin("", "namespaces", "Namespace", "ns", "cluster status"),
    _builtin("", "nodes", "Node", "no", "cluster status"),
    _builtin("", "pods", "Pod", "po", "status generation returns_deleted", "all"),
    _builtin("", "resourcequotas", "ResourceQuota", "quota", "status returns_deleted"),
    _builtin("", "secrets", "Secret"),
    _builtin("", "serviceaccounts", "ServiceAccount", "sa", "returns_deleted"),
    _builtin("", "services", "Service", "svc", "status returns_deleted", "all"),
    _builtin(
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        "crd crds",
        "cluster status generation",
        "api-extensions",
    ),
    _builtin("batch", "jobs", "Job", "", "status generation", "all"),
    _builtin("coordination.k8s.io", "leases", "Lease", "", "create_on_update"),
    _builtin("networking.k8s.io", "networkpolicies", "NetworkPolicy", "netpol", "generation"),
    _builtin("scheduling.k8s.io", "priorityclasses", "PriorityClass", "pc", "cluster generation"),
)


class Registry:
    """The served resources, found by path and by kind."""

    def __init__(self) -> None:
        self._custom: dict[str, list[Resource]] = {}

    def set_custom(self, crd: str, resources: list[Resource]) -> None:
        """Serve these versions for a CRD (an empty list stops serving it)."""
        self._custom[crd] = resources
        if not resources:
            del self._custom[crd]

    def __iter__(self) -> Iterator[Resource]:
        yield from BUILTINS
        for resources in self._custom.values():
            yield from resources

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource at a path."""
        return next(
            (r for r in self if (r.plural, r.version, r.group) == (plural, version, group)), None
        )

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        """The resource of a kind, as ownerReferences name it (any version of the group serves)."""
        group = api_version.rpartition("/")[0]
        return next((r for r in self if r.kind == kind and r.group == group), None)

    def by_storage(self, storage: str) -> Resource | None:
        """A resource that presents this storage key."""
        return next((r for r in self if r.storage == storage), None)

    def groups(self) -> dict[str, list[str]]:
        """Versions by group, the core group first."""
        found: dict[str, list[str]] = {}
        for resource in self:
            versions = found.setdefault(resource.group, [])
            if resource.version not in versions:
                versions.append(resource.version)
        return found
