"""A real OpenID Connect issuer: npm's certified `oidc-provider`, on loopback.

npm installs it once into a cache folder outside of the repository. Where node, npm or the package
is missing, the tests that need it are skipped with the reason.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import httpx2
import pytest

PACKAGE = "oidc-provider@9"
SERVER = """
import { createServer } from 'node:http';
import Provider from 'oidc-provider';
const { port, jwks, client, secret, audience, alg, seconds } = JSON.parse(process.env.OIDC_TEST);
const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  jwks,
  clients: [{ client_id: client, client_secret: secret, redirect_uris: [], response_types: [],
              grant_types: ['client_credentials'], id_token_signed_response_alg: alg }],
  enabledJWA: { idTokenSigningAlgValues: ['RS256', 'ES256', 'PS256'] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({
        scope: '', audience: resource, accessTokenTTL: seconds, accessTokenFormat: 'jwt',
        jwt: { sign: { alg } },
      }),
    },
  },
});
createServer(provider.callback()).listen(port, '127.0.0.1', () => console.log('ready'));
"""


def installed() -> Path:
    """Return the folder with the package, installed at first use; skip the test if impossible."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node or npm: the real OpenID Connect issuer is not tested")
    cache = (
        Path(os.environ.get("XDG_CACHE_HOME") or tempfile.gettempdir())
        / "simulacra-tests"
        / "oidc-provider-9"
    )
    if not (cache / "node_modules" / "oidc-provider").exists():
        cache.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--silent", PACKAGE]
        try:
            subprocess.run(command, cwd=cache, check=True, capture_output=True, timeout=180)
        except (subprocess.SubprocessError, OSError) as error:
            pytest.skip(f"npm cannot install {PACKAGE}: {type(error).__name__}")
    return cache


class OidcServer:
    """An issuer with one client; it can be stopped, and restarted with other keys."""

    client, secret = "client.acme", "issuer-secret-of-the-tests"

    def __init__(self, port: int, audience: str) -> None:
        self.port, self.audience = port, audience
        self.issuer = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[str] | None = None

    def start(self, jwks: dict[str, object], *, alg: str = "RS256", seconds: int = 600) -> None:
        """Start with these private keys and wait until it listens."""
        folder = installed()
        (folder / "server.mjs").write_text(SERVER)
        settings = {"port": self.port, "jwks": jwks, "client": self.client, "secret": self.secret}
        settings |= {"audience": self.audience, "alg": alg, "seconds": seconds}
        self._process = subprocess.Popen(
            ["node", "server.mjs"],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "OIDC_TEST": json.dumps(settings)},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"

    def stop(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def token(self, audience: str | None = None) -> str:
        """Return an access token of client credentials, for this or the default audience."""
        form = {"grant_type": "client_credentials"} | ({"resource": audience} if audience else {})
        answer = httpx2.post(f"{self.issuer}/token", data=form, auth=(self.client, self.secret))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])
