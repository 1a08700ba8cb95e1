"""The rows and the schema that a fit learns: within its limits, and private where requested."""

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import FitRequest
from simulacra_intake.errors import invalid_request, too_small
from simulacra_intake.limits import MIN_COLUMNS, MIN_ROWS
from simulacra_intake.rows_of_persons import persons_in, split_persons
from simulacra_schema.questions.fit import DifferentialPrivacy
from simulacra_schema.table import TableSchema
from simulacra_trainer.relations.plan import usable_relations

MAX_FIT_ROWS = 500_000
PRIVATE_EXTRA = "opendp"


def check_size(table: pa.Table, schema: TableSchema) -> None:
    """Raise `InputError` if there are too few rows, or columns that vary."""
    if table.num_rows < MIN_ROWS or len(schema.learned()) < MIN_COLUMNS:
        raise too_small(
            f"The table is too small. It needs {MIN_ROWS} rows and {MIN_COLUMNS} columns that vary."
        )


def usable_schema(schema: TableSchema, request: FitRequest) -> TableSchema:
    """Return the schema with the relations and special codes that this fit learns."""
    schema = usable_relations(schema, request)
    # Differential privacy measures the learned columns alone.
    return schema if request.privacy is None else schema.without_codes()


def rows_within_limit(table: pa.Table, schema: TableSchema, seed: int) -> pa.Table:
    """Return the table, or a random part of it; the rows of a person stay together."""
    if table.num_rows > MAX_FIT_ROWS:
        rng = np.random.default_rng([seed, 11])
        rows = split_persons(persons_in(table, schema), table.num_rows, rng)[:MAX_FIT_ROWS]
        table = table.take(np.sort(rows))
    return table.combine_chunks()


def private_rows(table: pa.Table, schema: TableSchema, privacy: DifferentialPrivacy) -> pa.Table:
    """Return rows drawn from noisy marginals of the real ones.

    Raises:
        InputError: weights or persons, which the guarantee does not cover; or OpenDP is missing.
    """
    design = {
        "survey weights": schema.weight() is not None,
        "clusters": schema.cluster() is not None,
        "replicate weights": bool(schema.replicate_weights()),
    }
    if of_design := [name for name, there in design.items() if there]:
        message = f"Differential privacy does not support {of_design[0]}. Use one of the two."
        raise invalid_request(message, pointer="/epsilon")
    if schema.subject() is not None:
        message = (
            "Differential privacy bounds what a row tells, and here a person has several rows. Fit "
            "without epsilon, or upload one row a person."
        )
        raise invalid_request(message, pointer="/epsilon")
    try:  # an extra, and slow to import
        from simulacra_trainer.differential_privacy import sanitize
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != PRIVATE_EXTRA:
            raise
        message = "Differential privacy is not installed. Run: pip install 'simulacra[private]'"
        raise invalid_request(message, pointer="/epsilon") from None
    return sanitize(table, schema, privacy)
