"""Stored form of a forest: ten flat tensors (safetensors) and a JSON outline of offsets.

Everything read is checked before a kernel uses it, because kernels index without bounds checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load, save

from simulacra_schema.table import ColumnSchema
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.families.codec import ColumnCodec
from simulacra_trainer.families.forest.battery import Battery
from simulacra_trainer.families.forest.kernels import BINS
from simulacra_trainer.families.forest.samplers import (
    Classes,
    Latent,
    LogLinear,
    Lookup,
    Monotone,
    Numbers,
    Pool,
    Sampler,
    ScoredItems,
    Switch,
    Tree,
    Variate,
)
from simulacra_trainer.families.forest.stored_codecs import codec_of, codec_outline

TENSORS = "model.safetensors"
OUTLINE = "forest.json"
MAX_TENSOR_BYTES = 8 << 30
MAX_OUTLINE_BYTES = 64 << 20
_TYPES: dict[str, Any] = {
    "feature": np.int32,
    "masks": np.uint64,
    "child": np.int32,
    "start": np.int32,
    "stop": np.int32,
    "donors": np.int32,
    "values": np.float64,
    "low": np.float64,
    "high": np.float64,
    "keys": np.float64,
}
Outline = dict[str, Any]
Array = npt.NDArray[Any]


def save_samplers(
    samplers: Mapping[int, Sampler],
    header: Outline,
    directory: Path,
    prefix: str = "",
    codecs: Sequence[ColumnCodec] = (),
) -> None:
    """Write the header, samplers and codecs into the directory; prefix: of the files' names."""
    writer = _Writer()
    outline = {
        **header,
        "parts": {str(j): writer.sampler(sampler) for j, sampler in samplers.items()},
    }
    outline["codecs"] = [codec_outline(codec, writer.floats) for codec in codecs]
    if batteries := writer.batteries():
        outline["batteries"] = batteries
    (directory / f"{prefix}{TENSORS}").write_bytes(save(writer.tensors()))
    (directory / f"{prefix}{OUTLINE}").write_text(json.dumps(outline, separators=(",", ":")))


def read_outline(directory: Path, prefix: str = "") -> Outline:
    """Return the JSON outline that `save_samplers` wrote, unchecked.

    Raises:
        ModelFileError: if the file is missing, too large or no JSON object.
    """
    file = directory / f"{prefix}{OUTLINE}"
    try:
        if file.stat().st_size > MAX_OUTLINE_BYTES:
            raise _too_large(file, MAX_OUTLINE_BYTES)
        outline = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _unsound(type(error).__name__) from None
    if not isinstance(outline, dict):
        raise _unsound("the outline is no object")
    return outline


def load_samplers(
    directory: Path, columns: Sequence[ColumnSchema], prefix: str = ""
) -> tuple[dict[int, Sampler], list[ColumnCodec] | None, Outline]:
    """Return the samplers by column, the codecs and the header that `save_samplers` wrote.

    Models of before they were stored have no codecs: None.

    Raises:
        ModelFileError: if a file is missing, too large, or does not hold a sound forest.
    """
    try:
        outline = read_outline(directory, prefix)
        tensors_file = directory / f"{prefix}{TENSORS}"
        if tensors_file.stat().st_size > MAX_TENSOR_BYTES:
            raise _too_large(tensors_file, MAX_TENSOR_BYTES)
        tensors = load(tensors_file.read_bytes())
        if set(tensors) != set(_TYPES):
            raise ModelFileError(f"{TENSORS} must hold exactly the tensors of a forest")
        for name, dtype in _TYPES.items():
            shape = (4,) if name == "masks" else ()
            if tensors[name].dtype != dtype or tensors[name].shape[1:] != shape:
                raise ModelFileError(f"tensor {name} has the wrong type or shape")
        reader = _Reader(tensors, len(columns), outline.pop("batteries", []))
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
        raise _unsound(type(error).__name__) from None


