"""Structured logs: one JSON object a line, of constants and ids.

Messages of exceptions and bodies of objects may quote customer data, so neither is ever written: an exception shows as
its type and where it was raised, and kopf's chatter about objects stays below the threshold.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime

_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_KOPF_EXTRAS = frozenset({"k8s_ref", "k8s_skip", "settings"})


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON: time, level, logger, message, and what was passed as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        extras = {
            name: value for name, value in record.__dict__.items() if name not in _OWN and name not in _KOPF_EXTRAS
        }
        if record.exc_info and record.exc_info[0] is not None:
            frames = traceback.extract_tb(record.exc_info[2])[-6:]
            line["error"] = record.exc_info[0].__name__
            line["trace"] = " ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
        return json.dumps({**line, **extras}, default=str)


def _message(record: logging.LogRecord) -> str:
    """Return the text of a record; of kopf's, which quote answers of the API server, the part before the quotation."""
    text = record.getMessage()
    return text.partition(":")[0] if record.name.startswith("kopf") else text


def log_started(host: str, port: int) -> None:
    """Say where health and metrics are served."""
    logging.getLogger("simulacra_operator").info("started", extra={"host": host, "port": port})


def configure() -> None:
    """Send every record of INFO and above to stderr as JSON; kopf's own of WARNING and above."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs every request's URL
