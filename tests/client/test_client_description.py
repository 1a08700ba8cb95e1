"""Descriptions in SDK and CLI: sent, shown, changed; held and unsure readings."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import simulacra
from simulacra import Client, Connection
from simulacra.async_client import AsyncClient
from simulacra.cli import app
from simulacra.commands.options import blocks_of
from simulacra.corrections import Corrections
from simulacra.errors import ApiError, JobFailed
from simulacra.mcp_server import Tools
from simulacra.models import Description, read_as
from simulacra_api.http.problems import _MESSAGES

DOCUMENT = {
    "name": "t",
    "schema": {
        "fields": [
            {
                "name": "customer",
                "type": "string",
                "x-simulacra": {
                    "role": "subject",
                    "source": {"type": "detected", "role": "user"},
                    "evidence": {"type": "7.0 rows a person"},
                },
            },
            {"name": "score", "type": "integer", "categories": [1, 2], "categoriesOrdered": True},
        ]
    },
}
DATASET = {
    "dataset_id": "ds-111111111111111111111111",
    "status": "held",
    "retention_seconds": 7200,
    "reading": {"learned": 1, "replaced": 1, "dropped": 0, "to_confirm": 1},
}
JOB = {"job_id": "job-ds-111111111111111111111111", "status": "held"}
MADE = {"dataset_id": "ds-2", "job_id": "job-ds-111111111111111111111111", "status": "queued"}
ANSWERS: dict[str, Any] = {
    "/v1/datasets/ds-111111111111111111111111/report": {},
    "/token": {"access_token": "t", "expires_in": 600},
    "/v1/datasets": MADE,
    "/v1/datasets/ds-111111111111111111111111": DATASET,
    "/v1/datasets/ds-2": DATASET | {"dataset_id": "ds-2"},
    "/v1/datasets/ds-111111111111111111111111/description": DOCUMENT,
    "/v1/datasets/ds-111111111111111111111111/knowledge": {"tiers": [["a"]]},
    "/v1/datasets/ds-2/schema": {"rows": 2, "columns": [], "cleaning": []},
    "/v1/jobs/job-ds-111111111111111111111111": JOB,
}


class Service(BaseHTTPRequestHandler):
    """Answers each path with its document and records requests."""

    seen: list[tuple[str, str, dict[str, str], bytes]]

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.seen.append((self.command, self.path, dict(self.headers), body))
        status, answer = self.answer_to(body)
        payload = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", '"v1"')
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def answer_to(self, body: bytes) -> tuple[int, Any]:
        """Return status and document."""
        return 200, JOB if self.command == "PUT" else ANSWERS[self.path]

    do_GET = do_POST = do_PUT = handle_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Path, type[Service]]]:
    """The connection.json of a running service, and its record."""
    handler = type("Handler", (Service,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    fields = {"api_url": url, "token_url": f"{url}/token", "client_id": "x", "client_secret": "y"}
    connection = tmp_path / "connection.json"
    connection.write_text(json.dumps(fields))
    yield connection, handler
    server.shutdown()
    server.server_close()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in arguments])


def sent(handler: type[Service], method: str, path: str) -> tuple[dict[str, str], bytes]:
    (found,) = [(h, body) for m, p, h, body in handler.seen if (m, p) == (method, path)]
    return found


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    table, description = tmp_path / "t.csv", tmp_path / "d.json"
    table.write_text("customer,score\na,1\n")
    description.write_text(json.dumps(DOCUMENT))
    return table, description


def test_changed_description_is_put_with_its_entity_tag(
    service: tuple[Path, type[Service]],
) -> None:
    connection, handler = service
    with Client(Connection.from_file(connection)) as client:
        found = client.describe("ds-111111111111111111111111")
        found.column("score")["type"] = "string"
        client.refit("ds-111111111111111111111111", description=found)
        for wrong in ({}, {"knowledge": {}, "description": found}):
            with pytest.raises(ValueError, match="either knowledge or a description"):
                client.refit("ds-111111111111111111111111", **wrong)
    headers, body = sent(handler, "PUT", "/v1/datasets/ds-111111111111111111111111/description")
    assert headers["If-Match"] == '"v1"'
    assert json.loads(body)["schema"]["fields"][1]["type"] == "string"


GRAPH = {
    "order": ["age", "score"],
    "edges": [],
    "audit": {"arrows": 3, "wrong": 1},
    "skips": [{"source": "owns", "target": "brand"}],
    "questioned": [{"source": "age", "target": "score", "text": "Check age before score."}],
    "proposals": [{"column": "age", "reason": "'age': named like age, 0 to 120, or bands"}],
}


def test_refit_with_background_keeps_the_other_knowledge(
    service: tuple[Path, type[Service]],
) -> None:
    connection, handler = service
    done = run("refit", "ds-111111111111111111111111", "--background", "auto", "-c", connection)
    assert done.exit_code == 0, done.stderr
    _, body = sent(handler, "PUT", "/v1/datasets/ds-111111111111111111111111/knowledge")
    assert json.loads(body) == {"tiers": [["a"]], "background": "auto"}


def test_upload_with_background_states_it_as_knowledge(
    service: tuple[Path, type[Service]], files: tuple[Path, Path]
) -> None:
    connection, handler = service
    done = run("upload", files[0], "--background", "auto", "--no-wait", "-c", connection)
    assert done.exit_code == 0, done.stderr
    assert b'{"background":"auto"}' in sent(handler, "POST", "/v1/datasets")[1].replace(b" ", b"")


def test_blocks_are_the_tiers_of_a_fit_and_keep_the_other_knowledge(
    service: tuple[Path, type[Service]], files: tuple[Path, Path], tmp_path: Path
) -> None:
    connection, handler = service
    blocks = 'age; "a, b",score'
    done = run("upload", files[0], "--blocks", blocks, "--no-wait", "-c", connection)
    assert done.exit_code == 0, done.stderr
    body = sent(handler, "POST", "/v1/datasets")[1].replace(b" ", b"")
    assert b'{"tiers":[["age"],["a,b","score"]]}' in body
    done = run("refit", "ds-111111111111111111111111", "--blocks", "age;score", "-c", connection)
    assert done.exit_code == 0, done.stderr
    _, body = sent(handler, "PUT", "/v1/datasets/ds-111111111111111111111111/knowledge")
    assert json.loads(body) == {"tiers": [["age"], ["score"]]}
    stated = tmp_path / "known.json"
    stated.write_text('{"tiers": [["a"]]}')
    options = ("--knowledge", stated, "--blocks", "age", "-c", connection)
    done = run("upload", files[0], *options)
    assert (done.exit_code, "not both" in " ".join(done.stderr.split())) == (2, True)


def test_usual_order_is_asked_with_the_flag_that_confirms_it(
    service: tuple[Path, type[Service]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/v1/datasets/ds-111111111111111111111111/usual-order"
    usual = {"blocks": [["age"], ["a, b", "c;d"]], "unplaced": ["x"], "question": "Is it?"}
    monkeypatch.setitem(ANSWERS, path, usual)
    wanted = ("knowledge", "ds-111111111111111111111111", "--usual-order")
    done = run(*wanted, "-c", service[0])
    assert done.exit_code == 0, done.stderr
    told = " ".join(done.stderr.split())
    assert "Is it?" in told
    assert """--blocks 'age;"a, b","c;d"'""" in told
    assert blocks_of('age;"a, b","c;d"') == usual["blocks"]
    assert "no word or wave places: x" in told
    monkeypatch.setitem(ANSWERS, path, usual | {"blocks": [["age"]]})
    assert "--blocks" not in run(*wanted, "-c", service[0]).stderr, "one block is no order"


def test_graph_says_what_it_rests_on_and_which_columns_look_like_background(
    service: tuple[Path, type[Service]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/v1/datasets/ds-111111111111111111111111/graph"
    monkeypatch.setitem(ANSWERS, path, GRAPH)
    done = run("graph", "ds-111111111111111111111111", "-c", service[0])
    assert json.loads(done.stdout)["proposals"] == GRAPH["proposals"]
    said = " ".join(done.stderr.split())
    assert "nobody said what comes first" in said
    assert "Without your knowledge, 1 of 3 known arrows pointed the wrong way." in said
    assert "Check age before score." in said
    assert "Not drawn: owns and brand go together only in who was asked or answered." in said
    assert "'age': named like age, 0 to 120, or bands" in said
    assert "simulacra refit ds-111111111111111111111111 --background auto" in said
    monkeypatch.setitem(ANSWERS, path, GRAPH | {"proposals": []})
    done = run("graph", "ds-111111111111111111111111", "-c", service[0])
    assert "look like background" not in done.stderr


async def test_agent_sees_what_looks_like_background(
    service: tuple[Path, type[Service]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dataset_id = "ds-111111111111111111111111"
    monkeypatch.setitem(ANSWERS, f"/v1/datasets/{dataset_id}/graph", GRAPH)
    monkeypatch.setitem(ANSWERS, f"/v1/datasets/{dataset_id}", DATASET | {"status": "ready"})
    usual = {"blocks": [["age"], ["score"]], "question": "Is it?"}
    monkeypatch.setitem(ANSWERS, f"/v1/datasets/{dataset_id}/usual-order", usual)
    async with AsyncClient(Connection.from_file(service[0])) as client:
        status = await Tools(client, tmp_path).status(dataset_id)
    assert status["proposals"] == GRAPH["proposals"]
    assert status["usual_order"] == usual
    assert status["questioned"] == ["Check age before score."]


def test_upload_sends_description_and_hold_and_says_how_to_confirm(
    service: tuple[Path, type[Service]], files: tuple[Path, Path]
) -> None:
    connection, handler = service
    table, description = files
    done = run("upload", table, "--describe", description, "--hold", "-c", connection)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "held"
    assert "simulacra refit t --describe d.json" in done.stderr
    _, body = sent(handler, "POST", "/v1/datasets")
    assert b'name="hold"\r\n\r\ntrue' in body
    assert b"keep_source" not in body
    assert body.index(b'name="description"') < body.index(b'name="file"')


def test_strict_exits_with_1_when_a_reading_is_to_be_confirmed(
    service: tuple[Path, type[Service]], files: tuple[Path, Path]
) -> None:
    connection, _ = service
    for command in (("upload", files[0]), ("describe", "ds-111111111111111111111111")):
        done = run(*command, "--strict", "-c", connection)
        assert (done.exit_code, "1 column(s) to confirm" in done.stderr) == (1, True)
        assert run(*command, "-c", connection).exit_code == 0


def test_described_file_can_be_sent_back(
    service: tuple[Path, type[Service]], tmp_path: Path
) -> None:
    connection, handler = service
    path = tmp_path / "out.json"
    assert (
        run("describe", "ds-111111111111111111111111", "-o", path, "-c", connection).exit_code == 0
    )
    assert json.loads(path.read_text()) == DOCUMENT
    done = run("refit", "ds-111111111111111111111111", "--describe", path, "-c", connection)
    assert done.exit_code == 0, done.stderr
    assert (
        json.loads(sent(handler, "PUT", "/v1/datasets/ds-111111111111111111111111/description")[1])
        == DOCUMENT
    )


def test_refit_with_the_source_uploads_again(
    service: tuple[Path, type[Service]], files: tuple[Path, Path]
) -> None:
    connection, handler = service
    table, description = files
    done = run(
        "refit",
        "ds-111111111111111111111111",
        "--describe",
        description,
        "--source",
        table,
        "-c",
        connection,
    )
    assert done.exit_code == 0, done.stderr
    assert "simulacra delete ds-111111111111111111111111" in done.stderr
    _, body = sent(handler, "POST", "/v1/datasets")
    assert b'name="retention_seconds"\r\n\r\n7200' in body
    assert b'{"tiers": [["a"]]}' in body
    again = ("refit", "ds-111111111111111111111111", "--source", table, "--drop", "score")
    assert run(*again, "--blocks", "b;c", "-c", connection).exit_code == 0
    assert any(b'"tiers": [["b"], ["c"]]' in body for *_, body in handler.seen)
    assert (
        run("refit", "ds-111111111111111111111111", "--source", table, "-c", connection).exit_code
        == 2
    )
    assert run("refit", "ds-111111111111111111111111", "-c", connection).exit_code == 2


@pytest.mark.parametrize(
    ("told", "fields"),
    [
        ({"differential_privacy": {"epsilon": 2.0, "delta": 1e-7}}, {"epsilon": 2, "delta": 1e-7}),
        ({"privacy": {"level": "strict"}, "made": {"family": "forest"}}, {"privacy": "strict"}),
    ],
)
def test_refit_with_the_source_is_as_private_as_the_model_was(
    service: tuple[Path, type[Service]],
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    told: dict[str, Any],
    fields: dict[str, Any],
) -> None:
    connection, handler = service
    monkeypatch.setitem(ANSWERS, "/v1/datasets/ds-111111111111111111111111/report", told)
    again = ("refit", "ds-111111111111111111111111", "--source", files[0], "-c", connection)
    done = run(*again, "--drop", "score")
    assert done.exit_code == 0, done.stderr
    _, body = sent(handler, "POST", "/v1/datasets")
    sent_fields = dict(re.findall(rb'name="(\w+)"\r\n\r\n([^\r]*)\r\n', body))
    for name, value in fields.items():
        found = sent_fields[name.encode()].decode()
        assert found == value if isinstance(value, str) else float(found) == value
    assert sent_fields.get(b"family") == (b"forest" if "made" in told else None)


def test_refit_with_the_source_asks_for_the_summary_that_is_not_kept(
    service: tuple[Path, type[Service]], files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, handler = service
    path = "/v1/datasets/ds-111111111111111111111111/report"
    monkeypatch.setitem(ANSWERS, path, {"waves": {"carried": ["Q1", "Q2"]}})
    again = ("refit", "ds-111111111111111111111111", "--source", files[0], "-c", connection)
    done = run(*again, "--drop", "score")
    said = " ".join(done.stderr.replace("│", " ").split())
    assert done.exit_code == 2
    assert "waves (Q1 to Q2), which is not kept for another upload; add --earlier FILE" in said
    summary = files[0].parent / "q2.wave.json"
    summary.write_text('{"summary": {"version": 1}}')
    done = run(*again, "--drop", "score", "--earlier", summary)
    assert done.exit_code == 0, done.stderr
    assert b'name="earlier"' in sent(handler, "POST", "/v1/datasets")[1]
    assert run(*again[:2], "-c", connection, "--earlier", summary).exit_code == 2


def test_description_reads_as_a_table() -> None:
    first, second = (read_as(one) for one in DOCUMENT["schema"]["fields"])  # type: ignore[index]
    assert first == ("string", "subject", "detected, user", "7.0 rows a person")
    assert second[0] == "scale of integer"
    assert "7.0 rows a person" in Description(DOCUMENT)._repr_html_()
    with pytest.raises(KeyError):
        Description(DOCUMENT).column("nobody")


def described_part(handler: type[Service]) -> dict[str, Any]:
    """Return the description of an upload's form."""
    _, body = sent(handler, "POST", "/v1/datasets")
    part = body.split(b'name="description"\r\n\r\n')[1].split(b"\r\n")[0]
    found: dict[str, Any] = json.loads(part)
    return found


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (("upload",), "t.csv"),
        (("upload", "--name", "Wave 3"), "Wave 3"),
        (("run", "--rows", "9", "-o", "o.csv", "--name", "Wave 3"), "Wave 3"),
    ],
)
def test_an_upload_sends_the_name_of_the_table_in_its_salted_description(
    service: tuple[Path, type[Service]],
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: tuple[str, ...],
    name: str,
) -> None:
    connection, handler = service
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setitem(ANSWERS, f"/v1/jobs/{JOB['job_id']}", JOB | {"status": "failed"})
    run(arguments[0], files[0], *arguments[1:], "--key", "k", "-c", connection)
    sent_part = described_part(handler)
    assert sent_part["name"] == name
    assert sent_part["schema"] == {"fieldsMatch": "subset", "fields": []}
    assert len(bytes.fromhex(sent_part["nonce"])) == 16
    run(arguments[0], files[0], *arguments[1:], "--key", "k", "-c", connection)
    again = [body for m, p, _, body in handler.seen if (m, p) == ("POST", "/v1/datasets")]
    assert sent_part["nonce"].encode() in again[1]  # one key is one request
    assert run("schema", name, "-c", connection).exit_code == 0  # by the name that it was given


