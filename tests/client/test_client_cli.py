"""Errors of the `simulacra` command: one sentence, an exit code, no traceback."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner, Result

from simulacra import ApiError, Client, Connection
from simulacra.cli import app

URL = "http://127.0.0.1:9"
FIELDS = {"api_url": URL, "token_url": f"{URL}/t", "client_id": "x", "client_secret": "y"}


@pytest.fixture
def connection(tmp_path: Path) -> Path:
    """The connection.json of a service that does not run."""
    file = tmp_path / "connection.json"
    file.write_text(json.dumps(FIELDS))
    return file


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in arguments])


def test_missing_connection_names_the_variables_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))  # other tests leave a service running
    for name in ("CONNECTION", "API_URL", "TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"SIMULACRA_{name}", raising=False)
    done = run("datasets")
    assert done.exit_code == 2
    assert "SIMULACRA_CONNECTION" in done.stderr


def test_missing_field_of_a_connection_file_is_named(connection: Path) -> None:
    present = {name: value for name, value in FIELDS.items() if name != "client_secret"}
    connection.write_text(json.dumps(present))
    done = run("datasets", "-c", connection)
    assert done.exit_code == 2
    assert "client_secret" in done.stderr


def test_unreachable_service_is_named_with_a_hint(
    connection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra.client.time.sleep", lambda seconds: None)
    done = run("datasets", "-c", connection)
    assert done.exit_code == 4
    assert "simulacra up" in done.stderr
    assert URL in done.stderr


def test_unreachable_token_url_says_which_field_names_it(
    connection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra.client.time.sleep", lambda seconds: None)
    connection.write_text(json.dumps(FIELDS | {"token_url": "http://127.0.0.2:9/oauth/token"}))
    done = run("datasets", "-c", connection)
    assert done.exit_code == 4
    said = " ".join(done.stderr.split())
    assert "http://127.0.0.2:9" in said
    assert "token_url" in said
    assert "simulacra up" not in said


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("x", "is not a JSON object. Give the connection.json"),
        ("[1]", "is not a JSON object. Give the connection.json"),
        (None, "Is a directory"),
        (
            json.dumps({**FIELDS, "api_url": "127.0.0.1:1"}),
            "api_url must begin with http:// or https://",
        ),
    ],
    ids=["text", "list", "folder", "no URL"],
)
def test_invalid_connection_file_is_explained(
    tmp_path: Path, content: str | None, text: str
) -> None:
    file = tmp_path / "connection.json"
    file.mkdir() if content is None else file.write_text(content)
    done = run("datasets", "-c", file)
    assert done.exit_code == 2
    assert done.stderr.startswith(str(file))
    assert text in done.stderr


def test_output_key_and_files_are_checked_before_the_request(
    connection: Path, tmp_path: Path
) -> None:
    generate = ("generate", "ds-1", "--rows", "5", "-c", connection)
    folder = tmp_path / "nosuch"
    done = run(*generate, "-o", folder / "rows.csv")
    assert done.exit_code == 2
    assert done.stderr == f"{folder}: no such folder. Make it first.\n"
    done = run(*generate, "--key", "für mich")
    assert (done.exit_code, done.stderr.partition(":")[0]) == (2, "key")
    done = run(*generate, "--conditions", tmp_path)
    assert (done.exit_code, "directory" in done.stderr) == (2, True)


def test_api_error_prints_each_wrong_field_once() -> None:
    rows = {"pointer": "/row_count", "detail": "give more"}
    one = {"code": "c", "detail": "/row_count: give more", "errors": [rows]}
    assert str(ApiError(400, one)) == "400 c: /row_count: give more"
    seed = {"pointer": "/seed", "detail": "none"}
    both = {"code": "c", "detail": "2 fields", "errors": [rows, seed]}
    text = "400 c: 2 fields\n  /row_count: give more\n  /seed: none"
    assert str(ApiError(400, both)) == text


@pytest.mark.parametrize("text", ["[1]", "[]", '[["a", 1]]', "{", "1"])
def test_conditions_must_be_a_json_object(connection: Path, tmp_path: Path, text: str) -> None:
    conditions = tmp_path / "c.json"
    conditions.write_text(text)
    generate = ("generate", "ds-1", "--rows", "5")
    done = run(*generate, "--conditions", conditions, "-c", connection)
    assert done.exit_code == 2
    assert "JSON object" in done.stderr


@pytest.mark.parametrize("size", [(), ("--rows", "5", "--persons", "5")])
def test_generate_needs_either_rows_or_persons(connection: Path, size: tuple[str, ...]) -> None:
    done = run("generate", "ds-1", *size, "-c", connection)
    assert done.exit_code == 2
    assert "either --rows or --persons" in done.stderr


def test_unknown_file_suffix_is_refused(connection: Path) -> None:
    done = run("download", "gen-1", "out.ods", "-c", connection)
    assert done.exit_code == 2
    assert ".parquet, .csv, .arrow, .sav or .xlsx" in done.stderr


@pytest.mark.parametrize("files", [(), ("a.csv", "-o", "b.csv")])
def test_download_needs_one_file(connection: Path, files: tuple[str, ...]) -> None:
    done = run("download", "gen-1", *files, "-c", connection)
    assert done.exit_code == 2
    assert "name one file, as FILE or with -o" in done.stderr


def test_id_of_another_kind_names_the_accepted_ids(connection: Path) -> None:
    done = run("report", "eff-1", "-c", connection)
    assert done.exit_code == 2
    assert "gen-... (generation)" in " ".join(done.stderr.split())


def test_claim_does_not_overwrite_a_file(tmp_path: Path) -> None:
    file = tmp_path / "connection.json"
    file.write_text("{}")
    assert run("claim", URL, "req_1", "-o", file).exit_code == 2
    assert file.read_text() == "{}"


@pytest.mark.parametrize("status", ["approved", "denied"])
def test_claim_makes_the_file_before_it_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """Credentials are shown once: a missing folder must not lose them."""
    requests: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        requests.append(request.method)
        if request.method == "GET":
            return httpx2.Response(200, json={"status": status, "credential_claim_token": "t"})
        made = {"token_url": "http://any/t", "client_id": "id", "client_secret": "secret"}
        return httpx2.Response(200, json=made | {"audience": "a"})

    client = partial(httpx2.Client, transport=httpx2.MockTransport(answer))
    monkeypatch.setattr("simulacra.access.httpx2.Client", client)
    claim = ("claim", "http://any", "req_1", "-o")
    assert run(*claim, tmp_path / "no" / "connection.json").exit_code == 2
    assert requests == []
    file = tmp_path / "connection.json"
    assert run(*claim, file).exit_code == (0 if status == "approved" else 1)
    assert file.exists() is (status == "approved")
    if status == "approved":
        assert Connection.from_file(file).client_secret == "secret"
        assert file.stat().st_mode & 0o777 == 0o600


def test_shell_completes_commands_and_options() -> None:
    program = str(Path(sys.executable).with_name("simulacra"))
    for words, wanted in (("simulacra refi", "refit"), ("simulacra upload --know", "--knowledge")):
        env = os.environ | {
            "_SIMULACRA_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(words.count(" ")),
        }
        done = subprocess.run([program], env=env, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == [wanted]


def test_up_gets_the_folder_and_the_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(os, "execv", lambda _, arguments: started.append(arguments))
    for more in ([], ["--port", "7001"]):
        done = CliRunner().invoke(app, ["up", "--data-dir", str(tmp_path), *more])
        assert done.exit_code == 0, done.output
        assert started.pop()[3:] == ["--data-dir", str(tmp_path), *more]


def test_ocsf_export_goes_on_where_it_ended(
    connection: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pages and a gap; the next call begins with the kept cursor."""
    asked: list[tuple[str | None, dict[str, str]]] = []

    def page(client: Client, cursor: str | None = None, **query: str) -> dict[str, Any]:
        asked.append((cursor, query))
        number = len(asked)
        return {
            "items": [{"class_uid": 6003, "number": number}],
            "next_cursor": "c1" if number == 1 else None,
            "resume_cursor": f"c{number}",
            "events_skipped": number == 3,
            "integrity": {"pruned_until": "2026-11-30T00:00:00Z"},
        }

    monkeypatch.setattr(Client, "audit_page", page)
    kept = tmp_path / "cursor"
    command = ("audit-events", "--ocsf", "--cursor-file", kept, "--connection", connection)
    first = run(*command)
    assert first.exit_code == 0, first.output
    assert [json.loads(line)["number"] for line in first.stdout.splitlines()] == [1, 2]
    assert kept.read_text() == "c2\n"
    again = run(*command)
    assert "Events from before 2026-11-30T00:00:00Z were pruned" in again.stderr
    assert [cursor for cursor, _ in asked] == [None, "c1", "c2"]
    assert {query["format"] for _, query in asked} == {"ocsf"}
