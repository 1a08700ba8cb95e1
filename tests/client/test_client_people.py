"""The command for people: names, flags, the whole job, lists, questions, Ctrl-C."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner, Result

from simulacra import Client, Connection
from simulacra.cli import app
from simulacra.commands import uploads
from simulacra.commands.naming import called
from simulacra.commands.output import note, printable, say
from simulacra.local_state import last_service, remember_service, remember_table
from terminals import on_terminal

FIRST, SECOND = f"ds-aaaaaa1{'0' * 17}", f"ds-aaaaaa2{'0' * 17}"
ROWS = f"gen-{'b' * 24}"
SENTENCE = "These 5 rows are worth 4 respondents; use evidence_weight as frequency weights."
TIMES = {"created_at": "2026-01-01T00:00:00Z", "expires_at": "2026-01-02T00:00:00Z"}
TOLD = {"code": "likeness", "level": "fair", "sentence": "Often told.", "remedy": "Use shares."}
SCHEMA = {
    "rows": 20,
    "cleaning": [],
    "columns": [
        {
            "name": "mood",
            "kind": "categorical",
            "learned": True,
            "levels": [{"value": "very happy"}, {"value": "sad"}],
        },
        {"name": "price", "kind": "numeric", "learned": True, "minimum": 0, "maximum": 9},
    ],
}
MADE = {
    "generation_id": ROWS,
    "dataset_id": FIRST,
    "job_id": f"job-{ROWS}",
    "status": "partial",
    "evidence": {"sentence": SENTENCE},
    "verdicts": [TOLD],
    "artifact_url": "/artifact",
    **TIMES,
}


def _dataset(name: str) -> dict[str, Any]:
    model = {"status": "ready", "verdicts": [TOLD]}
    counts = {"rows": 4323, "columns": 21}
    return {"dataset_id": name, "status": "ready", **counts, "model": model, **TIMES}


ANSWERS: dict[str, Any] = {
    "/token": {"access_token": "t", "expires_in": 600},
    "/v1/erasure-certificates": {"items": [], "next_cursor": None},
    "POST /v1/datasets": {"dataset_id": FIRST, "job_id": f"job-{FIRST}", "status": "queued"},
    "/v1/datasets": {"items": [_dataset(SECOND), _dataset(FIRST)], "next_cursor": None},
    f"/v1/datasets/{FIRST}": _dataset(FIRST),
    f"/v1/datasets/{FIRST}/schema": SCHEMA,
    f"/v1/datasets/{SECOND}/schema": SCHEMA,
    f"/v1/jobs/job-{FIRST}": {"job_id": f"job-{FIRST}", "status": "ready"},
    f"/v1/jobs/job-{SECOND}": {"job_id": f"job-{SECOND}", "status": "running"},
    f"/v1/jobs/job-{ROWS}": {"job_id": f"job-{ROWS}", "kind": "generation", "status": "partial"},
    f"POST /v1/datasets/{FIRST}/generations": MADE,
    f"/v1/generations/{ROWS}": MADE,
}


class Service(BaseHTTPRequestHandler):
    """Answers each path with its document and records requests."""

    seen: list[tuple[str, str, bytes]]

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        self.seen.append((self.command, path, body))
        if self.command == "DELETE":
            self.send_response(204)
            self.end_headers()
            return
        rows = b"mood,price\nsad,1\n"
        found = ANSWERS.get(f"{self.command} {path}") or ANSWERS.get(path, {"code": "none"})
        payload = rows if path == "/artifact" else json.dumps(found).encode()
        self.send_response(200)
        if path == "/artifact":
            self.send_header("X-Digest", hashlib.sha256(rows).hexdigest())
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay quiet."""


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, type[Service]]]:
    """A running service, which the command finds as that of the last `up`, and its record."""
    for name in [one for one in os.environ if one.startswith("SIMULACRA_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    handler = type("Handler", (Service,), {"seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    fields = {"api_url": url, "token_url": f"{url}/token", "client_id": "x", "client_secret": "y"}
    (tmp_path / "connection.json").write_text(json.dumps(fields))
    remember_service(tmp_path)
    yield url, handler
    server.shutdown()
    server.server_close()


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in arguments])


