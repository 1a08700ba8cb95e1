"""Tenant: who owns data here, under which key it is kept, and how much of the machine it may use."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from simulacra_crds.base import AGE, READY, REASON, Conditions, KubeModel, Name, PrinterColumn, Resource

ClientId = str


class Encryption(KubeModel):
    """Whose key wraps the tenant's data keys. Managed: this installation's key provider."""

    mode: Literal["Managed"] = "Managed"
    provider: Literal["local"] = "local"


class Quotas(KubeModel):
    """Upper limits of one tenant."""

    concurrent_jobs: int = Field(default=4, ge=1, le=1000, description="Jobs that run at once.")
    max_rows_per_generation: int = Field(default=1_000_000, ge=1, le=10_000_000)
    max_upload_bytes: int = Field(default=1 << 30, ge=1, le=1 << 40)
    requests_per_minute: int = Field(default=60_000, ge=1, le=10_000_000, description="Of all clients together.")
    rows_per_day: int = Field(default=100_000_000, ge=1, le=10**12, description="Asked for in any 24 hours.")
    stored_bytes: int = Field(default=100 << 30, ge=1, le=1 << 50, description="Uploads and artefacts, in plain text.")


class TenantSpec(KubeModel):
    """What the operator is asked to keep true for a tenant."""

    clients: list[ClientId] = Field(
        default_factory=list,
        max_length=32,
        description="OAuth2 client ids that act for this tenant.",
        json_schema_extra={"x-kubernetes-list-type": "set", "items": {"type": "string", "maxLength": 128}},
    )
    encryption: Encryption = Field(default_factory=Encryption)
    quotas: Quotas = Field(default_factory=Quotas)
    max_retention_seconds: int = Field(default=604_800, ge=10, le=604_800)
    suspend: bool = Field(default=False, description="A suspended tenant gets no token and runs nothing.")


class TenantStatus(KubeModel):
    """What is true of a tenant. Ready is KeyReady and NamespaceReady and not suspended."""

    observed_generation: int = Field(default=0, ge=0)
    namespace: Name | None = None
    conditions: Conditions = Field(default_factory=list)


class Tenant(Resource):
    """A customer organisation; its resources live in the namespace `tenant-<name>`."""

    PLURAL: ClassVar[str] = "tenants"
    SCOPE: ClassVar[Literal["Namespaced", "Cluster"]] = "Cluster"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("ten",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Namespace", type="string", json_path=".status.namespace"),
        READY,
        REASON,
        PrinterColumn(name="Suspended", type="boolean", json_path=".spec.suspend"),
        AGE,
    )

    kind: Literal["Tenant"] = "Tenant"
    spec: TenantSpec = Field(default_factory=TenantSpec)
    status: TenantStatus = Field(default_factory=TenantStatus)

    @model_validator(mode="after")
    def _name_fits_namespace(self) -> Tenant:
        if len(self.metadata.name) > 40:
            raise ValueError("metadata.name: 40 characters at most, since the namespace is tenant-<name>")
        return self
