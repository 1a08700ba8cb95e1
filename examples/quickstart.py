r"""The quickstart as plain HTTP calls without the SDK: from the token to the deletion.

    python examples/quickstart.py --connection DIR/connection.json \
        --file examples/gss_survey.csv --output out.parquet

One Idempotency-Key serves the whole run, as in the vendor's client: keys are scoped by operation,
and GETs ignore it.
"""

from __future__ import annotations

import argparse
import json
import random
import time
import uuid
from pathlib import Path
from typing import Any

import requests

RETRIED = {429, 500, 502, 503, 504}
CONDITIONS = {
    "categorical": {"happiness": {"very happy": 0.30}},
    "numeric": {"tv_hours": {"min": 0, "max": 2}},
}


class Api:
    """A session with a token; it repeats requests where the contract allows that."""

    def __init__(self, connection: dict[str, str], key: str) -> None:
        self._base = connection["api_url"]
        self._session = requests.Session()
        names = ("client_id", "client_secret", "audience")
        body = {"grant_type": "client_credentials"} | {name: connection[name] for name in names}
        token = self._session.post(connection["token_url"], data=body)
        token.raise_for_status()
        bearer = f"Bearer {token.json()['access_token']}"
        self._session.headers.update({"Authorization": bearer, "Idempotency-Key": key})

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request; on a retriable status, wait and repeat it with the same key."""
        url = path if path.startswith("http") else self._base + path
        for attempt in range(5):
            answer = self._session.request(method, url, timeout=60, **options)
            if answer.status_code not in RETRIED:
                break
            time.sleep(float(answer.headers.get("Retry-After", 2**attempt)))
        if answer.status_code >= 400:
            problem = answer.json()
            where = f"(request_id {problem['request_id']})"
            raise SystemExit(f"{problem['code']}: {problem['detail']} {where}")
        return answer

    def wait(self, job_id: str) -> dict[str, Any]:
        """Poll a job until it ends, with back-off from 2 s and jitter."""
        pause = 2.0
        ends = ("ready", "partial", "failed")
        while (job := self.call("GET", f"/v1/jobs/{job_id}").json())["status"] not in ends:
            time.sleep(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 1.3, 10.0)
        if job["status"] == "failed":
            raise SystemExit(f"{job['error']['code']}: {job['error']['detail']}")
        return dict(job)


def main() -> None:
    """Run the steps and print their results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--connection", type=Path, required=True, help="connection.json of `simulacra up`")
    add("--file", type=Path, required=True, help="seed table")
    add("--output", type=Path, required=True, help="file for the synthetic table (.parquet)")
    add("--rows", type=int, default=2000)
    add("--conditions", type=json.loads, default=CONDITIONS, help="JSON")
    args = parser.parse_args()
    api = Api(json.loads(args.connection.read_text()), key=str(uuid.uuid4()))

    with args.file.open("rb") as file:
        form = {"file": (args.file.name, file, "text/csv")}
        uploaded = api.call("POST", "/v1/datasets", files=form).json()
    dataset = uploaded["dataset_id"]
    api.wait(uploaded["job_id"])
    schema = api.call("GET", f"/v1/datasets/{dataset}/schema").json()
    columns = [column["name"] for column in schema["columns"]]
    print(json.dumps({"dataset_id": dataset, "columns": columns}))

    wanted = {"row_count": args.rows, "conditions": args.conditions}
    asked = api.call("POST", f"/v1/datasets/{dataset}/generations", json=wanted).json()
    api.wait(asked["job_id"])
    generation = api.call("GET", f"/v1/generations/{asked['generation_id']}").json()
    args.output.write_bytes(api.call("GET", generation["artifact_url"]).content)
    print(json.dumps({name: generation[name] for name in ("generation_id", "status")}))

    api.call("DELETE", f"/v1/datasets/{dataset}")
    print(json.dumps({"deleted": dataset}))


if __name__ == "__main__":
    main()
