"""Structured logs: one JSON object per line, of constants and ids.

Exception messages and object bodies may quote customer data, so neither is written: an exception
appears as its type and where it was raised, and kopf's records about objects are below the level.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_KOPF_EXTRAS = frozenset({"k8s_ref", "k8s_skip", "settings"})


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time, level, logger, message, and its `extra` fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            frames = traceback.extract_tb(record.exc_info[2])[-6:]
            line["error"] = record.exc_info[0].__name__
            line["trace"] = " ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
        hidden = _OWN | _KOPF_EXTRAS
        extras = {name: value for name, value in record.__dict__.items() if name not in hidden}
        return json.dumps({**line, **extras}, default=str)


def _message(record: logging.LogRecord) -> str:
    """Return a record's text; kopf's is cut at the colon, after which it quotes the API server."""
    text = record.getMessage()
    return text.partition(":")[0] if record.name.startswith("kopf") else text


def configure() -> None:
    """Write records of INFO and above to stderr as JSON, those of kopf from WARNING."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs every request's URL
