"""The command's own errors: one sentence, exit code 2, no traceback."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from simulacra import ApiError, Connection
from simulacra.cli import app

runner = CliRunner()


def test_without_a_connection_it_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONNECTION", "API_URL", "TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"SIMULACRA_{name}", raising=False)
    done = runner.invoke(app, ["datasets"])
    assert done.exit_code == 2
    assert "SIMULACRA_CONNECTION" in done.stderr


def test_a_connection_file_without_a_secret_is_named(tmp_path: Path) -> None:
    file = tmp_path / "connection.json"
    file.write_text('{"api_url": "http://127.0.0.1:1", "token_url": "http://127.0.0.1:1/t", "client_id": "x"}')
    done = runner.invoke(app, ["datasets", "-c", str(file)])
    assert done.exit_code == 2
    assert "client_secret" in done.stderr


def test_a_service_that_is_down_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulacra.client.time.sleep", lambda seconds: None)
    file = tmp_path / "connection.json"
    url = "http://127.0.0.1:9"
    fields = {"api_url": url, "token_url": f"{url}/t", "client_id": "x", "client_secret": "y"}
    file.write_text(str(fields).replace("'", '"'))
    done = runner.invoke(app, ["datasets", "-c", str(file)])
    assert done.exit_code == 4
    assert "simulacra up" in done.stderr
    assert url in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x", "is not a JSON object: give the connection.json"),
        ("[1]", "is not a JSON object: give the connection.json"),
        (None, "Is a directory"),
        (
            '{"api_url": "127.0.0.1:1", "token_url": "http://a/t", "client_id": "x", "client_secret": "y"}',
            "api_url must begin with http:// or https://",
        ),
    ],
    ids=["text", "list", "folder", "no URL"],
)
def test_a_connection_file_that_is_none_is_said_so(tmp_path: Path, content: str | None, said: str) -> None:
    file = tmp_path / "connection.json"
    file.mkdir() if content is None else file.write_text(content)
    done = runner.invoke(app, ["datasets", "-c", str(file)])
    assert (done.exit_code, done.stderr.startswith(str(file)), said in done.stderr) == (2, True, True), done.stderr


def test_what_comes_at_the_end_is_checked_before_the_work(connection: Path, tmp_path: Path) -> None:
    generate = ["generate", "ds-1", "--rows", "5", "-c", str(connection)]
    done = runner.invoke(app, [*generate, "-o", str(tmp_path / "nosuch" / "rows.csv")])
    assert (done.exit_code, done.stderr) == (2, f"{tmp_path / 'nosuch'}: there is no such folder; make it first\n")
    done = runner.invoke(app, [*generate, "--key", "für mich"])
    assert (done.exit_code, done.stderr.partition(":")[0]) == (2, "key")
    done = runner.invoke(app, [*generate, "--conditions", str(tmp_path)])
    assert (done.exit_code, "directory" in done.stderr) == (2, True)


def test_one_wrong_field_is_said_once() -> None:
    entry = {"pointer": "/row_count", "detail": "give more"}
    assert str(ApiError(400, {"code": "c", "detail": "/row_count: give more", "errors": [entry]})) == (
        "400 c: /row_count: give more"
    )
    both = ApiError(400, {"code": "c", "detail": "2 fields", "errors": [entry, {"pointer": "/seed", "detail": "none"}]})
    assert str(both) == "400 c: 2 fields\n  /row_count: give more\n  /seed: none"


@pytest.fixture
def connection(tmp_path: Path) -> Path:
    """The file of a service that is not there."""
    file = tmp_path / "connection.json"
    file.write_text(
        '{"api_url": "http://127.0.0.1:9", "token_url": "http://127.0.0.1:9/t", "client_id": "x", "client_secret": "y"}'
    )
    return file


@pytest.mark.parametrize("text", ["[1]", "[]", '[["a", 1]]', "{", "1"])
def test_conditions_must_be_a_json_object(connection: Path, tmp_path: Path, text: str) -> None:
    conditions = tmp_path / "c.json"
    conditions.write_text(text)
    arguments = ["generate", "ds-1", "--rows", "5", "--conditions", str(conditions), "-c", str(connection)]
    done = runner.invoke(app, arguments)
    assert done.exit_code == 2
    assert "JSON object" in done.stderr


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    connection = tmp_path / "connection.json"
    connection.write_text(
        '{"api_url": "http://127.0.0.1:9", "token_url": "http://127.0.0.1:9/t", "client_id": "x", "client_secret": "y"}'
    )
    done = runner.invoke(app, ["download", "gen-1", "out.xlsx", "-c", str(connection)])
    assert done.exit_code == 2
    assert ".parquet, .csv or .arrow" in done.stderr


@pytest.mark.parametrize(("command", "said"), [("show", "job_id (job-...)"), ("report", "generation_id (gen-...)")])
def test_an_id_of_another_kind_is_told_what_would_do(tmp_path: Path, command: str, said: str) -> None:
    connection = tmp_path / "connection.json"
    connection.write_text(
        '{"api_url": "http://127.0.0.1:9", "token_url": "http://127.0.0.1:9/t", "client_id": "x", "client_secret": "y"}'
    )
    done = runner.invoke(app, [command, "mdl-1", "-c", str(connection)])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_credentials_are_not_claimed_over_a_file_that_is_there(tmp_path: Path) -> None:
    there = tmp_path / "connection.json"
    there.write_text("{}")
    done = runner.invoke(app, ["claim", "http://127.0.0.1:9", "req_1", "-o", str(there)])
    assert done.exit_code == 2
    assert there.read_text() == "{}"


@pytest.mark.parametrize("status", ["approved", "denied"])
def test_a_place_for_credentials_is_made_before_they_are_claimed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """They are shown once: a folder that is not there must not cost them."""
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.method)
        if request.method == "GET":
            return httpx2.Response(200, json={"status": status, "credential_claim_token": "t"})
        made = {"token_url": "http://any/t", "client_id": "id", "client_secret": "secret", "audience": "a"}
        return httpx2.Response(200, json=made)

    client = partial(httpx2.Client, transport=httpx2.MockTransport(answer))
    monkeypatch.setattr("simulacra.access.httpx2.Client", client)
    nowhere = runner.invoke(app, ["claim", "http://any", "req_1", "-o", str(tmp_path / "no" / "connection.json")])
    assert nowhere.exit_code == 2
    assert asked == []
    place = tmp_path / "connection.json"
    done = runner.invoke(app, ["claim", "http://any", "req_1", "-o", str(place)])
    assert done.exit_code == (0 if status == "approved" else 1)
    assert place.exists() is (status == "approved")
    if status == "approved":
        assert Connection.from_file(place).client_secret == "secret"
        assert place.stat().st_mode & 0o777 == 0o600


def test_the_shell_completes_commands_and_options() -> None:
    program = str(Path(sys.executable).with_name("simulacra"))
    for words, wanted in (("simulacra refi", "refit"), ("simulacra upload --know", "--knowledge")):
        asked = {"_SIMULACRA_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = subprocess.run([program], env=os.environ | asked, capture_output=True, text=True, timeout=60)
        assert done.stdout.split() == [wanted]
