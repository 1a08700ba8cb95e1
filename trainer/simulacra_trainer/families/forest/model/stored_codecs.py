"""What a column's codec has from the training table, as flat arrays and a JSON outline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from simulacra_schema.table import ColumnSchema
from simulacra_trainer.families.codec import ColumnCodec, plain_codec
from simulacra_trainer.families.curve import Curve
from simulacra_trainer.families.roundness import Roundness

Array = npt.NDArray[Any]
Outline = dict[str, Any]
CURVE = ("heaps", "heap_mass", "ranks", "values", "mass")
ROUNDNESS = ("ends", "steps", "upto")


def codec_outline(codec: ColumnCodec, add: Callable[[Array], Outline]) -> Outline:
    """Return the outline of a codec; add: keeps an array and says where it is."""
    if codec.is_category:
        return {"codes": add(codec.codes)}
    node: Outline = {
        "edges": add(codec.edges),
        "unit": codec.unit,
        "low": codec.low,
        "high": codec.high,
    }
    if codec.lattice is not None:
        node["lattice"] = list(codec.lattice)
    if codec.few is not None:
        node["few"] = add(codec.few)
    if codec.curve is not None:
        node["curve"] = {name: add(getattr(codec.curve, name)) for name in CURVE}
    if codec.roundness is not None:
        parts = {name: add(getattr(codec.roundness, name).ravel()) for name in ROUNDNESS}
        node["roundness"] = {**parts, "heaps": add(codec.roundness.heaps)}
    return node


def codec_of(node: Outline, schema: ColumnSchema, take: Callable[[Outline], Array]) -> ColumnCodec:
    """Return the codec of an outline; take: the array that `add` kept. ValueError if unsound."""
    codec = plain_codec(schema)
    if codec.is_category:
        codes = take(node["codes"])
        _require(codes.size == len(codec.levels) and bool(((codes >= 0) & (codes < 256)).all()))
        return replace(codec, codes=codes.astype(np.uint8))
    edges, unit = take(node["edges"]), int(node["unit"])
    _require(edges.size < 255 and _ascend(edges) and unit >= 1)
    curve = roundness = lattice = None
    if "lattice" in node:
        lattice = float(node["lattice"][0]), float(node["lattice"][1])
        _require(lattice[1] > 0)
    if "curve" in node:
        curve = Curve(**{name: take(node["curve"][name]) for name in CURVE})
        _require(curve.heaps.size == curve.heap_mass.size and _ascend(curve.heaps))
        _require(curve.ranks.size == curve.values.size == curve.mass.size != 1)
        _require(_ascend(curve.ranks) and bool((np.diff(curve.values) >= 0).all()))
    if "roundness" in node:
        roundness = _roundness(node["roundness"], take)
    return replace(
        codec,
        edges=edges,
        unit=unit,
        low=float(node["low"]),
        high=float(node["high"]),
        few=take(node["few"]) if "few" in node else None,
        curve=curve,
        roundness=roundness,
        lattice=lattice,
    )


def _roundness(node: Mapping[str, Outline], take: Callable[[Outline], Array]) -> Roundness:
    ends, steps, upto = (take(node[name]) for name in ROUNDNESS)
    _require(steps.size > 0 and upto.size == (ends.size + 1) * steps.size and _ascend(ends))
    return Roundness(take(node["heaps"]), ends, steps, upto.reshape(-1, steps.size))


def _ascend(values: Array) -> bool:
    return bool(np.isfinite(values).all() and (np.diff(values) > 0).all())


def _require(sound: bool) -> None:
    if not sound:
        raise ValueError("a codec is unsound")
