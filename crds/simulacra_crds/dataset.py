"""Dataset: one uploaded seed table, from raw bytes to a cleaned table with a schema."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from simulacra_crds.base import (
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


class Source(KubeModel):
    """Where the bytes come from. The API fills digest and size when an upload is complete."""

    type: Literal["Upload"] = "Upload"
    format: Literal["auto", FileFormat] = "auto"
    sha256: Sha256 | None = Field(
        default=None,
        description="Digest of the uploaded bytes; present once the upload is complete, then fixed.",
    )
    bytes: int | None = Field(default=None, ge=0, le=1 << 40)


class DatasetSpec(RetainedSpec):
    """What to keep and for how long, and what its rows stand for."""

    source: Source = Field(
        default_factory=Source,
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(oldSelf.sha256) || (has(self.sha256) && self.sha256 == oldSelf.sha256)",
                    "message": "sha256 is fixed once the upload is complete",
                },
                {"rule": "has(self.sha256) == has(self.bytes)", "message": "sha256 and bytes come together"},
            ]
        },
    )
    weights: ColumnName | None = Field(
        default=None,
        description="Column of survey weights (numbers, 0 or more): the model stands for the weighted population.",
    )


class DatasetStatus(WorkStatus):
    """What is true of a dataset.

    Conditions: Uploaded (bytes complete), Prepared (cleaned table and schema written), Ready (both).
    """

    rows: int | None = Field(default=None, ge=0)
    columns: int | None = Field(default=None, ge=0)


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
        REASON,
        EXPIRES,
        AGE,
    )
    SELECTABLE_FIELDS: ClassVar[tuple[str, ...]] = (".status.phase",)

    kind: Literal["Dataset"] = "Dataset"
    spec: DatasetSpec = Field(default_factory=DatasetSpec)
    status: DatasetStatus = Field(default_factory=DatasetStatus)