class _Writer:
    def __init__(self) -> None:
        self._chunks: dict[str, list[Array]] = {name: [] for name in _TYPES}
        self._sizes = dict.fromkeys(_TYPES, 0)
        self._batteries: list[Battery] = []

    def tensors(self) -> dict[str, Array]:
        """Return the flat tensors by name."""
        return {
            name: np.concatenate([np.empty((0, 4) if name == "masks" else 0, dtype), *chunks])
            for (name, dtype), chunks in zip(_TYPES.items(), self._chunks.values(), strict=True)
        }

    def sampler(self, sampler: Sampler) -> Outline:
        """Add a sampler's arrays to the tensors; return its outline."""
        match sampler:
            case Pool(low, high):
                return {"kind": "pool", "at": self._add(low=low, high=high)}
            case Numbers(tree, low, high):
                return {
                    "kind": "numbers",
                    "tree": self._tree(tree),
                    "at": self._add(low=low, high=high),
                }
            case Classes(tree, donors, values, samplers):
                inner = {str(k): self.sampler(inner) for k, inner in samplers.items()}
                at = {**self._add(donors=donors), **self._add(values=values)}
                return {"kind": "classes", "tree": self._tree(tree), "at": at, "parts": inner}
            case Switch(on, keys, switched):
                inner_list = [self.sampler(inner) for inner in switched]
                return {"kind": "switch", "on": on, "at": self._add(keys=keys), "parts": inner_list}
            case Monotone(on, keys, low, high):
                return {
                    "kind": "monotone",
                    "on": on,
                    "at": self._add(keys=keys) | self._add(low=low, high=high),
                }
            case Latent(columns, tables, residual, margin):
                inner = {"residual": self.sampler(residual), "margin": self.sampler(margin)}
                return {"kind": "latent", **self._regression(columns, tables), **inner}
            case LogLinear(columns, class_tables, offsets, values, pools, scored):
                flat = np.concatenate([np.empty(0), *(table.ravel() for table in class_tables)])
                node = {
                    "kind": "loglinear",
                    "columns": columns.tolist(),
                    "codes": [len(table) for table in class_tables],
                    "tables": self._add(values=flat),
                    "offsets": self._add(values=offsets),
                    "at": self._add(values=values),
                    "parts": {str(k): self.sampler(pool) for k, pool in pools.items()},
                }
                return node if scored is None else node | {"scored": self._scored(scored)}
            case Lookup(on, keys, values):
                return {
                    "kind": "lookup",
                    "on": on,
                    "at": {**self._add(keys=keys), **self._add(values=values)},
                }

    def floats(self, array: Array) -> Outline:
        """Add an array to the tensors; return where it is."""
        return self._add(values=array)

    def _scored(self, scored: ScoredItems) -> Outline:
        place = next((i for i, of in enumerate(self._batteries) if of is scored.battery), None)
        if place is None:
            place = len(self._batteries)
            self._batteries.append(scored.battery)
        effects = self._add(values=scored.effects.ravel())
        return {"battery": place, "items": scored.items.tolist(), "at": effects}

    def batteries(self) -> list[Outline]:
        """Add the batteries that the samplers share to the tensors; return their outlines."""
        return [
            {
                "columns": of.columns.tolist(),
                "starts": of.starts.tolist(),
                "at": self._add(values=of.tables.ravel()),
            }
            for of in self._batteries
        ]

    def _tree(self, tree: Tree) -> Outline:
        at = self._add(
            **{name: getattr(tree, name) for name in ("feature", "masks", "child", "start", "stop")}
        )
        if tree.variates:
            at["variates"] = [self._regression(v.columns, v.tables) for v in tree.variates]
        return at

    def _regression(self, columns: Array, tables: Array) -> Outline:
        return {"columns": columns.tolist(), "at": self._add(values=tables.ravel())}

    def _add(self, **arrays: Array) -> Outline:
        at: Outline = {}
        for name, array in arrays.items():
            self._chunks[name].append(np.ascontiguousarray(array, _TYPES[name]))
            at[name] = [self._sizes[name], len(array)]
            self._sizes[name] += len(array)
        return at


