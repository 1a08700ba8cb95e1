"""AccessRequest: a company asks to become a tenant; a person decides with kubectl."""

from typing import ClassVar, Literal

from pydantic import Field

from simulacra_crds.kinds.base import (
    AGE,
    READY,
    REASON,
    Conditions,
    Name,
    ObservedGeneration,
    PrinterColumn,
    Resource,
)
from simulacra_schema.base import KubeModel, cel_rules, optional


class AccessRequestSpec(KubeModel):
    """The requester and the decision."""

    company: str = Field(
        min_length=1, max_length=128, description="Company of the person who requests access."
    )
    contact: str = Field(min_length=3, max_length=254, description="E-mail address of the person.")
    decision: Literal["Pending", "Approved", "Denied"] = Field(
        default="Pending",
        description="Set it to Approved or Denied, once: a decision is final.",
        json_schema_extra=cel_rules(
            (
                "oldSelf == 'Pending' || self == oldSelf",
                "a decision is final; create a new AccessRequest",
            )
        ),
    )


class AccessRequestStatus(KubeModel):
    """The result of the request.

    Conditions: Decided (approved or denied), TenantReady, Ready (approved and TenantReady).
    """

    observed_generation: ObservedGeneration = 0
    tenant: Name | None = optional("The Tenant created for it; it is not created again.")
    client_id: str | None = optional("OAuth2 client id of the requester.", max_length=128)
    conditions: Conditions = Field(default_factory=list)


class AccessRequest(Resource):
    """A request for access, decided once."""

    PLURAL: ClassVar[str] = "accessrequests"
    SCOPE: ClassVar[Literal["Namespaced", "Cluster"]] = "Cluster"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("ar",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Company", json_path=".spec.company"),
        PrinterColumn(name="Decision", json_path=".spec.decision"),
        PrinterColumn(name="Tenant", json_path=".status.tenant"),
        READY,
        REASON,
        AGE,
    )

    kind: Literal["AccessRequest"] = "AccessRequest"
    spec: AccessRequestSpec
    status: AccessRequestStatus = Field(default_factory=AccessRequestStatus)
