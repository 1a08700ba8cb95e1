"""Vault Transit with a real OpenBao: logins and renewal, least privileges, sealing."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import hvac
import pytest

from custody_servers import Server, openbao
from simulacra_custody.errors import KeyCheckError, KeyUnavailable
from simulacra_custody.keys.base import KeyProvider
from simulacra_custody.wiring import open_keys

CONTEXT = {"tenant": "acme"}
KEY = bytes(range(32))

# The policy of docs/howto/customer-keys.md: no key can be exported, and encrypting creates no key.
POLICY = """
path "transit/keys/simulacra-*" { capabilities = ["create", "read", "update", "delete"] }
path "transit/encrypt/simulacra-*" { capabilities = ["update"] }
path "transit/decrypt/simulacra-*" { capabilities = ["update"] }
"""


@pytest.fixture
def root(bao: Server) -> Any:
    client = hvac.Client(bao.url, token=bao.access)
    client.sys.create_or_update_policy("simulacra", POLICY)
    return client


def vault(bao: Server, query: str = "", **env: str) -> KeyProvider:
    return open_keys({"SIMULACRA_KEYS": f"vault+{bao.url}/transit{query}", **env}).provider("vault")


def test_least_privileges_suffice_and_the_key_cannot_be_exported(bao: Server, root: Any) -> None:
    token = root.auth.token.create(policies=["simulacra"], period="1h")["auth"]["client_token"]
    keys = vault(bao, VAULT_TOKEN=token)
    keys.create_tenant_key("least")
    wrapped = keys.wrap("least", KEY, CONTEXT)
    keys.check("least")
    keys.rotate_tenant_key("least")
    keys.retire_old_keys("least")
    with pytest.raises(KeyUnavailable):
        keys.unwrap("least", wrapped, CONTEXT)
    transit = root.secrets.transit
    for export in (
        lambda: transit.export_key("simulacra-least", "encryption-key"),
        lambda: transit.backup_key("simulacra-least"),
    ):
        with pytest.raises(hvac.exceptions.VaultError, match="export"):
            export()
    assert transit.read_key("simulacra-least")["data"]["min_available_version"] == 2
    keys.destroy_tenant_key("least")


def test_key_that_is_not_derived_is_refused(bao: Server, root: Any) -> None:
    """Transit ignores the context of such a key, as the first lines show."""
    transit = root.secrets.transit
    transit.create_key("simulacra-plain", key_type="aes256-gcm96")
    ciphertext = transit.encrypt_data("simulacra-plain", "AAAA")["data"]["ciphertext"]
    assert transit.decrypt_data("simulacra-plain", ciphertext)["data"]["plaintext"] == "AAAA"
    keys = vault(bao, VAULT_TOKEN=bao.access)
    with pytest.raises(KeyUnavailable, match="not derived"):
        keys.wrap("plain", KEY, CONTEXT)
    with pytest.raises(KeyCheckError, match="not derived") as failure:
        keys.check("plain")
    assert failure.value.step == "generate"


@pytest.mark.parametrize(
    ("token", "said"),
    [("no-such-token", "its policy or the login does not allow it"), ("", "VAULT_TOKEN")],
)
def test_wrong_token_is_refused_and_not_repeated(bao: Server, token: str, said: str) -> None:
    with pytest.raises(Exception, match=said) as refusal:
        vault(bao, VAULT_TOKEN=token).has_tenant_key("acme")
    assert "no-such-token" not in str(refusal.value)


def test_token_without_the_policy_fails_the_key_check(bao: Server, root: Any) -> None:
    token = root.auth.token.create(policies=["default"])["auth"]["client_token"]
    with pytest.raises(KeyCheckError, match="policy") as failure:
        vault(bao, VAULT_TOKEN=token).check("acme")
    assert failure.value.step == "key"


@pytest.fixture
def approle(root: Any) -> dict[str, str]:
    """Return a role whose tokens live one second, or three with renewals."""
    if "approle/" not in root.sys.list_auth_methods()["data"]:
        root.sys.enable_auth_method("approle")
    root.auth.approle.create_or_update_approle(
        "simulacra", token_policies=["simulacra"], token_ttl="1s", token_max_ttl="3s"
    )
    return {
        "VAULT_ROLE_ID": root.auth.approle.read_role_id("simulacra")["data"]["role_id"],
        "VAULT_SECRET_ID": root.auth.approle.generate_secret_id("simulacra")["data"]["secret_id"],
    }


def test_approle_outlives_its_tokens(bao: Server, root: Any, approle: dict[str, str]) -> None:
    keys = vault(bao, "?auth=approle", **approle)
    keys.create_tenant_key("roles")
    wrapped = keys.wrap("roles", KEY, CONTEXT)
    end = time.monotonic() + 3.5
    # Past renewals and past the last renewal.
    while time.monotonic() < end:
        assert keys.unwrap("roles", wrapped, CONTEXT) == KEY
        time.sleep(0.2)
    # Idle until the token expires.
    time.sleep(1.2)
    assert keys.unwrap("roles", wrapped, CONTEXT) == KEY
    root.auth.token.revoke(keys._login._client.token)  # type: ignore[attr-defined]
    assert keys.unwrap("roles", wrapped, CONTEXT) == KEY
    wrong = {**approle, "VAULT_SECRET_ID": "wrong"}
    with pytest.raises(KeyUnavailable, match="InvalidRequest") as refusal:
        vault(bao, "?auth=approle", **wrong).has_tenant_key("roles")
    assert approle["VAULT_ROLE_ID"] not in str(refusal.value)


def test_periodic_token_is_renewed(bao: Server, root: Any) -> None:
    token = root.auth.token.create(policies=["simulacra"], period="3s")["auth"]["client_token"]
    keys = vault(bao, VAULT_TOKEN=token)
    end = time.monotonic() + 4.5
    while time.monotonic() < end:
        assert not keys.has_tenant_key("nobody")
        time.sleep(0.2)


class TokenReview(BaseHTTPRequestHandler):
    """Substitute for the Kubernetes API server, which reviews service account tokens."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        good = asked["spec"]["token"].endswith(".good")
        user = {"username": "system:serviceaccount:simulacra:api", "uid": "u", "groups": []}
        answer = json.dumps(
            {**asked, "status": {"authenticated": good, "user": user if good else {}}}
        ).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def kubernetes(root: Any, tmp_path: Path) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), TokenReview)
    Thread(target=server.serve_forever, daemon=True).start()
    root.sys.enable_auth_method("kubernetes")
    root.write_data(
        "auth/kubernetes/config",
        data={
            "kubernetes_host": f"http://127.0.0.1:{server.server_port}",
            "token_reviewer_jwt": "a.b.c",
            "disable_local_ca_jwt": True,
            "kubernetes_ca_cert": certificate(tmp_path),
        },
    )
    bound = {"bound_service_account_names": "api", "bound_service_account_namespaces": "simulacra"}
    root.write_data(
        "auth/kubernetes/role/simulacra",
        data={**bound, "token_policies": "simulacra", "token_ttl": "1s"},
    )
    yield "?auth=kubernetes&role=simulacra&jwt-file="
    root.sys.disable_auth_method("kubernetes")
    server.shutdown()
    server.server_close()


