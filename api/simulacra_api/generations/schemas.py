"""Bodies of generations, and of probes, which sample a few rows."""

import time
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from simulacra_api.generations.render import Format
from simulacra_api.http.etags import entity_tag
from simulacra_api.http.field_types import FewRows, PersonCount, RowCount, Seed, SetValue, Status
from simulacra_api.http.pagination import Page
from simulacra_api.jobs.schemas import JobError
from simulacra_api.results.kind import QuestionBody
from simulacra_schema.base import ColumnName, optional, optional_list
from simulacra_schema.completion import CompletionReport, GivenOptions
from simulacra_schema.conditions import ConditionSet
from simulacra_schema.questions.rows import RowsQuestion
from simulacra_schema.verdict_parts import Verdict

TAG_SECONDS = 300
"""Lifetime of an entity tag with a link: a client's copy then has a link good for 10 minutes."""


class GivenBody(GivenOptions, alias_generator=str):
    """Rows whose gaps are to be filled, and how."""

    dataset_id: str | None = optional(
        "The dataset with the rows, uploaded with fit: false. Without it, the rows of "
        "this dataset itself.",
        max_length=63,
    )


class GenerationRequest(QuestionBody, RowsQuestion[SetValue], alias_generator=str):
    """What to generate."""

    row_count: RowCount | None = optional(
        "Rows; the tenant's quota is the upper limit. Give row_count, persons or given."
    )
    persons: PersonCount | None = optional(
        "Linked rows: this many synthetic persons, each with its history, instead of"
        " row_count. The table needs a column that says which person a row belongs to."
        " Conditions (shares of persons) and interventions name columns that are constant"
        " within persons (per_person in the schema)."
    )
    counterfactual: bool = Field(
        default=False,
        description=(
            "Rows in pairs (columns pair and world): each row, and its twin under the"
            " interventions. Conditions select rows before the interventions. row_count counts"
            " both rows of a pair, so it is even."
        ),
    )
    given: GivenBody | None = optional(
        "Complete rows instead of generating some: fill in their gaps, several times. The"
        " artifact has the filled cells only: row (from 0), implicate (from 1), and the filled"
        " columns. Not together with row_count, persons, conditions or interventions."
    )
    evidence: bool = Field(
        default=True,
        description=(
            "Add the column evidence_weight, last: use it as frequency weights, and intervals from"
            " the rows are those of the respondents behind them."
        ),
    )
    seed: Seed | None = optional("Drawn when absent.")
    format: Format = "parquet"


class GenerationAccepted(BaseModel):
    """The answer to a request for a generation; the same Idempotency-Key gets the same."""

    generation_id: str
    job_id: str
    dataset_id: str
    status: Status = "queued"
    row_count: int = Field(description="Rows requested; 0 of a completion.")
    seed: int
    error: JobError | None = None


class Decryption(BaseModel):
    """How to decrypt: an AWS Encryption SDK message under the tenant's AWS KMS key."""

    key_arn: str
    encryption_context: dict[str, str] = Field(
        description="Require exactly this context; otherwise any message under the key passes."
    )
    algorithm_suite: str
    format: str
    command: str = Field(description="With aws-encryption-cli 4, for a file named as in --input.")


class CustomerArtifact(BaseModel):
    """One encrypted part of the rows; sha256 and bytes are of the plaintext, a Parquet file."""

    name: str
    url: str | None = Field(
        description="Link to the ciphertext, needs no token; absent if the store has no links."
    )
    url_expires_at: datetime | None
    bytes: int
    sha256: str
    rows: int | None
    decrypt: Decryption


