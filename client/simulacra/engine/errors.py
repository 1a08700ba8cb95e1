"""Errors of the engine in plain words, and how to install it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING

from simulacra.errors import EngineError
from simulacra.optional import install_extra

if TYPE_CHECKING:
    from pydantic import ValidationError

NO_OTHERS: Mapping[str, str] = MappingProxyType({})


@contextmanager
def plain_errors(arguments: Mapping[str, str] = NO_OTHERS) -> Iterator[None]:
    """Run the engine in the body; its errors become an EngineError in plain words.

    `arguments` maps pointers of the engine's request to those of an upload, where they differ.
    """
    if find_spec("numba") is None:
        how = install_extra("trainer")
        raise ModuleNotFoundError(f"Without a server this needs the engine. {how}")
    from pydantic import ValidationError

    from simulacra_intake.errors import InputError
    from simulacra_schema.description import DescriptionInvalid
    from simulacra_trainer.families.base import ModelFileError
    from simulacra_trainer.kernel_cache import is_cold

    if is_cold():
        sys.stderr.write("note: compiling the engine for the first run, up to half a minute\n")
    try:
        yield
    except DescriptionInvalid as error:
        found, detail = [(one.pointer, one.detail) for one in error.errors], str(error)
    except InputError as error:
        found, detail = [(one.pointer, one.detail) for one in error.errors], error.detail
        if not found and error.pointer and not detail.startswith("/"):  # else it names its fields
            found = [(error.pointer, detail.removeprefix(f"{error.pointer[1:]}: "))]
    except ValidationError as error:
        found = pointed(error)
        detail = "The request is not valid."
    except ModelFileError as error:
        found, detail = [], str(error)
    else:
        return
    listed = [{"pointer": arguments.get(at, at), "detail": text} for at, text in found]
    raise EngineError(detail, listed) from None


def pointed(error: ValidationError, under: str = "") -> list[tuple[str, str]]:
    """Return pointer and detail of each fault of a request, or of its part `under` a pointer."""
    return [
        (
            "".join([under, *(f"/{part}" for part in one["loc"])]),
            one["msg"].removeprefix("Value error, "),
        )
        for one in error.errors()
    ]
