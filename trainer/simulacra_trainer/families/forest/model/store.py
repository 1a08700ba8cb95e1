"""Stored form of a forest: ten flat tensors (safetensors) and a JSON outline of offsets.

Everything read is checked before a kernel uses it, because kernels index without bounds checks.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from simulacra_schema.table import ColumnSchema
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.families.codec import ColumnCodec, plain_codec
from simulacra_trainer.families.curve import Curve
from simulacra_trainer.families.forest.samplers import SAMPLERS, Sampler
from simulacra_trainer.families.forest.samplers.stored import (
    OUTLINE,
    TENSORS,
    TYPES,
    Outline,
    Reader,
    Writer,
    unsound,
)
from simulacra_trainer.families.roundness import Roundness

MAX_TENSOR_BYTES = 8 << 30
MAX_OUTLINE_BYTES = 64 << 20
Array = npt.NDArray[Any]
CURVE = ("heaps", "heap_mass", "ranks", "values", "mass")
ROUNDNESS = ("ends", "steps", "upto")


def save_samplers(
    samplers: Mapping[int, Sampler],
    header: Outline,
    directory: Path,
    prefix: str = "",
    codecs: Sequence[ColumnCodec] = (),
) -> None:
    """Write the header, samplers and codecs into the directory; prefix: of the files' names."""
    writer = Writer()
    outline = {
        **header,
        "parts": {str(j): writer.sampler(sampler) for j, sampler in samplers.items()},
    }
    outline["codecs"] = [codec_outline(codec, writer.floats) for codec in codecs]
    if batteries := writer.batteries():
        outline["batteries"] = batteries
    (directory / f"{prefix}{TENSORS}").write_bytes(save(writer.tensors()))
    (directory / f"{prefix}{OUTLINE}").write_text(json.dumps(outline, separators=(",", ":")))


def load_samplers(
    directory: Path, columns: Sequence[ColumnSchema], prefix: str = ""
) -> tuple[dict[int, Sampler], list[ColumnCodec] | None, Outline]:
    """Return the samplers by column, the codecs and the header that `save_samplers` wrote.

    Models of before they were stored have no codecs: None.

    Raises:
        ModelFileError: if a file is missing, too large, or does not hold a sound forest.
    """
    try:
        outline_file = directory / f"{prefix}{OUTLINE}"
        if outline_file.stat().st_size > MAX_OUTLINE_BYTES:
            raise _too_large(outline_file, MAX_OUTLINE_BYTES)
        outline = json.loads(outline_file.read_bytes())
        if not isinstance(outline, dict):
            raise unsound("the outline is no object")
        tensors_file = directory / f"{prefix}{TENSORS}"
        if tensors_file.stat().st_size > MAX_TENSOR_BYTES:
            raise _too_large(tensors_file, MAX_TENSOR_BYTES)
        tensors = load(tensors_file.read_bytes())
        if set(tensors) != set(TYPES):
            raise ModelFileError(f"{TENSORS} must hold exactly the tensors of a forest")
        for name, dtype in TYPES.items():
            shape = (4,) if name == "masks" else ()
            if tensors[name].dtype != dtype or tensors[name].shape[1:] != shape:
                raise ModelFileError(f"tensor {name} has the wrong type or shape")
        reader = Reader(tensors, len(columns), outline.pop("batteries", []), SAMPLERS)
        nodes, codecs = outline.pop("codecs", None), None
        if nodes is not None:
            pairs = zip(nodes, columns, strict=True)
            codecs = [codec_of(node, column, reader.floats) for node, column in pairs]
        samplers = {int(j): reader.sampler(node) for j, node in outline.pop("parts").items()}
        return samplers, codecs, outline
    except (
        OSError,
        SafetensorError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise unsound(type(error).__name__) from None


def _too_large(file: Path, most: int) -> ModelFileError:
    return ModelFileError(f"{file.name} exceeds its size limit of {most >> 20} MiB")


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