def test_a_table_in_memory_is_named_on_request_only(service: tuple[Path, type[Service]]) -> None:
    pa = pytest.importorskip("pyarrow")
    connection, handler = service
    frame = pa.table({"a": [1]})
    with Client(Connection.from_file(connection)) as client:
        client.upload(frame)
        client.upload(frame, name="Wave 3")
        client.upload(frame, description={"resources": [{"name": "own", "schema": {}}]})
        with pytest.raises(ValueError, match="name: 257 characters; write 256 at most"):
            client.upload(frame, name="x" * 257)
    bodies = [body for m, p, _, body in handler.seen if (m, p) == ("POST", "/v1/datasets")]
    assert b'name="description"' not in bodies[0]
    assert b'"name": "Wave 3"' in bodies[1]
    assert b'"name": "own"' in bodies[2]
    salts = [re.findall(rb'"nonce": "([0-9a-f]{32})"', body) for body in bodies[1:]]
    assert salts[0] != salts[1]  # of another key
    assert [len(one) for one in salts] == [1, 1]


def refuse(
    handler: type[Service], monkeypatch: pytest.MonkeyPatch, status: int, error: dict[str, str]
) -> None:
    """Refuse uploads with a description."""
    usual = handler.answer_to

    def answer(self: Service, body: bytes) -> tuple[int, Any]:
        if b'name="description"' not in body:
            return usual(self, body)
        return status, {"code": "simio_invalid_field", "errors": [error]}

    monkeypatch.setattr(handler, "answer_to", answer)


