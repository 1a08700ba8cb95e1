"""Dataset: one uploaded seed table, from raw bytes to a cleaned table with a schema."""

import hashlib
from typing import Any, ClassVar, Literal

from pydantic import Field

from simulacra_crds.kinds.base import (
    AGE,
    EXPIRES,
    PHASE,
    PROGRESS,
    READY,
    REASON,
    PrinterColumn,
    RetainedSpec,
    Sha256,
    WorkResource,
    WorkStatus,
)
from simulacra_schema.base import ColumnName, KubeModel, Timestamp, cel_rules, no_default, optional

FileFormat = Literal["csv", "parquet", "arrow", "xlsx", "spss"]

BUCKET_PATTERN = "s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
KEY_PART_PATTERN = "[A-Za-z0-9!_'()=+@:,&~ -][A-Za-z0-9!_.'()=+@:,&~ -]*"
URI_PATTERN = f"^{BUCKET_PATTERN}(/{KEY_PART_PATTERN})+$"
_SOURCE_RULES = cel_rules(
    ("(self.type == 'Object') == has(self.uri)", "set uri if and only if type is Object"),
    (
        "self.type == oldSelf.type && self.format == oldSelf.format && has(self.uri) == "
        "has(oldSelf.uri) && (!has(self.uri) || self.uri == oldSelf.uri)",
        "type, uri and format are fixed at creation; create another Dataset",
    ),
    (
        "!has(oldSelf.sha256) || (has(self.sha256) && self.sha256 == oldSelf.sha256)",
        "sha256 is fixed once the upload is complete",
    ),
    (
        "!has(oldSelf.bytes) || (has(self.bytes) && self.bytes == oldSelf.bytes)",
        "bytes is fixed once the upload is complete",
    ),
    (
        "self.type == 'Upload' || (has(self.sha256) == has(oldSelf.sha256) "
        "&& has(self.bytes) == has(oldSelf.bytes))",
        "sha256 and bytes of an Object are fixed at creation; create another Dataset",
    ),
    (
        "self.type == 'Object' || has(self.sha256) == has(self.bytes)",
        "set sha256 and bytes together",
    ),
)


class Source(KubeModel):
    """Origin of the bytes: an upload through the API, or an object in an allowed store."""

    type: Literal["Upload", "Object"] = Field(
        default="Upload",
        description="Upload: the API receives the bytes and fills in sha256 and bytes. Object: the "
        "bytes are read from uri. Fixed.",
    )
    uri: str | None = optional(
        "The object to read, s3://bucket/key, for type Object. It must be under one "
        "of the Tenant's spec.sources, which say how to read it. No part of the key may be empty "
        "or begin with a dot. Fixed.",
        max_length=1100,
        pattern=URI_PATTERN,
    )
    format: Literal["auto", FileFormat] = Field(
        default="auto", description="File format; auto detects it from the bytes. Fixed."
    )
    sha256: Sha256 | None = optional(
        "SHA-256 of the bytes, in hex. Upload: set once it is complete, then fixed. "
        "Object: if given, another digest fails the Dataset with SourceMismatch."
    )
    bytes: int | None = optional(
        "Size in bytes, at most 1 TiB. Upload: set with sha256. Object: if given, "
        "another size fails the Dataset with SourceMismatch.",
        ge=0,
        le=1 << 40,
    )


_DESCRIPTION_RULE = cel_rules(
    ("has(self.inline) != has(self.sha256)", "set either inline or sha256")
)
_SOURCE_STAYS = (
    "(has(oldSelf.spec.hold) && oldSelf.spec.hold) || "
    "(has(oldSelf.spec.keepSource) && oldSelf.spec.keepSource) || "
    "self.spec.source.type == 'Object' || "
    "(has(oldSelf.status) && has(oldSelf.status.sourceUntil))"
)
_SAME_DESCRIPTION = (
    "(has(self.spec.tableDescription) == has(oldSelf.spec.tableDescription) && "
    "(!has(self.spec.tableDescription) || "
    "self.spec.tableDescription == oldSelf.spec.tableDescription))"
)
_RULES = cel_rules(
    (
        f"{_SAME_DESCRIPTION} || {_SOURCE_STAYS}",
        "tableDescription is fixed unless hold or keepSource is true; create another Dataset",
    )
)
_GIVEN = "!has(self.purpose) || self.purpose == 'Fit' || "
_SPEC_RULES = cel_rules(
    (
        f"{_GIVEN}!has(self.weights)",
        "weights is of a fit; leave it out with purpose Given",
    ),
    (
        f"({_GIVEN}!has(self.earlier))",
        "earlier waves are of a fit; leave them out with purpose Given",
    ),
    (
        f"{_GIVEN}(!has(self.hold) || !self.hold) && (!has(self.keepSource) || !self.keepSource)",
        "given rows are kept as read; leave out hold and keepSource with purpose Given",
    ),
    (
        "((has(oldSelf.hold) && oldSelf.hold) || !has(self.hold) || !self.hold) && "
        "((has(oldSelf.keepSource) && oldSelf.keepSource) || "
        "!has(self.keepSource) || !self.keepSource)",
        "hold and keepSource can be set at creation only; create another Dataset",
    ),
)


