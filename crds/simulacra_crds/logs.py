"""Logs of API, operator and trainer: one JSON object per line, of constants and ids.

Exception messages and object bodies may quote customer data, so neither is written: an exception
appears as its type and where it was raised, and kopf's records about objects are below the level.
"""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

LEVEL_VARIABLE = "SIMULACRA_LOG_LEVEL"
FORMAT_VARIABLE = "SIMULACRA_LOG_FORMAT"
FIELDS_VARIABLE = "SIMULACRA_LOG_FIELDS"
"""JSON object of fields that each line of a pod has: the resource that it works for."""
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("json", "text")
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_KOPF_EXTRAS = frozenset({"k8s_ref", "k8s_skip", "settings"})
_PAIRS = re.compile(r"(?: [a-z_]+=\S+)+$")
_QUIET = ("kopf", "httpx2", "httpcore2", "uvicorn.access")
"""Loggers that write requests' URLs or objects' bodies below WARNING."""


class LineFormatter(logging.Formatter):
    """Formats a record as one line: time with zone, level, logger, message and fields.

    Fields are those of `extra`, the words `name=value` at the end of the message, and `bound`.
    """

    def __init__(self, form: str = "json", bound: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self._form, self._bound = form, dict(bound or {})

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        text = record.getMessage()
        if record.name.startswith("kopf"):
            text = text.partition(":")[0]  # after the colon it quotes the API server
        pairs = found[0] if (found := _PAIRS.search(text)) else ""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": text.removesuffix(pairs),
        }
        if record.exc_info and record.exc_info[0] is not None:
            frames = traceback.extract_tb(record.exc_info[2])[-6:]
            line["error"] = record.exc_info[0].__name__
            line["trace"] = " ".join(f"{frame.name}:{frame.lineno}" for frame in frames)
        hidden = _OWN | _KOPF_EXTRAS
        fields = {**self._bound, **dict(pair.split("=", 1) for pair in pairs.split())}
        fields |= {name: value for name, value in record.__dict__.items() if name not in hidden}
        # `name` is an attribute of each record
        fields = {"name" if at == "resource" else at: one for at, one in fields.items()}
        fields = {name: value for name, value in fields.items() if value is not None}
        if self._form == "json":
            return json.dumps({**line, **fields}, default=str)
        words = (f"{name}={value}" for name, value in fields.items())
        return " ".join((*line.values(), *words))


def configure(env: Mapping[str, str], handler: logging.Handler | None = None) -> None:
    """Write records to stderr, or to a handler, in the form and from the level of the environment.

    A malformed variable ends the process with exit code 2 and a sentence.
    """
    level, form = env.get(LEVEL_VARIABLE) or "info", env.get(FORMAT_VARIABLE) or "json"
    for name, value, known in ((LEVEL_VARIABLE, level, LEVELS), (FORMAT_VARIABLE, form, FORMATS)):
        if value not in known:
            sys.stderr.write(f"{name} is malformed: set it to one of {', '.join(known)}\n")
            raise SystemExit(2)
    out = handler or logging.StreamHandler()
    out.setFormatter(LineFormatter(form, json.loads(env.get(FIELDS_VARIABLE) or "{}")))
    # below info, botocore writes signatures and answers of the key provider: keys in plain text
    out.addFilter(lambda one: one.levelno >= logging.INFO or one.name.startswith("simulacra"))
    logging.basicConfig(level=level.upper(), handlers=[out])
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.root.level))