def sent(handler: type[Service], method: str, path: str) -> list[bytes]:
    return [body for m, p, body in handler.seen if (m, p) == (method, path)]


def test_last_up_is_found_until_its_folder_is_gone(
    service: tuple[str, type[Service]], tmp_path: Path
) -> None:
    assert run("datasets").exit_code == 0
    (tmp_path / "connection.json").unlink()
    assert last_service() is None
    done = run("datasets")
    assert done.exit_code == 2
    assert "Start one with `simulacra up`" in done.stderr


@pytest.mark.parametrize("name", ["survey.csv", "survey", "ds-aaaaaa1", FIRST])
def test_a_table_is_named_by_its_file_or_the_begin_of_its_id(
    service: tuple[str, type[Service]], name: str
) -> None:
    url, handler = service
    remember_table(url, FIRST, "survey.csv")
    done = run("schema", name)
    assert done.exit_code == 0, done.stderr
    assert sent(handler, "GET", f"/v1/datasets/{FIRST}/schema")
    looked = bool(sent(handler, "GET", "/v1/datasets"))
    assert looked == (name == "ds-aaaaaa1")
    assert json.loads(run("wait", name).stdout)["job_id"] == f"job-{FIRST}"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("survey", "survey names 2 of them, newest first: ds-aaaaaa2, ds-aaaaaa1."),
        ("ds-aaa", "ds-aaa names 2 of them, newest first: ds-aaaaaa2, ds-aaaaaa1."),
        ("ds-ff", "There are ds-aaaaaa2, ds-aaaaaa1."),
        ("survvey", "Did you mean survey?"),
        ("gen-1", "give ds-... (dataset)."),
    ],
)
def test_a_name_of_several_or_none_lists_the_candidates(
    service: tuple[str, type[Service]], name: str, hint: str
) -> None:
    for one in (FIRST, SECOND):
        remember_table(service[0], one, "survey.csv")
    done = run("schema", name)
    assert (done.exit_code, hint in done.stderr) == (2, True), done.stderr