def certificate(folder: Path) -> str:
    """Return a CA, which OpenBao requires even if the API server is plain HTTP."""
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca "
        "-keyout k.pem -out c.pem"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return (folder / "c.pem").read_text()


def service_account_token(path: Path, signature: str) -> str:
    now = int(time.time())
    account = "kubernetes.io/serviceaccount"
    claims = {
        "iss": "kubernetes/serviceaccount",
        "sub": "system:serviceaccount:simulacra:api",
        "exp": now + 600,
        "iat": now - 10,
        "nbf": now - 10,
        f"{account}/namespace": "simulacra",
        f"{account}/service-account.name": "api",
        f"{account}/service-account.uid": "u",
    }
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "RS256"}, claims)
    ]
    path.write_text(".".join([*parts, signature]))
    return str(path)


def test_kubernetes_service_account_logs_in(bao: Server, kubernetes: str, tmp_path: Path) -> None:
    token = service_account_token(tmp_path / "token", "good")
    keys = vault(bao, kubernetes + token)
    keys.create_tenant_key("pods")
    keys.check("pods")
    # The lease ends, so it logs in with the token that the file then has.
    time.sleep(1.2)
    keys.check("pods")
    service_account_token(tmp_path / "token", "bad")
    time.sleep(1.2)
    with pytest.raises(KeyCheckError, match="does not allow"):
        keys.check("pods")
    with pytest.raises(KeyUnavailable, match="token cannot be read"):
        vault(bao, kubernetes + str(tmp_path / "none")).has_tenant_key("pods")


def test_sealed_or_stopped_server_is_unavailable(tmp_path: Path) -> None:
    with openbao(tmp_path) as bao:
        keys = vault(bao, VAULT_TOKEN=bao.access)
        keys.create_tenant_key("acme")
        wrapped = keys.wrap("acme", KEY, CONTEXT)
        root = hvac.Client(bao.url, token=bao.access)
        root.sys.seal()
        for attempt in (
            lambda: keys.unwrap("acme", wrapped, CONTEXT),
            lambda: keys.wrap("acme", KEY, CONTEXT),
        ):
            with pytest.raises(KeyUnavailable, match="sealed"):
                attempt()
        with pytest.raises(KeyUnavailable, match="sealed"):
            keys.destroy_tenant_key("acme")
        root.sys.submit_unseal_key(bao.secret)
        end = time.monotonic() + 60
        while root.sys.is_sealed() and time.monotonic() < end:
            time.sleep(0.05)
        assert keys.unwrap("acme", wrapped, CONTEXT) == KEY
    with pytest.raises(KeyUnavailable, match="ConnectionError"):
        keys.unwrap("acme", wrapped, CONTEXT)
