"""Shapes that all custom resources share: metadata, conditions, failures, artifacts, progress.

Field names are camelCase on the wire (Kubernetes' convention) and snake_case in Python. Every
string, list and map has a limit, because the API server holds all of them in memory.
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field
from pydantic.alias_generators import to_camel

from simulacra_schema.base import KubeModel, Timestamp, VerdictLevels, optional

GROUP = "simulacra.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "simulacra"

MIN_RETENTION_SECONDS = 10
DEFAULT_RETENTION_SECONDS = 86_400
MAX_RETENTION_SECONDS = 604_800

FINALIZER = f"{GROUP}/erasure"
"""Finalizer of each kind with customer bytes: removed once the bytes are verified absent."""

LABEL_TENANT = f"{GROUP}/tenant"
LABEL_DATASET = f"{GROUP}/dataset"
"""Name of the Dataset that a Model or a result descends from."""
LABEL_GIVEN = f"{GROUP}/given"
"""Name of the Dataset whose rows a GenerationJob completes, unless they are its Model's own."""
LABEL_KIND = f"{GROUP}/kind"
LABEL_UID = f"{GROUP}/uid"
"""On Jobs and Pods: kind and uid of their custom resource."""

ANNOTATION_ROTATION_APPROVED = f"{GROUP}/rotation-approved-until"
"""Of a Tenant: until then (RFC 3339) its clients may rotate secrets without the present one."""
ANNOTATION_KEY_LOST = f"{GROUP}/key-lost"
"""Of a Tenant in deletion whose key no provider has: erase it, and certify no destroyed key."""
ANNOTATION_REQUEST = f"{GROUP}/request-id"
"""Of a resource and its Job: the id of the request that created it, as the logs have it."""
ANNOTATION_CANCELLED = f"{GROUP}/cancelled"
"""Set by the API on cancelled work; the operator reports it."""
ANNOTATION_SUMMARY_READ = f"{GROUP}/summary-read-at"
"""Of a Model: when a client last read its wave summary, for its erasure certificate."""
ANNOTATION_DELETED = f"{GROUP}/deleted"
"""Set by the API before it deletes: a requested deletion never counts as an expiry."""
ANNOTATION_UPLOAD_STARTED = f"{GROUP}/upload-started"
ANNOTATION_UPLOAD_LEASE = f"{GROUP}/upload-lease"
"""Renewed by the API while an upload streams; the operator finds abandoned uploads by them."""
ANNOTATION_UPLOAD_PLAN = f"{GROUP}/upload-plan"
"""Of an upload: its announced bytes, a space, its SHA-256 in hex or `-`."""
ANNOTATION_UPLOAD_RECEIVED = f"{GROUP}/upload-received"
"""Of an upload in pieces: the number of stored pieces, a space, their bytes together."""

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME_PATTERN)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
WrappedKey = Annotated[str, Field(max_length=2048)]
MAX_ARTIFACTS = 1100
"""Of one resource: the 1,000 parts of a generation, or a model's files, and what describes them."""


ObservedGeneration = Annotated[
    int,
    Field(
        ge=0,
        description="The metadata.generation that the controller has seen; a smaller one than the "
        "present means that a change is still to be processed.",
    ),
]


def list_map(key: str) -> dict[str, Any]:
    """Return the schema extension of a list whose entries a field identifies."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


class Phase(StrEnum):
    """One word for people; programs read conditions."""

    PENDING = "Pending"
    RUNNING = "Running"
    HELD = "Held"
    READY = "Ready"
    PARTIAL = "Partial"
    FAILED = "Failed"
    SUSPENDED = "Suspended"
    DELETING = "Deleting"


class Condition(KubeModel):
    """A metav1.Condition."""

    type: str = Field(
        min_length=1, max_length=64, description="Name of the condition; Ready sums up the others."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it is true.")
    reason: str = Field(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z][A-Za-z0-9]*$",
        description="Why it has this status: a documented constant for programs.",
    )
    message: str = Field(
        default="", max_length=1024, description="The reason for people, without customer data."
    )
    observed_generation: ObservedGeneration = 0
    last_transition_time: Timestamp = Field(description="When its status last changed.")


class LastFailure(KubeModel):
    """Why the last attempt of the work failed, without customer data."""

    reason: str = Field(max_length=128, description="Why it failed: a reason of conditions.")
    message: str = Field(max_length=1024, description="The reason for people, and what to do.")
    exit_code: int | None = optional(
        "Exit code of the pod: 42 for the input, 43 for a stored object or key that is "
        "missing or damaged, 46 for a store, key provider or audit log that is away, 137 for "
        "memory, 143 if it was ended, 1 for an internal error."
    )
    time: Timestamp = Field(description="When it failed.")


class Progress(KubeModel):
    """Progress of a running Job: percent 0..100, and the Job's estimate of the seconds left."""

    percent: int = Field(
        ge=0, le=100, description="Share of the work done, 0 to 100, copied in steps of ten."
    )
    eta_seconds: int | None = optional("Seconds left, as the Job estimates them.", ge=0)


