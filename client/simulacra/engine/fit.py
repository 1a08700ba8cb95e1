"""Fit a model to a table in this process, and load one."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from simulacra import tables
from simulacra.corrections import ABOUT, TYPES, Changes, Corrections
from simulacra.engine.errors import plain_errors
from simulacra.engine.model import Model, OnProgress
from simulacra.errors import EngineError
from simulacra.models import Description, Json, Schema
from simulacra.operations.datasets import earlier_waves, with_background
from simulacra.signatures import with_optional

ARGUMENTS = {
    "/privacy/epsilon": "/epsilon",
    "/privacy/delta": "/delta",
    "/privacy_level": "/privacy",
    "/gpu": "/gpus",
}
"""Fields of the engine's request -> arguments of `fit`."""


@with_optional(TYPES, "description", ABOUT, plain=True)
def fit(
    source: str | Path | tables.Frame,
    *,
    family: str = "auto",
    knowledge: Json | None = None,
    background: str | None = None,
    weights: str | None = None,
    epsilon: float | None = None,
    delta: float = 1e-6,
    privacy: str = "standard",
    description: Json | None = None,
    earlier: Json | str | Path | None = None,
    gpus: int = 0,
    seed: int = 0,
    checkpoints: str | Path | None = None,
    on_progress: OnProgress | None = None,
    **changes: Unpack[Changes],
) -> Model:
    """Fit a model to a table in this process; nothing leaves the machine.

    The table is cleaned as an upload is. Temporary files are encrypted. The same table, options and
    seed give the same model, whether the table is a file or a pandas, polars or Arrow table.

    Args:
        source: path of a file (CSV, Parquet, Arrow, .xlsx, .sav), or an object with Arrow's
            `__arrow_c_stream__`.
        family: forest, neural or auto.
        knowledge: causal knowledge, as for `Client.upload`.
        background: ask or auto, as for `Client.upload`.
        weights: column of survey weights; the model represents the weighted population.
        epsilon: differential privacy of the model, 0.01 to 100; not together with weights.
        delta: of epsilon.
        privacy: standard, or strict: rows of a small table are besides no nearer to it than the
            DCR bar allows; not together with epsilon.
        description: what the columns are (Data Package v2), as far as it is not to be detected.
        earlier: summary of earlier waves, or its file, as for `Client.upload`. Its signature is not
            checked: it is the caller's own.
        gpus: to fit on; family auto is neural with any.
        seed: of the random numbers.
        checkpoints: folder from which a neural fit that was interrupted resumes.
        on_progress: called with `percent`, `eta_seconds` and `step`.

    Raises:
        ValueError: the table cannot be used, or an option; the message says which and why.
        ModuleNotFoundError: the engine is not installed; the message says how.
    """
    if privacy == "strict":
        _check_strict(epsilon, is_neural=family == "neural" or (family == "auto" and gpus > 0))
    corrections = Corrections(**changes)
    corrected = corrections.into(description)
    with corrections.named_in_errors(), plain_errors(ARGUMENTS):
        from simulacra_crds.tasks import FitRequest
        from simulacra_schema.description import parse_description
        from simulacra_schema.wave_summary import WaveSummary
        from simulacra_trainer.in_process import fit_table
        from simulacra_trainer.private_files import PrivatePath
        from simulacra_trainer.progress import silent

        options = {
            "family": family,
            "knowledge": with_background(knowledge, background) or {},
            "privacy": None if epsilon is None else {"epsilon": epsilon, "delta": delta},
            "privacy_level": privacy,
            "seed": seed,
            "gpu": gpus,
        }
        table = Path(source) if isinstance(source, str | Path) else tables.to_arrow(source)
        handed = earlier_waves(earlier)
        before = None if handed is None else WaveSummary.model_validate(handed.get("summary"))
        stated = None if corrected is None else parse_description(corrected)
        request = FitRequest.model_validate(options)
        kept = None if checkpoints is None else PrivatePath(checkpoints)
        sink = on_progress or silent
        fitted = fit_table(
            table, request, stated, weights, checkpoints=kept, earlier=before, sink=sink
        )
        return Model(fitted)


def _check_strict(epsilon: float | None, is_neural: bool) -> None:
    if epsilon is not None:
        refusal = "strict cannot be combined with epsilon. Set either of them."
    elif is_neural:
        refusal = "strict needs family forest; the other family is not tuned."
    else:
        return
    raise EngineError(refusal, [{"pointer": "/privacy", "detail": refusal}])


def read(
    source: str | Path, description: Json | None = None, weights: str | None = None
) -> tuple[Schema, Description]:
    """Return the cleaned schema of a table and its completed description; nothing is fit.

    Raises:
        ValueError: the table cannot be used, or the description contradicts it.
    """
    with plain_errors():
        from simulacra_schema.description import parse_description
        from simulacra_trainer.in_process import read_described

        stated = None if description is None else parse_description(description)
        found = read_described(Path(source), stated, weights)
        schema = found.clean.schema.model_dump(mode="json", exclude_none=True)
        return Schema(schema), Description(found.document)


def load(directory: str | Path) -> Model:
    """Load a model that `Model.save` or `simulacra fit` wrote.

    Raises:
        ValueError: the directory has no model.
    """
    if not Path(directory).is_dir():
        raise ValueError(
            f"{directory}: no such folder. Name one that `simulacra fit` or Model.save wrote."
        )
    with plain_errors():
        from simulacra_trainer.trained_model import load_model

        return Model(load_model(Path(directory), linked=True))