class TableDescription(KubeModel, json_schema_extra=_DESCRIPTION_RULE):
    """What the columns are: a Data Package v2 resource with a Table Schema, as JSON."""

    inline: str | None = optional(
        "The document itself, JSON of at most 262144 characters. It names columns, and "
        "whoever may read the Dataset may read it.",
        min_length=2,
        max_length=256 << 10,
    )
    sha256: Sha256 | None = optional(
        "SHA-256, in hex, of the document that the API has stored encrypted."
    )

    @property
    def digest(self) -> str:
        """The SHA-256 of the document, in hex."""
        return self.sha256 or hashlib.sha256((self.inline or "").encode()).hexdigest()


class EarlierWaves(KubeModel):
    """The summary of earlier waves that the customer handed back."""

    sha256: Sha256 = Field(
        description="SHA-256, in hex, of the summary that the API has checked and stored encrypted."
    )


class DescriptionCounts(KubeModel):
    """What was read: counts and a digest, never names."""

    sha256: Sha256 | None = optional(
        "SHA-256 of the completed description; absent if the table was not read."
    )
    learned: int = Field(default=0, ge=0, description="Columns that are learned.")
    replaced: int = Field(default=0, ge=0, description="Columns with invented values.")
    dropped: int = Field(default=0, ge=0, description="Columns that are left out or empty.")
    to_confirm: int = Field(default=0, ge=0, description="Columns whose reading is not certain.")


class DescriptionStatus(DescriptionCounts):
    """What was read, and under which description."""

    requested: Sha256 | None = optional(
        "SHA-256 of the description that the table was read under; absent without one."
    )
    revision: int = Field(default=0, ge=0, description="How often the table was read successfully.")


class ReadSource(KubeModel):
    """The bytes that were read from spec.source.uri."""

    sha256: Sha256 = Field(description="SHA-256 of the bytes, in hex.")
    bytes: int = Field(ge=0, description="Number of bytes read.")


class DatasetSpec(RetainedSpec, json_schema_extra=_SPEC_RULES):
    """The table's origin, its retention, its description and its survey weights."""

    source: Source = Field(
        default_factory=Source, description="Origin of the table.", json_schema_extra=_SOURCE_RULES
    )
    weights: ColumnName | None = optional(
        "Column of survey weights (numbers, 0 or more): the model represents the "
        "weighted population."
    )
    purpose: Literal["Fit", "Given"] = Field(
        default="Fit",
        description="Fit: the table is cleaned for a Model. Given: its rows are to be completed by "
        "GenerationJobs with spec.given; they are kept encrypted as read, and no Model can be fit "
        "on them. Fit when absent.",
        json_schema_extra=no_default,
    )
    table_description: TableDescription | None = optional(
        "What the columns are, as far as it is not to be detected. A change reads the "
        "table again, which needs hold, keepSource or type Object; then create the Model again."
    )
    earlier: EarlierWaves | None = optional(
        "Summary of the waves before those of the table; it comes through the API, as "
        "with `simulacra upload --earlier`. Fixed."
    )
    hold: bool = Field(
        default=False,
        description="true stops after reading, until false confirms the description. The source is "
        "kept encrypted meanwhile, for one hour at most. false when absent.",
        json_schema_extra=no_default,
    )
    keep_source: bool = Field(
        default=False,
        description="true keeps the upload, encrypted, until the Dataset expires, so that the "
        "description can be changed; by default it is erased once it is read. An Object is never "
        "copied: it is read again. false when absent.",
        json_schema_extra=no_default,
    )

    @property
    def description_digest(self) -> str | None:
        """The SHA-256 of the description, in hex, None without one."""
        return None if self.table_description is None else self.table_description.digest


class DatasetStatus(WorkStatus):
    """The state of a dataset.

    Conditions: Uploaded (bytes complete) or, for type Object, SourceAllowed (the Tenant allows the
    uri); Prepared (cleaned table and schema written); Confirmed (while the Dataset is held, or
    its source is erased and its description has changed since); Ready (all of them); Failed, if the
    work failed for good.
    """

    rows: int | None = optional("Rows of the cleaned table.", ge=0)
    columns: int | None = optional("Columns of the cleaned table.", ge=0)
    source: ReadSource | None = optional("The bytes that were read, for type Object.")
    description: DescriptionStatus | None = optional("What was read, and under which description.")
    source_until: Timestamp | None = optional(
        "When the source that hold keeps is erased at the latest."
    )


class Dataset(WorkResource):
    """A seed table of a tenant."""

    PLURAL: ClassVar[str] = "datasets"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("ds",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PHASE,
        READY,
        PROGRESS,
        PrinterColumn(name="Rows", type="integer", json_path=".status.rows"),
        PrinterColumn(name="Columns", type="integer", json_path=".status.columns", priority=1),
        PrinterColumn(name="Source", json_path=".spec.source.type", priority=1),
        REASON,
        EXPIRES,
        AGE,
    )
    SELECTABLE_FIELDS: ClassVar[tuple[str, ...]] = (".status.phase",)
    RULES: ClassVar[tuple[dict[str, Any], ...]] = tuple(_RULES["x-kubernetes-validations"])

    kind: Literal["Dataset"] = "Dataset"
    spec: DatasetSpec = Field(default_factory=DatasetSpec)
    status: DatasetStatus = Field(default_factory=DatasetStatus)
