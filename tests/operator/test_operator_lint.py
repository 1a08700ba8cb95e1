"""Rules of this room that no linter knows.

kopf 1.45 removes the finalizer when a deletion handler ends with a PermanentError, or gives up after `retries` or
`timeout`: the resource is gone and the bytes stay.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOM = Path(__file__).resolve().parents[2] / "operator" / "simulacra_operator"
GIVING_UP = {"retries", "timeout", "errors", "optional"}


def deletion_handlers(
    tree: ast.AST,
) -> Iterator[tuple[ast.AsyncFunctionDef | ast.FunctionDef, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            for decorator in node.decorator_list:
                if (
                    isinstance(decorator, ast.Call)
                    and ast.unparse(decorator.func) == "kopf.on.delete"
                ):
                    yield node, decorator


def faults(source: str) -> list[str]:
    """Return what is wrong with the deletion handlers of a module."""
    found = []
    for function, decorator in deletion_handlers(ast.parse(source)):
        found += [
            f"{function.name}: {word.arg}=" for word in decorator.keywords if word.arg in GIVING_UP
        ]
        for node in ast.walk(function):
            if isinstance(node, ast.Raise) and "TemporaryError" not in ast.unparse(node):
                found.append(f"{function.name}: raises something else than TemporaryError")
            if (
                isinstance(node, ast.ExceptHandler)
                and ast.unparse(node.type or node) != "Exception"
            ):
                found.append(f"{function.name}: lets an exception through")
    return found


def test_no_deletion_handler_gives_up() -> None:
    handlers = {path: path.read_text() for path in ROOM.rglob("handlers.py")}
    assert sum(len(list(deletion_handlers(ast.parse(text)))) for text in handlers.values()) == 5
    assert {path: wrong for path, text in handlers.items() if (wrong := faults(text))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "@kopf.on.delete('x', retries=3)\nasync def f(): pass",
        "@kopf.on.delete('x')\nasync def f():\n    raise kopf.PermanentError('no')",
        "@kopf.on.delete('x')\nasync def f():\n    raise",
    ],
)
def test_the_rule_finds_what_it_is_for(source: str) -> None:
    assert faults(source)


def test_only_handlers_import_kopf() -> None:
    importers = {
        path.name
        for path in ROOM.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import) and any(alias.name == "kopf" for alias in node.names)
    }
    assert importers == {"handlers.py"}


def test_the_folder_never_shadows_pythons_own_operator() -> None:
    assert not (ROOM.parent / "__init__.py").exists()