@pytest.mark.parametrize(
    "detail",
    [
        _MESSAGES["extra_forbidden"],
        "there is no field of this name here; those there are stand in /openapi.json",
        "Extra inputs are not permitted",
    ],
)
def test_a_service_without_descriptions_gets_the_table_without_its_name(
    service: tuple[Path, type[Service]],
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    detail: str,
) -> None:
    connection, handler = service
    refuse(handler, monkeypatch, 400, {"pointer": "/description", "detail": detail})
    with Client(Connection.from_file(connection)) as client:
        assert client.upload(files[0], family="forest").dataset_id == MADE["dataset_id"]
        with pytest.raises(ApiError, match="/description"):  # what was stated is never left out
            client.upload(files[0], subject="customer")
    bodies = [body for m, p, _, body in handler.seen if (m, p) == ("POST", "/v1/datasets")]
    assert [b'name="description"' in body for body in bodies] == [True, False, True]
    assert b"forest" in bodies[1]
    assert b"customer,score\na,1\n" in bodies[1]


@pytest.mark.parametrize(
    ("status", "pointer", "detail"),
    [
        (400, "/description", "Must be an object {...}. See /openapi.json for its fields."),
        (400, "/description/nonce", _MESSAGES["extra_forbidden"]),
        (422, "/description", "Unknown field."),
    ],
)
def test_an_upload_whose_name_is_refused_is_not_sent_without_it(
    service: tuple[Path, type[Service]],
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    pointer: str,
    detail: str,
) -> None:
    connection, handler = service
    refuse(handler, monkeypatch, status, {"pointer": pointer, "detail": detail})
    with (
        Client(Connection.from_file(connection)) as client,
        pytest.raises(ApiError, match=re.escape(f"{pointer}: {detail}")),
    ):
        client.upload(files[0])
    assert sum(path == "/v1/datasets" for _, path, _, _ in handler.seen) == 1


