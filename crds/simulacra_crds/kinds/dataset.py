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
)

FileFormat = Literal["csv", "parquet", "arrow", "xlsx", "spss"]


URI_PATTERN = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_'()=+@:,&~ -][A-Za-z0-9!_.'()=+@:,&~ -]*)+$"
_SOURCE_RULES = [
    {
        "rule": "(self.type == 'Object') == has(self.uri)",
        "message": "uri goes with type Object, and only with it",
    },
    {
        "rule": "self.type == oldSelf.type && self.format == oldSelf.format && has(self.uri) == has(oldSelf.uri) "
        "&& (!has(self.uri) || self.uri == oldSelf.uri)",
        "message": "type, uri and format are fixed at creation; create another Dataset",
    },
    {
        "rule": "!has(oldSelf.sha256) || (has(self.sha256) && self.sha256 == oldSelf.sha256)",
        "message": "sha256 is fixed once the upload is complete",
    },
    {
        "rule": "!has(oldSelf.bytes) || (has(self.bytes) && self.bytes == oldSelf.bytes)",
        "message": "bytes is fixed once the upload is complete",
    },
    {
        "rule": "self.type == 'Upload' || (has(self.sha256) == has(oldSelf.sha256) "
        "&& has(self.bytes) == has(oldSelf.bytes))",
        "message": "sha256 and bytes of an Object are fixed at creation; create another Dataset",
    },
    {
        "rule": "self.type == 'Object' || has(self.sha256) == has(self.bytes)",
        "message": "sha256 and bytes come together",
    },
]


class Source(KubeModel):
    """Where the bytes come from: an upload through the API, or an object in a store that the Tenant allows."""

    type: Literal["Upload", "Object"] = Field(
        default="Upload",
        description="Upload: the API receives the bytes and completes this. Object: they are read from uri. Fixed.",
    )
    uri: str | None = Field(
        default=None,
        max_length=1100,
        pattern=URI_PATTERN,
        description=(
            "The object to read, s3://bucket/key; it must lie under one of the Tenant's spec.sources, which say how it "
            "is reached. No part of the key may be empty or begin with a dot. Goes with type Object; fixed."
        ),
    )
    format: Literal["auto", FileFormat] = Field(
        default="auto",
        description="How the bytes are written; auto tells it from the bytes. Fixed.",
    )
    sha256: Sha256 | None = Field(
        default=None,
        description=(
            "SHA-256 of the bytes, in hex. Upload: filled in once it is complete, then fixed. "
            "Object: if given, another digest ends the Dataset as SourceMismatch."
        ),
    )
    bytes: int | None = Field(
        default=None,
        ge=0,
        le=1 << 40,
        description="Size in bytes, at most 1 TiB. Upload: comes with sha256. Object: another is SourceMismatch.",
    )


class ReadSource(KubeModel):
    """What was read from spec.source.uri."""

    sha256: Sha256 = Field(description="SHA-256 of the bytes that were read, in hex.")
    bytes: int = Field(ge=0, description="How many bytes were read.")


class DatasetSpec(RetainedSpec):
    """What to keep and for how long, and what its rows stand for."""

    source: Source = Field(
        default_factory=Source,
        description="Where the table comes from.",
        json_schema_extra={"x-kubernetes-validations": _SOURCE_RULES},  # type: ignore[dict-item]
    )
    weights: ColumnName | None = Field(
        default=None,
        description="Column of survey weights (numbers, 0 or more): the model stands for the weighted population.",
    )


class DatasetStatus(WorkStatus):
    """What is true of a dataset.

    Conditions: Uploaded (bytes complete) or, of type Object, SourceAllowed (the Tenant lets it be read); Prepared
    (cleaned table and schema written); Ready (both).
    """

    rows: int | None = Field(default=None, ge=0, description="Rows of the cleaned table.")
    columns: int | None = Field(default=None, ge=0, description="Columns of the cleaned table.")
    source: ReadSource | None = Field(
        default=None,
        description="What was read, of type Object. The object itself stays where it is.",
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
        PrinterColumn(name="Source", type="string", json_path=".spec.source.type", priority=1),
        REASON,
        EXPIRES,
        AGE,
    )
    SELECTABLE_FIELDS: ClassVar[tuple[str, ...]] = (".status.phase",)

    kind: Literal["Dataset"] = "Dataset"
    spec: DatasetSpec = Field(default_factory=DatasetSpec)
    status: DatasetStatus = Field(default_factory=DatasetStatus)