def test_an_unreachable_service_is_told_with_the_name_that_it_was_asked_for(
    service: tuple[str, type[Service]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Client) -> None:
        raise httpx2.ConnectError("refused", request=httpx2.Request("GET", service[0]))

    monkeypatch.setattr(Client, "datasets", refuse)
    done = run("schema", "survvey")
    assert (done.exit_code, "survvey: no table of this name" in done.stderr) == (4, True)
    assert "does not answer" in done.stderr


@pytest.mark.parametrize("name", ["ds-report.csv", "-c.csv", "a\x1b[2Jb.csv", "gen-1.csv"])
def test_hints_name_the_id_where_the_name_cannot_be_typed(
    service: tuple[str, type[Service]], name: str
) -> None:
    remember_table(service[0], FIRST, name)
    with Client(Connection.from_environment()) as client:
        assert called(client, FIRST) == FIRST
        remember_table(service[0], FIRST, "Wave 3.csv")
        assert called(client, FIRST) == "'Wave 3'"


def test_hints_of_upload_and_describe_name_the_table_and_its_file(
    service: tuple[str, type[Service]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    described = {"name": "Wave 3", "schema": {"fields": []}}
    monkeypatch.setitem(ANSWERS, f"/v1/datasets/{FIRST}/description", described)
    monkeypatch.setitem(ANSWERS, f"/v1/datasets/{FIRST}/graph", {"nodes": [], "edges": []})
    table = tmp_path / "t.csv"
    table.write_text("mood,price\nsad,1\n")
    done = run("upload", table, "--name", "Wave 3")
    assert done.exit_code == 0, done.stderr
    assert f"simulacra refit 'Wave 3' --source {table} ..." in done.stderr
    for source in (str(table), "FILE"):
        _, shown = on_terminal("describe", "Wave 3")
        assert f"simulacra refit 'Wave 3' --source {source} --describe d.json" in shown
        table.unlink(missing_ok=True)


def test_lists_say_once_why_nothing_works_on_some(
    service: tuple[str, type[Service]], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = "The quota of concurrent jobs is used up."
    waiting = {"status": "queued", "waiting_reason": full}
    jobs = [
        {"job_id": f"job-{name}", "dataset_id": name, "kind": "dataset", **TIMES, **waiting}
        for name in (FIRST, SECOND)
    ]
    ready = jobs[0] | {"job_id": f"job-{ROWS}", "status": "ready", "waiting_reason": None}
    monkeypatch.setitem(ANSWERS, "/v1/jobs", {"items": [*jobs, ready], "next_cursor": None})
    waits = {"items": [_dataset(SECOND), _dataset(FIRST) | waiting], "next_cursor": None}
    monkeypatch.setitem(ANSWERS, "/v1/datasets", waits)
    _, shown = on_terminal("jobs")
    assert shown.splitlines()[-1] == f"job-ds-aaaaaa1, job-ds-aaaaaa2: {full}"
    _, shown = on_terminal("datasets")
    assert shown.splitlines()[-1] == f"ds-aaaaaa1: {full}"


def test_names_cannot_steer_the_terminal(
    service: tuple[str, type[Service]], capsys: pytest.CaptureFixture[str]
) -> None:
    remember_table(service[0], FIRST, "a\x1b[2Jb[/].csv")
    _, shown = on_terminal("datasets")
    assert "a\\x1b[2Jb[/].csv" in "".join(shown.split())
    assert printable("a\x1b\u202e\udc80\tä\n") == "a\\x1b\\u202e\\udc80\tä\n"
    say("a\x1b[2J")
    note("b\x1b[2J")
    assert capsys.readouterr() == ("a\\x1b[2J\n", "b\\x1b[2J\n")


def test_a_table_that_was_uploaded_elsewhere_is_found_by_its_name(
    service: tuple[str, type[Service]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/datasets/{FIRST}/description"
    monkeypatch.setitem(ANSWERS, path, {"name": "theirs.csv"})
    monkeypatch.setitem(ANSWERS, f"/v1/datasets/{SECOND}/description", {"name": "table"})
    _, shown = on_terminal("datasets")
    rows = [line.split()[:2] for line in shown.splitlines()[1:]]
    assert rows == [["ds-aaaaaa2", "ready"], ["ds-aaaaaa1", "theirs.csv"]]
    assert run("schema", "theirs").exit_code == 0
    assert len(sent(service[1], "GET", path)) == 1  # and remembered
    assert run("schema", "table").exit_code == 2  # what the service calls a table without a name


def test_flags_become_conditions_and_interventions(
    service: tuple[str, type[Service]], tmp_path: Path
) -> None:
    more = tmp_path / "c.json"
    more.write_text('{"numeric": {"price": {"min": 1}}}')
    flags = ("--share", "mood=very happy=50%", "--range", "price=:6", "--conditions", more)
    done = run("generate", FIRST, "--rows", "5", *flags, "--do", "mood=sad", "--do", "price=2")
    assert done.exit_code == 3, done.stderr
    (body,) = sent(service[1], "POST", f"/v1/datasets/{FIRST}/generations")
    asked = json.loads(body)
    assert asked["conditions"] == {
        "categorical": {"mood": {"very happy": 0.5}},
        "numeric": {"price": {"min": 1, "max": 6.0}},
    }
    assert asked["interventions"] == {"mood": "sad", "price": 2.0}


@pytest.mark.parametrize(
    ("flag", "value", "hint"),
    [
        ("--share", "mod=sad=1", "no column mod. Did you mean mood?"),
        ("--share", "mood=very hapy=1", "Did you mean very happy?"),
        ("--share", "mood=sad", "write COL=LEVEL=SHARE"),
        ("--share", "mood=sad=50", "write a share from 0 to 1, or from 0% to 100%"),
        ("--range", "price=5", "write COL=MIN:MAX"),
        ("--range", "price=a:", "a is not a number"),
        ("--do", "price=high", "high is not a number"),
        ("--do", "nosuch.json", "name a JSON file that exists"),
    ],
)
def test_a_wrong_flag_is_refused_before_the_request(
    service: tuple[str, type[Service]], flag: str, value: str, hint: str
) -> None:
    done = run("generate", FIRST, "--rows", "5", flag, value)
    assert done.exit_code == 2
    assert hint in " ".join(done.stderr.replace("│", " ").split())
    assert not sent(service[1], "POST", f"/v1/datasets/{FIRST}/generations")


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("boost --segment mod=sad --questions price", "--segment: the table has no column mod."),
        ("boost --segment mood=sda --questions price", "--segment: mood has no level sda."),
        ("boost --segment mood=sad --questions pric", "Did you mean price?"),
        ("effect --treatment price --value 2 --baseline 1 --outcome mod", "--outcome: the table"),
        ("sheet --outcome pric", "Did you mean price?"),
        ("sheet --outcome price --dont-know mod", "--dont-know: the table has no column mod."),
        ("sheet --outcome price --blocks mood;mod,price", "--blocks: the table has no column mod."),
    ],
)
def test_a_wrong_name_in_a_question_is_refused_before_the_request(
    service: tuple[str, type[Service]], command: str, hint: str
) -> None:
    verb, *options = command.split()
    done = run(verb, FIRST, *options)
    assert (done.exit_code, hint in done.stderr) == (2, True), done.stderr
    assert not [path for method, path, _ in service[1].seen if method == "POST" and "/v1/" in path]


def test_run_does_the_whole_job_and_a_partial_result_exits_with_3(
    service: tuple[str, type[Service]], tmp_path: Path
) -> None:
    table, out = tmp_path / "mine.csv", tmp_path / "rows.csv"
    table.write_text("mood,price\nsad,1\n")
    done = run("run", table, "--rows", "5", "--share", "mood=sad=1", "-o", out)
    assert done.exit_code == 3, done.stderr
    assert out.read_text().startswith("mood,price")
    assert json.loads(done.stdout)["file"] == str(out)
    verdict = "likeness: fair. Often told. Use shares."
    for text in ("20 rows; 2 of 2 columns", verdict, f"Wrote {out}.", SENTENCE, "Not all cond"):
        assert text in done.stderr
    assert run("schema", "mine").exit_code == 0
    wrong = run("run", table, "--rows", "5", "--share", "mod=sad=1", "-o", out)
    assert (wrong.exit_code, "The model is ready: simulacra generate" in wrong.stderr) == (2, True)


@pytest.mark.parametrize("command", ["generations", "effects", "segments", "jobs"])
def test_a_list_is_of_the_table_that_was_named(
    service: tuple[str, type[Service]], command: str
) -> None:
    done = run(command, "--dataset", "nosuch")
    assert (done.exit_code, "no table has this name" in done.stderr) == (2, True)
    assert not sent(service[1], "GET", f"/v1/{command}")


def test_terminal_says_generated_rows_in_sentences_and_names_the_table(
    service: tuple[str, type[Service]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    beyond = "The data have 'price' between 0 and 9; 99 is an extrapolation."
    made = MADE | {"row_count": 5, "identification": {"warnings": [beyond]}}
    monkeypatch.setitem(ANSWERS, f"/v1/generations/{ROWS}", made)
    remember_table(service[0], FIRST, "survey.csv")
    code, shown = on_terminal("generate", "survey", "--rows", "5", "--do", "price=99")
    told = " ".join(shown.split())
    assert (code, f"5 rows: {ROWS}" in told, beyond in told, "job_id" in told) == (
        3,
        True,
        True,
        False,
    )
    table, out = tmp_path / "survey.csv", tmp_path / "rows.csv"
    table.write_text("mood,price\nsad,1\n")
    kept = ANSWERS[f"/v1/datasets/{FIRST}"] | {"retention_seconds": 7200}
    monkeypatch.setitem(ANSWERS, f"/v1/datasets/{FIRST}", kept)
    _, shown = on_terminal("run", str(table), "--rows", "5", "-o", str(out))
    assert re.search(r"generating: partial .* 100 %", shown)
    assert "simulacra delete survey" in shown
    assert "simulacra report survey --html FILE" in shown
    monkeypatch.setitem(ANSWERS, f"/v1/datasets/{FIRST}/graph", {"nodes": [], "edges": []})
    _, shown = on_terminal("upload", str(table))
    assert "kept for 2 h." in shown
    assert shown.splitlines()[-1] == "Erase it all:  simulacra delete survey"


def test_terminal_lists_tables_by_name_and_asks_before_it_deletes(
    service: tuple[str, type[Service]],
) -> None:
    remember_table(service[0], FIRST, "survey.csv")
    code, shown = on_terminal("datasets")
    assert code == 0
    lines = [line.split() for line in shown.splitlines()]
    assert lines[0] == ["id", "table", "status", "rows", "columns", "age", "left"]
    assert lines[2][:5] == ["ds-aaaaaa1", "survey.csv", "ready", "4,323", "21"]
    assert lines[1][:2] == ["ds-aaaaaa2", "ready"]
    code, shown = on_terminal("delete", "survey", answer="n\n")
    assert code == 1
    assert f"Erase survey.csv ({FIRST}), its model and all rows" in " ".join(shown.split())
    assert not sent(service[1], "DELETE", f"/v1/datasets/{FIRST}")


@pytest.mark.parametrize(
    ("prefix", "collection"),
    [
        ("ds-", "datasets"),
        ("gen-", "generations"),
        ("eff-", "effects"),
        ("seg-", "segments"),
        ("sht-", "sheets"),
    ],
)
def test_everything_that_a_job_makes_can_be_deleted(
    service: tuple[str, type[Service]], prefix: str, collection: str
) -> None:
    name = f"{prefix}{'c' * 24}"
    done = run("delete", name, "--yes")
    assert sent(service[1], "DELETE", f"/v1/{collection}/{name}")
    assert f"  simulacra certificates {name} --json > erasure-proof.json\n" in done.stderr


def test_model_on_the_service_shows_the_name_of_its_table(
    service: tuple[str, type[Service]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Client(Connection.from_environment()) as client:
        assert str(client.load(FIRST)) == f"FittedModel({FIRST}, ready, 4,323 rows)"
        told = {"name": "Wave of 2006", "schema": {"fields": []}}
        monkeypatch.setitem(ANSWERS, f"/v1/datasets/{FIRST}/description", told)
        model = client.load(FIRST)
    assert model.name == "Wave of 2006"
    assert str(model) == f"FittedModel(Wave of 2006, {FIRST}, ready, 4,323 rows)"


def test_terminal_lists_erasures_with_ids_to_copy(
    service: tuple[str, type[Service]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/v1/erasure-certificates"
    assert on_terminal("certificates") == (0, "Nothing was erased yet.\n")
    one = {"resource_id": FIRST, "uid": "b", "issued_at": "2026-11-27T21:50:16Z"}
    monkeypatch.setitem(ANSWERS, path, {"items": [one], "next_cursor": None})
    _, shown = on_terminal("certificates")
    assert shown.splitlines()[1] == f"{FIRST}  2026-11-27 21:50 UTC"
    assert json.loads(run("certificates").stdout) == [one]
    other = one | {"resource_id": f"mdl-{FIRST[3:]}"}
    monkeypatch.setitem(ANSWERS, path, {"items": [one, other], "next_cursor": None})
    monkeypatch.setitem(ANSWERS, f"{path}/{FIRST}", {"resource_id": FIRST, "statement": {}})
    _, shown = on_terminal("certificates")
    assert len({line.index("2026") for line in shown.splitlines()[1:3]}) == 1
    assert json.loads(run("certificates", FIRST[:9]).stdout)["resource_id"] == FIRST


def test_terminal_shows_the_schema_as_a_line_per_column(service: tuple[str, type[Service]]) -> None:
    code, shown = on_terminal("schema", FIRST)
    assert code == 0
    assert re.search(r"mood +│ categorical +│ very happy, sad ", shown)
    assert re.search(r"price +│ numeric +│ 0 to 9 ", shown)


def test_terminal_shows_sampled_rows_beside_each_other(
    service: tuple[str, type[Service]], monkeypatch: pytest.MonkeyPatch
) -> None:
    met = {"column": "mood", "level": "sad", "asked": 0.2, "attained": 0.2, "met": True}
    rows = [{"mood": "sad", "price": price} for price in range(5)]
    found = {"rows": rows, "feasibility": {"status": "exact"}, "attainment": {"conditions": [met]}}
    monkeypatch.setitem(ANSWERS, f"POST /v1/datasets/{FIRST}/probe", found)
    _, shown = on_terminal("probe", FIRST, "--rows", "5")
    assert re.search(r"price +│ 0 +│ 1 +│ 2 +│ 3 ", shown)
    assert "4 of 5 rows; --json prints all." in shown
    assert 'mood "sad": asked 20 % of the rows, attained 20 %' in shown


def test_terminal_shows_usage_with_limit_and_window(
    service: tuple[str, type[Service]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"used": 2500, "limit": 100_000_000, "window_seconds": 86400}
    monkeypatch.setitem(ANSWERS, "/v1/usage", {"rows": rows, "datasets": 1})
    _, shown = on_terminal("usage")
    assert re.search(r"rows +│ 2,500 +│ 100,000,000 +│ 86,400 s ", shown)
    assert re.search(r"datasets +│ 1 ", shown)


def test_estimate_is_another_name_of_effect() -> None:
    assert "Estimate an average causal effect" in run("estimate", "-h").stdout
    assert " estimate " not in run("-h").stdout


def test_report_on_a_terminal_is_its_verdicts_and_where_the_rest_is(
    service: tuple[str, type[Service]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"/v1/datasets/{FIRST}/report"
    figures = {"univariate": {"error": 2.49, "floor": 2.08}}
    figures["bivariate"] = {"error": 0.0, "floor": 0.0, "pairs": 0}
    monkeypatch.setitem(ANSWERS, path, {"rows": {}, "columns": 2, "fidelity": figures})
    remember_table(service[0], FIRST, "survey.csv")
    code, shown = on_terminal("report", "survey")
    assert (code, shown.splitlines()) == (
        0,
        [
            "likeness: fair. Often told. Use shares.",
            "error of columns: 2.5 % (best attainable 2.1 %)",
            "Every column: simulacra report survey --html report.html, or --json",
        ],
    )
    assert json.loads(run("report", "survey").stdout)["fidelity"] == figures


def test_interrupted_wait_exits_with_130_and_no_traceback(
    service: tuple[str, type[Service]],
) -> None:
    command = [sys.executable, "-m", "simulacra", "wait", f"job-{SECOND}"]
    waiting = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not sent(service[1], "GET", f"/v1/jobs/job-{SECOND}"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    waiting.send_signal(signal.SIGINT)
    _, errors = waiting.communicate(timeout=60)
    assert (waiting.returncode, "Traceback" in errors) == (130, False), errors


@pytest.mark.parametrize("command", ["upload", "run"])
def test_interrupted_fit_says_that_the_table_is_stored_and_how_to_go_on(
    service: tuple[str, type[Service]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    file = tmp_path / "survey.csv"
    file.write_text("a,b\n1,2\n")
    words = [command, file, *(["--rows", 5, "-o", "rows.csv"] if command == "run" else [])]
    monkeypatch.setattr(uploads, "wait_with_progress", interrupt)
    done = run(*words)
    assert done.exit_code == 130
    assert "The table is stored, and its model is still being fit" in done.stderr
    assert "`simulacra wait survey` waits for it" in done.stderr
    assert "`simulacra delete survey` erases it" in done.stderr
    assert "--key" not in done.stderr
    monkeypatch.setattr(Client, "upload", interrupt)
    done = run(*words)
    assert "What has arrived of the table is kept for an hour, and nothing is fit" in done.stderr
    assert "run the same command with --key" in done.stderr


def test_a_full_disk_is_said_in_words(
    service: tuple[str, type[Service]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Client, "datasets", full)
    done = run("datasets")
    assert (done.exit_code, "Errno" in done.stderr) == (2, False)
    assert "The disk is full. Free some space on it" in done.stderr


def test_a_failed_dataset_says_why_in_the_list_and_under_show(
    service: tuple[str, type[Service]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = {"code": "simio_upload_invalid", "detail": "Line 7 has 3 cells, the head has 2."}
    failed = {**_dataset(FIRST), "job_id": f"job-{FIRST}", "status": "failed"}
    listed = {"items": [_dataset(SECOND), {**failed, "error": error}], "next_cursor": None}
    monkeypatch.setitem(ANSWERS, "/v1/datasets", listed)
    for one in (FIRST, SECOND):
        remember_table(service[0], one, "survey.csv")
    code, shown = on_terminal("datasets")
    assert (code, "ds-aaaaaa1: failed. Line 7 has 3 cells" in shown) == (0, True), shown
    monkeypatch.setitem(ANSWERS, f"/v1/datasets/{SECOND}/schema", {"columns": []})
    assert run("schema", "survey").exit_code == 0  # the one that did not fail
    said = run("delete", "survey", "--yes").stderr  # of which an error cannot be undone
    assert "ds-aaaaaa2, ds-aaaaaa1 (failed). Give one" in said
    both = {**listed, "items": [{**failed, "dataset_id": SECOND}, failed]}
    monkeypatch.setitem(ANSWERS, "/v1/datasets", both)
    said = run("schema", "survey").stderr
    assert "ds-aaaaaa2 (failed), ds-aaaaaa1 (failed). Give one" in said
    job = {"job_id": f"job-{FIRST}", "status": "failed", "error": error}
    monkeypatch.setitem(ANSWERS, f"/v1/jobs/job-{FIRST}", job)
    for body in (failed, {**failed, "error": error}):  # of an earlier release, and of this one
        monkeypatch.setitem(ANSWERS, f"/v1/datasets/{FIRST}", body)
        assert json.loads(run("show", FIRST).stdout)["error"] == error


def test_interrupted_start_exits_with_130_and_no_traceback() -> None:
    """The signal comes while modules are loaded, before any command has begun."""
    early = (
        "import builtins, os, signal\n"
        "real = builtins.__import__\n"
        "def importing(name, *rest):\n"
        "    if name == 'typer':\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(name, *rest)\n"
        "builtins.__import__ = importing\n"
        "from simulacra.__main__ import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", early], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_help_has_groups_examples_and_the_version() -> None:
    for flag in ("-h", "--help"):
        shown = run(flag).stdout
        assert all(f"─ {group} " in shown for group in ("Start", "Generate and ask"))
    assert "Example: simulacra run survey.csv" in run("run", "-h").stdout
    assert run("--version").stdout.startswith("simulacra ")
    assert "Did you mean 'datasets'?" in run("dataset").stderr
    assert "--family" in run("upload", "--famly", "x", "t.csv").stderr
