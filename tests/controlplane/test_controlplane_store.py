"""How much of a collection a list reads, and by which index."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import from_json

from simulacra_controlplane import store as store_module
from simulacra_controlplane.store import Key, Store
from simulacra_controlplane.verbs.selectors import exact_label


def labeled(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": name, "labels": labels}}


def names(found: Iterator[dict[str, Any]]) -> list[str]:
    return [one["metadata"]["name"] for one in found]


def test_labels_are_indexed(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    store.put(Key("r", "n", "b"), labeled("b", x="1", y="2"))
    store.put(Key("r", "n", "a"), labeled("a", x="1"))
    store.put(Key("r", "m", "a"), labeled("a", x="1"))
    store.put(Key("r", "n", "c"), labeled("c", x="1"))
    store.put(Key("r", "n", "c"), labeled("c", x="3"))
    store.put(Key("r", "n", "d"), labeled("d", x="1"))
    store.remove(Key("r", "n", "d"))
    assert names(store.scan("r", "n", label=("x", "1"))) == ["a", "b"]
    assert names(store.scan("r", label=("x", "1"))) == ["a", "a", "b"]
    assert names(store.scan("r", label=("x", "1"), after=("m", "a"))) == ["a", "b"]
    assert names(store.scan("r", "n", label=("x", "1"), after=("n", "a"))) == ["b"]
    assert names(store.scan("r", "n", label=("x", "3"))) == ["c"]
    assert names(store.scan("other", "n", label=("x", "1"))) == []


def test_write_scans_no_table(tmp_path: Path) -> None:
    """A scan would make the cost of a write grow with the number of dependents."""
    store, statements = Store(tmp_path / "db"), list[str]()
    store._db.set_trace_callback(statements.append)
    owned = labeled("a", x="1") | {
        "metadata": {**labeled("a", x="1")["metadata"], "ownerReferences": [{"uid": "o"}]}
    }
    store.put(Key("r", "n", "a"), owned)
    assert store.dependents("o") == [Key("r", "n", "a")]
    store.put(Key("r", "n", "a"), labeled("a", x="2"))
    assert store.dependents("o") == []
    store.put(Key("r", "n", "a"), owned)
    store.remove(Key("r", "n", "a"))
    assert store.dependents("o") == []
    store._db.set_trace_callback(None)
    read = {one for one in statements if one.startswith(("SELECT", "INSERT", "DELETE", "UPDATE"))}
    plans = {
        one: [step[3] for step in store._db.execute(f"EXPLAIN QUERY PLAN {one}")] for one in read
    }
    assert {
        name
        for name in ("objects", "owners", "labels")
        for one in read
        if f"DELETE FROM {name}" in one
    } == {"objects", "owners", "labels"}
    scans = {
        one: plan for one, plan in plans.items() if any(step.startswith("SCAN") for step in plan)
    }
    assert not {one: plan for one, plan in scans.items() if "revision" not in one}, (
        "revision has one row"
    )


def test_older_database_gets_its_label_index(tmp_path: Path) -> None:
    store = Store(tmp_path / "db")
    store.put(Key("r", "n", "a"), labeled("a", x="1"))
    store.close()
    with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as file:
        file.execute("DROP TABLE labels")
        file.execute("PRAGMA user_version=0")
    again = Store(tmp_path / "db")
    assert names(again.scan("r", "n", label=("x", "1"))) == ["a"]
    assert again.revision == store.revision


def test_page_parses_only_its_own_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    """This holds for any size of the collection, and for a past revision."""
    store, parsed = Store(":memory:"), []
    for number in range(50):
        store.put(
            Key("r", "n", f"{number:02d}"), labeled(f"{number:02d}", even=str(number % 2 == 0))
        )
    moment = store.revision
    store.put(Key("r", "n", "11"), labeled("11"))
    monkeypatch.setattr(
        store_module, "from_json", lambda text: parsed.append(text) or from_json(text)
    )
    assert names(islice(store.scan("r", "n", after=("n", "09"), revision=moment), 3)) == [
        "10",
        "11",
        "12",
    ]
    assert names(islice(store.scan("r", "n", after=("n", "09"), label=("even", "False")), 1)) == [
        "13"
    ]
    assert len(parsed) <= 5  # a merge reads one ahead


@pytest.mark.parametrize(
    ("selector", "label"),
    [
        ("a=b", ("a", "b")),
        ("a==b,c", ("a", "b")),
        ("!f,x in (y=1,z),c = d", ("c", "d")),
        ("a=", ("a", "")),
        ("a!=b,c>3,d", None),
        ("", None),
    ],
)
def test_exact_label_of_a_selector_uses_the_index(
    selector: str, label: tuple[str, str] | None
) -> None:
    assert exact_label(selector) == label
