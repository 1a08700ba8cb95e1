"""Stored form of a forest: ten flat tensors (safetensors) and a JSON outline of offsets.

Everything read is checked before a kernel uses it, because kernels index without bounds checks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load, save

from simulacra_schema.table import ColumnSchema
from simulacra_trainer.families.base import ModelFileError
from simulacra_trainer.families.codec import ColumnCodec
from simulacra_trainer.families.forest.model.stored_codecs import codec_of, codec_outline
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

MAX_TENSOR_BYTES = 8 << 30
MAX_OUTLINE_BYTES = 64 << 20


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
        raise unsound(type(error).__name__) from None
    if not isinstance(outline, dict):
        raise unsound("the outline is no object")
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
