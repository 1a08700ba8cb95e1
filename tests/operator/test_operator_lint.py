"""Rules of the operator that no linter knows.

kopf 1.45 removes the finalizer when a deletion handler raises a PermanentError, or gives up after
`retries` or `timeout`: the resource is gone and the bytes stay.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import kopf
import pytest
from kopf._core.intents.causes import Reason

from simulacra_operator.runtime import kopf_setup
from simulacra_operator.scope import Scope

PACKAGE = Path(__file__).resolve().parents[2] / "operator" / "simulacra_operator"
GIVING_UP = {"retries", "timeout", "errors", "optional"}


def deletion_handlers(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield name and registration of each deletion handler, decorated or called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef):
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "kopf.on.delete":
                    yield node.name, call
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Call):
            continue
        if ast.unparse(node.func.func) == "kopf.on.delete":
            (handler,) = node.args
            yield ast.unparse(handler), node.func


def faults(source: str) -> list[str]:
    """Return what is wrong with the deletion handlers of a module."""
    tree, found = ast.parse(source), []
    handlers = list(deletion_handlers(tree))
    for name, call in handlers:
        found += [f"{name}: {word.arg}=" for word in call.keywords if word.arg in GIVING_UP]
    names = {name for name, _ in handlers}
    for function in ast.walk(tree):
        if not isinstance(function, ast.AsyncFunctionDef | ast.FunctionDef):
            continue
        if function.name not in names:
            continue
        for node in ast.walk(function):
            if isinstance(node, ast.Raise) and "TemporaryError" not in ast.unparse(node):
                found.append(f"{function.name}: raises an error other than TemporaryError")
            caught = ast.unparse(node.type or node) if isinstance(node, ast.ExceptHandler) else None
            if caught not in (None, "Exception"):
                found.append(f"{function.name}: lets an exception through")
    return found


def test_no_deletion_handler_gives_up() -> None:
    modules = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    calls = [call for text in modules.values() for call in deletion_handlers(ast.parse(text))]
    assert len(calls) == 1, "one loop registers the handlers of all kinds"
    (setup,) = [text for text in modules.values() if list(deletion_handlers(ast.parse(text)))]
    ((name, _),) = deletion_handlers(ast.parse(setup))
    assert f"async def {name}(" in setup, "faults() reads the handler where it is registered"
    assert {path: wrong for path, text in modules.items() if (wrong := faults(text))} == {}


WITH_BYTES = {
    "dataset",
    "model",
    "generationjob",
    "effectestimate",
    "segmentestimate",
    "answersheet",
}


@pytest.mark.parametrize(
    ("scope", "kinds"),
    [
        (Scope(), WITH_BYTES | {"tenant"}),
        (Scope(("tenant-a",)), WITH_BYTES),
    ],
)
def test_each_kind_with_bytes_has_a_deletion_handler_without_end(
    scope: Scope, kinds: set[str]
) -> None:
    registered = kopf_setup.registry(scope)._changing.get_all_handlers()
    deletions = [one for one in registered if one.reason == Reason.DELETE]
    assert {one.id for one in deletions} == {f"{kind}_deleted" for kind in kinds}
    assert all(one.requires_finalizer for one in deletions)
    limits = {(one.errors, one.retries, one.timeout) for one in deletions}
    assert limits == {(None, None, None)}


async def test_a_deletion_handler_that_fails_is_called_again() -> None:
    class Failing:
        async def wait_until_erased(self, key: object, uid: str) -> None:
            raise ValueError

    body = {"kind": "Dataset", "metadata": {"name": "ds-1", "uid": "u"}}
    with pytest.raises(kopf.TemporaryError):
        await kopf_setup.deleted(kopf.Memo(controller=Failing()), body)


@pytest.mark.parametrize(
    "source",
    [
        "@kopf.on.delete('x', retries=3)\nasync def f(): pass",
        "@kopf.on.delete('x')\nasync def f():\n    raise kopf.PermanentError('no')",
        "@kopf.on.delete('x')\nasync def f():\n    raise",
        "async def f():\n    raise\nkopf.on.delete('x')(f)",
        "async def f(): pass\nkopf.on.delete('x', timeout=3)(f)",
    ],
)
def test_the_rule_finds_handlers_that_give_up(source: str) -> None:
    assert faults(source)


def test_only_the_kopf_setup_imports_kopf() -> None:
    importers = {
        path.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import) and any(alias.name == "kopf" for alias in node.names)
    }
    assert importers == {"kopf_setup.py"}


def test_the_folder_never_shadows_the_standard_operator_module() -> None:
    assert not (PACKAGE.parent / "__init__.py").exists()
