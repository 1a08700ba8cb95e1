"""Bodies of uploads: the fields of the form and of the plan, and the answers."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationInfo, field_validator

from simulacra_api.http.descriptions import check_description, description_bytes
from simulacra_api.http.field_types import FileSize, Retention, Status
from simulacra_api.jobs.schemas import JobError
from simulacra_api.tenancy.idempotency import fingerprint
from simulacra_crds.kinds.base import DEFAULT_RETENTION_SECONDS, Sha256
from simulacra_schema.base import ColumnName, optional
from simulacra_schema.questions.fit import DifferentialPrivacy, FamilyName, PrivacyLevel
from simulacra_schema.questions.knowledge import Knowledge
from simulacra_schema.wave_summary import WaveSummary

_KNOWLEDGE_HELP = (
    'Known causes, binding for the fit: {"tiers": [[column, ...], ...], "required": [{"source": '
    'column, "target": column}], "forbidden": [...]}. No column is caused by one of a later tier.'
)
_WEIGHTS_HELP = (
    "Name of the column of survey weights (numbers, 0 or more, none missing): the model stands for "
    "the weighted population, and generated rows lack the column."
)
_EPSILON_HELP = (
    "Differential privacy: the model is learned from noisy marginals and not from the rows. "
    "Not together with weights."
)
_PRIVACY_HELP = (
    "What privacy tuning demands of small tables. standard: attackers gain no more than a "
    "tolerance. strict: besides, at most 0.53 of the rows are nearer to the rows that the model "
    "saw, which costs realism. Not together with epsilon, nor with family neural."
)
_DESCRIPTION_HELP = (
    "What the columns are, as far as it is not to be detected: a Data Package v2 resource with a "
    "Table Schema and x-simulacra, as JSON of at most 1 MiB. GET the dataset's description for it "
    "completed."
)
_HOLD_HELP = (
    "true stops after reading, with status held, until PUT of the description confirms it. The "
    "upload is kept encrypted for that, one hour at most."
)
_KEEP_HELP = (
    "true keeps the table as it was read, encrypted, until the dataset expires, so that its "
    "description can be changed; by default it is erased once it is read."
)
_EARLIER_HELP = (
    "Summary of earlier waves, as GET of a dataset's summary gave it: JSON of at most 1 MiB, "
    "signed by this installation for this tenant. The report says what moved since."
)
_FIT_HELP = (
    "false fits no model: the rows are given, to be completed by a model of another dataset "
    "(given in a request for a generation). They are kept encrypted as read. Not together with how "
    "a model is fit, hold or keep_source."
)
_LATER_FIELDS = ("knowledge", "weights", "epsilon", "delta", "privacy", "description", "earlier")
_LATER_FLAGS = ("hold", "keep_source")
_LATER_KNOWLEDGE = ("confirmed", "background")
_OF_A_FIT = ("knowledge", "weights", "epsilon", "privacy", "earlier", "hold", "keep_source")
_Epsilon = Annotated[float, Field(ge=0.01, le=100, allow_inf_nan=False)]
_Delta = Annotated[float, Field(ge=1e-12, le=1e-3, allow_inf_nan=False)]


def _from_json(value: object) -> object:
    """Parse the text of a form field; pydantic's own type would quote it in errors."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        raise ValueError("The field is not valid JSON.") from None


