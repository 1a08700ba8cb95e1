"""The trained network as plain tensors stacked by column: sampled from, saved and loaded."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.families.neural.coding import CELLS, INPUTS, ColumnCoding
from simulacra_trainer.families.neural.network import FINE_WIDTH, WIDTH, Network

TENSORS, CONFIG = "model.safetensors", "neural.json"
VERSION = 1
MAX_CONFIG_BYTES, MAX_HEADER_BYTES = 1 << 20, 1 << 20
Weights = dict[str, Tensor]


def shapes_of(codings: Sequence[ColumnCoding]) -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of a model by name; code tables are stacked by column."""
    c, k = len(codings), sum(coding.codes for coding in codings)
    celled = [coding.codes for coding in codings if coding.has_cells]
    f, kf = len(celled), sum(celled)
    return {
        "embed": (k, WIDTH),
        "slope": (k, WIDTH),
        "head": (k, WIDTH),
        "bias": (k,),
        "wide": (c, INPUTS - 1, WIDTH),
        "w1": (c, WIDTH, WIDTH),
        "b1": (c, WIDTH),
        "w2": (c, WIDTH, WIDTH),
        "b2": (c, WIDTH),
        "inner": (f, WIDTH, FINE_WIDTH),
        "gate": (kf, FINE_WIDTH),
        "shift": (kf, FINE_WIDTH),
        "outer": (f, FINE_WIDTH, CELLS),
        "cell_bias": (kf, CELLS),
    }


@torch.no_grad()
def fold(network: Network, codings: Sequence[ColumnCoding]) -> Weights:
    """Return the weights in the codings' order, with tied weights summed and padding removed."""
    by_column: dict[str, list[Tensor]] = {name: [] for name in shapes_of(codings)}
    place = {j: i for i, j in enumerate(network.order)}
    fine = {i: f for f, i in enumerate(network.fine)}
    tables: list[dict[str, Tensor]] = []
    for table in network.tables:
        embed, slope = table.vectors()
        slope = torch.zeros_like(embed) if slope is None else slope
        each = (embed, slope, table.outputs(), table.bias)
        tables += [
            dict(zip(("embed", "slope", "head", "bias"), column, strict=True))
            for column in zip(*each, strict=True)
        ]
    for j, coding in enumerate(codings):
        i = place[j]
        for name, padded in tables[i].items():
            by_column[name].append(padded[: coding.codes])
        for name in ("wide", "w1", "b1", "w2", "b2"):
            own = getattr(network, name)[i : i + 1]
            by_column[name].append(own.reshape(shapes_of([coding])[name]))
        if network.cells is not None and i in fine:
            cells, at = network.cells, fine[i]
            by_column["inner"].append(cells.inner[at : at + 1])
            by_column["outer"].append(cells.outer[at : at + 1])
            for name, table in zip(
                ("gate", "shift", "cell_bias"), (cells.gate, cells.shift, cells.bias), strict=True
            ):
                by_column[name].append(table[at, : coding.codes])
    shapes = shapes_of(codings)
    return {
        name: torch.cat(parts).float().contiguous() if parts else torch.zeros(shapes[name])
        for name, parts in by_column.items()
    }


def save_weights(weights: Weights, config: dict[str, Any], directory: Path) -> None:
    """Write tensors and config into the directory."""
    (directory / TENSORS).write_bytes(save(weights))
    (directory / CONFIG).write_text(json.dumps({"version": VERSION, **config}))


def load_weights(
    directory: Path, codings: Sequence[ColumnCoding]
) -> tuple[Weights, dict[str, Any]]:
    """Read what `save_weights` wrote for a model of these columns.

    Raises:
        ModelFileError: if a file is missing, too large, or does not hold exactly the tensors of
            such a model.
    """
    shapes = shapes_of(codings)
    try:
        size = sum(4 * int(np.prod(shape)) for shape in shapes.values())
        limits = {TENSORS: size + MAX_HEADER_BYTES, CONFIG: MAX_CONFIG_BYTES}
        for name, limit in limits.items():
            if (directory / name).stat().st_size > limit:
                raise ModelFileError(f"{name} is larger than a model of this table can be")
        config = json.loads((directory / CONFIG).read_bytes())
        if not isinstance(config, dict) or config.get("version") != VERSION:
            raise ModelFileError(f"{CONFIG} is not of version {VERSION}")
        weights = load((directory / TENSORS).read_bytes())
        if set(weights) != set(shapes):
            raise ModelFileError(f"{TENSORS} must hold exactly the tensors of a neural model")
        for name, shape in shapes.items():
            tensor = weights[name]
            if tuple(tensor.shape) != shape or tensor.dtype != torch.float32:
                raise ModelFileError(f"tensor {name} has the wrong type or shape")
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = type(error).__name__
        raise ModelFileError(f"{TENSORS} and {CONFIG} do not hold a neural model: {why}") from None
    if not all(bool(torch.isfinite(tensor).all()) for tensor in weights.values()):
        raise ModelFileError(f"{TENSORS} holds a number that is not finite")
    return weights, config
