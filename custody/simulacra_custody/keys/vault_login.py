"""Login to Vault or OpenBao by token, AppRole or Kubernetes service account, with renewal.

The lease is checked before each call: after two thirds of it the token is renewed, and if that no
longer helps, a method that can log in again does. A call refused with 403 (a revoked token) also
logs in again, once. A plain token that is not used before its lease ends is lost: give it a period
longer than the time between the operator's key checks.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from urllib.parse import SplitResult

import hvac
from hvac.exceptions import Forbidden, VaultDown, VaultError
from requests.exceptions import RequestException

from simulacra_custody.errors import KeyUnavailable

_JWT_FILE = "/var/run/secrets/kubernetes.io/serviceaccount/token"
_NEEDED = {
    "token": ("VAULT_TOKEN",),
    "approle": ("VAULT_ROLE_ID", "VAULT_SECRET_ID"),
    "kubernetes": (),
}
"""The variables that each method needs."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class VaultAuth:
    """An auth method and its credentials.

    Attributes:
        method: ``token``, ``approle`` or ``kubernetes``.
        mount: mount of the auth method.
        role: role of the Kubernetes method, role id of AppRole.
        secret: the token, or the secret id of AppRole.
        jwt_file: the service account's token, read at each login because Kubernetes replaces it.
    """

    method: str
    mount: str
    role: str
    secret: str
    jwt_file: Path

    @classmethod
    def of(cls, given: Mapping[str, str], env: Mapping[str, str]) -> "VaultAuth":
        """Read a URL's parameters, and the method's credentials from the environment."""
        method = given.get("auth", "token")
        if method not in _NEEDED:
            raise ValueError(f"auth must be one of {', '.join(_NEEDED)}")
        for name in _NEEDED[method]:
            if not env.get(name):
                raise ValueError(f"auth={method} needs {name} in the environment")
        if method == "kubernetes" and "role" not in given:
            raise ValueError("auth=kubernetes needs role=")
        role = env["VAULT_ROLE_ID"] if method == "approle" else given.get("role", "")
        secret = env.get("VAULT_TOKEN" if method == "token" else "VAULT_SECRET_ID", "")
        jwt_file = Path(given.get("jwt-file", _JWT_FILE))
        return cls(method, given.get("auth-mount", method), role, secret, jwt_file)

    def login(self, client: Any) -> dict[str, Any]:
        """Log the client in and return the answer's ``auth``. Raises hvac's errors and OSError."""
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
    """A client that is logged in at each call, safe for several threads.

    Attributes:
        mount: mount of the Transit engine.
    """

    PARAMETERS: ClassVar[frozenset[str]] = frozenset(
        {"auth", "auth-mount", "role", "jwt-file", "namespace", "ca-file"}
    )

    def __init__(self, client: Any, auth: VaultAuth, mount: str) -> None:
        self._client = client
        self._auth = auth
        self.mount = mount
        self._lock = threading.Lock()
        self._lease_s = 0.0
        self._renewable = False
        self._renew_at: float | None = 0.0  # None: never

    @classmethod
    def from_url(
        cls, url: SplitResult, given: Mapping[str, str], env: Mapping[str, str]
    ) -> "VaultLogin":
        """Read ``vault+https://host:port/mount`` and its PARAMETERS. Raises ValueError."""
        if not url.netloc or "@" in url.netloc or not url.path.strip("/"):
            raise ValueError("vault+https:// takes a host and the Transit mount, no credentials")
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
            KeyUnavailable: for every failure, with hvac's error as its cause.
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
            reason = "it is sealed or in maintenance"
            raise KeyUnavailable(f"Vault could not {action}: {reason}") from error
        except (VaultError, RequestException) as error:
            raise KeyUnavailable(f"Vault could not {action}: {type(error).__name__}") from error
        except OSError as error:
            reason = str(error.strerror)
            raise KeyUnavailable(f"the service account's token cannot be read: {reason}") from error

    def _keep_logged_in(self) -> None:
        with self._lock:
            if self._renew_at is None or time.monotonic() < self._renew_at:
                return
            if not (self._renewable and self._client.token and self._renew()):
                self._login()

    def _renew(self) -> bool:
        """Renew the lease; return False if a new login is better, near the token's maximum."""
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
        left_s = auth["lease_duration"]
        self._lease_s = whole_s
        self._renewable = bool(auth["renewable"])
        self._renew_at = time.monotonic() + left_s * 2 / 3 if left_s else None
