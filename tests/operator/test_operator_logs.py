"""Log records hold constants and ids, never an exception's message."""

from __future__ import annotations

import io
import json
import logging
import sys
from datetime import datetime, timedelta

import pytest

from simulacra_crds.logs import LineFormatter, configure

SECRET = "salary_of_zoe"


def record(name: str, message: str, **more: object) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, "f.py", 1, message, None, None)
    made.__dict__.update(more)
    return made


def test_an_exception_is_logged_as_type_and_location() -> None:
    try:
        raise ValueError(SECRET)
    except ValueError:
        info = sys.exc_info()
    text = LineFormatter().format(record("simulacra_operator", "a pass failed", exc_info=info))
    assert SECRET not in text
    assert json.loads(text)["error"] == "ValueError"
    assert "test_an_exception_is_logged_as_type_and_location" in json.loads(text)["trace"]


def test_extras_are_logged_except_kopfs_references() -> None:
    text = LineFormatter().format(
        record("simulacra_operator", "deleted", uid="u1", k8s_ref={"name": SECRET})
    )
    assert json.loads(text)["uid"] == "u1"
    assert SECRET not in text


def test_kopfs_quotes_of_the_api_server_are_cut_off() -> None:
    text = LineFormatter().format(
        record("kopf.objects", f"Patching failed: Invalid value: {SECRET}")
    )
    assert json.loads(text)["message"] == "Patching failed"


def test_one_form_for_fields_of_a_message_of_extra_and_of_a_pod() -> None:
    bound = {"kind": "Model", "namespace": "tenant-acme", "resource": "mdl-1"}
    made = record("simulacra_trainer", "task finished outcome=Failed exit_code=42", uid="u1")
    line = json.loads(LineFormatter("json", bound).format(made))
    assert line["message"] == "task finished"
    assert (line["outcome"], line["exit_code"], line["uid"]) == ("Failed", "42", "u1")
    assert (line["kind"], line["namespace"], line["name"]) == ("Model", "tenant-acme", "mdl-1")
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)
    text = LineFormatter("text", bound).format(made)
    assert text.startswith(line["time"])
    assert text.endswith("namespace=tenant-acme name=mdl-1 outcome=Failed exit_code=42 uid=u1")


def test_libraries_write_nothing_below_info_also_at_debug() -> None:
    """At debug, botocore writes the Authorization header and the bodies of KMS and STS answers."""
    written = logging.StreamHandler(io.StringIO())
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    try:
        configure({"SIMULACRA_LOG_LEVEL": "debug"}, written)
        logging.getLogger("botocore.auth").debug("Authorization: %s", SECRET)
        logging.getLogger("simulacra_operator").debug("a pass")
        logging.getLogger("botocore.credentials").info("found")
    finally:
        root.handlers = handlers
        root.setLevel(level)
    assert SECRET not in written.stream.getvalue()
    messages = [json.loads(one)["message"] for one in written.stream.getvalue().splitlines()]
    assert messages == ["a pass", "found"]


@pytest.mark.parametrize(
    ("name", "value"), [("SIMULACRA_LOG_LEVEL", "loud"), ("SIMULACRA_LOG_FORMAT", "xml")]
)
def test_a_malformed_log_setting_is_named(
    name: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        configure({name: value})
    assert f"{name} is malformed: set it to one of" in capsys.readouterr().err
