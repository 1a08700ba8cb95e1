"""The main walk over HTTP: token, upload, job, schema, generation, download, delete."""

from __future__ import annotations

import asyncio
import hashlib
import io
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq

from simulacra_crds.kube.client import DATASETS, GENERATION_JOBS, MODELS
from simulacra_crds.names import model_name

CSV = b"segment,price\n" + b"".join(b"loyal,%d.5\n" % (row % 9) for row in range(200))
ROWS = pa.table({"segment": ["loyal", "genz_switcher"] * 50, "price": [5.49] * 100})


async def test_upload_generate_download_and_delete(
    world: Any, http: httpx2.AsyncClient, acme: Any, key: str
) -> None:
    answer = await http.post(
        "/v1/datasets", files={"file": ("t.csv", CSV)}, headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 202, answer.text
    body = answer.json()
    dataset, job = body["dataset_id"], body["job_id"]
    assert body["sha256"] == hashlib.sha256(CSV).hexdigest()
    assert answer.headers["location"] == f"{world.url}/v1/jobs/{job}"
    assert answer.headers["retry-after"] == "2"
    assert (await http.get(f"/v1/jobs/{job}")).json()["status"] == "queued"

    found = await world.cluster.get(DATASETS, dataset, "tenant-acme")
    assert found["spec"]["source"]["sha256"] == body["sha256"]
    assert found["metadata"]["finalizers"] == ["simulacra.dev/erasure"]
    model = await world.cluster.get(MODELS, model_name(dataset), "tenant-acme")
    assert model["metadata"]["ownerReferences"][0]["uid"] == found["metadata"]["uid"]

    await acme.prepare(dataset)
    assert (await http.get(f"/v1/jobs/{job}")).json()["status"] == "running"
    await acme.progress(MODELS, model_name(dataset), 50, 7)
    running = (await http.get(f"/v1/jobs/{job}")).json()
    assert (running["progress_percent"], running["eta_seconds"]) == (65, 7)
    await acme.fit(dataset)
    done = await http.get(f"/v1/jobs/{job}")
    assert (done.json()["status"], done.json()["progress_percent"]) == ("ready", 100)
    assert "retry-after" not in done.headers

    schema = (await http.get(f"/v1/datasets/{dataset}/schema")).json()
    assert [column["name"] for column in schema["columns"]] == [
        "segment",
        "price",
        "loyalty",
        "region",
        "id",
    ]
    assert (await http.get(f"/v1/datasets/{dataset}/report")).json() == {"fidelity": {"score": 0.9}}
    assert (await http.get(f"/v1/datasets/{dataset}/graph")).json() == {"edges": []}

    wanted = {
        "row_count": 100,
        "conditions": {
            "categorical": {"segment": {"genz_switcher": 0.30}},
            "numeric": {"price": {"min": 5.49, "max": 5.49}},
        },
    }
    answer = await http.post(
        f"/v1/datasets/{dataset}/generations", json=wanted, headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 202, answer.text
    generation = answer.json()["generation_id"]
    (file,) = await acme.generate(generation, [ROWS])
    assert (await http.get(f"/v1/jobs/{answer.json()['job_id']}")).json()["status"] == "ready"
    shown = (await http.get(f"/v1/generations/{generation}")).json()
    assert shown["status"] == "ready"
    assert shown["conditions"]["numeric"] == {"price": {"min": 5.49, "max": 5.49}}
    assert shown["attainment"]["conditions"] == [{"asked": 0.3, "attained": 0.3}]

    assert shown["attainment"]["effective_sample_size"] == 90.0
    assert (shown["evidence"]["worth"], shown["evidence"]["design_effect"]) == (476.2, 4.2)
    judged = [(one["code"], one["level"]) for one in shown["verdicts"]]
    assert judged == [("likeness", "unknown"), ("privacy", "unknown"), ("worth", "unknown")]

    download = await http.get(shown["artifact_url"])
    assert download.content == file
    assert download.headers["content-disposition"] == f'attachment; filename="{generation}.parquet"'
    assert pq.read_table(io.BytesIO(download.content)).equals(ROWS)

    erased = asyncio.gather(acme.erase(GENERATION_JOBS, generation))
    assert (await http.delete(f"/v1/generations/{generation}")).status_code == 204
    await erased
    erased = asyncio.gather(acme.erase(DATASETS, dataset))
    assert (await http.delete(f"/v1/datasets/{dataset}")).status_code == 204
    await erased
    assert (await http.get(f"/v1/datasets/{dataset}")).status_code == 404