class UploadFields(BaseModel, extra="forbid"):
    """Fields of an upload in one request and of one in pieces."""

    retention_seconds: Retention = DEFAULT_RETENTION_SECONDS
    family: FamilyName = Field(default="auto", description="auto: forest on CPUs, neural on GPUs.")
    knowledge: Knowledge | None = optional(_KNOWLEDGE_HELP)
    weights: ColumnName | None = optional(_WEIGHTS_HELP)
    epsilon: _Epsilon | None = optional(_EPSILON_HELP)
    delta: _Delta | None = optional("Of epsilon; 1e-6 when absent.")
    privacy: PrivacyLevel | None = optional(_PRIVACY_HELP)
    description: dict[str, Any] | None = optional(_DESCRIPTION_HELP)
    earlier: dict[str, Any] | None = optional(_EARLIER_HELP)
    hold: bool = Field(default=False, description=_HOLD_HELP)
    keep_source: bool = Field(default=False, description=_KEEP_HELP)
    fit: bool = Field(default=True, description=_FIT_HELP)

    @field_validator("delta")
    @classmethod
    def _check_delta(cls, delta: float | None, info: ValidationInfo) -> float | None:
        if delta is not None and info.data.get("epsilon") is None:
            raise ValueError("Needs epsilon: set both, or epsilon alone.")
        return delta

    @field_validator("epsilon")
    @classmethod
    def _check_epsilon(cls, epsilon: float | None, info: ValidationInfo) -> float | None:
        if epsilon is not None and info.data.get("weights") is not None:
            raise ValueError("Cannot be combined with survey weights. Set either of the two.")
        return epsilon

    @field_validator("privacy")
    @classmethod
    def _check_privacy(
        cls, privacy: PrivacyLevel | None, info: ValidationInfo
    ) -> PrivacyLevel | None:
        if privacy == "strict" and info.data.get("epsilon") is not None:
            raise ValueError("strict cannot be combined with epsilon. Set either of the two.")
        if privacy == "strict" and info.data.get("family") == "neural":
            raise ValueError("strict needs family forest: the neural family is not tuned.")
        return privacy

    @field_validator("fit")
    @classmethod
    def _check_fit(cls, fit: bool, info: ValidationInfo) -> bool:
        if fit:
            return fit
        named = [name for name in _OF_A_FIT if info.data.get(name)]
        if info.data.get("family", "auto") != "auto":
            named.insert(0, "family")
        if named:
            raise ValueError(f"false cannot be combined with {named[0]}. Leave {named[0]} out.")
        return fit

    @property
    def model_spec(self) -> dict[str, Any]:
        """How the model is to be fit, except knowledge: fields of a Model's spec."""
        if self.epsilon is None:
            level = {} if self.privacy is None else {"privacyLevel": self.privacy}
            return {"family": self.family, **level}
        delta = {} if self.delta is None else {"delta": self.delta}
        privacy = DifferentialPrivacy(epsilon=self.epsilon, **delta)
        return {"family": self.family, "privacy": privacy.to_wire()}

    @property
    def description_bytes(self) -> bytes | None:
        """The description as it is stored, None without one."""
        if self.description is None:
            return None
        return description_bytes(self.description)

    @property
    def earlier_summary(self) -> WaveSummary | None:
        """The summary of earlier waves, which `checked_summary` has checked; None without one."""
        return None if self.earlier is None else WaveSummary.model_validate(self.earlier["summary"])

    def check_description(self) -> None:
        """Refuse (422) a malformed description."""
        if self.description is not None:
            check_description(self.description, "/description")

    @property
    def digest(self) -> str:
        """Fingerprint of the request, without absent fields that later releases added."""
        absent = {field for field in _LATER_FIELDS if getattr(self, field) is None}
        absent |= {field for field in _LATER_FLAGS if not getattr(self, field)}
        absent |= {"fit"} if self.fit else set()
        exclude: dict[str, Any] = dict.fromkeys(absent, True)
        if self.knowledge is not None:
            former = Knowledge()
            exclude["knowledge"] = {
                field
                for field in _LATER_KNOWLEDGE
                if getattr(self.knowledge, field) == getattr(former, field)
            }
        return fingerprint(self.model_dump(mode="json", exclude=exclude))


class FormFields(UploadFields):
    """Fields of the form besides `file`; send them before it."""

    retention_seconds: int = DEFAULT_RETENTION_SECONDS
    knowledge: Annotated[Knowledge, BeforeValidator(_from_json)] | None = None
    description: Annotated[dict[str, Any], BeforeValidator(_from_json)] | None = None
    earlier: Annotated[dict[str, Any], BeforeValidator(_from_json)] | None = None


class UploadPlan(UploadFields, extra="forbid", strict=True):
    """Body that begins an upload in pieces."""

    bytes: FileSize = Field(description="Size of the whole file.")
    sha256: Sha256 | None = optional("Of the whole file, in hex; verified when given.")


class UploadBody(BaseModel):
    """Progress of an upload in pieces."""

    upload_id: str
    dataset_id: str = Field(description="The dataset that it becomes.")
    job_id: str
    offset: int = Field(description="Bytes that have arrived: the next piece begins here.")
    bytes: int = Field(description="Size of the whole file.")
    complete: bool = Field(description="Whether all bytes have arrived; then poll the job.")
    sha256: str | None = optional("Of the whole file, once it is complete.")


class DatasetAccepted(BaseModel):
    """Answer to an upload; a retry with the same key gets the same."""

    dataset_id: str
    job_id: str
    status: Status = "queued"
    bytes: int
    sha256: str
    error: JobError | None = None


def _form_schema() -> dict[str, Any]:
    """Return the OpenAPI schema of the form: the fields as text, knowledge as JSON, the file."""
    properties = {}
    for name, field in UploadFields.model_json_schema()["properties"].items():
        schema = field.get("anyOf", [field])[0] | field
        keys = {"type", "enum", "minimum", "maximum", "minLength", "maxLength", "description"}
        properties[name] = {key: schema[key] for key in schema if key in keys}
    for name in ("knowledge", "description", "earlier"):
        properties[name] |= {"type": "string", "contentMediaType": "application/json"}
    properties["file"] = {"type": "string", "contentMediaType": "application/octet-stream"}
    schema = {"type": "object", "required": ["file"], "additionalProperties": False}
    return schema | {"properties": properties}


FORM_SCHEMA = _form_schema()