@pytest.mark.parametrize(
    ("status", "code", "is_told"),
    [
        (409, "simio_source_erased", False),
        (409, "simio_dataset_failed", False),
        (404, "simio_not_found", False),
        (403, "simio_tenant_suspended", True),
        (404, "simio_dataset_not_found", True),
        (500, "simio_artifact_corrupt", True),
    ],
)
def test_a_name_that_cannot_be_read_is_told_unless_there_is_none(
    service: tuple[Path, type[Service]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    status: int,
    code: str,
    is_told: bool,
) -> None:
    connection, handler = service
    usual = handler.answer_to

    def answer(self: Service, body: bytes) -> tuple[int, Any]:
        if self.path.startswith("/v1/datasets?"):
            return 200, {"items": [{"rows": 2, **DATASET}], "next_cursor": None}
        if self.path.endswith("/description"):
            return status, {"code": code, "detail": "Why."}
        return usual(self, body)

    monkeypatch.setattr(handler, "answer_to", answer)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with Client(Connection.from_file(connection)) as client:
        if is_told:
            with pytest.raises(ApiError, match=code):
                client.load("ds-111111111111111111111111")
        else:
            assert client.load("ds-111111111111111111111111").name is None
    listed = run("datasets", "-c", connection)
    assert (listed.exit_code, "ds-1111" in listed.stdout) == (0, True)
    named = run("show", "nosuch", "-c", connection)
    assert named.exit_code != 0
    assert (code in named.stderr) == (is_told and code != "simio_dataset_not_found")


def test_refit_with_the_source_keeps_knowledge_that_cannot_be_read_now(
    service: tuple[Path, type[Service]], files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection, handler = service
    usual = handler.answer_to

    def answer(self: Service, body: bytes) -> tuple[int, Any]:
        if self.path.endswith("/knowledge"):
            return 403, {"code": "simio_tenant_suspended", "detail": "Why."}
        return usual(self, body)

    monkeypatch.setattr(handler, "answer_to", answer)
    command = ("refit", "ds-111111111111111111111111", "--describe", files[1], "--source", files[0])
    done = run(*command, "-c", connection)
    assert (done.exit_code, "simio_tenant_suspended" in done.stderr) == (1, True)
    assert not [path for _, path, _, _ in handler.seen if path == "/v1/datasets"]


def test_flags_say_what_a_description_says(
    service: tuple[Path, type[Service]], files: tuple[Path, Path]
) -> None:
    connection, handler = service
    flags = ["--subject", "customer", "--key-column", "id", "--order", "day", "--drop", "note"]
    flags += ["--drop", "x", "--missing", "-9", "--missing", "a=b=99", "--missing", "note=k"]
    done = run("upload", files[0], *flags, "-c", connection)
    assert done.exit_code == 0, done.stderr
    salt = {"nonce": described_part(handler)["nonce"]}
    assert described_part(handler) == salt | {
        "name": "t.csv",
        "fields": [
            {"name": "note", "x-simulacra": {"use": "drop", "missing": ["k"]}},
            {"name": "x", "x-simulacra": {"use": "drop"}},
            {"name": "a=b", "x-simulacra": {"missing": ["99"]}},
        ],
        "primaryKey": ["id"],
        "x-simulacra": {"version": 1, "subject": "customer", "order": "day", "missing": ["-9"]},
    }


async def test_arguments_of_python_say_what_the_flags_say(
    service: tuple[Path, type[Service]], files: tuple[Path, Path]
) -> None:
    connection, handler = service
    several = {"key_column": "id", "order": "day", "drop": ["note", "x"], "missing": [-9, "a=b=99"]}
    with Client(Connection.from_file(connection)) as client:
        client.upload(files[0], subject="customer", **several)
    salt = {"nonce": described_part(handler)["nonce"]}
    assert described_part(handler) == salt | {
        "name": "t.csv",
        "fields": [
            {"name": "note", "x-simulacra": {"use": "drop"}},
            {"name": "x", "x-simulacra": {"use": "drop"}},
            {"name": "a=b", "x-simulacra": {"missing": ["99"]}},
        ],
        "primaryKey": ["id"],
        "x-simulacra": {"version": 1, "subject": "customer", "order": "day", "missing": ["-9"]},
    }
    handler.seen.clear()
    cells = {"score": [98.0, "a=b"], "note": "k.A."}
    async with AsyncClient(Connection.from_file(connection)) as client:
        await client.upload(files[0], description=DOCUMENT, drop="customer", missing=cells)
    first, second, third = described_part(handler)["schema"]["fields"]
    assert first["x-simulacra"] == {**first["x-simulacra"], "role": "subject", "use": "drop"}
    assert second["x-simulacra"] == {"missing": ["98", "a=b"]}
    assert third == {"name": "note", "x-simulacra": {"missing": ["k.A."]}}


def test_arguments_of_python_that_say_nothing_are_refused(
    service: tuple[Path, type[Service]], files: tuple[Path, Path]
) -> None:
    connection, handler = service
    stated = {"fields": [], "primaryKey": ["row"]}
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"subject": ""}, r"subject='': write the name of a column"),
        ({"drop": ["a", 3]}, r"drop=3: write the name of a column"),
        ({"missing": ["age="]}, r"missing='age=': write VALUE or COL=VALUE"),
        ({"missing": [None]}, r"missing=None: write VALUE"),
        ({"missing": {"age": True}}, r"missing={'age': True}: write VALUE"),
        ({"key_column": "id", "description": stated}, r"key_column='id': the description says"),
    ]
    with Client(Connection.from_file(connection)) as client:
        for options, words in wrong:
            for call in (client.upload, client.fit, simulacra.fit):
                with pytest.raises(ValueError, match=words):
                    call(files[0], **options)
    assert handler.seen == []


