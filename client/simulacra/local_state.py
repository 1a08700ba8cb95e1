"""Files that the command keeps on this machine: the last `simulacra up`, tables and their files.

They are below $XDG_STATE_HOME/simulacra, by default ~/.local/state/simulacra, and only their owner
reads them. The service has the names too, in each dataset's encrypted description (ADR 0067), but
not the paths of the uploaded files. A home that cannot be written costs the convenience, never the
command.
"""

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

_SERVICE = "service.json"
_TABLES = "tables.json"
_SOURCES = "sources.json"
MAX_TABLES = 1000
"""Names, and paths, kept for one service; the oldest go first."""


def state_dir() -> Path:
    """Return the folder of these files; it may not exist."""
    base = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "simulacra"


def default_data_dir() -> Path:
    """Return the data directory of a `simulacra up` without --data-dir."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "simulacra"


def remember_service(data_dir: Path) -> None:
    """Remember the data directory of the `simulacra up` that starts."""
    _write(_SERVICE, {"connection": str(data_dir.absolute() / "connection.json")})


def last_service() -> Path | None:
    """Return the connection.json of the last `simulacra up`; None if there is none any more."""
    path = Path(str(_read(_SERVICE).get("connection", "")))
    return path if path.is_file() else None


def remember_table(api_url: str, dataset_id: str, name: str, source: Path | None = None) -> None:
    """Remember the name of a dataset's table, and the file that it was uploaded from.

    The name is empty if the table has none, the file None if it was not uploaded from here.
    """
    _remember(_TABLES, api_url, dataset_id, name)
    if source is not None:
        _remember(_SOURCES, api_url, dataset_id, str(source.absolute()))


def source_of(api_url: str, dataset_id: str) -> str | None:
    """Return the file that a dataset was uploaded from; None if unknown here, or gone."""
    path = _names(_read(_SOURCES), api_url).get(dataset_id)
    return path if path is not None and Path(path).is_file() else None


def forget_table(api_url: str, dataset_id: str) -> None:
    """Forget the name and the file of a dataset that was deleted."""
    for file in (_TABLES, _SOURCES):
        everything = _read(file)
        known = _names(everything, api_url)
        if known.pop(dataset_id, None) is not None:
            _write(file, {**everything, api_url: known})


def table_names(api_url: str) -> dict[str, str]:
    """Return the names of tables that were uploaded or listed here, oldest first."""
    return _names(_read(_TABLES), api_url)


def _remember(file: str, api_url: str, dataset_id: str, text: str) -> None:
    everything = _read(file)
    known = {**_names(everything, api_url), dataset_id: text}
    everything[api_url] = dict(list(known.items())[-MAX_TABLES:])
    _write(file, everything)


def _names(everything: dict[str, Any], api_url: str) -> dict[str, str]:
    found = everything.get(api_url)
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _read(name: str) -> dict[str, Any]:
    try:
        found = json.loads((state_dir() / name).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(name: str, content: dict[str, Any]) -> None:
    folder = state_dir()
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=folder)
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
        os.replace(part, folder / name)
