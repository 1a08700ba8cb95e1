"""Tenant: who owns data here, under which key it is kept, and how much of the machine it may use."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from simulacra_crds.base import AGE, READY, REASON, Conditions, KubeModel, Name, PrinterColumn, Resource, Timestamp

ClientId = str

_MODE_NEEDS_KEY = "keyArn goes with mode Customer, and only with it"
_ROLE_NEEDS_KEY = "roleArn goes with keyArn"
_ID_NEEDS_ROLE = "externalId goes with roleArn"
_PROVIDER_IS_FIXED = (
    "encryption.provider cannot be changed: the present provider holds the key of all that lives; "
    "make another Tenant there, and delete this one when its data has expired"
)


def _provider(tenant: str) -> str:
    """The provider that a spec names, in CEL."""
    named = f"has({tenant}.encryption) && has({tenant}.encryption.provider)"
    return f"({named} ? {tenant}.encryption.provider : '')"


class Encryption(KubeModel):
    """Whose key wraps the tenant's data keys, and under whose key the generated artefacts are.

    Managed: this installation's provider keeps the tenant's key, for everything. Customer: generated artefacts are
    under the customer's own AWS KMS key, which this installation may encrypt with and not decrypt.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "(self.mode == 'Customer') == has(self.keyArn)", "message": _MODE_NEEDS_KEY},
                {"rule": "has(self.keyArn) || !has(self.roleArn)", "message": _ROLE_NEEDS_KEY},
                {"rule": "has(self.roleArn) || !has(self.externalId)", "message": _ID_NEEDS_ROLE},
            ]
        }
    )

    mode: Literal["Managed", "Customer"] = "Managed"
    provider: Literal["local", "vault", "awsKms"] | None = Field(
        default=None,
        description="Where the tenant's key is kept, for good; the first that SIMULACRA_KEYS names if left out.",
    )
    key_arn: str | None = Field(
        default=None,
        max_length=256,
        pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
        description="The customer's AWS KMS key.",
    )
    role_arn: str | None = Field(
        default=None,
        max_length=256,
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$",
        description="Role in the customer's account to assume for that key; without it the key policy names us.",
    )
    external_id: str | None = Field(
        default=None,
        min_length=2,
        max_length=128,
        pattern=r"^[A-Za-z0-9+=,.@:/_-]+$",
        description="The external id that the role's trust policy asks for.",
    )

    @model_validator(mode="after")
    def _customer_key_is_whole(self) -> Encryption:
        if (self.mode == "Customer") != (self.key_arn is not None):
            raise ValueError(_MODE_NEEDS_KEY)
        if self.role_arn and not self.key_arn:
            raise ValueError(_ROLE_NEEDS_KEY)
        if self.external_id and not self.role_arn:
            raise ValueError(_ID_NEEDS_ROLE)
        return self


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

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": f"{_provider('self')} == {_provider('oldSelf')}", "message": _PROVIDER_IS_FIXED}
            ]
        }
    )

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


class KeyRotation(KubeModel):
    """The last rotation of the tenant's key that the annotation simulacra.dev/rotate-key asked for.

    Between start and end, live data keys are wrapped again; at the end older versions of the key are destroyed.
    """

    asked: str = Field(max_length=63, description="The annotation's value.")
    started_at: Timestamp
    finished_at: Timestamp | None = None


class TenantStatus(KubeModel):
    """What is true of a tenant. Ready is KeyReady and NamespaceReady and not suspended."""

    observed_generation: int = Field(default=0, ge=0)
    namespace: Name | None = None
    conditions: Conditions = Field(default_factory=list)
    rotation: KeyRotation | None = None


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
