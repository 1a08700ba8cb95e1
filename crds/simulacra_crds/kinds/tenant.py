"""Tenant: who owns data here, under which key it is kept, and how much of the machine it may use."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from simulacra_crds.kinds.base import (
    AGE,
    MAX_RETENTION_SECONDS,
    MIN_RETENTION_SECONDS,
    READY,
    REASON,
    Conditions,
    Erasure,
    KubeModel,
    Name,
    PrinterColumn,
    Resource,
    Timestamp,
)

ClientId = str
TENANT_PATTERN = r"^[a-z0-9]([-a-z0-9]{0,54}[a-z0-9])?$"
"""Names of a Tenant: `tenant-<name>` must be a namespace, which has at most 63 characters."""

NAME_RULE = (
    "metadata.name must be 1 to 56 characters of a-z, 0-9 and - (not first or last), because the namespace is "
    "tenant-<name>; create the Tenant under another name"
)
_MODE_NEEDS_KEY = "keyArn goes with mode Customer, and only with it"
_ROLE_NEEDS_KEY = "roleArn goes with keyArn"
_ID_NEEDS_ROLE = "externalId goes with roleArn"
POD_SECRET = "simulacra-pods"  # noqa: S105 - a name
"""The copy of the pods' credentials in a tenant's namespace: this installation's, never to read a source with."""
_ONE_ACCESS = "give either secretName or roleArn: who reads the source"
_ROLE_AND_ID = "roleArn and externalId go together, or anybody's role could be named here that trusts this service"
_NOT_OURS = f"{POD_SECRET} holds this installation's own credentials; name a Secret of the tenant's"
_ROLE_PATTERN = r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$"
_EXTERNAL_ID_PATTERN = r"^[A-Za-z0-9+=,.@:/_-]+$"
PREFIX_PATTERN = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([A-Za-z0-9!_'()=+@:,&~ -][A-Za-z0-9!_.'()=+@:,&~ -]*/)*$"
_PROVIDER_IS_FIXED = (
    "encryption.provider cannot be changed: the present provider holds the key of all that lives; "
    "make another Tenant there, and delete this one when its data has expired"
)


def _provider(tenant: str) -> str:
    """The provider that a spec names, in CEL."""
    named = f"has({tenant}.encryption) && has({tenant}.encryption.provider)"
    return f"({named} ? {tenant}.encryption.provider : '')"


class Encryption(KubeModel):
    """Whose key wraps the tenant's data keys, and under whose key the generated artifacts are.

    Managed: this installation's provider keeps the tenant's key, for everything. Customer: generated artifacts are
    under the customer's own AWS KMS key, which this installation may encrypt with and not decrypt.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "(self.mode == 'Customer') == has(self.keyArn)",
                    "message": _MODE_NEEDS_KEY,
                },
                {"rule": "has(self.keyArn) || !has(self.roleArn)", "message": _ROLE_NEEDS_KEY},
                {"rule": "has(self.roleArn) || !has(self.externalId)", "message": _ID_NEEDS_ROLE},
            ]
        }
    )

    mode: Literal["Managed", "Customer"] = Field(
        default="Managed",
        description="Customer: generated artefacts are under the key that keyArn names.",
    )
    provider: Literal["local", "vault", "awsKms"] | None = Field(
        default=None,
        description="Where the tenant's key is kept, for good; the first that SIMULACRA_KEYS names when absent.",
    )
    key_arn: str | None = Field(
        default=None,
        max_length=256,
        pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$",
        description="The customer's AWS KMS key, in mode Customer.",
    )
    role_arn: str | None = Field(
        default=None,
        max_length=256,
        pattern=_ROLE_PATTERN,
        description="Role in the customer's account to assume for that key; without it the key policy names us.",
    )
    external_id: str | None = Field(
        default=None,
        min_length=2,
        max_length=128,
        pattern=_EXTERNAL_ID_PATTERN,
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


class ObjectSource(KubeModel):
    """A place in an S3 object store that the tenant's Datasets may be read from, and as whom it is read.

    There is no other way to it: pods never read a source with this installation's own rights.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "has(self.secretName) != has(self.roleArn)", "message": _ONE_ACCESS},
                {"rule": "has(self.roleArn) == has(self.externalId)", "message": _ROLE_AND_ID},
                {
                    "rule": f"!has(self.secretName) || self.secretName != '{POD_SECRET}'",
                    "message": _NOT_OURS,
                },
            ]
        }
    )

    prefix: str = Field(
        max_length=512,
        pattern=PREFIX_PATTERN,
        description="s3://bucket/ or s3://bucket/folder/, with the last slash. The longest that fits a uri counts.",
    )
    endpoint: str | None = Field(
        default=None,
        max_length=256,
        pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$",
        description="Base URL of the object store, https://host:port. AWS's own when absent.",
    )
    region: str | None = Field(
        default=None,
        max_length=32,
        pattern=r"^[a-z0-9-]+$",
        description="Region of the bucket; us-east-1 when absent.",
    )
    secret_name: Name | None = Field(
        default=None,
        description=(
            "Secret in the tenant's namespace with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_SESSION_TOKEN if "
            "there is one). Or roleArn."
        ),
    )
    role_arn: str | None = Field(
        default=None,
        max_length=256,
        pattern=_ROLE_PATTERN,
        description="AWS role that the pod assumes, narrowed to reading the one object. Or secretName.",
    )
    external_id: str | None = Field(
        default=None,
        min_length=2,
        max_length=128,
        pattern=_EXTERNAL_ID_PATTERN,
        description="The external id that the role's trust policy asks for; with roleArn.",
    )

    @model_validator(mode="after")
    def _access_is_one(self) -> ObjectSource:
        if (self.secret_name is None) == (self.role_arn is None):
            raise ValueError(_ONE_ACCESS)
        if (self.role_arn is None) != (self.external_id is None):
            raise ValueError(_ROLE_AND_ID)
        if self.secret_name == POD_SECRET:
            raise ValueError(_NOT_OURS)
        return self


