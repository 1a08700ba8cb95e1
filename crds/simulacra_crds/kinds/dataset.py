"""Dataset: one uploaded seed table, from raw bytes to a cleaned table with a schema."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from simulacra_crds.kinds.base import (
    AGE,
    EXPIRES,
    PHASE,
    PROGRESS,
    READY,
    REASON,
    ColumnName,
    KubeModel,
    PrinterColumn,
    Resource,
    RetainedSpec,
    Sha256,
    WorkStatus,
    cel_rules,
)

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
    uri: str | None = Field(
        default=None,
        max_length=1100,
        pattern=URI_PATTERN,
        description="The object to read, s3://bucket/key, for type Object. It must be under one "
        "of the Tenant's spec.sources, which say how to read it. No part of the key may be empty "
        "or begin with a dot. Fixed.",
    )
    format: Literal["auto", FileFormat] = Field(
        default="auto", description="File format; auto detects it from the bytes. Fixed."
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the bytes, in hex. Upload: set once it is complete, then fixed. "
        "Object: if given, another digest fails the Dataset with SourceMismatch.",
    )
    bytes: int | None = Field(
        default=None,
        ge=0,
        le=1 << 40,
        description="Size in bytes, at most 1 TiB. Upload: set with sha256. Object: if given, "
        "another size fails the Dataset with SourceMismatch.",
    )


class ReadSource(KubeModel):
    """The bytes that were read from spec.source.uri."""

    sha256: Sha256 = Field(description="SHA-256 of the bytes, in hex.")
    bytes: int = Field(ge=0, description="Number of bytes read.")


class DatasetSpec(RetainedSpec):
    """The table's origin, its retention and its survey weights."""

    source: Source = Field(
        default_factory=Source,
        description="Origin of the table.",
        json_schema_extra=_SOURCE_RULES,
    )
    weights: ColumnName | None = Field(
        default=None,
        description="Column of survey weights (numbers, 0 or more): the model represents the "
        "weighted population.",
    )


class DatasetStatus(WorkStatus):
    """The state of a dataset.

    Conditions: Uploaded (bytes complete) or, for type Object, SourceAllowed (the Tenant allows the
    uri); Prepared (cleaned table and schema written); Ready (both).
    """

    rows: int | None = Field(default=None, ge=0, description="Rows of the cleaned table.")
    columns: int | None = Field(default=None, ge=0, description="Columns of the cleaned table.")
    source: ReadSource | None = Field(
        default=None, description="The bytes that were read, for type Object."
    )


class Dataset(Resource):
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

    kind: Literal["Dataset"] = "Dataset"
    spec: DatasetSpec = Field(default_factory=DatasetSpec)
    status: DatasetStatus = Field(default_factory=DatasetStatus)
