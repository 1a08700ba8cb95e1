"""Bodies of datasets: resource, list, filters and changes."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from simulacra_api.http.etags import entity_tag
from simulacra_api.http.field_types import Retention, Status, WaitingReason
from simulacra_api.http.pagination import ListQuery, Page
from simulacra_api.jobs.schemas import JobError
from simulacra_schema.base import optional, optional_list
from simulacra_schema.questions.fit import FamilyName
from simulacra_schema.verdict_parts import Verdict

DatasetStatus = Literal[
    "uploading", "queued", "running", "held", "ready", "partial", "failed", "deleting"
]


class ModelBody(BaseModel):
    """The model that is fit on a dataset: figures of fidelity, privacy and worth, and verdicts."""

    status: Status
    family: FamilyName | None = None
    figures: dict[str, float] = Field(default_factory=dict)
    verdicts: list[Verdict] = optional_list(
        "Likeness, privacy and worth of its rows, in words; empty before the fit."
    )


class ReadingBody(BaseModel):
    """What was read, in counts; the description has the columns."""

    revision: int = Field(description="How often the table was read.")
    learned: int
    replaced: int = Field(description="Columns with invented values in generated rows.")
    dropped: int = Field(description="Columns that are left out, or empty in generated rows.")
    to_confirm: int = Field(description="Columns whose reading is not certain.")


class DatasetBody(BaseModel):
    """A dataset."""

    dataset_id: str
    job_id: str
    status: DatasetStatus
    waiting_reason: WaitingReason = None
    rows: int | None = None
    columns: int | None = None
    bytes: int | None = optional("Size of the upload.")
    sha256: str | None = optional("Digest of the upload.")
    purpose: Literal["fit", "given"] = Field(
        default="fit", description="given: rows to be completed, without a model of their own."
    )
    retention_seconds: int
    created_at: datetime
    expires_at: datetime
    reading: ReadingBody | None = None
    source_kept: bool = Field(
        default=False, description="Whether PUT of another description can read the table again."
    )
    source_until: datetime | None = optional(
        "When the source of a held dataset is erased at the latest."
    )
    model: ModelBody | None = None
    error: JobError | None = optional("Why it failed, with status failed.")

    def etag(self) -> str:
        """Return the entity tag of this representation."""
        return entity_tag(self.model_dump_json())


class DatasetQuery(ListQuery):
    """Filters of the list of datasets."""

    status: DatasetStatus | None = None


class DatasetList(Page):
    """The tenant's datasets, newest first."""

    items: list[DatasetBody]


class RetentionChange(BaseModel, extra="forbid"):
    """A new retention, counted from the dataset's creation."""

    retention_seconds: Retention


class FitAccepted(BaseModel):
    """Answer to a change of knowledge; the job follows the fit."""

    dataset_id: str
    job_id: str
    status: Status
    error: JobError | None = None
