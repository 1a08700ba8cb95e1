"""Tenant: an organization that owns data, its keys and its quotas."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from simulacra_crds.kinds.base import (
    AGE,
    MAX_RETENTION_SECONDS,
    MIN_RETENTION_SECONDS,
    READY,
    REASON,
    Conditions,
    Erasure,
    Name,
    ObservedGeneration,
    PrinterColumn,
    Resource,
    list_map,
)
from simulacra_crds.kinds.dataset import BUCKET_PATTERN, KEY_PART_PATTERN
from simulacra_crds.kinds.support_access import KEPT, MAX_GRANTS, SupportAccess, SupportGrant
from simulacra_schema.base import KubeModel, Timestamp, no_default, optional, ruled

TENANT_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,54}[a-z0-9])?$"
"""Names of a Tenant: `tenant-<name>` must be a namespace, which has at most 63 characters."""
NAME_RULE = (
    "metadata.name must be 1 to 56 characters of a-z, 0-9 and - (not first or last), because the "
    "namespace is tenant-<name>; create the Tenant under another name"
)
POD_SECRET = "simulacra-pods"  # noqa: S105 - a name
"""The copy of the pods' credentials in a tenant's namespace; no source is read with it."""
PREFIX_PATTERN = f"^{BUCKET_PATTERN}/({KEY_PART_PATTERN}/)*$"

_MODE_AND_KEY = "set keyArn if and only if mode is Customer"
_ROLE_NEEDS_KEY = "roleArn needs keyArn"
_ID_NEEDS_ROLE = "externalId needs roleArn"
_ONE_ACCESS = "set either secretName or roleArn to read the source"
_ROLE_AND_ID = (
    "set roleArn and externalId together: without an external id a Tenant could use any role that "
    "trusts this service"
)
_OWN_SECRET = f"{POD_SECRET} holds the installation's credentials; name a Secret of the tenant"
_PROVIDER_IS_FIXED = (
    "encryption.provider cannot be changed: it holds the key of all live data; create another "
    "Tenant with the new provider, and delete this one when its data has expired"
)
_ROLE_PATTERN = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$"
RoleArn = Annotated[str, Field(max_length=256, pattern=_ROLE_PATTERN)]
ExternalId = Annotated[str, Field(min_length=2, max_length=128, pattern=r"^[A-Za-z0-9+=,.@:/_-]+$")]


def _grants_by_id(schema: dict[str, Any]) -> None:
    no_default(schema)
    schema.update(list_map("id"))


def _provider(tenant: str) -> str:
    """Return the CEL expression of the provider in a spec."""
    named = f"has({tenant}.encryption) && has({tenant}.encryption.provider)"
    return f"({named} ? {tenant}.encryption.provider : '')"


class Encryption(KubeModel):
    """The keys of the tenant's data.

    Managed: this installation's provider keeps the tenant's key, for everything. Customer:
    generated artifacts are under the customer's own AWS KMS key, which this installation may
    encrypt with but not decrypt.
    """

    model_config = ruled(
        ("(self.mode == 'Customer') == has(self.keyArn)", _MODE_AND_KEY),
        ("has(self.keyArn) || !has(self.roleArn)", _ROLE_NEEDS_KEY),
        ("has(self.roleArn) || !has(self.externalId)", _ID_NEEDS_ROLE),
    )

    mode: Literal["Managed", "Customer"] = Field(
        default="Managed", description="Customer: the key in keyArn encrypts generated artifacts."
    )
    provider: Literal["local", "vault", "awsKms"] | None = optional(
        "Key provider of the tenant's key; the first in SIMULACRA_KEYS when absent. Fixed."
    )
    key_arn: str | None = optional(
        "The customer's AWS KMS key, in mode Customer.",
        max_length=256,
        pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
    )
    role_arn: RoleArn | None = optional(
        "Role in the customer's account to assume for that key; when absent, the key "
        "policy must name this service."
    )
    external_id: ExternalId | None = optional("The external id in the role's trust policy.")

    @model_validator(mode="after")
    def _check(self) -> Encryption:
        if (self.mode == "Customer") != (self.key_arn is not None):
            raise ValueError(_MODE_AND_KEY)
        if self.role_arn and not self.key_arn:
            raise ValueError(_ROLE_NEEDS_KEY)
        if self.external_id and not self.role_arn:
            raise ValueError(_ID_NEEDS_ROLE)
        return self


class ObjectSource(KubeModel):
    """A place in an S3 object store that Datasets may be read from, and the credentials to use.

    Pods never read a source with this installation's own rights.
    """

    model_config = ruled(
        ("has(self.secretName) != has(self.roleArn)", _ONE_ACCESS),
        ("has(self.roleArn) == has(self.externalId)", _ROLE_AND_ID),
        (f"!has(self.secretName) || self.secretName != '{POD_SECRET}'", _OWN_SECRET),
    )

    prefix: str = Field(
        max_length=512,
        pattern=PREFIX_PATTERN,
        description="s3://bucket/ or s3://bucket/folder/, with the last slash. The longest prefix "
        "of a uri applies.",
    )
    endpoint: str | None = optional(
        "Base URL of the object store, https://host:port; AWS when absent.",
        max_length=256,
        pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$",
    )
    region: str | None = optional(
        "Region of the bucket; us-east-1 when absent.", max_length=32, pattern=r"^[a-z0-9-]+$"
    )
    secret_name: Name | None = optional(
        "Secret in the tenant's namespace with AWS_ACCESS_KEY_ID and "
        "AWS_SECRET_ACCESS_KEY, and AWS_SESSION_TOKEN if needed. Or roleArn."
    )
    role_arn: RoleArn | None = optional(
        "AWS role that the pod assumes, limited to reading the one object. Or secretName."
    )
    external_id: ExternalId | None = optional(
        "The external id in the role's trust policy; with roleArn."
    )

    @model_validator(mode="after")
    def _check(self) -> ObjectSource:
        if (self.secret_name is None) == (self.role_arn is None):
            raise ValueError(_ONE_ACCESS)
        if (self.role_arn is None) != (self.external_id is None):
            raise ValueError(_ROLE_AND_ID)
        if self.secret_name == POD_SECRET:
            raise ValueError(_OWN_SECRET)
        return self


class Quotas(KubeModel):
    """Upper limits of one tenant."""

    concurrent_jobs: int = Field(
        default=4,
        ge=1,
        le=1000,
        description="Jobs that run at once, 1 to 1000; default 4. Others wait.",
    )
    max_rows_per_generation: int = Field(
        default=1_000_000,
        ge=1,
        le=10_000_000,
        description="Rows of one generation, 1 to 10 million; default 1 million.",
    )
    max_upload_bytes: int = Field(
        default=1 << 30,
        ge=1,
        le=1 << 40,
        description="Bytes of one upload or object, 1 to 1 TiB; default 1 GiB.",
    )
    requests_per_minute: int = Field(
        default=60_000,
        ge=1,
        le=10_000_000,
        description="Requests per minute of all clients together, 1 to 10 million; default 60000.",
    )
    rows_per_day: int = Field(
        default=100_000_000,
        ge=1,
        le=10**12,
        description="Rows requested in any 24 hours, 1 to 10^12; default 100 million.",
    )
    stored_bytes: int = Field(
        default=100 << 30,
        ge=1,
        le=1 << 50,
        description="Bytes of uploads and artifacts, unencrypted, 1 to 1 PiB; default 100 GiB.",
    )


class TenantSpec(KubeModel):
    """Clients, keys, quotas and sources of a tenant."""

    model_config = ruled((f"{_provider('self')} == {_provider('oldSelf')}", _PROVIDER_IS_FIXED))

    clients: list[str] = Field(
        default_factory=list,
        max_length=32,
        description="OAuth2 client ids that act for this tenant.",
        json_schema_extra={
            "x-kubernetes-list-type": "set",
            "items": {"type": "string", "maxLength": 128},
        },
    )
    encryption: Encryption = Field(default_factory=Encryption, description="The keys of its data.")
    quotas: Quotas = Field(default_factory=Quotas, description="Upper limits of its use.")
    max_retention_seconds: int = Field(
        default=MAX_RETENTION_SECONDS,
        ge=MIN_RETENTION_SECONDS,
        le=MAX_RETENTION_SECONDS,
        description="Longest retention of its data in seconds, 10 to 604800 (7 days); default "
        "604800.",
    )
    sources: list[ObjectSource] = Field(
        default_factory=list,
        max_length=16,
        description="Places that Datasets of type Object may be read from; none by default.",
        json_schema_extra=list_map("prefix"),
    )
    support_access: list[SupportGrant] = Field(
        default_factory=list,
        max_length=MAX_GRANTS,
        description="Persons of the operator who may read status, events and audit records for "
        "some hours, never data; `simulacra admin support open` adds one.",
        json_schema_extra=_grants_by_id,
    )
    suspend: bool = Field(
        default=False, description="A suspended tenant gets no tokens and its work stops."
    )

    def source_of(self, uri: str) -> ObjectSource | None:
        """Return the source with the longest prefix of a Dataset's uri, None without one."""
        under = [one for one in self.sources if uri.startswith(one.prefix)]
        return max(under, key=lambda one: len(one.prefix), default=None)


