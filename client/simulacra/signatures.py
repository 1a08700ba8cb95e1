"""Signatures that are made from other ones, for `help`, notebooks, commands and tools."""

import inspect
import re
from collections.abc import Callable, Mapping
from inspect import Parameter
from textwrap import indent
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def copy_signature(
    method: Callable[..., Any], operation: Callable[..., Any], skipped: int = 0
) -> None:
    """Give a method the signature of its operation, for `help` and notebooks.

    The method lacks the `skipped` first parameters of the operation.
    """
    signature = inspect.signature(operation)
    parameters = [Parameter("self", Parameter.POSITIONAL_ONLY)]
    parameters += [*signature.parameters.values()][skipped:]
    returns = str(signature.return_annotation).removeprefix("Steps[").removesuffix("]")
    shown = signature.replace(parameters=parameters, return_annotation=returns)
    method.__signature__ = shown  # type: ignore[attr-defined]


def with_optional(
    types: Mapping[str, Any], after: str, about: str = "", *, plain: bool = False
) -> Callable[[F], F]:
    """Return a decorator that shows the names in `**changes` as optional parameters.

    `help` prints them, and typer and MCP make flags and arguments of them.

    Args:
        types: annotation of each name.
        after: the parameter before them.
        about: their entries in the docstring.
        plain: leave all annotations as they are written, for `help`.
    """

    def decorate(function: F) -> F:
        signature = inspect.signature(function, eval_str=not plain)
        shown = [one for one in signature.parameters.values() if one.kind != Parameter.VAR_KEYWORD]
        place = [one.name for one in shown].index(after)
        added = [
            Parameter(name, shown[place].kind, default=None, annotation=of)
            for name, of in types.items()
        ]
        shown[place + 1 : place + 1] = added
        if about and function.__doc__:  # python -OO leaves none
            entry = re.search(rf"( +){after}: .*\n(?:\1 .*\n)*", function.__doc__)
            assert entry is not None
            start, end = entry.string[: entry.end()], entry.string[entry.end() :]
            function.__doc__ = start + indent(about, entry[1]) + end
        function.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
        return function

    return decorate
