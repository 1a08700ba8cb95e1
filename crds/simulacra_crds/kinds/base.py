"""Shapes that every custom resource shares: metadata, conditions, failures, artifacts, progress.

Field names are camelCase on the wire (Kubernetes' convention) and snake_case in Python.
Every string, list and map is bounded, because the API server holds all of them in memory.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

GROUP = "simulacra.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "simulacra"

MIN_RETENTION_SECONDS = 10
DEFAULT_RETENTION_SECONDS = 86_400
MAX_RETENTION_SECONDS = 604_800

FINALIZER = f"{GROUP}/erasure"
"""Finalizer of every kind that owns customer bytes: removed only after the bytes are verified absent."""

LABEL_TENANT = f"{GROUP}/tenant"
LABEL_DATASET = f"{GROUP}/dataset"
"""Name of the Dataset that a Model, GenerationJob or EffectEstimate descends from."""
LABEL_KIND = f"{GROUP}/kind"
LABEL_UID = f"{GROUP}/uid"
"""On child Jobs and Pods: the kind and uid of the custom resource they work for."""

ANNOTATION_CANCELLED = f"{GROUP}/cancelled"
"""Set by the API on work that its owner cancelled; the operator announces it."""
ANNOTATION_UPLOAD_STARTED = f"{GROUP}/upload-started"
ANNOTATION_UPLOAD_LEASE = f"{GROUP}/upload-lease"
"""Kept by the API while an upload streams; the operator tells abandoned uploads by them."""
ANNOTATION_UPLOAD_PLAN = f"{GROUP}/upload-plan"
"""Of an upload: its bytes as they were announced, a space, its SHA-256 in hex or `-`."""
ANNOTATION_UPLOAD_RECEIVED = f"{GROUP}/upload-received"
"""Of an upload in pieces: how many pieces are stored, a space, their bytes together."""

NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME_PATTERN)]
ColumnName = Annotated[str, Field(min_length=1, max_length=256)]
Level = Annotated[str, Field(max_length=512)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
WrappedKey = Annotated[str, Field(max_length=2048)]
Timestamp = Annotated[datetime, Field(json_schema_extra={"format": "date-time"})]


class KubeModel(BaseModel):
    """Base of all shapes on the wire: camelCase aliases, unknown fields refused."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", use_enum_values=True
    )

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object as the API server wants it: aliases, no nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Phase(StrEnum):
    """One word for people; programs read conditions."""

    PENDING = "Pending"
    RUNNING = "Running"
    READY = "Ready"
    PARTIAL = "Partial"
    FAILED = "Failed"
    SUSPENDED = "Suspended"
    DELETING = "Deleting"


_GENERATION = "The metadata.generation that this was written for; a smaller one means that a change is still to be seen."


