"""Contract between the operator and the pods that it starts.

The operator writes an encrypted `request` artifact (parameters: customer data) of the resource and
starts a Job whose container gets only names and wrapped keys, in the environment variable
SIMULACRA_TASK. The pod answers with artifacts, an exit code and a TaskResult in its termination
message (at most 4 KiB, without customer data). A longer one is stored as an artifact, and the
message has its digest. The reason of a failure in terms of the customer's data is in the encrypted
`failure` artifact.
"""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from simulacra_crds.kinds.base import MAX_ARTIFACTS, Artifact, Name, Progress, Sha256, WrappedKey
from simulacra_crds.kinds.dataset import DescriptionCounts, FileFormat, ReadSource
from simulacra_crds.registry import Plural, Task
from simulacra_schema.base import ColumnName, Figures, KubeModel, Timestamp, VerdictKind, level_of
from simulacra_schema.completion import CompletionFigures, GivenOptions
from simulacra_schema.faults import FieldError
from simulacra_schema.questions.effect import EffectQuestion, Estimate
from simulacra_schema.questions.fit import FamilyName, FitQuestion, check_strict
from simulacra_schema.questions.rows import (
    MAX_PERSONS,
    MAX_ROWS,
    Attainment,
    RowsQuestion,
    plain,
)
from simulacra_schema.questions.segments import SegmentsQuestion, SegmentSummary
from simulacra_schema.questions.sheet import SheetLever, SheetQuestion, SheetSummary

Columns = Annotated[list[ColumnName], Field(max_length=2_000)]

TASK_ENV = "SIMULACRA_TASK"
TERMINATION_PATH_ENV = "SIMULACRA_TERMINATION_PATH"
"""Path of the TaskResult; /dev/termination-log when unset."""
SHARD_ENV = "JOB_COMPLETION_INDEX"
SOURCE_VARIABLES = {
    "SIMULACRA_SOURCE_ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "SIMULACRA_SOURCE_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    "SIMULACRA_SOURCE_SESSION_TOKEN": "AWS_SESSION_TOKEN",
}
"""Variables of a pod that reads a source with a tenant's Secret, and their keys in that Secret."""
TERMINATION_LIMIT = 4096
SILENCE_S = 10
"""Seconds after a report from which its estimate counts as outdated."""
MAX_ERRORS = 100
"""Errors of a description that are returned at once."""


class ExitCode(IntEnum):
    """Exit codes of a pod, for the Job's podFailurePolicy."""

    OK = 0
    INTERNAL = 1
    """Internal error: retried up to backoffLimit."""
    USER_ERROR = 42
    """The customer's input is unusable: the Job fails at once."""
    CUSTODY = 43
    """A stored object is missing or damaged, or a source refuses: retried up to backoffLimit."""
    PEER = 44
    """Another worker of the fit ended: retried. The cause is in that worker's result."""
    PERMANENT = 45
    """Internal error that every further attempt would meet: the Job fails at once."""
    OUTAGE = 46
    """Store or key provider away: retried until the Job's deadline, and counted as no attempt."""
    KILLED = 137
    """SIGKILL, for its memory unless somebody ended the pod: the Job fails at once."""
    TERMINATED = 143
    """SIGTERM: somebody ended the pod. Retried."""


LASTING = (ExitCode.USER_ERROR, ExitCode.PERMANENT, ExitCode.KILLED)
"""Exit codes that the next attempt would have as well."""


