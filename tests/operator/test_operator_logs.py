"""Log records hold constants and ids, never an exception's message."""

from __future__ import annotations

import json
import logging
import sys

from simulacra_operator.logs import JsonFormatter

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
    text = JsonFormatter().format(record("simulacra_operator", "a pass failed", exc_info=info))
    assert SECRET not in text
    assert json.loads(text)["error"] == "ValueError"
    assert "test_an_exception_is_logged_as_type_and_location" in json.loads(text)["trace"]


def test_extras_are_logged_except_kopfs_references() -> None:
    text = JsonFormatter().format(
        record("simulacra_operator", "deleted", uid="u1", k8s_ref={"name": SECRET})
    )
    assert json.loads(text)["uid"] == "u1"
    assert SECRET not in text


def test_kopfs_quotes_of_the_api_server_are_cut_off() -> None:
    text = JsonFormatter().format(
        record("kopf.objects", f"Patching failed: Invalid value: {SECRET}")
    )
    assert json.loads(text)["message"] == "Patching failed"
