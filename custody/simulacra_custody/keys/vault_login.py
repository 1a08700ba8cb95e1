"""Being logged in to Vault or OpenBao: by token, AppRole or Kubernetes service account, renewed as leases run out.

A lease is looked at before every call: past two thirds of it the token is renewed, and where that no longer helps, a
method that can log in again does. A call refused with 403 (the token was revoked) also logs in again, once. A plain
token that is not used before its lease ends is lost: give it a period longer than the operator's key checks are apart.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult

import hvac
from hvac.exceptions import Forbidden, VaultDown, VaultError
from requests.exceptions import RequestException

from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.url_params import query

_PARAMETERS = frozenset({"auth", "auth-mount", "role", "jwt-file", "namespace", "ca-file"})
_JWT_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_METHODS = ("token", "approle", "kubernetes")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class VaultAuth:
    """How to log in.

    Attributes:
        method: ``token``, ``approle`` or ``kubernetes``.
        mount: where the auth method is mounted.
        role: role of the Kubernetes method, role id of AppRole.
        secret: the token, or the secret id of AppRole.
        jwt_file: the service account's token, read at every login because Kubernetes replaces it.
    """

    method: str
    mount: str
    role: str
    secret: str
    jwt_file: Path

    @classmethod
    def of(cls, given: Mapping[str, str], env: Mapping[str, str]) -> "VaultAuth":
        """From a URL's parameters and ``VAULT_TOKEN`` or ``VAULT_ROLE_ID`` and ``VAULT_SECRET_ID``."""
        method = given.get("auth", "token")
        if method not in _METHODS:
            raise ValueError(f"auth is one of {', '.join(_METHODS)}")
        needed = {
            "token": ("VAULT_TOKEN",),
            "approle": ("VAULT_ROLE_ID", "VAULT_SECRET_ID"),
            "kubernetes": (),
        }
        for name in needed[method]:
            if not env.get(name):
                raise ValueError(f"auth={method} needs {name} in the environment")
        if method == "kubernetes" and "role" not in given:
            raise ValueError("auth=kubernetes needs role=")
        role = env["VAULT_ROLE_ID"] if method == "approle" else given.get("role", "")
        secret = env.get("VAULT_TOKEN" if method == "token" else "VAULT_SECRET_ID", "")
        return cls(
            method,
            given.get("auth-mount", method),
            role,
            secret,
            Path(given.get("jwt-file", _JWT_FILE)),
        )

    def login(self, client: Any) -> dict[str, Any]:
        """Log the client in; the ``auth`` part of the answer. Raises hvac's errors and OSError."""
        if self.method == "token":
            client.token = self.secret
            found = client.auth.token.lookup_self()["data"]
            return {"lease_duration": found["ttl"], "renewable": found.get("renewable", False)}
        if self.method == "approle":
            answer = client.auth.approle.login(self.role, self.secret, mount_point=self.mount)
        else:
            jwt = self.jwt_file.read_text().strip()
            answer = client.auth.kubernetes.login(self.role, jwt, mount_point=self.mount)
        return dict(answer["auth"])


class VaultLogin:
    """A client that is logged in whenever it is used; may be used by several threads.

    Attributes:
        mount: where the Transit engine is mounted.
    """

    def __init__(self, client: Any, auth: VaultAuth, mount: str) -> None:
        self._client, self._auth, self.mount = client, auth, mount
        self._lock = threading.Lock()
        self._lease_s = 0.0
        self._renewable = False
        self._renew_at: float | None = 0.0  # None: never

    @classmethod
    def from_url(cls, url: SplitResult, env: Mapping[str, str]) -> "VaultLogin":
        """From ``vault+https://host:port/mount?auth=&role=&auth-mount=&jwt-file=&namespace=&ca-file=``; ValueError."""
        given = query(url, _PARAMETERS)
        if not url.netloc or "@" in url.netloc or not url.path.strip("/"):
            raise ValueError(
                "it names a host and the mount of the Transit engine, and no credentials"
            )
        client = hvac.Client(
            f"{url.scheme.removeprefix('vault+')}://{url.netloc}",
            token="",
            namespace=given.get("namespace"),
            verify=given.get("ca-file", True),
            timeout=10,
        )
        return cls(client, VaultAuth.of(given, env), url.path.strip("/"))

    def call(self, action: str, request: Callable[[Any], T]) -> T:
        """Make a request with hvac's client.

        Raises:
            KeyUnavailable: for everything that goes wrong, with hvac's error as its cause.
        """
        try:
            self._keep_logged_in()
            token = self._client.token
            try:
                return request(self._client)
            except Forbidden:
                if self._auth.method == "token":
                    raise
                with self._lock:
                    if self._client.token == token:
                        self._login()
                return request(self._client)
        except Forbidden as error:
            raise KeyUnavailable(
                f"Vault refused to {action}: its policy or the login does not allow it"
            ) from error
        except VaultDown as error:
            raise KeyUnavailable(
                f"Vault could not {action}: it is sealed or in maintenance"
            ) from error
        except (VaultError, RequestException) as error:
            raise KeyUnavailable(f"Vault could not {action}: {type(error).__name__}") from error
        except OSError as error:
            raise KeyUnavailable(
                f"the service account's token cannot be read: {error.strerror}"
            ) from error

    def _keep_logged_in(self) -> None:
        with self._lock:
            if self._renew_at is None or time.monotonic() < self._renew_at:
                return
            if not (self._renewable and self._client.token and self._renew()):
                self._login()

    def _renew(self) -> bool:
        """Renew the lease; False if it is not worth it, since the token nears its last hour."""
        try:
            auth = self._client.auth.token.renew_self()["auth"]
        except VaultError:
            return False
        if self._auth.method != "token" and auth["lease_duration"] < self._lease_s / 2:
            return False
        self._note(auth, self._lease_s)
        return True

    def _login(self) -> None:
        auth = self._auth.login(self._client)
        self._note(auth, auth["lease_duration"])

    def _note(self, auth: Mapping[str, Any], whole_s: float) -> None:
        left_s, self._lease_s, self._renewable = (
            auth["lease_duration"],
            whole_s,
            bool(auth["renewable"]),
        )
        self._renew_at = time.monotonic() + left_s * 2 / 3 if left_s else None