# Artifact names, by resource.
UPLOAD = "upload"
UPLOAD_PIECES = "upload-pieces/"
"""Pieces of an upload until they are joined; the number of the piece follows."""
DATASET = "dataset.parquet"
SCHEMA = "schema.json"
STATED_DESCRIPTION = "description-stated.json"
"""Of a Dataset: the description as the customer sent it, stored before prepare reads it."""
DESCRIPTION = "description.json"
"""Of a Dataset: the description of all columns, completed by prepare and returned to customers."""
EARLIER = "earlier.json"
"""Of a Dataset: the summary of earlier waves that the customer handed back."""
GIVEN = "given.parquet"
"""Of a Dataset with purpose Given: its rows as read."""
READ_TABLE = "read.parquet"
"""Of a Dataset: the table as read, before cleaning, if the customer keeps it."""
REQUEST = "request.json"
SOURCE = "source.json"
FAILURE = "failure.json"
PROGRESS = "progress.json"
REPORT = "report.json"
REPORT_PAGE = "report.html"
GRAPH = "graph.json"
SUMMARY = "summary.json"
"""Of a Model: the summary of its waves, for the customer to keep."""
SUMMARY_SIGNATURE = "summary.jws"
"""Of a Model: the operator's signature of the summary's digest."""
ESTIMATE = "estimate.json"
SEGMENTS = "segments.json"
SHEET = "sheet.json"
SHEET_PAGE = "sheet.html"
SHEET_WORKBOOK = "sheet.xlsx"
ATTAINMENT = "attainment.json"
IDENTIFICATION = "identification.json"
EVIDENCE = "evidence.json"
COMPLETION = "completion.json"
MODEL_PREFIX = "model/"
"""Files of a fitted model directory are stored as model/<file>."""
CHECKPOINT_PREFIX = "checkpoint/"
"""Checkpoints of an interrupted fit for its next attempt."""
PART_PREFIX = "parts/"
RESULT_PREFIX = "results/"
"""Results of pods that are longer than a termination message."""
RESULT_LIMIT = 1 << 20
"""Bytes of a stored result; MAX_ARTIFACTS artifacts take 300 KiB."""


def part_name(shard: int) -> str:
    """Return the artifact name of a shard's Parquet part."""
    return f"{PART_PREFIX}{shard:05d}.parquet"


def result_name(shard: int) -> str:
    """Return the artifact name of a shard's result that is longer than a termination message."""
    return f"{RESULT_PREFIX}{shard:05d}.json"


class KeyedRef(KubeModel):
    """A resource and its wrapped data key, to read and write its artifacts."""

    kind: Plural
    uid: str = Field(max_length=64)
    wrapped_key: WrappedKey


class CustomerKeyRef(KubeModel):
    """A customer's own key and the role to reach it, from the Tenant's spec.encryption."""

    key_arn: str = Field(max_length=256)
    role_arn: str | None = Field(default=None, max_length=256)
    external_id: str | None = Field(default=None, max_length=128)


class TaskSpec(KubeModel):
    """The task of a pod; with a customer's key, generated rows are under that key only.

    shards: pods that share the work: parts of a generation, workers of a fit. given: the Dataset
    whose rows are completed; None for those of the model's own.
    """

    task: Task
    tenant: Name
    resource: KeyedRef
    dataset: KeyedRef | None = None
    model: KeyedRef | None = None
    given: KeyedRef | None = None
    shards: int = Field(default=1, ge=1)
    customer_key: CustomerKeyRef | None = None


class SourceRequest(KubeModel):
    """An object to read instead of an upload, and its access.

    Attributes:
        uri: ``s3://bucket/key``.
        limit: largest size in bytes.
        sha256: expected digest, None for any.
        bytes: expected size, None for any.
        endpoint: base URL of the store, None for AWS.
        region: None for us-east-1.
        role_arn: role to assume; None: the credentials are in SOURCE_VARIABLES.
        external_id: external id in the role's trust policy.
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
    """Parameters of prepare.

    A prepare whose description has another digest than that of the stored schema reads again: from
    the upload if it is there, else from READ_TABLE.

    Attributes:
        format: of the file.
        source: object to read instead of an upload.
        weights: column of survey weights; must agree with the description.
        description_sha256: digest of the artifact STATED_DESCRIPTION; None without a description.
        keep_source: store READ_TABLE, until the dataset is erased.
        hold: leave the upload, so that it can be read again with another description.
        given: store the rows as read, to be completed; no model is fit on them.
        earlier_sha256: digest of the artifact EARLIER; None without a summary of earlier waves.
    """

    format: Literal["auto", FileFormat] = "auto"
    source: SourceRequest | None = None
    weights: ColumnName | None = None
    description_sha256: Sha256 | None = None
    keep_source: bool = False
    hold: bool = False
    given: bool | None = None
    earlier_sha256: Sha256 | None = None


class FitRequest(FitQuestion):
    """Parameters of fit; gpu: of one worker."""

    seed: int = 0
    gpu: int = 0

    @model_validator(mode="after")
    def _check_privacy_level(self) -> FitRequest:
        if self.privacy_level == "strict":
            check_strict(self.family, self.privacy, self.gpu)
        return self


class GenerateRequest(RowsQuestion[Any]):
    """Parameters of generate, with interventions as in REST: {column: number or level}.

    With persons, rows are linked: this many persons with their histories, whatever row_count says.
    """

    row_count: int = Field(default=0, ge=0, le=MAX_ROWS)
    persons: int | None = Field(default=None, ge=1, le=MAX_PERSONS)
    interventions: dict[str, Any] = Field(default_factory=dict)
    given: GivenOptions | None = None
    seed: int = 0


def _plain(value: Any) -> Any:
    """Return the number or level of a spec's value; True and False as levels of a yes/no column."""
    value = plain(value)
    return level_of(value) if isinstance(value, bool) else value


