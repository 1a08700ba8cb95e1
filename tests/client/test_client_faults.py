"""The SDK against a scripted server with faults: retries, tokens, broken downloads, other hosts."""

from __future__ import annotations

import base64
import hashlib
import inspect
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from simulacra import ApiError, AsyncClient, Client, Connection, DownloadCorrupt, JobFailed

Answer = tuple[int, dict[str, Any]]


class Script(BaseHTTPRequestHandler):
    """Gives each path its scripted answers in turn (the last one stays) and records requests."""

    answers: dict[str, list[Answer]]
    seen: list[tuple[str, str, dict[str, str]]]
    port: int
    honest: bool = True

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        path = self.path.partition("?")[0]
        self.seen.append((self.command, path, dict(self.headers)))
        if path == "/resumed":
            self.send_range(bytes(range(200)) * 5000)
            return
        if path == "/cut":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            return
        unknown: Answer = (404, {"code": "simio_dataset_not_found", "title": "no"})
        script = self.answers.get(path, [unknown])
        status, body = script.pop(0) if len(script) > 1 else script[0]
        payload = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        if status == 409:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def send_range(self, whole: bytes) -> None:
        """Break the first answer off half way; then serve ranges as RFC 9110 says."""
        first = len([1 for _, path, _ in self.seen if path == "/resumed"]) == 1
        fits = self.headers.get("If-Range") == '"v1"'
        start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-")) if fits else 0
        self.send_response(206 if start else 200)
        digest = base64.b64encode(hashlib.sha256(whole).digest()).decode()
        self.send_header("Repr-Digest", f"sha-256=:{digest}:" if self.honest else "sha-256=:AAAA:")
        self.send_header("ETag", '"v1"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(whole) - start))
        self.end_headers()
        self.wfile.write(whole[start : len(whole) // 2] if first else whole[start:])

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""


Start = Callable[[dict[str, list[Answer]]], tuple[Client, type[Script]]]
"""Answers by path -> a client of a server that gives them, and the server's record."""


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    servers: list[ThreadingHTTPServer] = []
    clients: list[Client] = []
    monkeypatch.setattr("simulacra.client.time.sleep", lambda seconds: None)

    def run(answers: dict[str, list[Answer]]) -> tuple[Client, type[Script]]:
        token = [(200, {"access_token": name, "expires_in": 600}) for name in ("t1", "t2")]
        handler = type("Handler", (Script,), {"answers": {"/token": token, **answers}, "seen": []})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        handler.port = server.server_port
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        clients.append(Client(Connection(url, f"{url}/token", "id", "secret"), timeout=5))
        return clients[-1], handler

    yield run
    for client in clients:
        client.close()
    for server in servers:
        server.shutdown()
        server.server_close()


def test_retry_sends_the_same_key(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a,b\n1,2\n")
    busy: Answer = (503, {"code": "simio_unavailable"})
    created: Answer = (202, {"dataset_id": "ds-1", "job_id": "job-ds-1"})
    client, server = start({"/v1/datasets": [busy, busy, created]})
    assert client.upload(file)["dataset_id"] == "ds-1"
    keys = [sent["Idempotency-Key"] for _, path, sent in server.seen if path == "/v1/datasets"]
    assert len(keys) == 3
    assert len(set(keys)) == 1


def test_client_errors_are_not_retried(start: Start) -> None:
    client, server = start({})
    with pytest.raises(ApiError) as refused:
        client.dataset("ds-1")
    assert refused.value.status == 404
    assert len([1 for _, path, _ in server.seen if path.startswith("/v1")]) == 1


def test_retries_end(start: Start) -> None:
    down: Answer = (503, {"code": "simio_unavailable", "detail": "store down"})
    client, server = start({"/v1/datasets/ds-1": [down]})
    with pytest.raises(ApiError, match="store down"):
        client.dataset("ds-1")
    assert len([1 for _, path, _ in server.seen if path.startswith("/v1")]) == 5


def test_refused_token_is_renewed_once(start: Start) -> None:
    expired: Answer = (401, {"code": "simio_token_expired"})
    client, server = start({"/v1/datasets": [expired, (200, {"items": []})]})
    assert client.datasets() == []
    tokens = [sent["Authorization"] for _, path, sent in server.seen if path == "/v1/datasets"]
    assert tokens == ["Bearer t1", "Bearer t2"]


def test_failed_job_raises_its_reason(start: Start) -> None:
    error = {"code": "simio_upload_invalid", "detail": "one column"}
    running = {"status": "running", "progress_percent": 5}
    failed = {"job_id": "job-ds-1", "status": "failed", "error": error}
    client, _ = start({"/v1/jobs/job-ds-1": [(200, running), (200, failed)]})
    seen: list[str] = []
    with pytest.raises(JobFailed, match="one column"):
        client.wait("job-ds-1", on_progress=lambda job: seen.append(job["status"]))
    assert seen == ["running", "failed"]


def test_broken_download_leaves_no_file(start: Start, tmp_path: Path) -> None:
    client, _ = start({"/v1/generations/gen-1": [(200, {"artifact_url": "/cut?token=x"})]})
    with pytest.raises(httpx2.RemoteProtocolError):
        client.download("gen-1", tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


def test_download_link_keeps_its_own_query(start: Start, tmp_path: Path) -> None:
    client, server = start(
        {
            "/v1/generations/gen-1": [(200, {"artifact_url": "/file?token=x"})],
            "/file": [(200, {"rows": 1})],
        }
    )
    file = tmp_path / "out.csv"
    assert client.download("gen-1", file, "csv") == file.stat().st_size
    assert json.loads(file.read_text()) == {"rows": 1}
    assert "Authorization" in server.seen[-1][2]


def test_link_to_another_host_gets_no_token(start: Start, tmp_path: Path) -> None:
    _, elsewhere = start({"/file": [(200, {"rows": 1})]})
    link = f"http://localhost:{elsewhere.port}/file"  # another host name than the API's 127.0.0.1
    client, _ = start({"/v1/generations/gen-1": [(200, {"artifact_url": link})]})
    client.download("gen-1", tmp_path / "out.csv", "csv")
    assert "Authorization" not in elsewhere.seen[-1][2]


def test_repr_of_a_connection_omits_the_secret() -> None:
    assert "hush" not in repr(Connection("u", "t", "id", "hush"))


READY = {"generation_id": "gen-1", "status": "ready", "artifact_url": "/resumed?token=x"}
LINK: dict[str, list[Answer]] = {"/v1/generations/gen-1": [(200, READY)]}
WHOLE = bytes(range(200)) * 5000


def test_download_resumes_where_it_broke(start: Start, tmp_path: Path) -> None:
    client, server = start(LINK)
    assert client.download("gen-1", tmp_path / "out.parquet") == len(WHOLE)
    assert (tmp_path / "out.parquet").read_bytes() == WHOLE
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]
    ranges = [sent.get("Range", "") for _, path, sent in server.seen if path == "/resumed"]
    assert ranges[0] == ""
    assert 0 < int(ranges[1].removeprefix("bytes=").rstrip("-")) <= len(WHOLE) // 2


def test_download_resumes_in_another_process(start: Start, tmp_path: Path) -> None:
    client, server = start(LINK)
    server.seen.append(("GET", "/resumed", {}))  # then no answer breaks off
    (tmp_path / "out.parquet.v1.part").write_bytes(WHOLE[:1234])
    client.download("gen-1", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == WHOLE
    assert server.seen[-1][2]["Range"] == "bytes=1234-"


def test_download_restarts_when_the_file_has_changed(start: Start, tmp_path: Path) -> None:
    client, server = start(LINK)
    server.seen.append(("GET", "/resumed", {}))
    (tmp_path / "out.parquet.v0.part").write_bytes(b"old")
    client.download("gen-1", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == WHOLE


def test_wrong_digest_leaves_no_file(start: Start, tmp_path: Path) -> None:
    client, server = start(LINK)
    server.honest = False
    with pytest.raises(DownloadCorrupt):
        client.download("gen-1", tmp_path / "out.parquet")
    assert list(tmp_path.iterdir()) == []


def test_upload_waits_for_its_own_broken_attempt(start: Start, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    # A service that crashed answers like this for a minute, too.
    busy: Answer = (409, {"code": "simio_idempotency_in_flight"})
    client, _ = start({"/v1/datasets": [*[busy] * 40, (202, {"dataset_id": "ds-1"})]})
    assert client.upload(tmp_path / "t.csv").dataset_id == "ds-1"


@pytest.mark.parametrize(
    ("code", "tries"), [("simio_idempotency_in_flight", 50), ("simio_dataset_not_ready", 5)]
)
def test_upload_gives_up_on_a_key_that_stays_in_use(
    start: Start, tmp_path: Path, code: str, tries: int
) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    client, server = start({"/v1/datasets": [(409, {"code": code})]})
    with pytest.raises(ApiError, match=code):
        client.upload(tmp_path / "t.csv")
    assert len([1 for _, path, _ in server.seen if path == "/v1/datasets"]) == tries


def test_refit_waits_for_the_erasure_of_the_old_model(start: Start) -> None:
    busy: Answer = (409, {"code": "simio_model_in_flight"})
    accepted: Answer = (202, {"job_id": "job-ds-1"})
    client, server = start({"/v1/datasets/ds-1/knowledge": [busy, busy, accepted]})
    assert client.refit("ds-1", {"tiers": []}).job_id == "job-ds-1"
    assert [method for method, path, _ in server.seen if path.endswith("/knowledge")] == ["PUT"] * 3
    with pytest.raises(ApiError):
        start({"/v1/datasets/ds-1/knowledge": [busy]})[0].refit("ds-1", {}, timeout=0)


def test_id_prefix_selects_the_kind_of_resource(start: Start) -> None:
    found: dict[str, list[Answer]] = {
        "/v1/generations/gen-1": [(200, {"status": "ready"})],
        "/v1/generations/gen-1/report": [(200, {"asked": 1})],
    }
    client, _ = start(found)
    assert client.get("gen-1").status == "ready"
    assert client.report("gen-1") == {"asked": 1}
    for call in (client.delete, client.report):
        with pytest.raises(ValueError, match="give a dataset_id"):
            call("job-1")


def test_only_repeatable_requests_are_retried(start: Start) -> None:
    client, server = start({"/v1/webhooks": [(500, {"code": "simio_internal"})]})
    with pytest.raises(ApiError):
        client.create_webhook("https://example.org/hook")
    # The token, and one try.
    assert len([1 for method, _, _ in server.seen if method == "POST"]) == 2
    with pytest.raises(ApiError):
        client.webhooks()
    assert len([1 for method, path, _ in server.seen if method == "GET"]) == 5


def _public(kind: type) -> dict[str, Any]:
    return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}


def _signature(method: Any) -> str:
    """Return a signature in which both clients name the same result, a model."""
    return str(inspect.signature(method)).replace("AsyncFittedModel", "FittedModel")


async def test_async_client_has_the_same_methods(start: Start, tmp_path: Path) -> None:
    blocking, _ = start({**LINK, "/v1/datasets/ds-1": [(503, {}), (200, {"dataset_id": "ds-1"})]})
    async with AsyncClient(blocking._http.auth._connection) as client:  # type: ignore[union-attr]
        assert (await client.dataset("ds-1")).dataset_id == "ds-1"
        await client.download("gen-1", tmp_path / "out.parquet")
    assert (tmp_path / "out.parquet").read_bytes() == WHOLE
    of_both = blocks, awaits = _public(Client), _public(AsyncClient)
    assert set(blocks) == set(awaits)
    for of_one, awaited in ((blocks, False), (awaits, True)):
        functions = {name: one for name, one in of_one.items() if inspect.isfunction(one)}
        assert set(of_one) - set(functions) == {"api_url", "from_connection", "from_environment"}
        assert len(functions) > 30
        for name, function in functions.items():
            assert inspect.iscoroutinefunction(function) == awaited, name
    written = [{name for name in vars(kind) if name in blocks} for kind in (Client, AsyncClient)]
    assert written[0] == written[1] == {"close", "fit", "load", "rotate_credentials"}
    for name in blocks.keys() - {"api_url"}:
        assert len({_signature(of_one[name]) for of_one in of_both}) == 1, name


def test_notebook_view_escapes_html(start: Start) -> None:
    found = {"dataset_id": "<b>", "model": {"status": "ready"}}
    client, _ = start({"/v1/datasets/ds-1": [(200, found)]})
    shown = client.dataset("ds-1")._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "<table>" in shown
    assert "<b>" not in shown


def test_notebook_view_shows_figures_of_reports_and_graphs(start: Start) -> None:
    means = {"univariate": {"error": 2.5, "floor": 2.0}, "bivariate": {"error": 6.0, "floor": 5.0}}
    column = {"column": "<i>", "error": 1.25, "floor": 1.0}
    report = {
        "fidelity": {**means, "columns": [column]},
        "privacy": {"exact_copies": 0.125, "of_model": None},
    }
    edge = {"source": "<i>", "target": "b", "strength": 0.9, "state": "undecided"}
    asked = {"interventions": {"price": 5.49}}
    client, _ = start(
        {
            "/v1/generations/gen-1/report": [(200, {**report, "asked": asked})],
            "/v1/datasets/ds-1/report": [(200, {"fidelity": None, "privacy": None})],
            "/v1/datasets/ds-1/graph": [(200, {"order": ["<i>", "b"], "edges": [edge]})],
        }
    )
    shown = client.report("gen-1")._repr_html_()
    for text in ("2.50 (2.00)", "6.00 (5.00)", "0.125", "do(price)", "&lt;i&gt;", "1.25"):
        assert text in shown
    assert "Report" in client.report("ds-1")._repr_html_()
    row = "<td>&lt;i&gt;</td><td>–</td><td>b</td><td>0.9</td>"
    assert row in client.graph("ds-1")._repr_html_()