def test_flags_join_a_description_file_and_may_not_contradict_it(
    service: tuple[Path, type[Service]], files: tuple[Path, Path]
) -> None:
    connection, handler = service
    table, description = files
    stated = {"resources": [{"schema": {"fields": [], "x-simulacra": {"subject": "customer"}}}]}
    description.write_text(json.dumps(stated))
    command = ("upload", table, "--describe", description, "-c", connection)
    done = run(*command, "--subject", "score")
    assert (done.exit_code, handler.seen) == (2, [])
    assert "--subject score: the description says customer. Say it in one place." in done.stderr
    assert run(*command, "--missing", "score=").exit_code == 2
    assert run(*command, "--subject", "customer", "--order", "score").exit_code == 0
    own = described_part(handler)["resources"][0]["schema"]["x-simulacra"]
    assert own == {"version": 1, "subject": "customer", "order": "score"}
    for content in ({"schema": "file.json"}, {"fields": [], "x-simulacra": 1}):
        description.write_text(json.dumps(content))
        done = run(*command, "--order", "score")
        assert (done.exit_code, "The description has" in done.stderr) == (2, True)


def _job_fails(monkeypatch: pytest.MonkeyPatch, detail: str, errors: list[dict[str, str]]) -> None:
    error = {"code": "x", "detail": detail, "errors": errors}
    failed = JOB | {"status": "failed", "error": error}
    monkeypatch.setitem(ANSWERS, f"/v1/jobs/{JOB['job_id']}", failed)