class Condition(KubeModel):
    """A metav1.Condition."""

    type: str = Field(
        min_length=1, max_length=64, description="What may be true; Ready sums up the others."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it is true.")
    reason: str = Field(
        min_length=1,
        max_length=128,
        pattern=r"^[A-Za-z][A-Za-z0-9]*$",
        description="Why it has this status: one of the documented constants, which programs may rely on.",
    )
    message: str = Field(
        default="", max_length=1024, description="The same for people, without customer data."
    )
    observed_generation: int = Field(default=0, ge=0, description=_GENERATION)
    last_transition_time: Timestamp = Field(description="When its status last changed.")


class LastFailure(KubeModel):
    """Why the last attempt of the work failed, without customer data."""

    reason: str = Field(max_length=128, description="Why: a reason of conditions.")
    message: str = Field(
        max_length=1024, description="The same for people, and what to do about it."
    )
    exit_code: int | None = Field(
        default=None,
        description="Exit code of the pod: 42 the input, 43 store or key, 1 a fault of ours.",
    )
    time: Timestamp = Field(description="When it failed.")


class Progress(KubeModel):
    """How far a running Job is: percent 0..100, seconds left as estimated by the Job itself."""

    percent: int = Field(
        ge=0, le=100, description="How much is done, 0 to 100; copied in steps of ten."
    )
    eta_seconds: int | None = Field(
        default=None, ge=0, description="Seconds that are left, as the Job estimates it."
    )


class Artifact(KubeModel):
    """One stored object of a resource."""

    name: str = Field(
        max_length=128, description="Name of the object below the resource's prefix in the store."
    )
    bytes: int = Field(ge=0, description="Size in bytes before it was encrypted.")
    sha256: Sha256 = Field(description="SHA-256 before it was encrypted, in hex.")
    rows: int | None = Field(default=None, ge=0, description="Rows, of a table.")
    key_arn: str | None = Field(
        default=None,
        max_length=256,
        description="The customer's key that it is under; the resource's own when absent.",
    )


class Erasure(KubeModel):
    """What an erasure under way has found out and would forget: the erasure certificate is made from it."""

    key_shredded_at: Timestamp | None = Field(
        default=None,
        description="When the only copy of the key was dropped; absent if there was none.",
    )
    objects: int | None = Field(
        default=None,
        ge=0,
        description="Stored objects before the first of them was erased; absent until counted.",
    )
    stored_bytes: int | None = Field(
        default=None, ge=0, description="Their size in bytes, encrypted."
    )


Conditions = Annotated[
    list[Condition],
    Field(
        max_length=16,
        description="What is true of it now, and why.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
Artifacts = Annotated[
    list[Artifact],
    Field(
        max_length=1100,
        description="What is stored for it, once the work has ended.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    ),
]


class ObjectMeta(BaseModel):
    """The part of Kubernetes' ObjectMeta that this product reads and writes; the rest is carried along."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

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
    """What the spec of every resource with customer bytes has in common."""

    retention_seconds: int = Field(
        default=DEFAULT_RETENTION_SECONDS,
        ge=MIN_RETENTION_SECONDS,
        le=MAX_RETENTION_SECONDS,
        description=(
            "Seconds that the bytes live, 10 to 604800 (7 days); default 86400 (24 h). Datasets and Models count from "
            "their creation, results from their end. The Tenant may allow less."
        ),
    )
    suspend: bool = Field(
        default=False, description="true stops the work without losing it; false resumes it."
    )


class WorkStatus(KubeModel):
    """What the status of every resource with customer bytes has in common."""

    phase: Phase | None = Field(
        default=None, description="One word for people; programs read conditions."
    )
    observed_generation: int = Field(default=0, ge=0, description=_GENERATION)
    conditions: Conditions = Field(default_factory=list)
    wrapped_key: WrappedKey | None = Field(
        default=None,
        description="The resource's data key, wrapped by the tenant's key; the only copy there is.",
    )
    progress: Progress | None = Field(default=None, description="How far the running work is.")
    artefacts: Artifacts = Field(default_factory=list)
    expires_at: Timestamp | None = Field(
        default=None,
        description="When it is deleted and its bytes are erased, unless the retention is changed before.",
    )
    finished_at: Timestamp | None = Field(
        default=None, description="When the work ended, well or not."
    )
    last_failure: LastFailure | None = Field(
        default=None, description="Why the last attempt of the work failed."
    )
    erasure: Erasure | None = Field(
        default=None, description="How far the erasure is, of one that is being deleted."
    )


class PrinterColumn(KubeModel):
    """A column of `kubectl get`."""

    name: str
    type: Literal["string", "integer", "number", "boolean", "date"]
    json_path: str
    priority: int | None = None
    description: str | None = None


class Resource(BaseModel):
    """A custom resource. Subclasses narrow `spec` and `status` and describe how kubectl shows them."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    PLURAL: ClassVar[str]
    SCOPE: ClassVar[Literal["Namespaced", "Cluster"]] = "Namespaced"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ()
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = ()
    SELECTABLE_FIELDS: ClassVar[tuple[str, ...]] = ()
    RULES: ClassVar[tuple[dict[str, Any], ...]] = ()
    """CEL rules over the whole object, of which they see the name, spec and status."""

    api_version: str = API_VERSION
    kind: str
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)


def expires_at(created: datetime, finished: datetime | None, retention_seconds: int) -> datetime:
    """Return when bytes expire: retention counts from the end of the work, until then from creation.

    For datasets and models pass finished=None always: their clock starts at creation.
    """
    return (finished or created) + timedelta(seconds=retention_seconds)


def utcnow() -> datetime:
    """Return the time now, in UTC, to the microsecond."""
    return datetime.now(UTC)


AGE = PrinterColumn(name="Age", type="date", json_path=".metadata.creationTimestamp")
PHASE = PrinterColumn(name="Phase", type="string", json_path=".status.phase")
READY = PrinterColumn(
    name="Ready", type="string", json_path='.status.conditions[?(@.type=="Ready")].status'
)
REASON = PrinterColumn(
    name="Reason",
    type="string",
    json_path='.status.conditions[?(@.type=="Ready")].reason',
    priority=1,
)
PROGRESS = PrinterColumn(name="Progress", type="integer", json_path=".status.progress.percent")
EXPIRES = PrinterColumn(name="Expires", type="string", json_path=".status.expiresAt", priority=1)