class Artifact(KubeModel):
    """One stored object of a resource."""

    name: str = Field(
        max_length=128, description="Name of the object below the resource's prefix in the store."
    )
    bytes: int = Field(ge=0, description="Size in bytes before encryption.")
    sha256: Sha256 = Field(description="SHA-256 before encryption, in hex.")
    rows: int | None = optional("Rows of a table.", ge=0)
    message_id: Sha256 | None = optional("Id of the stored message of a table, in hex.")
    key_arn: str | None = optional(
        "The customer's key that encrypts it; absent for the resource's own key.", max_length=256
    )


class Erasure(KubeModel):
    """Facts of a running erasure that the erasure certificate needs."""

    key_shredded_at: Timestamp | None = optional(
        "When the only copy of the key was dropped; absent without a key."
    )
    objects: int | None = optional(
        "Stored objects before the erasure; absent until they are counted.", ge=0
    )
    stored_bytes: int | None = optional("Their size in bytes, encrypted.", ge=0)


Conditions = Annotated[
    list[Condition],
    Field(
        max_length=16,
        description="The present state, one entry for each condition.",
        json_schema_extra=list_map("type"),
    ),
]
Artifacts = Annotated[
    list[Artifact],
    Field(
        max_length=MAX_ARTIFACTS,
        description="The stored artifacts, once the work has ended.",
        json_schema_extra=list_map("name"),
    ),
]


class ObjectMeta(BaseModel, alias_generator=to_camel, populate_by_name=True, extra="allow"):
    """The fields of Kubernetes' ObjectMeta that this product uses; others are kept unchanged."""

    name: str = ""
    namespace: str | None = None
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    finalizers: list[str] = Field(default_factory=list)
    owner_references: list[dict[str, Any]] = Field(default_factory=list)


class RetainedSpec(KubeModel):
    """The common spec of resources with customer bytes."""

    retention_seconds: int = Field(
        default=DEFAULT_RETENTION_SECONDS,
        ge=MIN_RETENTION_SECONDS,
        le=MAX_RETENTION_SECONDS,
        description="Seconds to keep the bytes, 10 to 604800 (7 days); default 86400 (24 h). They "
        "count from the creation of Datasets and Models, and from the end of other work. The "
        "Tenant may allow less.",
    )
    suspend: bool = Field(
        default=False, description="true stops the work without losing it; false resumes it."
    )


class WorkStatus(KubeModel):
    """The common status of resources with customer bytes."""

    phase: Phase | None = optional("One word for people; programs read conditions.")
    observed_generation: ObservedGeneration = 0
    conditions: Conditions = Field(default_factory=list)
    wrapped_key: WrappedKey | None = optional(
        "The only copy of the resource's data key, wrapped by the tenant's key."
    )
    progress: Progress | None = optional("Progress of the running work.")
    artefacts: Artifacts = Field(default_factory=list)
    expires_at: Timestamp | None = optional(
        "When it is deleted and its bytes are erased, unless its retention changes."
    )
    finished_at: Timestamp | None = optional("When the work ended, in success or failure.")
    last_failure: LastFailure | None = optional("Why the last attempt of the work failed.")
    erasure: Erasure | None = optional("Progress of the erasure during a deletion.")


class PrinterColumn(KubeModel):
    """A column of `kubectl get`; with a priority of 1 only with `-o wide`."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "date"] = "string"
    json_path: str
    priority: int | None = None


class Resource(BaseModel, alias_generator=to_camel, populate_by_name=True, extra="ignore"):
    """A custom resource. Subclasses define `spec` and `status` and how kubectl shows them."""

    PLURAL: ClassVar[str]
    SCOPE: ClassVar[Literal["Namespaced", "Cluster"]] = "Namespaced"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ()
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = ()
    SELECTABLE_FIELDS: ClassVar[tuple[str, ...]] = ()
    RULES: ClassVar[tuple[dict[str, Any], ...]] = ()
    """CEL rules over the whole object: its name, spec and status."""

    api_version: str = API_VERSION
    kind: str
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)


class WorkResource(Resource):
    """A custom resource with customer bytes, whose work is one Job."""

    spec: RetainedSpec
    status: WorkStatus


def expires_at(created: datetime, finished: datetime | None, retention_seconds: int) -> datetime:
    """Return when bytes expire: retention counts from the end of the work, else from creation.

    For datasets and models pass finished=None always: their retention counts from creation.
    """
    return (finished or created) + timedelta(seconds=retention_seconds)


def utcnow() -> datetime:
    """Return the time now, in UTC, to the microsecond."""
    return datetime.now(UTC)


_READY = '.status.conditions[?(@.type=="Ready")]'
AGE = PrinterColumn(name="Age", type="date", json_path=".metadata.creationTimestamp")
PHASE = PrinterColumn(name="Phase", json_path=".status.phase")
READY = PrinterColumn(name="Ready", json_path=f"{_READY}.status")
REASON = PrinterColumn(name="Reason", json_path=f"{_READY}.reason", priority=1)
PROGRESS = PrinterColumn(name="Progress", type="integer", json_path=".status.progress.percent")
VERDICTS = tuple(
    PrinterColumn(name=name.capitalize(), json_path=f".status.verdicts.{name}", priority=1)
    for name in VerdictLevels.model_fields
)
EXPIRES = PrinterColumn(name="Expires", json_path=".status.expiresAt", priority=1)
