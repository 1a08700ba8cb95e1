"""A fitted model with its training data and reports, and the directory that stores it."""

import importlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulacra_crds.tasks import REPORT_PAGE, SUMMARY
from simulacra_intake.errors import invalid_request
from simulacra_intake.parquet_file import read_parquet
from simulacra_intake.persons.real_values import METADATA, RealValues
from simulacra_intake.scratch import EncryptedPath
from simulacra_schema.base import Figures
from simulacra_schema.table import TableSchema
from simulacra_schema.wave_summary import WaveSummary
from simulacra_trainer.families.base import Family, FittedModel, ModelFileError
from simulacra_trainer.families.forest import FOREST
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.linked.model import LinkedModel, load_linked
from simulacra_trainer.private_files import PrivatePath
from simulacra_trainer.relations.compute import without_computed
from simulacra_trainer.relations.differences import as_differences
from simulacra_trainer.relations.plan import with_relations
from simulacra_trainer.report import render_html

FORMAT_VERSION = 1
MODEL = "model.json"
SCHEMA = "schema.json"
GRAPH = "graph.json"
REPORT = "report.json"
TRAIN = "train.parquet"
MAX_JSON_BYTES = 64 << 20
NEURAL_EXTRA = ("torch", "pytorch_lightning")


@dataclass(frozen=True)
class TrainedModel:
    """A fitted model with everything that generation and estimation need.

    figures: fidelity and privacy without names, for a status; report: for the customer; linked:
    draws linked rows, where the table has a subject and they were loaded; summary: of its waves,
    for the customer to keep, None of a model of an earlier release.
    """

    model: FittedModel
    family: str
    table: pa.Table
    schema: TableSchema
    graph: CausalGraph
    figures: dict[str, float] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    linked: LinkedModel | None = None
    summary: WaveSummary | None = None

    @property
    def real_values(self) -> RealValues | None:
        """Digests of the upload's identifiers and personal data, which no row may hold."""
        stored = (self.table.schema.metadata or {}).get(METADATA)
        return None if stored is None else RealValues.from_bytes(stored)


class ModelHeader(BaseModel):
    """Content of model.json: format version, family and figures."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=FORMAT_VERSION, le=FORMAT_VERSION)
    family: str = Field(pattern=r"^(forest|neural)$")
    figures: Figures = Field(default_factory=dict)


def is_neural(family: str, gpu: int) -> bool:
    """Return whether a fit is neural: auto is neural if GPUs are requested."""
    return family == "neural" or (family == "auto" and gpu > 0)


def load_family(name: str, gpu: int = 0) -> Family:
    """Return the family of this name; auto is neural if GPUs are requested, else the forest.

    Raises:
        InputError: the neural family is requested, but torch or lightning is not installed.
    """
    if not is_neural(name, gpu):
        return FOREST
    try:
        family: Family = importlib.import_module("simulacra_trainer.families.neural").NEURAL
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in NEURAL_EXTRA:
            raise
        message = "The neural family is not installed. Run: pip install 'simulacra[neural]'"
        raise invalid_request(message) from None
    return family


def save_model(trained: TrainedModel, directory: Path) -> None:
    """Write a fitted model into a directory, which is created if missing.

    Its files encrypt themselves (`scratch.EncryptedPath`), or only their owner may read them.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not isinstance(directory, EncryptedPath):
        directory = PrivatePath(directory)
    trained.model.save(directory)
    if trained.linked is not None:
        trained.linked.save(directory)
    write_clean(trained.table, directory / TRAIN)
    (directory / SCHEMA).write_text(trained.schema.model_dump_json(by_alias=True))
    (directory / GRAPH).write_text(trained.graph.to_json())
    (directory / REPORT).write_text(json.dumps(trained.report))
    (directory / REPORT_PAGE).write_text(render_html(trained.report))
    if trained.summary is not None:
        (directory / SUMMARY).write_bytes(trained.summary.content())
    header = ModelHeader(version=FORMAT_VERSION, family=trained.family, figures=trained.figures)
    (directory / MODEL).write_text(header.model_dump_json())


def load_model(directory: Path, *, linked: bool = False) -> TrainedModel:
    """Load what `save_model` wrote.

    linked: whether linked rows are to be drawn; a model without them has None.

    Raises:
        ModelFileError: if a file is missing, too large or inconsistent.
    """
    try:
        header = read_header(directory)
        schema = TableSchema.model_validate_json(_small(directory / SCHEMA))
        table = read_clean(directory / TRAIN, schema)
        graph = CausalGraph.from_json(_small(directory / GRAPH))
        report = json.loads(_small(directory / REPORT))
        kept = directory / SUMMARY
        summary = WaveSummary.model_validate_json(_small(kept)) if kept.exists() else None
    except (OSError, ValidationError, ValueError, KeyError, pa.ArrowException) as error:
        message = f"the model directory cannot be read ({type(error).__name__})"
        raise ModelFileError(message) from None
    learned = as_differences(table, schema)
    model = load_family(header.family).load(directory, learned, without_computed(schema))
    model = with_relations(model, schema, table)
    histories = load_linked(directory, table, schema) if linked else None
    return TrainedModel(
        model, header.family, table, schema, graph, header.figures, report, histories, summary
    )


def read_header(directory: Path) -> ModelHeader:
    """Return the content of model.json in a directory."""
    return ModelHeader.model_validate_json(_small(directory / MODEL))


def write_clean(table: pa.Table, path: Path) -> None:
    """Write a clean table as Parquet; the Arrow schema keeps the levels' positions."""
    with path.open("wb") as file:
        pq.write_table(table, file, compression="zstd", store_schema=True)


def read_clean(path: Path, schema: TableSchema) -> pa.Table:
    """Read a clean table in schema order: learned columns, weights, persons, clusters."""
    kept = [
        part.name
        for column in schema.columns
        if column.learned or column.is_of_design or column.role == "subject"
        for part in (*column.parts(), column.codes())
        if part is not None
    ]
    return read_parquet(path, kept).combine_chunks()


def _small(path: Path) -> bytes:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ModelFileError(f"{path.name} exceeds {MAX_JSON_BYTES >> 20} MiB")
    return path.read_bytes()
