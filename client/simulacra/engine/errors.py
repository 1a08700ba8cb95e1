"""Errors of the engine in plain words, and how to install it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from simulacra.optional import install_extra


@contextmanager
def plain_errors(place: Callable[[str], str] = str) -> Iterator[None]:
    """Run the engine in the body; its errors become a ValueError in plain words.

    Args:
        place: returns what a pointer stands for.
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
    except (DescriptionInvalid, InputError) as error:
        raise ValueError(_in_words(error, place)) from None
    except ValidationError as error:
        wrong = [f"/{'/'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise ValueError("; ".join(wrong)) from None
    except ModelFileError as error:
        raise ValueError(str(error)) from None


def _in_words(error: Any, place: Callable[[str], str]) -> str:
    faults = [f"{place(one.pointer) or '/'}: {one.detail}" for one in error.errors]
    return "; ".join(faults) or str(error.detail)
