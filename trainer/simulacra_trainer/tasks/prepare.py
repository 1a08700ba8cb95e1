"""The task prepare: from an upload, or an object in the customer's store, to a clean dataset."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from simulacra_crds.kinds.base import Artifact
from simulacra_crds.kinds.dataset import DescriptionCounts, ReadSource
from simulacra_crds.tasks import (
    DATASET,
    DESCRIPTION,
    EARLIER,
    GIVEN,
    READ_TABLE,
    REQUEST,
    SCHEMA,
    SOURCE,
    STATED_DESCRIPTION,
    UPLOAD,
    UPLOAD_PIECES,
    PrepareRequest,
    TaskResult,
)
from simulacra_intake.description.layout import NOTHING_STATED, check_kept, open_described
from simulacra_intake.description.statements import mismatch
from simulacra_intake.errors import invalid_request
from simulacra_intake.parquet_file import read_parquet
from simulacra_intake.raw_table import RawTable
from simulacra_schema.description import Description, DescriptionInvalid, load_description
from simulacra_schema.description_parts import EXTENSION
from simulacra_schema.table import TableSchema
from simulacra_schema.wave_summary import WaveSummary
from simulacra_trainer.cleaning.described import clean_described
from simulacra_trainer.progress import ProgressMeter
from simulacra_trainer.tasks.context import TaskContext
from simulacra_trainer.tasks.object_source import fetch

STEPS = {"reading": 2.0, "cleaning": 3.0, "storing": 1.0}
NO_EARLIER = "The stored summary of earlier waves is not the one that was announced. Send it again."
NO_DESCRIPTION = "The stored description is not the one that was announced. Send it again."
REPLACED = ("key", "subject", "foreign_key", "personal_data")
ASKED = ("foreign_key",)
"""Roles that are taken on weak evidence: safe, but to be confirmed."""


def prepare(context: TaskContext) -> TaskResult:
    """Store the clean dataset, its schema and description, then erase the upload.

    Safe to repeat. With another description than that of the stored schema it reads again.
    """
    own = context.own
    request = own.load(REQUEST, PrepareRequest)
    if request.given:
        return _given(context, request)
    schema = own.load(SCHEMA, TableSchema) if own.exists(SCHEMA) and own.exists(DATASET) else None
    if schema is not None and schema.description_sha256 == request.description_sha256:
        # An earlier pod got as far as the erasure.
        stored = [own.describe(DATASET, schema.rows), own.describe(SCHEMA)]
        kept = (EARLIER, DESCRIPTION, READ_TABLE)
        stored += [own.describe(one) for one in kept if own.exists(one)]
    else:
        schema, stored = _read(context, request)
    if not request.hold:
        _erase_upload(context)
    return TaskResult(
        outcome="Succeeded",
        reason="Prepared",
        artefacts=stored,
        rows=schema.rows,
        columns=len(schema.columns),
        source=own.find(SOURCE, ReadSource),
        description=_counts(context, schema),
    )


def _given(context: TaskContext, request: PrepareRequest) -> TaskResult:
    """Store rows that are to be completed, as read; they are cleaned as the donors' table was.

    Safe to repeat.
    """
    own = context.own
    if not own.exists(GIVEN):
        meter = ProgressMeter(STEPS, context.report_progress)
        meter.step("reading")
        raw = _receive(context, request, _stated(context, request))
        assert isinstance(raw, RawTable), "given rows are kept as they are read the first time"
        meter.step("storing")
        own.store_table(GIVEN, raw.batches(), raw.schema)
    _erase_upload(context)
    table = read_parquet(own.download(GIVEN, context.directory / GIVEN))
    return TaskResult(
        outcome="Succeeded",
        reason="Prepared",
        artefacts=[own.describe(GIVEN, table.num_rows)],
        rows=table.num_rows,
        columns=table.num_columns,
        source=own.find(SOURCE, ReadSource),
    )


def _erase_upload(context: TaskContext) -> None:
    for name in (UPLOAD, *context.own.names(UPLOAD_PIECES)):
        context.own.erase(name)


def _counts(context: TaskContext, schema: TableSchema) -> DescriptionCounts | None:
    """Return the counts of the completed description; None for a table of an earlier release."""
    if not context.own.exists(DESCRIPTION):
        return None
    content = context.own.read(DESCRIPTION)
    return counts_of(schema, json.loads(content), content)


def _read(context: TaskContext, request: PrepareRequest) -> tuple[TableSchema, list[Artifact]]:
    """Read and clean the table; store it, and its schema last."""
    own = context.own
    description = _stated(context, request)
    meter = ProgressMeter(STEPS, context.report_progress)
    meter.step("reading")
    raw = _receive(context, request, description)
    meter.step("cleaning")
    described = clean_described(raw, description, request.weights, _earlier(context, request))
    clean = described.clean
    storing = meter.step("storing")
    stored = [] if request.earlier_sha256 is None else [own.describe(EARLIER)]
    if request.keep_source and isinstance(raw, RawTable):
        stored.append(own.store_table(READ_TABLE, raw.batches(), raw.schema))
    content = json.dumps(described.document, ensure_ascii=False).encode()
    stored.append(own.store(DESCRIPTION, content))
    stored.append(own.store_table(DATASET, iter([clean.table]), clean.table.schema))
    schema = clean.schema.model_copy(update={"description_sha256": request.description_sha256})
    stored.append(own.store_model(SCHEMA, schema))
    storing(1.0)
    return schema, stored


def _stated(context: TaskContext, request: PrepareRequest) -> Description:
    """Return the description that the customer sent, an empty one without."""
    if request.description_sha256 is None:
        return NOTHING_STATED
    own = context.own
    if own.describe(STATED_DESCRIPTION).sha256 != request.description_sha256:
        raise invalid_request(NO_DESCRIPTION)
    try:
        return load_description(own.read(STATED_DESCRIPTION))
    except DescriptionInvalid as error:
        message = f"The description has {len(error.errors)} errors."
        raise mismatch(message, error.errors) from None


def _earlier(context: TaskContext, request: PrepareRequest) -> WaveSummary | None:
    """Return the summary of earlier waves that the customer handed back, None without."""
    own = context.own
    if request.earlier_sha256 is None:
        return None
    if not own.exists(EARLIER) or own.describe(EARLIER).sha256 != request.earlier_sha256:
        raise invalid_request(NO_EARLIER, pointer="/earlier")
    return WaveSummary.model_validate_json(own.read(EARLIER))


def _receive(
    context: TaskContext, request: PrepareRequest, description: Description
) -> pa.Table | RawTable:
    """Return the table as read: of the upload, the kept table, or the object, which is noted."""
    own, path = context.own, context.directory / UPLOAD
    if request.source is None and not own.exists(UPLOAD) and own.exists(READ_TABLE):
        kept = read_parquet(own.download(READ_TABLE, context.directory / READ_TABLE))
        check_kept(kept.schema, description)
        return kept
    if request.source is None:
        own.download(UPLOAD, path)
    else:
        own.store_model(SOURCE, fetch(request.source, context.env, path))
    return open_described(path, request.format, description)


def counts_of(
    schema: TableSchema, document: Mapping[str, Any], content: bytes
) -> DescriptionCounts:
    """Return the counts of a table that was read."""
    learned = sum(column.learned for column in schema.columns)
    replaced = sum(not column.learned and column.role in REPLACED for column in schema.columns)
    kept = sum(one.kind == "constant" or one.is_of_design for one in schema.columns)
    fields = document["schema"]["fields"]
    return DescriptionCounts(
        sha256=hashlib.sha256(content).hexdigest(),
        learned=learned,
        replaced=replaced,
        dropped=max(len(fields) - learned - replaced - kept, 0),
        to_confirm=sum(_is_asked(field) for field in fields)
        + sum(column.to_confirm is not None for column in schema.columns),
    )


def _is_asked(field: Mapping[str, Any]) -> bool:
    own = field.get(EXTENSION, {})
    return own.get("role") in ASKED and own.get("source", {}).get("role") == "detected"
