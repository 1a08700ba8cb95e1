"""The contract between the operator and the pods it starts.

The operator writes an encrypted `request` artifact (parameters: customer data) under the resource that the work is
for, and starts a Job whose container gets only names and wrapped keys, in the environment variable SIMULACRA_TASK.
The pod answers with artifacts, an exit code and a TaskResult in its termination message (4 KiB at most, without
customer data). What a customer needs to know about a failure in terms of their own data goes to the encrypted
`failure` artifact.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Literal

from pydantic import Field

from simulacra_crds.kinds.base import (
    Artifact,
    ColumnName,
    KubeModel,
    Name,
    Progress,
    Sha256,
    WrappedKey,
)
from simulacra_crds.kinds.dataset import FileFormat, ReadSource
from simulacra_crds.kinds.effect_estimate import Estimate
from simulacra_crds.kinds.generation_job import Attainment, ConditionSet
from simulacra_crds.kinds.model import DifferentialPrivacy, FamilyName, Knowledge

TASK_ENV = "SIMULACRA_TASK"
TERMINATION_PATH_ENV = "SIMULACRA_TERMINATION_PATH"
"""Where to write the TaskResult; /dev/termination-log when unset."""
SHARD_ENV = "JOB_COMPLETION_INDEX"
SOURCE_VARIABLES = {
    "SIMULACRA_SOURCE_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "SIMULACRA_SOURCE_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    "SIMULACRA_SOURCE_SESSION_TOKEN": "AWS_SESSION_TOKEN",
}
"""Variables of a pod that reads a source with a Secret of the tenant's, and the keys of that Secret that they hold."""
TERMINATION_LIMIT = 4096


class ExitCode(IntEnum):
    """What a pod's exit code means. The Job's podFailurePolicy acts on it."""

    OK = 0
    INTERNAL = 1
    """Unexpected: retried up to backoffLimit."""
    USER_ERROR = 42
    """The customer's input cannot be worked with: the Job fails at once."""
    CUSTODY = 43
    """Store or key unavailable: retried."""
    PEER = 44
    """Another worker of the same fit ended: retried. The fault is where that one says it is."""


# Artifact names, by resource.
UPLOAD = "upload"
UPLOAD_PIECES = "upload-pieces/"
"""Of an upload in pieces, until they are joined; the number of the piece follows."""
DATASET = "dataset.parquet"
SCHEMA = "schema.json"
REQUEST = "request.json"
SOURCE = "source.json"
FAILURE = "failure.json"
PROGRESS = "progress.json"
REPORT = "report.json"
REPORT_PAGE = "report.html"
GRAPH = "graph.json"
ESTIMATE = "estimate.json"
ATTAINMENT = "attainment.json"
IDENTIFICATION = "identification.json"
MODEL_PREFIX = "model/"
"""Files of a fitted model directory are stored as model/<file>."""
CHECKPOINT_PREFIX = "checkpoint/"
"""What a fit that is cut short left for the next try of it."""
PART_PREFIX = "parts/"


def part_name(shard: int) -> str:
    """Return the artifact name of a shard's Parquet part."""
    return f"{PART_PREFIX}{shard:05d}.parquet"


class KeyedRef(KubeModel):
    """A resource and its wrapped data key: what is needed to reach its artifacts."""

    kind: Literal["datasets", "models", "generationjobs", "effectestimates"]
    uid: str = Field(max_length=64)
    wrapped_key: WrappedKey


class CustomerKeyRef(KubeModel):
    """A customer's own key and how it is reached, as the Tenant's spec.encryption says it."""

    key_arn: str = Field(max_length=256)
    role_arn: str | None = Field(default=None, max_length=256)
    external_id: str | None = Field(default=None, max_length=128)


class TaskSpec(KubeModel):
    """What one pod is to do; with a customer's key, the rows that it generates are under that key and no other.

    shards: pods that share the work: parts of a generation, workers of a fit.
    """

    task: Literal["prepare", "fit", "generate", "estimate"]
    tenant: Name
    resource: KeyedRef
    dataset: KeyedRef | None = None
    model: KeyedRef | None = None
    shards: int = Field(default=1, ge=1)
    customer_key: CustomerKeyRef | None = None


class SourceRequest(KubeModel):
    """An object to read in the place of an upload, and as whom.

    Attributes:
        uri: ``s3://bucket/key``.
        limit: bytes that it may have.
        sha256: digest that it must have, None for any; `bytes`: the same of its size.
        endpoint: base URL of the store, None for AWS's own; `region`: None for us-east-1.
        role_arn: role to assume; None: the credentials are in SOURCE_VARIABLES.
        external_id: what the role's trust policy asks for.
    """

    uri: str = Field(max_length=1100)
    limit: int = Field(ge=1)
    sha256: Sha256 | None = None
    bytes: int | None = None
    endpoint: str | None = None
    region: str | None = None
    role_arn: str | None = None
    external_id: str | None = None


class PrepareRequest(KubeModel):
    """Parameters of prepare: the stated format, where bytes are that were not uploaded, the column of weights."""

    format: Literal["auto", FileFormat] = "auto"
    source: SourceRequest | None = None
    weights: ColumnName | None = None


class FitRequest(KubeModel):
    """Parameters of fit."""

    family: FamilyName = "auto"
    knowledge: Knowledge = Field(default_factory=Knowledge)
    privacy: DifferentialPrivacy | None = None
    seed: int = 0
    gpu: int = 0


class GenerateRequest(KubeModel):
    """Parameters of generate; interventions as REST writes them: {column: number or level}. With counterfactual, rows
    come in pairs of a row and its twin under the interventions.
    """

    row_count: int
    conditions: ConditionSet = Field(default_factory=ConditionSet)
    interventions: dict[str, Any] = Field(default_factory=dict)
    counterfactual: bool = False
    seed: int = 0


class EstimateRequest(KubeModel):
    """Parameters of estimate."""

    treatment: str
    value: float | str
    baseline: float | str
    outcome: str
    segment: str | None = None


class TaskResult(KubeModel):
    """What a pod says at its end. No customer data: reason is a constant, message is about kinds and limits."""

    outcome: Literal["Succeeded", "Failed"]
    reason: str = Field(max_length=128)
    message: str = Field(default="", max_length=1024)
    artefacts: list[Artifact] = Field(default_factory=list, max_length=16)
    rows: int | None = None
    columns: int | None = None
    source: ReadSource | None = None
    family: FamilyName | None = None
    figures: dict[str, float] = Field(default_factory=dict, max_length=32)
    attainment: Attainment | None = None
    identified: bool | None = None
    estimate: Estimate | None = None


class Failure(KubeModel):
    """The encrypted `failure` artefact: for the customer's eyes, may name columns."""

    reason: str
    detail: str
    pointer: str | None = None


class ProgressReport(Progress):
    """The encrypted `progress` artifact, rewritten at most once a second."""

    step: str = Field(max_length=64)
