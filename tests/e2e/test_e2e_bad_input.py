"""Bad input over HTTP: rejected with code, field and sentence; nothing half-written stays."""

from pathlib import Path
from typing import Any

import pytest

from installation import Installation, eventually
from simulacra import ApiError, Client, JobFailed

pytestmark = pytest.mark.e2e
ROWS = [f"{i % 7},{i % 3},{'xyz'[i % 3]}" for i in range(60)]

REJECTED_AT_ONCE = {
    "empty": b"",
    "a zip file": b"PK\x03\x04" + bytes(200),
    "a web page": b"<!doctype html><html><body>no table</body></html>" * 20,
}
REJECTED_BY_PREPARE = {
    "one column": "\n".join(["alpha", *(str(i) for i in range(60))]).encode(),
    "all missing": "\n".join(["alpha,beta,gamma", *([",,"] * 60)]).encode(),
    "header only": b"alpha,beta,gamma\n",
    "binary": bytes(range(1, 256)) * 40,
    "unterminated quote": "\n".join(["alpha,beta,gamma", '"1,2,x', *ROWS]).encode(),
}


@pytest.mark.parametrize("name", REJECTED_AT_ONCE)
def test_unreadable_upload_is_rejected_at_once(
    shared_installation: Installation, client: Client, tmp_path: Path, name: str
) -> None:
    before = set(shared_installation.objects())
    file = tmp_path / "t.csv"
    file.write_bytes(REJECTED_AT_ONCE[name])
    with pytest.raises(ApiError) as refused:
        client.upload(file)
    assert refused.value.status == 400
    assert refused.value.code == "simio_upload_invalid"
    assert refused.value.request_id
    eventually(lambda: set(shared_installation.objects()) <= before)


@pytest.mark.parametrize("name", REJECTED_BY_PREPARE)
def test_invalid_table_is_rejected_by_its_prepare_job(
    shared_installation: Installation, client: Client, tmp_path: Path, name: str
) -> None:
    before, used = set(shared_installation.objects()), client.usage().stored_bytes["used"]
    file = tmp_path / "t.csv"
    file.write_bytes(REJECTED_BY_PREPARE[name])
    try:
        uploaded = client.upload(file)
    except ApiError as refused:  # its first bytes were enough
        assert (refused.status, refused.code) == (400, "simio_upload_invalid")  # noqa: PT017
        return
    with pytest.raises(JobFailed) as failed:
        client.wait(uploaded["job_id"], timeout=120)
    assert failed.value.code == "simio_upload_invalid"
    assert len(failed.value.detail) > 20
    assert [Path(one).name for one in set(shared_installation.objects()) - before] == [
        "failure.json"
    ]
    # The API refreshes the usage every two seconds.
    eventually(lambda: client.usage().stored_bytes["used"] == used)
    client.delete_dataset(uploaded["dataset_id"])


def test_too_large_file_is_rejected_before_it_is_read(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    with file.open("wb") as out:
        out.truncate(300 << 20)  # sparse: costs no disk
    with pytest.raises(ApiError) as refused:
        client.upload(file)
    assert (refused.value.status, refused.value.code) == (413, "simio_file_too_large")
    assert "268435456" in refused.value.detail.replace(",", "") or "256 MiB" in refused.value.detail


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"row_count": 0}, "/row_count"),
        ({"row_count": 10**9}, "/row_count"),
        ({}, "/row_count"),
        (
            {"row_count": 10, "conditions": {"categorical": {"nope": {"a": 0.5}}}},
            "/conditions/categorical/nope",
        ),
        (
            {"row_count": 10, "conditions": {"categorical": {"happiness": {"ecstatic": 0.5}}}},
            "/conditions/categorical/happiness/ecstatic",
        ),
        (
            {
                "row_count": 10,
                "conditions": {
                    "categorical": {"happiness": {"very happy": 0.7, "pretty happy": 0.6}}
                },
            },
            "/conditions/categorical/happiness",
        ),
        (
            {"row_count": 10, "conditions": {"categorical": {"happiness": {"very happy": 1.7}}}},
            "/conditions/categorical/happiness/very happy",
        ),
        (
            {"row_count": 10, "conditions": {"numeric": {"tv_hours": {"min": 90}}}},
            "/conditions/numeric/tv_hours",
        ),
        (
            {"row_count": 10, "conditions": {"numeric": {"tv_hours": {"min": "x"}}}},
            "/conditions/numeric/tv_hours/min",
        ),
        ({"row_count": 10, "interventions": {"nope": 1}}, "/interventions/nope"),
        ({"row_count": 10, "surprise": 1}, "/surprise"),
    ],
)
def test_invalid_generation_names_the_field(
    client: Client, dataset: str, body: dict[str, Any], pointer: str
) -> None:
    headers = {"Idempotency-Key": pointer.replace(" ", "-")}
    answer = client._http.post(f"/v1/datasets/{dataset}/generations", json=body, headers=headers)
    assert answer.status_code == 400, answer.text
    problem = answer.json()
    assert problem["code"] == "simio_invalid_field"
    assert pointer in [error["pointer"] for error in problem["errors"]]


def test_other_body_under_one_idempotency_key_is_a_conflict(client: Client, dataset: str) -> None:
    first = client.generate(dataset, 10, key="one-key")
    assert client.generate(dataset, 10, key="one-key")["generation_id"] == first["generation_id"]
    with pytest.raises(ApiError) as conflict:
        client.generate(dataset, 11, key="one-key")
    assert (conflict.value.status, conflict.value.code) == (409, "simio_idempotency_conflict")


def test_infeasible_conditions_fail_with_a_reason(client: Client, dataset: str) -> None:
    """Both bounds are within the schema, but no row can meet them together."""
    conditions = {"numeric": {"babies": {"min": 4, "max": 4}, "teens": {"min": 3, "max": 3}}}
    asked = client.generate(dataset, 100, conditions=conditions)
    with pytest.raises(JobFailed) as failed:
        client.wait(asked["job_id"], timeout=120)
    assert failed.value.code == "simio_conditions_infeasible"
