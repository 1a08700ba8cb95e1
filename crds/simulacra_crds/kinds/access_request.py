"""AccessRequest: somebody asks to become a tenant; a person with kubectl decides."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from simulacra_crds.kinds.base import (
    AGE,
    READY,
    REASON,
    Conditions,
    KubeModel,
    Name,
    PrinterColumn,
    Resource,
)


class AccessRequestSpec(KubeModel):
    """Who asks, and what was decided."""

    company: str = Field(
        min_length=1, max_length=128, description="Company of the person who asks."
    )
    contact: str = Field(
        min_length=3, max_length=254, description="E-mail address of the person who asks."
    )
    decision: Literal["Pending", "Approved", "Denied"] = Field(
        default="Pending",
        description="Set it to Approved or Denied, once: a decision is final.",
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "oldSelf == 'Pending' || self == oldSelf",
                    "message": "a decision is final; file a new AccessRequest",
                }
            ]
        },
    )


class AccessRequestStatus(KubeModel):
    """What became of the request.

    Conditions: Decided (a person approved or denied), TenantReady, Ready (approved and both).
    """

    observed_generation: int = Field(
        default=0, ge=0, description="The metadata.generation that this was written for."
    )
    tenant: Name | None = Field(
        default=None, description="The Tenant that was made; set once, it is never made again."
    )
    client_id: str | None = Field(
        default=None, max_length=128, description="OAuth2 client id of the requester."
    )
    conditions: Conditions = Field(default_factory=list)


class AccessRequest(Resource):
    """A request for access, decided once."""

    PLURAL: ClassVar[str] = "accessrequests"
    SCOPE: ClassVar[Literal["Namespaced", "Cluster"]] = "Cluster"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("ar",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Company", type="string", json_path=".spec.company"),
        PrinterColumn(name="Decision", type="string", json_path=".spec.decision"),
        PrinterColumn(name="Tenant", type="string", json_path=".status.tenant"),
        READY,
        REASON,
        AGE,
    )

    kind: Literal["AccessRequest"] = "AccessRequest"
    spec: AccessRequestSpec
    status: AccessRequestStatus = Field(default_factory=AccessRequestStatus)
