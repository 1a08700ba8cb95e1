"""Address of the service and client credentials, from a `connection.json` or the environment."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from simulacra.local_state import last_service

DEFAULT_AUDIENCE = "https://api.simulacra.dev"
_URLS = ("api_url", "token_url")
_FIELDS = (*_URLS, "client_id", "client_secret")
_GIVE = "Give the connection.json that `simulacra up` or `simulacra claim` wrote."


@dataclass(frozen=True)
class Connection:
    """Base URL, token endpoint and client credentials; repr leaves the secret out."""

    api_url: str
    token_url: str
    client_id: str
    client_secret: str
    audience: str = DEFAULT_AUDIENCE

    def __repr__(self) -> str:
        return f"Connection(api_url={self.api_url!r}, client_id={self.client_id!r})"

    @classmethod
    def from_file(cls, path: str | Path) -> Connection:
        """Read a `connection.json`.

        Raises:
            OSError, ValueError: the file or the named field is missing or wrong.
        """
        try:
            values = json.loads(Path(path).read_text())
        except ValueError:
            values = None
        if not isinstance(values, dict):
            raise ValueError(f"{path} is not a JSON object. {_GIVE}")
        missing = [name for name in _FIELDS if not values.get(name)]
        if missing:
            raise ValueError(f"{path} has no {', '.join(missing)}. {_GIVE}")
        for name in _URLS:
            _check_url(f"{path}: {name}", values[name])
        known = {name: values[name] for name in _FIELDS}
        return cls(**known, audience=values.get("audience", DEFAULT_AUDIENCE))

    @classmethod
    def from_environment(cls) -> Connection:
        """Read the variables of a connection.

        SIMULACRA_CONNECTION names a file; or else SIMULACRA_API_URL, _TOKEN_URL, _CLIENT_ID,
        _CLIENT_SECRET and _AUDIENCE have the values. With none of them set, it is the connection of
        the last `simulacra up` of this user on this machine.

        Raises:
            OSError, ValueError: the named variable, file or field is missing or wrong.
        """
        if path := os.environ.get("SIMULACRA_CONNECTION"):
            return cls.from_file(path)
        values = {name: os.environ.get(_variable(name), "") for name in _FIELDS}
        if not any(values.values()):
            return cls.from_file(_last_service())
        values["token_url"] = values["token_url"] or values["api_url"] + "/oauth/token"
        missing = [_variable(name) for name, value in values.items() if not value]
        if missing:
            names = ", ".join(missing)
            raise ValueError(f"Set SIMULACRA_CONNECTION to a connection.json, or set {names}.")
        for name in _URLS:
            _check_url(_variable(name), values[name])
        return cls(**values, audience=os.environ.get("SIMULACRA_AUDIENCE", DEFAULT_AUDIENCE))


def _last_service() -> Path:
    path = last_service()
    if path is None:
        start = "Start one with `simulacra up`"
        raise ValueError(f"No service is known. {start}, or set SIMULACRA_CONNECTION to a file.")
    return path


def _variable(name: str) -> str:
    return f"SIMULACRA_{name.upper()}"


def _check_url(what: str, url: object) -> None:
    if not str(url).startswith(("http://", "https://")):
        raise ValueError(f"{what} must begin with http:// or https://.")
