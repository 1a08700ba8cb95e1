"""What an upload says besides its bytes: as a form's fields, or as the JSON that begins an upload in pieces."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from simulacra_api.http.field_types import FileSize, Retention
from simulacra_api.tenancy.idempotency import fingerprint
from simulacra_api.uploads.service import UploadRequest
from simulacra_crds.kinds.base import DEFAULT_RETENTION_SECONDS, ColumnName, Sha256
from simulacra_crds.kinds.model import DifferentialPrivacy, FamilyName, Knowledge

_LATER_FIELDS = ("knowledge", "weights", "epsilon", "delta")


def _from_json(value: object) -> object:
    """Read the text of a form field; pydantic's own type would quote it."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        raise ValueError("the field is not valid JSON") from None


class UploadFields(BaseModel):
    """What both have."""

    model_config = ConfigDict(extra="forbid")

    retention_seconds: Retention = DEFAULT_RETENTION_SECONDS
    family: FamilyName = Field(default="auto", description="auto: forest on CPUs, neural on GPUs.")
    knowledge: Knowledge | None = Field(
        default=None, description="What is known of causes, binding for the fit."
    )
    weights: ColumnName | None = Field(
        default=None, description="Name of the column of survey weights."
    )
    epsilon: float | None = Field(
        default=None,
        ge=0.01,
        le=100,
        allow_inf_nan=False,
        description="Differential privacy; not with weights.",
    )
    delta: float | None = Field(
        default=None,
        ge=1e-12,
        le=1e-3,
        allow_inf_nan=False,
        description="Of epsilon; 1e-6 when absent.",
    )

    @field_validator("delta")
    @classmethod
    def _of_epsilon(cls, delta: float | None, info: ValidationInfo) -> float | None:
        if delta is not None and info.data.get("epsilon") is None:
            raise ValueError("delta goes with epsilon: give both or epsilon alone")
        return delta

    @field_validator("epsilon")
    @classmethod
    def _of_no_weights(cls, epsilon: float | None, info: ValidationInfo) -> float | None:
        if epsilon is not None and info.data.get("weights") is not None:
            raise ValueError(
                "differential privacy is not offered with survey weights: give one of the two"
            )
        return epsilon

    @property
    def privacy(self) -> DifferentialPrivacy | None:
        """What epsilon and delta ask for."""
        if self.epsilon is None:
            return None
        return DifferentialPrivacy(
            epsilon=self.epsilon, **({} if self.delta is None else {"delta": self.delta})
        )

    def request(self, name: str) -> UploadRequest:
        """Return what is asked for, with the fingerprint of what is said.

        A field that was added to the contract later and is not said does not change what older
        requests were.
        """
        unsaid = {field for field in _LATER_FIELDS if getattr(self, field) is None}
        digest = fingerprint(self.model_dump(mode="json", exclude=unsaid))
        return UploadRequest(
            name,
            digest,
            self.retention_seconds,
            self.family,
            self.knowledge,
            self.weights,
            self.privacy,
        )


class FormFields(UploadFields):
    """The fields of the form besides `file`; send them before it."""

    retention_seconds: int = DEFAULT_RETENTION_SECONDS
    knowledge: Annotated[Knowledge, BeforeValidator(_from_json)] | None = None


class UploadPlan(UploadFields):
    """What begins an upload in pieces."""

    model_config = ConfigDict(extra="forbid", strict=True)

    bytes: FileSize = Field(description="Size of the whole file.")
    sha256: Sha256 | None = Field(
        default=None, description="Of the whole file, in hex; verified when given."
    )
