"""Removed secrets and keys are on no page of the database and in no log of it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from simulacra_controlplane.store import Key, Store

TOKEN = "local.v1." + "s3cret" * 20
DATASET, SECRET = (
    Key("datasets.simulacra.dev", "tenant-acme", "ds-1"),
    Key("secrets", "simulacra-system", "client-1"),
)


def holding(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if TOKEN.encode() in path.read_bytes())


def body(**fields: object) -> dict[str, object]:
    return {"metadata": {"name": "x", "uid": "u"}, **fields}


@pytest.mark.parametrize(
    "change",
    ["dropped", "replaced", "removed", "erased", "secret removed", "secret changed"],
)
def test_shredded_key_is_gone_from_disk_while_the_database_is_open(
    tmp_path: Path, change: str
) -> None:
    with closing(Store(tmp_path / "objects.sqlite")) as store:
        for number in range(50):
            store.put(
                Key("datasets.simulacra.dev", "tenant-acme", f"other-{number}"),
                body(status={"phase": "Ready"}),
            )
        store.put(DATASET, body(status={"wrappedKey": "" if "secret" in change else TOKEN}))
        store.put(SECRET, body(data={"hashes": TOKEN if "secret" in change else ""}))
        assert holding(tmp_path), "the test sees what is stored"
        match change:
            case "dropped":
                store.put(DATASET, body(status={}))
            case "replaced":
                store.put(DATASET, body(status={"wrappedKey": "another"}))
            case "removed":
                store.remove(DATASET)
            case "erased":
                # As the operator erases: first the key, then the object with its question.
                store.put(DATASET, body(spec={"conditions": TOKEN}, status={"erasure": {}}))
                store.remove(DATASET)
            case "secret removed":
                store.remove(SECRET)
            case "secret changed":
                store.put(SECRET, body(data={"hashes": "another"}))
        assert holding(tmp_path) == []