class Quotas(KubeModel):
    """Upper limits of one tenant."""

    concurrent_jobs: int = Field(
        default=4,
        ge=1,
        le=1000,
        description="Jobs that run at once, 1 to 1000; default 4. The others wait.",
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
        description="Rows asked for in any 24 hours, 1 to 10^12; default 100 million.",
    )
    stored_bytes: int = Field(
        default=100 << 30,
        ge=1,
        le=1 << 50,
        description="Bytes of uploads and artefacts before encryption, 1 to 1 PiB; default 100 GiB.",
    )


class TenantSpec(KubeModel):
    """What the operator is asked to keep true for a tenant."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": f"{_provider('self')} == {_provider('oldSelf')}",
                    "message": _PROVIDER_IS_FIXED,
                }
            ]
        }
    )

    clients: list[ClientId] = Field(
        default_factory=list,
        max_length=32,
        description="OAuth2 client ids that act for this tenant.",
        json_schema_extra={
            "x-kubernetes-list-type": "set",
            "items": {"type": "string", "maxLength": 128},
        },
    )
    encryption: Encryption = Field(
        default_factory=Encryption, description="Under whose keys its data is."
    )
    quotas: Quotas = Field(default_factory=Quotas, description="How much it may use.")
    max_retention_seconds: int = Field(
        default=MAX_RETENTION_SECONDS,
        ge=MIN_RETENTION_SECONDS,
        le=MAX_RETENTION_SECONDS,
        description="Seconds that its data lives at most, 10 to 604800 (7 days), which is the default.",
    )
    sources: list[ObjectSource] = Field(
        default_factory=list,
        max_length=16,
        description="Where Datasets of type Object may be read from; nowhere by default.",
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["prefix"],
        },
    )
    suspend: bool = Field(
        default=False, description="A suspended tenant gets no token and runs nothing."
    )

    def source_of(self, uri: str) -> ObjectSource | None:
        """Return the source that a Dataset's uri lies under, the most special one; None when there is none."""
        under = [one for one in self.sources if uri.startswith(one.prefix)]
        return max(under, key=lambda one: len(one.prefix), default=None)


class KeyRotation(KubeModel):
    """The last rotation of the tenant's key that the annotation simulacra.dev/rotate-key asked for.

    Between start and end, live data keys are wrapped again; at the end older versions of the key are destroyed.
    """

    asked: str = Field(max_length=63, description="The annotation's value that was acted on.")
    started_at: Timestamp = Field(description="When the new version of the key was made.")
    finished_at: Timestamp | None = Field(
        default=None, description="When older versions were destroyed."
    )


class TenantStatus(KubeModel):
    """What is true of a tenant. Ready is KeyReady and NamespaceReady and not suspended."""

    observed_generation: int = Field(
        default=0, ge=0, description="The metadata.generation that this was written for."
    )
    namespace: Name | None = Field(
        default=None, description="The namespace that holds its resources."
    )
    conditions: Conditions = Field(default_factory=list)
    erasure: Erasure | None = Field(
        default=None, description="How far the erasure is, of one that is being deleted."
    )
    rotation: KeyRotation | None = Field(
        default=None, description="The last rotation of its key that was asked for."
    )


class Tenant(Resource):
    """A customer organization; its resources live in the namespace `tenant-<name>`: 56 characters at most name it."""

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

    RULES: ClassVar[tuple[dict[str, Any], ...]] = (
        {
            "rule": f"oldSelf.hasValue() || self.metadata.name.matches('{TENANT_PATTERN}')",
            "optionalOldSelf": True,  # at creation alone: one that is there must still be changed and deleted
            "message": NAME_RULE,
        },
    )

    kind: Literal["Tenant"] = "Tenant"
    spec: TenantSpec = Field(default_factory=TenantSpec)
    status: TenantStatus = Field(default_factory=TenantStatus)

    @model_validator(mode="after")
    def _name_fits_namespace(self) -> Tenant:
        if not re.fullmatch(TENANT_PATTERN, self.metadata.name):
            raise ValueError(NAME_RULE)
        return self
