"""Bodies of signups, credential claims and rotations."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, StringConstraints

from simulacra_api.auth.clients import MAX_SECRET_LENGTH
from simulacra_api.http.field_types import Overlap
from simulacra_schema.base import optional

OVERLAP_SECONDS = 86_400
_CLAIM_HELP = "Exchange it at /v1/credential-claims, once."
_OVERLAP_HELP = (
    "How long the present secret stays valid once the new one is claimed; 0 when it has leaked: "
    "then the tokens issued before end as well."
)
_PROOF_HELP = (
    "The present secret: a token or a console's session alone leads to no secret. Left out only "
    "while the operator of the service has approved a rotation, after a lost secret."
)
_SIGNUP_EXAMPLE: JsonValue = {"company": "Acme Research", "contact": "ada@acme.example"}
_Company = StringConstraints(strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]+$", max_length=128)
_Email = StringConstraints(pattern=r"^[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+$", max_length=254)


class SignupRequest(BaseModel, extra="forbid", json_schema_extra={"examples": [_SIGNUP_EXAMPLE]}):
    """Who requests access."""

    company: Annotated[str, _Company]
    contact: Annotated[str, _Email] = Field(description="E-mail address.")


class SignupBody(BaseModel):
    """A signup. `claimed`: the secret was issued; `expired`: claimed too late, or access ended."""

    request_id: str = Field(description="Keep it secret: it leads to the credentials.")
    status: Literal["pending", "approved", "claimed", "denied", "expired"]
    client_id: str | None = None
    credential_claim_token: str | None = optional(_CLAIM_HELP)
    credential_claim_expires_at: datetime | None = None


class RotationRequest(BaseModel):
    """How to rotate the secret."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [{"overlap_seconds": OVERLAP_SECONDS, "client_secret": "simsec_..."}]
        },
    )

    overlap_seconds: Overlap = Field(default=OVERLAP_SECONDS, description=_OVERLAP_HELP)
    client_secret: SecretStr | None = optional(
        _PROOF_HELP, min_length=1, max_length=MAX_SECRET_LENGTH
    )


class RotationBody(BaseModel):
    """A rotation."""

    rotation_id: str
    client_id: str
    status: Literal["approved", "claimed", "expired"]
    overlap_seconds: int
    credential_claim_token: str | None = optional(
        f"Shown only once, as the rotation begins. {_CLAIM_HELP}"
    )
    credential_claim_expires_at: datetime | None = None
    claimed_at: datetime | None = None


class ClaimRequest(BaseModel, extra="forbid", hide_input_in_errors=True):
    """A claim token."""

    credential_claim_token: str = Field(min_length=1, max_length=256)


class CredentialBody(BaseModel):
    """A client's credentials. The secret is shown only once and stored nowhere."""

    client_id: str
    client_secret: str = Field(description="Shown only once.")
    token_url: str
    audience: str
    previous_secret_expires_at: datetime | None = optional(
        "When the previous secret stops working; null without one."
    )
