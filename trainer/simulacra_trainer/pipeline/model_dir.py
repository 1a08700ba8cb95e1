"""The directory of a fitted model: the family's own files, and what all families share."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulacra_crds.contract.schema import TableSchema
from simulacra_crds.contract.tasks import REPORT_PAGE
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.pipeline.fit import TrainedModel, family_named
from simulacra_trainer.report import render_html

FORMAT_VERSION = 1
MODEL, SCHEMA, GRAPH, REPORT, TRAIN = (
    "model.json",
    "schema.json",
    "graph.json",
    "report.json",
    "train.parquet",
)
MAX_JSON_BYTES = 64 << 20


class ModelHeader(BaseModel):
    """What model.json holds: format version, family and figures."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=FORMAT_VERSION, le=FORMAT_VERSION)
    family: str = Field(pattern=r"^(forest|neural)$")
    figures: dict[str, float] = Field(default_factory=dict, max_length=32)


def save_model(trained: TrainedModel, directory: Path) -> None:
    """Write a fitted model into a directory, which is made if it is not there."""
    directory.mkdir(parents=True, exist_ok=True)
    trained.model.save(directory)
    write_clean(trained.table, directory / TRAIN)
    (directory / SCHEMA).write_text(trained.schema.model_dump_json(by_alias=True))
    (directory / GRAPH).write_text(trained.graph.to_json())
    (directory / REPORT).write_text(json.dumps(trained.report))
    (directory / REPORT_PAGE).write_text(render_html(trained.report))
    header = ModelHeader(version=FORMAT_VERSION, family=trained.family, figures=trained.figures)
    (directory / MODEL).write_text(header.model_dump_json())


def load_model(directory: Path) -> TrainedModel:
    """Load what `save_model` wrote.

    Raises:
        ModelFileError: if a file is missing, too large or inconsistent.
    """
    try:
        header = read_header(directory)
        schema = TableSchema.model_validate_json(_small(directory / SCHEMA))
        table = read_clean(directory / TRAIN, schema)
        graph = CausalGraph.from_json(_small(directory / GRAPH))
        report = json.loads(_small(directory / REPORT))
    except (OSError, ValidationError, ValueError, KeyError, pa.ArrowException) as error:
        raise ModelFileError(
            f"the model directory cannot be read ({type(error).__name__})"
        ) from None
    model = family_named(header.family).load(directory, table, schema)
    return TrainedModel(model, header.family, table, schema, graph, header.figures, report)


def read_header(directory: Path) -> ModelHeader:
    """Return what model.json of a directory holds."""
    return ModelHeader.model_validate_json(_small(directory / MODEL))


def write_clean(table: pa.Table, path: Path) -> None:
    """Write a clean table as Parquet; the Arrow schema keeps the levels' positions."""
    pq.write_table(table, path, compression="zstd", store_schema=True)


def read_clean(path: Path, schema: TableSchema) -> pa.Table:
    """Read a clean table: learned columns and weights in schema order, one chunk each."""
    kept = [column.name for column in schema.columns if column.learned or column.kind == "weight"]
    return pq.read_table(path, columns=kept).combine_chunks()


def _small(path: Path) -> bytes:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ModelFileError(f"{path.name} exceeds {MAX_JSON_BYTES >> 20} MiB")
    return path.read_bytes()