class _Reader:
    def __init__(self, tensors: dict[str, Array], columns: int, batteries: list[Outline]) -> None:
        self._tensors, self._columns = tensors, columns
        self._batteries = [self._battery(node) for node in batteries]

    def sampler(self, node: Outline) -> Sampler:
        """Return the sampler that the outline describes."""
        build: dict[str, Callable[[Outline], Sampler]] = {
            "pool": lambda n: Pool(*self._intervals(n)),
            "numbers": self._numbers,
            "classes": self._classes,
            "switch": lambda n: Switch(self._column(n["on"]), *self._switched(n)),
            "monotone": lambda n: Monotone(self._column(n["on"]), *self._band(n)),
            "latent": self._latent,
            "loglinear": self._loglinear,
            "lookup": lambda n: Lookup(self._column(n["on"]), *self._looked_up(n)),
        }
        return build[node["kind"]](node)

    def floats(self, at: Outline) -> Array:
        """Return the array that `_Writer.floats` added."""
        return self._slice({"at": at}, "values")

    def _numbers(self, node: Outline) -> Numbers:
        low, high = self._intervals(node)
        return Numbers(self._tree(node["tree"], low.size), low, high)

    def _classes(self, node: Outline) -> Classes:
        donors, values = self._slice(node, "donors"), self._slice(node, "values")
        _require(donors.size > 0 and donors.min() >= 0 and donors.max() < values.size)
        samplers = {int(k): self.sampler(inner) for k, inner in node["parts"].items()}
        _require(all(0 <= k < values.size for k in samplers))
        tree = self._tree(node["tree"], donors.size)
        return Classes(tree, donors.astype(np.min_scalar_type(values.size)), values, samplers)

    def _latent(self, node: Outline) -> Latent:
        columns, tables = self._regression(node)
        residual, margin = self.sampler(node["residual"]), self.sampler(node["margin"])
        if not isinstance(residual, Numbers) or not isinstance(margin, Pool):
            raise _unsound("a sampler is of the wrong kind")
        return Latent(columns, tables, residual, margin)

    def _loglinear(self, node: Outline) -> LogLinear:
        columns, codes = [self._column(on) for on in node["columns"]], node["codes"]
        values = self._slice(node, "values")
        offsets = self._slice({"at": node["offsets"]}, "values")
        flat = self._slice({"at": node["tables"]}, "values")
        _require(0 < values.size == offsets.size and len(codes) == len(columns))
        _require(all(isinstance(size, int) and 0 < size <= BINS for size in codes))
        _require(flat.size == sum(codes) * values.size)
        _require(np.isfinite(offsets).all() and np.isfinite(flat).all())
        parts = np.split(flat.reshape(-1, values.size), np.cumsum(codes)[:-1])
        tables = tuple(parts) if codes else ()
        pools = {int(k): self._pool(inner) for k, inner in node["parts"].items()}
        _require(all(0 <= k < values.size for k in pools))
        scored = self._scored(node["scored"], values.size) if "scored" in node else None
        return LogLinear(np.array(columns, np.int32), tables, offsets, values, pools, scored)

    def _battery(self, node: Outline) -> Battery:
        columns = np.array([self._column(on) for on in node["columns"]], np.int32)
        starts, flat = np.array(node["starts"], np.int32), self._slice(node, "values")
        _require(starts.ndim == 1 and starts.size == columns.size + 1 > 1 and starts[0] == 0)
        _require(np.all(np.diff(starts) > 0) and flat.size % starts[-1] == 0 and flat.size > 0)
        _require(np.isfinite(flat).all())
        tables = np.ascontiguousarray(flat.reshape(starts[-1], -1))
        _require(np.all(tables[:, -1] >= 0.0))  # its sum has a logarithm
        return Battery(columns, starts, tables)

    def _scored(self, node: Outline, classes: int) -> ScoredItems:
        _require(0 <= node["battery"] < len(self._batteries))
        battery = self._batteries[node["battery"]]
        items, flat = np.array(node["items"], np.int32), self._slice(node, "values")
        _require(items.ndim == 1 and items.size > 0 and items.min() >= 0)
        _require(items.max() < battery.columns.size and np.isfinite(flat).all())
        _require(flat.size == battery.tables.shape[1] * classes)
        return ScoredItems(battery, items, flat.reshape(-1, classes))

    def _pool(self, node: Outline) -> Pool:
        pool = self.sampler(node)
        if not isinstance(pool, Pool):
            raise _unsound("a sampler is of the wrong kind")
        return pool

    def _regression(self, node: Outline) -> tuple[Array, Array]:
        columns, tables = [self._column(on) for on in node["columns"]], self._slice(node, "values")
        _require(tables.size == len(columns) * BINS and np.isfinite(tables).all())
        return np.array(columns, np.int32), tables.reshape(-1, BINS)

    def _switched(self, node: Outline) -> tuple[Array, tuple[Sampler, ...]]:
        keys = self._slice(node, "keys")
        samplers = tuple(self.sampler(inner) for inner in node["parts"])
        _require(0 < keys.size == len(samplers))
        return keys, samplers

    def _band(self, node: Outline) -> tuple[Array, Array, Array]:
        keys, (low, high) = self._slice(node, "keys"), self._intervals(node)
        _require(keys.size == low.size)
        return keys, low, high

    def _looked_up(self, node: Outline) -> tuple[Array, Array]:
        keys, values = self._slice(node, "keys"), self._slice(node, "values")
        _require(0 < keys.size == values.size)
        return keys, values

    def _intervals(self, node: Outline) -> tuple[Array, Array]:
        low, high = self._slice(node, "low"), self._slice(node, "high")
        _require(0 < low.size == high.size)
        return low, high

    def _tree(self, at: Outline, donors: int) -> Tree:
        feature, masks, child, start, stop = (
            self._slice({"at": at}, name) for name in ("feature", "masks", "child", "start", "stop")
        )
        nodes = np.arange(feature.size)
        inner = feature >= 0
        _require(0 < feature.size == child.size == start.size == stop.size == len(masks))
        variates = tuple(Variate(*self._regression(variate)) for variate in at.get("variates", ()))
        split = set(feature[feature >= self._columns].tolist())
        _require(split == {self._columns + i for i in range(len(variates))})
        _require(np.all(feature >= -1))
        _require(np.all(child[inner] > nodes[inner]) and np.all(child[inner] + 1 < feature.size))
        _require(np.all(start >= 0) and np.all(start < stop) and np.all(stop <= donors))
        return Tree(feature, masks, child, start, stop, variates)

    def _slice(self, node: Outline, name: str) -> Array:
        offset, size = node["at"][name]
        tensor = self._tensors[name]
        _require(offset >= 0 and size >= 0 and offset + size <= len(tensor))
        return tensor[offset : offset + size]

    def _column(self, on: int) -> int:
        _require(0 <= on < self._columns)
        return on


def _require(sound: bool | np.bool_) -> None:
    if not sound:
        raise _unsound("an index is out of bounds")


def _too_large(file: Path, most: int) -> ModelFileError:
    return ModelFileError(f"{file.name} exceeds its size limit of {most >> 20} MiB")


def _unsound(why: str) -> ModelFileError:
    return ModelFileError(f"{OUTLINE} and {TENSORS} do not hold a valid forest: {why}")