SetValue = Annotated[float | str, BeforeValidator(_plain)]


class _Stated(KubeModel):
    """The outcome with its level, and lists; those of a lever and of its sheet come together.

    author, stated_at: who stated the lists, and when; repeated in the answer.
    """

    outcome: str
    before: Columns = Field(default_factory=list)
    after: Columns = Field(default_factory=list)
    dont_know: Columns = Field(default_factory=list)
    author: str | None = Field(default=None, max_length=256)
    stated_at: Timestamp | None = None


class EstimateRequest(_Stated, EffectQuestion[SetValue]):
    """Parameters of estimate. A column that neither lists nor tiers place is open."""


class BoostRequest(SegmentsQuestion):
    """Parameters of boost."""


class SheetRequest(_Stated, SheetQuestion[SheetLever]):
    """Parameters of sheet. A lever's own lists count before those of the sheet."""


class TaskResult(KubeModel):
    """Result of a pod, without customer data: the message names kinds and limits.

    verdict: of rows under do(); that of an effect is in `estimate`. identified (deprecated):
    whether it is assumed. stored: in a termination message that has nothing else, the artifact
    with the whole result.
    """

    outcome: Literal["Succeeded", "Failed"]
    reason: str = Field(max_length=128)
    message: str = Field(default="", max_length=1024)
    artefacts: list[Artifact] = Field(default_factory=list, max_length=MAX_ARTIFACTS)
    stored: Artifact | None = None
    rows: int | None = None
    columns: int | None = None
    source: ReadSource | None = None
    description: DescriptionCounts | None = None
    family: FamilyName | None = None
    figures: Figures = Field(default_factory=dict)
    attainment: Attainment | None = None
    identified: bool | None = None
    verdict: VerdictKind | None = None
    worth: float | None = None
    estimate: Estimate | None = None
    segments: SegmentSummary | None = None
    sheet: SheetSummary | None = None
    given: CompletionFigures | None = None


class Failure(KubeModel):
    """The encrypted `failure` artifact for the customer; it may name columns.

    errors: of a description that the data contradict (reason DescriptionMismatch), each with its
    pointer into the description as it was sent. The status has their number only.
    """

    reason: str
    detail: str
    pointer: str | None = None
    errors: list[FieldError] = Field(default_factory=list, max_length=MAX_ERRORS)


class ProgressReport(Progress):
    """The encrypted `progress` artifact, written at most once a second.

    reported_at: when the pod wrote it; None by an earlier release.
    """

    step: str = Field(max_length=64)
    reported_at: Timestamp | None = None

    def seconds_left(self, now: datetime) -> int | None:
        """Return the estimate as it looks now, None before there is one.

        Work that has not moved since the report slows the pace of the whole, and it may stand as
        long again as it has stood.
        """
        if self.eta_seconds is None or self.reported_at is None:
            return self.eta_seconds
        silence = (now - self.reported_at).total_seconds()
        if silence < SILENCE_S:
            return self.eta_seconds
        slower = silence * (100 - self.percent) / max(self.percent, 1)
        return round(max(self.eta_seconds + slower, silence))