class GenerationBody(BaseModel):
    """A generation."""

    generation_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    progress_percent: int
    eta_seconds: int | None = None
    row_count: int = Field(
        description="Rows requested; of linked rows, those expected; of a completion, those"
        " written, 0 before."
    )
    persons: int | None = optional("Of linked rows, persons requested.")
    rows: int | None = optional("Rows written so far, once known.")
    seed: int
    conditions: ConditionSet
    interventions: dict[str, float | str]
    counterfactual: bool = False
    given: GivenBody | None = optional("Of a completion: the request.")
    completion: CompletionReport | None = optional(
        "Of a completion: rows, gaps and cells filled; by column, its gaps, what it is worth in"
        " respondents (worth) and how the check went (check: share of known answers that the"
        " 80 % sets hold); shares of common columns side by side (common)."
    )
    identification: dict[str, Any] | None = optional(
        "With interventions: what may be claimed of their effects (verdict, as of an effect;"
        " null for rows made before verdicts), the assumption behind counterfactual twins"
        " (assumption), the reliability of differences between single changes of pairs by column"
        " (reliability, 0: all change by the mean), and warnings. identified is deprecated: whether"
        " the verdict is assumed."
    )
    attainment: dict[str, Any] | None = optional("Requested and attained values of each condition.")
    evidence: dict[str, Any] | None = optional(
        "What the rows are worth: worth in respondents, ratio that the model kept of"
        " dependences, design_effect, basis of the count, classes of conditioned columns, and a"
        " sentence. worth is null, with a reason, where it was not measured."
    )
    verdicts: list[Verdict] = optional_list(
        "Likeness and privacy of the model's rows, and what these rows are worth, in"
        " words; empty until there are rows."
    )
    artifact_url: str | None = optional("Needs the bearer token as well.")
    artifacts: list[CustomerArtifact] | None = optional(
        "Replaces artifact_url if the rows are under the tenant's own key."
    )
    artifact_url_expires_at: datetime | None = None
    created_at: datetime | None
    expires_at: datetime | None
    error: JobError | None = None

    def etag(self) -> str:
        """Return the entity tag of everything except the links, which differ in each answer."""
        volatile = {"artifact_url", "artifact_url_expires_at", "artifacts"}
        window = int(time.time()) // TAG_SECONDS if self.artifact_url or self.artifacts else 0
        return entity_tag(f"{window} {self.model_dump_json(exclude=volatile)}", weak=True)


class GenerationItem(BaseModel):
    """A generation in a list."""

    generation_id: str
    dataset_id: str
    job_id: str
    status: Status | Literal["deleting"]
    row_count: int
    persons: int | None = optional("Of linked rows, persons requested.")
    rows: int | None
    conditions: ConditionSet
    interventions: dict[str, float | str]
    counterfactual: bool = False
    given: GivenBody | None = optional("Of a completion: the request.")
    created_at: datetime | None
    expires_at: datetime | None


class GenerationList(Page):
    """The tenant's generations, newest first."""

    items: list[GenerationItem]


class ProbeRequest(BaseModel, extra="forbid"):
    """What to sample."""

    row_count: FewRows = 20
    conditions: ConditionSet = Field(default_factory=ConditionSet)
    interventions: dict[ColumnName, SetValue] = Field(default_factory=dict, max_length=32)
    counterfactual: bool = Field(default=False, description="Rows in pairs, as in a generation.")
    seed: Seed | None = optional("Drawn when absent.")


class Feasibility(BaseModel):
    """How well the conditions can be met, and at what cost."""

    status: Literal["exact", "partial", "unconditioned"]
    effective_sample_size: float | None = optional(
        "Estimate of the effective number of real rows (Kish) behind the conditions,"
        " from the learned distribution, to two digits."
    )
    kl_nats: float | None = optional("Divergence of the conditions from the learned distribution.")


class ProbeBody(BaseModel):
    """A sample; it is not stored."""

    dataset_id: str
    row_count: int
    seed: int
    rows: list[dict[str, Any]]
    feasibility: Feasibility
    attainment: dict[str, Any] | None = None
    verdict: dict[str, Any] | None = optional(
        "With interventions: what may be claimed of their effects, with its text."
    )
    assumption: str | None = optional("Of pairs: as in a generation.")
    warnings: list[str] = optional_list("What the interventions leave open.")
    seconds: float = Field(description="How long it took.")