def test_an_error_of_a_correction_names_its_flag(
    service: tuple[Path, type[Service]],
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection, _ = service
    detail = 'The table has no such column. Did you mean "score"?'
    pointers = ("/x-simulacra/order", "/fields/0/name")
    errors = [{"pointer": pointer, "detail": detail} for pointer in pointers]
    _job_fails(monkeypatch, f"2 places. {pointers[0]}: {detail}", errors)
    for command in (("upload",), ("run", "--rows", "9", "-o", files[0].with_suffix(".parquet"))):
        flags = ("--order", "scor", "--drop", "nothing", "-c", connection)
        done = run(command[0], files[0], *command[1:], *flags)
        assert done.exit_code == 3
        assert f"2 places. --order scor: {detail}" in done.stderr
        assert f"--drop nothing: {detail}" in done.stderr
        assert "/x-simulacra" not in done.stderr


def test_an_error_of_a_correction_names_its_argument(
    service: tuple[Path, type[Service]],
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detail = 'The table has no such column. Did you mean "score"?'
    pointers = ("/fields/0/name", "/fields/1/x-simulacra/missing", "/schema")
    errors = [{"pointer": pointer, "detail": detail} for pointer in pointers]
    _job_fails(monkeypatch, f"3 places. {pointers[0]}: {detail}", errors)
    with Client(Connection.from_file(service[0])) as client, pytest.raises(JobFailed) as raised:
        client.fit(files[0], drop="nothing", missing={"scor": 9})
    names = [one["pointer"] for one in raised.value.errors]
    assert names == ["drop='nothing'", "missing={'scor': 9}", "/schema"]
    assert raised.value.detail == f"3 places. drop='nothing': {detail}"


def test_refit_with_flags_changes_the_present_description(
    service: tuple[Path, type[Service]], files: tuple[Path, Path]
) -> None:
    connection, handler = service
    name = "ds-111111111111111111111111"
    done = run("refit", name, "--subject", "score", "--weights", "w", "-c", connection)
    assert done.exit_code == 0, done.stderr
    headers, body = sent(handler, "PUT", f"/v1/datasets/{name}/description")
    assert headers["If-Match"] == '"v1"'
    schema = json.loads(body)["schema"]
    assert schema["x-simulacra"] == {"version": 1, "subject": "score", "weights": "w"}
    assert "role" not in schema["fields"][0]["x-simulacra"]
    assert schema["fields"][1] == DOCUMENT["schema"]["fields"][1]  # type: ignore[index]
    done = run("refit", name, "--source", files[0], "--drop", "score", "-c", connection)
    assert done.exit_code == 0, done.stderr
    assert described_part(handler)["schema"]["fields"][1]["x-simulacra"] == {"use": "drop"}
    assert described_part(handler)["name"] == "t"


@pytest.mark.parametrize(
    "given",
    [
        ["country", "brand=Nike", "brand=Puma"],
        {"country": True, "brand": ["Nike", "Puma"]},
    ],
)
def test_public_levels_are_a_property_of_their_column(given: Any) -> None:
    document = Corrections(publish=given).into(None)
    fields = {one["name"]: one["x-simulacra"]["publish"] for one in document["fields"]}
    assert fields == {"country": True, "brand": ["Nike", "Puma"]}


def test_public_levels_need_the_name_of_a_column() -> None:
    with pytest.raises(ValueError, match="write the name of a column"):
        Corrections(publish={"": True})


DESIGN = [
    {"name": "psu", "x-simulacra": {"role": "cluster"}},
    {"name": "region", "x-simulacra": {"role": "stratum"}},
    {"name": "size", "x-simulacra": {"role": "stratum"}},
]


async def test_survey_design_is_the_role_of_its_columns_and_named_in_errors(
    service: tuple[Path, type[Service]],
    files: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection, handler = service
    detail = "Every row needs its cluster, and there must be at least 2."
    errors = [{"pointer": "/fields/0/x-simulacra/role", "detail": detail}]
    _job_fails(monkeypatch, f"{errors[0]['pointer']}: {detail}", errors)
    flags = ("--cluster", "psu", "--stratum", "region", "--stratum", "size", "-c", connection)
    for command in (("upload",), ("run", "--rows", "9", "-o", files[0].with_suffix(".parquet"))):
        done = run(command[0], files[0], *command[1:], *flags)
        assert (done.exit_code, f"--cluster psu: {detail}" in done.stderr) == (3, True)
        assert described_part(handler)["fields"] == DESIGN
        handler.seen.clear()
    said = pytest.raises(JobFailed, match=f"cluster='psu': {detail}")
    with Client(Connection.from_file(connection)) as client, said:
        client.fit(files[0], cluster="psu", stratum=["region", "size"])
    assert described_part(handler)["fields"] == DESIGN
    handler.seen.clear()
    async with AsyncClient(Connection.from_file(connection)) as waiting:
        await waiting.upload(files[0], cluster="psu", stratum="region")
    assert described_part(handler)["fields"] == DESIGN[:2]


def test_replicates_are_a_pattern_of_names_and_a_method() -> None:
    corrections = Corrections(weights="w", replicates="rep*=brr:0.5")
    design = {"replicateWeights": "rep*", "replicates": "brr", "fay": 0.5}
    own = {"version": 1, "weights": "w", "design": design}
    assert corrections.into(None) == {"fields": [], "x-simulacra": own}
    named = corrections.in_words("/x-simulacra/design/replicateWeights")
    assert named == "replicates='rep*=brr:0.5'"


def test_targets_are_read_from_a_sheet_or_json_and_named_in_errors(tmp_path: Path) -> None:
    sheet = tmp_path / "census.csv"
    sheet.write_text("region,age,count\nnorth,,30\nsouth/west,,70\n,18..29,5\n,30..,15\n")
    corrections = Corrections(targets=str(sheet), trim=5)
    of_region = {"region": {"north": 0.3, "south/west": 0.7}}
    quotas = [
        {"where": {"age": {"min": 18, "max": 29}}, "share": 0.25},
        {"where": {"age": {"min": 30}}, "share": 0.75},
    ]
    targets = {"categorical": of_region, "quotas": quotas, "trim": 5}
    own = {"version": 1, "targets": targets}
    assert corrections.into(None) == {"fields": [], "x-simulacra": own}
    at = "/x-simulacra/targets"
    said = f"targets='{sheet}'"
    assert corrections.in_words(f"{at}/categorical/region/south~1west") == (
        f"{said}, region=south/west"
    )
    assert corrections.in_words(f"{at}/quotas/1/where/age") == f"{said}, quota 2"
    assert corrections.in_words(f"{at}/trim") == "trim=5"
    file = tmp_path / "census.json"
    file.write_text(json.dumps(of_region))
    for given in (of_region, {"categorical": of_region}, file, json.dumps(of_region)):
        document = Corrections(targets=given).into(None)
        assert document is not None
        assert document["x-simulacra"]["targets"] == {"categorical": of_region}
    for wrong in ({}, {"region": 0.3}, {"quotas": 0.3}, '{"region": 0.3}', tmp_path):
        with pytest.raises(ValueError, match=r"targets=.*: give a sheet, or JSON"):
            Corrections(targets=wrong, trim=2).into(None)
    for none in (tmp_path / "none.json", tmp_path / "none.csv"):
        with pytest.raises(ValueError, match=r"targets=.*: there is no such file"):
            Corrections(targets=none).into(None)
    alone = Corrections(trim=2)
    alone.into(None)
    assert alone.in_words(at) == "trim=2", "shares are missing"


def test_a_cluster_takes_the_place_of_another_in_the_present_description() -> None:
    fields = [
        {"name": "psu", "x-simulacra": {"role": "cluster"}},
        {"name": "point", "x-simulacra": {"role": "pii", "pii": "name", "replace": "mask"}},
        {"name": "region", "x-simulacra": {"role": "stratum"}},
    ]
    corrections = Corrections(cluster="point", stratum="size")
    document = corrections.into({"fields": fields}, replacing=True)
    roles = [one["x-simulacra"] for one in document["fields"]]
    assert roles == [{}, {"role": "cluster"}, {"role": "stratum"}, {"role": "stratum"}]
    assert corrections.in_words("/description/fields/1/x-simulacra/role") == "cluster='point'"
    assert corrections.in_words("/fields/3/name") == "stratum='size'"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cluster": ""}, "cluster='': write the name of a column"),
        ({"cluster": ["a", "b"]}, "cluster=.'a', 'b'.: write the name of a column"),
        ({"stratum": ["region", 3]}, "stratum=3: write the name of a column"),
        ({"cluster": "customer"}, "cluster='customer': the description says subject"),
        ({"cluster": "psu", "stratum": "psu"}, "stratum='psu': the description says cluster"),
        ({"replicates": "rep*"}, "replicates='rep.*': write PATTERN=METHOD"),
        ({"replicates": "rep*=brr:half"}, "replicates='rep.*': write PATTERN=METHOD"),
    ],
)
def test_a_survey_design_that_says_nothing_or_two_things_is_refused(
    given: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        Corrections(**given).into(DOCUMENT)


def test_an_unknown_correction_is_an_unknown_argument(files: tuple[Path, Path]) -> None:
    with pytest.raises(TypeError, match="There is no argument 'clusters'"):
        simulacra.fit(files[0], clusters="psu")


def test_corrections_of_describe_need_a_file(service: tuple[Path, type[Service]]) -> None:
    done = run("describe", "t", "--cluster", "psu", "-c", service[0])
    assert (done.exit_code, "--source" in done.stderr) == (2, True)