class KeyRotation(KubeModel):
    """The last rotation of the tenant's key, requested by the annotation simulacra.dev/rotate-key.

    Live data keys are wrapped again between start and end; then old versions are destroyed.
    """

    asked: str = Field(max_length=63, description="The annotation's value of this rotation.")
    started_at: Timestamp = Field(description="When the new version of the key was made.")
    finished_at: Timestamp | None = optional("When old versions were destroyed.")


class Suspension(KubeModel):
    """The newest suspension of a tenant, for the audit log."""

    began_at: Timestamp = Field(description="When the operator saw it.")
    ended_at: Timestamp | None = optional("When the tenant resumed.")
    recorded: bool = Field(
        default=False, description="Whether its begin, or its end, is in the audit log."
    )


CANARY_CONDITION = "CanaryClean"
"""Condition of the canary's Tenant: whether its last run left no mark."""


class TenantStatus(KubeModel):
    """The state of a tenant. Conditions: KeyReady, NamespaceReady, Ready (both, not suspended).

    The canary's Tenant has CanaryClean as well.
    """

    observed_generation: ObservedGeneration = 0
    namespace: Name | None = optional("The namespace of its resources.")
    conditions: Conditions = Field(default_factory=list)
    erasure: Erasure | None = optional("Progress of the erasure during a deletion.")
    rotation: KeyRotation | None = optional("The last requested rotation of its key.")
    suspension: Suspension | None = optional("The newest suspension.")
    support_access: list[SupportAccess] = Field(
        default_factory=list,
        max_length=KEPT,
        description="Support access, open and ended; the tenant sees it at /v1/support-access.",
        json_schema_extra=_grants_by_id,
    )


class Tenant(Resource):
    """A customer organization; its resources are in the namespace `tenant-<name>`."""

    PLURAL: ClassVar[str] = "tenants"
    SCOPE: ClassVar[Literal["Namespaced", "Cluster"]] = "Cluster"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("ten",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Namespace", json_path=".status.namespace"),
        READY,
        REASON,
        PrinterColumn(name="Suspended", type="boolean", json_path=".spec.suspend"),
        AGE,
    )

    RULES: ClassVar[tuple[dict[str, Any], ...]] = (
        {
            "rule": f"oldSelf.hasValue() || self.metadata.name.matches('{TENANT_PATTERN}')",
            # At creation only, so that an existing one can still be changed and deleted.
            "optionalOldSelf": True,
            "message": NAME_RULE,
        },
    )

    kind: Literal["Tenant"] = "Tenant"
    spec: TenantSpec = Field(default_factory=TenantSpec)
    status: TenantStatus = Field(default_factory=TenantStatus)

    @model_validator(mode="after")
    def _check_name(self) -> Tenant:
        if not re.fullmatch(TENANT_PATTERN, self.metadata.name):
            raise ValueError(NAME_RULE)
        return self
