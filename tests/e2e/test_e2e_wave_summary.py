"""Two waves on the real product: the first is erased, its summary comes back with the second."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from simulacra import ApiError, Client

pytestmark = pytest.mark.e2e


def wave(number: int, path: Path, share: float) -> Path:
    rng = np.random.default_rng(number)
    table = {
        "quarter": np.repeat(f"2026-Q{number}", 300),
        "sex": rng.choice(["female", "male"], 300),
        "aware": np.where(rng.random(300) < share, "yes", "no"),
        "likes": rng.choice(["a", "b", "c"], 300),
    }
    pyarrow.csv.write_csv(pa.table(table), path)
    return path


def test_a_summary_outlives_its_dataset_and_says_what_moved(client: Client, tmp_path: Path) -> None:
    first = client.upload(wave(3, tmp_path / "q3.csv", 0.3))
    assert client.wait(first.job_id, timeout=600).status == "ready"
    kept = tmp_path / "q3.wave.json"
    kept.write_text(json.dumps(client.summary(first.dataset_id), indent=1))
    uid = json.loads(kept.read_text())["statement"]["model_uid"]
    client.delete(first.dataset_id)
    told = client.erasure_certificate(uid)["statement"]["summary"]
    assert told["sha256"] == json.loads(kept.read_text())["statement"]["sha256"]
    assert told["read_at"] is not None

    changed = json.loads(kept.read_text())
    changed["summary"]["waves"][0]["rows"] += 1
    with pytest.raises(ApiError, match="simio_summary_invalid"):
        client.upload(tmp_path / "q3.csv", earlier=changed)
    second = client.upload(wave(4, tmp_path / "q4.csv", 0.7), earlier=kept)
    assert client.wait(second.job_id, timeout=600).status == "ready"
    report = client.report(second.dataset_id)
    assert (report.waves["newest"], report.waves["carried"]) == ("2026-Q4", ["2026-Q3"])
    moved = {one["column"]: one for one in report.waves["answers"] if one["verdict"] == "moved"}
    assert list(moved) == ["aware"]
    assert abs(abs(moved["aware"]["change"]) - 0.4) < 0.15
    labels = [one["label"] for one in client.summary(second.dataset_id)["summary"]["waves"]]
    assert labels == ["2026-Q3", "2026-Q4"]
