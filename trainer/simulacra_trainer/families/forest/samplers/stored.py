"""Stored form of samplers: flat tensors, and a JSON outline of offsets into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.families.forest.factors.battery import Battery
from simulacra_trainer.families.forest.trees.kernels import BINS
from simulacra_trainer.families.forest.trees.tree import Tree, Variate

if TYPE_CHECKING:
    from simulacra_trainer.families.forest.samplers.base import Sampler

TENSORS = "model.safetensors"
OUTLINE = "forest.json"
TYPES: dict[str, Any] = {
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
S = TypeVar("S", bound="Sampler")


class Writer:
    """Collects the arrays of samplers in flat tensors."""

    def __init__(self) -> None:
        self._chunks: dict[str, list[Array]] = {name: [] for name in TYPES}
        self._sizes = dict.fromkeys(TYPES, 0)
        self._batteries: list[Battery] = []

    def tensors(self) -> dict[str, Array]:
        """Return the flat tensors by name."""
        return {
            name: np.concatenate([np.empty((0, 4) if name == "masks" else 0, dtype), *chunks])
            for (name, dtype), chunks in zip(TYPES.items(), self._chunks.values(), strict=True)
        }

    def sampler(self, sampler: Sampler) -> Outline:
        """Add a sampler's arrays to the tensors; return its outline."""
        return {"kind": sampler.kind, **sampler.outline(self)}

    def floats(self, array: Array) -> Outline:
        """Add an array to the tensors; return where it is."""
        return self.add(values=array)

    def battery(self, battery: Battery) -> int:
        """Return the place of a battery, which samplers share, among the `batteries`."""
        place = next((i for i, of in enumerate(self._batteries) if of is battery), None)
        if place is None:
            place = len(self._batteries)
            self._batteries.append(battery)
        return place

    def batteries(self) -> list[Outline]:
        """Add the batteries that the samplers share to the tensors; return their outlines."""
        return [
            {
                "columns": of.columns.tolist(),
                "starts": of.starts.tolist(),
                "at": self.add(values=of.tables.ravel()),
            }
            for of in self._batteries
        ]

    def tree(self, tree: Tree) -> Outline:
        """Add the arrays of a tree; return its outline."""
        at = self.add(
            **{name: getattr(tree, name) for name in ("feature", "masks", "child", "start", "stop")}
        )
        if tree.variates:
            at["variates"] = [self.regression(v.columns, v.tables) for v in tree.variates]
        return at

    def regression(self, columns: Array, tables: Array) -> Outline:
        """Add what each code of some columns adds; return its outline."""
        return {"columns": columns.tolist(), "at": self.add(values=tables.ravel())}

    def add(self, **arrays: Array) -> Outline:
        """Add arrays to the tensors of these names; return begin and length of each."""
        at: Outline = {}
        for name, array in arrays.items():
            self._chunks[name].append(np.ascontiguousarray(array, TYPES[name]))
            at[name] = [self._sizes[name], len(array)]
            self._sizes[name] += len(array)
        return at


class Reader:
    """Returns what a `Writer` kept; each index is checked, as kernels check none."""

    def __init__(
        self,
        tensors: dict[str, Array],
        columns: int,
        batteries: list[Outline],
        kinds: Mapping[str, type[Sampler]],
    ) -> None:
        self._tensors, self._columns, self._kinds = tensors, columns, kinds
        self._batteries = [self._battery(node) for node in batteries]

    def sampler(self, node: Outline) -> Sampler:
        """Return the sampler that the outline describes."""
        return self._kinds[node["kind"]].load(node, self)

    def sampler_of(self, kind: type[S], node: Outline) -> S:
        """Return the sampler that the outline describes, which must be of this kind."""
        found = self.sampler(node)
        if not isinstance(found, kind):
            raise unsound("a sampler is of the wrong kind")
        return found

    def floats(self, at: Outline) -> Array:
        """Return the array that `Writer.floats` added."""
        return self.slice({"at": at}, "values")

    def battery(self, place: int) -> Battery:
        """Return a battery by its place among the `Writer.batteries`."""
        self.require(0 <= place < len(self._batteries))
        return self._batteries[place]

    def _battery(self, node: Outline) -> Battery:
        columns = np.array([self.column(on) for on in node["columns"]], np.int32)
        starts, flat = np.array(node["starts"], np.int32), self.slice(node, "values")
        self.require(starts.ndim == 1 and starts.size == columns.size + 1 > 1 and starts[0] == 0)
        self.require(np.all(np.diff(starts) > 0) and flat.size % starts[-1] == 0 and flat.size > 0)
        self.require(np.isfinite(flat).all())
        tables = np.ascontiguousarray(flat.reshape(starts[-1], -1))
        self.require(np.all(tables[:, -1] >= 0.0))  # its sum has a logarithm
        return Battery(columns, starts, tables)

    def regression(self, node: Outline) -> tuple[Array, Array]:
        """Return columns and what each of their codes adds, float64 [k, 256]."""
        columns, tables = [self.column(on) for on in node["columns"]], self.slice(node, "values")
        self.require(tables.size == len(columns) * BINS and np.isfinite(tables).all())
        return np.array(columns, np.int32), tables.reshape(-1, BINS)

    def intervals(self, node: Outline) -> tuple[Array, Array]:
        """Return the ends of intervals, float64 [m] each, at least one."""
        low, high = self.slice(node, "low"), self.slice(node, "high")
        self.require(0 < low.size == high.size)
        return low, high

    def tree(self, at: Outline, donors: int) -> Tree:
        """Return a tree whose leaves hold that many donors."""
        feature, masks, child, start, stop = (
            self.slice({"at": at}, name) for name in ("feature", "masks", "child", "start", "stop")
        )
        nodes = np.arange(feature.size)
        inner = feature >= 0
        self.require(0 < feature.size == child.size == start.size == stop.size == len(masks))
        variates = tuple(Variate(*self.regression(variate)) for variate in at.get("variates", ()))
        split = set(feature[feature >= self._columns].tolist())
        self.require(split == {self._columns + i for i in range(len(variates))})
        self.require(np.all(feature >= -1))
        self.require(
            np.all(child[inner] > nodes[inner]) and np.all(child[inner] + 1 < feature.size)
        )
        self.require(np.all(start >= 0) and np.all(start < stop) and np.all(stop <= donors))
        return Tree(feature, masks, child, start, stop, variates)

    def slice(self, node: Outline, name: str) -> Array:
        """Return the part of a tensor that `Writer.add` added."""
        offset, size = node["at"][name]
        tensor = self._tensors[name]
        self.require(offset >= 0 and size >= 0 and offset + size <= len(tensor))
        return tensor[offset : offset + size]

    def column(self, on: int) -> int:
        """Return the position of a column that there is."""
        self.require(0 <= on < self._columns)
        return on

    @staticmethod
    def require(sound: bool | np.bool_) -> None:
        """Refuse an outline that is not sound."""
        if not sound:
            raise unsound("an index is out of bounds")


def unsound(why: str) -> ModelFileError:
    """Return the error of files that hold no forest."""
    return ModelFileError(f"{OUTLINE} and {TENSORS} do not hold a valid forest: {why}")
