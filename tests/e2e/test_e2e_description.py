"""A held upload on the real product: read, contradicted, corrected, fit, sent back, erased."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from installation import Installation
from simulacra import ApiError, Client, JobFailed

pytestmark = pytest.mark.e2e
TABLE = "code,grade,amount\n" + "".join(
    f'k{row:04},{row % 5 + 1},"{row * 7 % 90},5"\n' for row in range(120)
)
SCALE = {"name": "grade", "type": "integer", "categories": [1, 2, 3, 4], "categoriesOrdered": True}


def kept(installation: Installation) -> set[str]:
    """Return the stored artifacts of datasets."""
    return {name for name in installation.objects() if "/datasets/" in name}


def field(description: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in description["schema"]["fields"] if one["name"] == name)


def test_held_upload_is_corrected_fit_and_erased(
    shared_installation: Installation, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    before = kept(shared_installation)

    def new() -> set[str]:
        """Return the names of artifacts that the test added."""
        return {Path(one).name for one in kept(shared_installation) - before}

    made = client.upload(path, hold=True)
    assert client.wait(made.job_id, timeout=600).status == "held"
    assert {"upload", "description.json"} <= new()
    found = client.describe(made.dataset_id)
    assert [one["name"] for one in found["schema"]["fields"]] == ["code", "grade", "amount"]
    with pytest.raises(ApiError, match="simio_dataset_not_ready"):
        client.graph(made.dataset_id)

    wrong = client.refit(made.dataset_id, description={"fields": [SCALE]})
    with pytest.raises(JobFailed, match="simio_description_invalid") as refused:
        client.wait(wrong.job_id, timeout=600)
    assert refused.value.errors[0]["pointer"].startswith("/fields/0/categories")
    right = {"fields": [{**SCALE, "categories": [1, 2, 3, 4, 5]}]}
    job = client.refit(made.dataset_id, description=right)
    assert client.wait(job.job_id, timeout=600).status == "ready"
    assert "upload" not in new()

    shown = client.describe(made.dataset_id)
    assert field(shown, "grade")["categoriesOrdered"] is True
    read = client.dataset(made.dataset_id).reading
    assert (read["revision"], read["learned"] + read["replaced"]) == (2, 3)
    assert client.refit(made.dataset_id, description=shown).status == "ready"
    assert client.dataset(made.dataset_id).reading["revision"] == 2
    with pytest.raises(ApiError, match="simio_source_erased"):
        client.refit(made.dataset_id, description={"fields": [SCALE]})

    client.delete_dataset(made.dataset_id)
    certificate = client.erasure_certificate(made.dataset_id)
    erased = {one["name"] for one in certificate["statement"]["artefacts"]}
    assert {"upload", "description.json", "dataset.parquet"} <= erased
    assert new() == set()
    assert b"k0007" not in b"".join(
        one.read_bytes() for one in (shared_installation.data_dir / "audit").rglob("*.jsonl")
    )


def test_kept_table_is_read_again_after_the_fit(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    made = client.upload(path, keep_source=True)
    assert client.wait(made.job_id, timeout=600).status == "ready"
    words = {"fields": [{"name": "grade", "type": "string"}]}
    job = client.refit(made.dataset_id, description=words)
    assert client.wait(job.job_id, timeout=600).status == "ready"
    columns = client.schema(made.dataset_id)["columns"]
    assert [one["kind"] for one in columns if one["name"] == "grade"] == ["categorical"]
    assert client.dataset(made.dataset_id).source_kept is True
