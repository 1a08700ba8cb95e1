"""Settings of custody: valid and malformed variables, and several key providers."""

from pathlib import Path

import pytest

from custody_servers import Server
from simulacra_custody.errors import KeyUnavailable, SettingsError
from simulacra_custody.keys.tenant_keys import TenantKeys
from simulacra_custody.refs import ResourceRef
from simulacra_custody.wiring import open_audit, open_custody


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {
        "SIMULACRA_STORE": f"file://{tmp_path}/the%20store",
        "SIMULACRA_KEYS": f"local://{tmp_path}/keyring.json",
    }


def test_two_processes_share_store_and_keys(env: dict[str, str], tmp_path: Path) -> None:
    ref = ResourceRef("acme", "models", "u").artifact("model")
    writer, reader = open_custody(env), open_custody(env)
    writer.keys.create_tenant_key("acme")
    wrapped = writer.new_resource_key(ref.resource)
    writer.write(ref, wrapped, [b"weights"])
    assert reader.read_bytes(ref, wrapped, limit=100) == b"weights"
    assert (tmp_path / "the store" / ref.key).is_file()


STORES = ["/abs", "file:relative", "file://host/dir", "file:///", "file:///a?b", "local:///k.json"]
STORES += ["s3://", "s3://B", "s3://u:p@bucket", "s3://bucket/../x", "s3://bucket/p#x"]
STORES += ["s3://bucket/p?region=", "s3://bucket?color=red"]
KEYS = ["/abs", "file:///dir", "local:relative", "local:///"]
KEYS += ["local:///a local:///b", "local:///a x:///b"]
KEYS += ["awskms:///x", "awskms://host", "awskms://?color=red", "awskms://?external-id=x"]
KEYS += ["vault+http://h:1", "vault+https:///transit", "vault+http://h:1/transit"]
KEYS += ["vault+http://h:1/transit?auth=ldap", "vault+http://u:p@h:1/t?auth=kubernetes&role=r"]
KEYS += ["vault+http://h:1/t?auth=kubernetes", "vault+http://h:1/t?auth=approle"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("SIMULACRA_STORE", value) for value in ("", *STORES)]
    + [("SIMULACRA_KEYS", value) for value in ("", *KEYS)],
)
def test_malformed_variable_is_named_with_valid_forms(
    tmp_path: Path, env: dict[str, str], variable: str, value: str
) -> None:
    env[variable] = value
    said = f"^{variable} is .*: set {variable} to [a-z]+:///absolute/path"
    with pytest.raises(SettingsError, match=said) as refusal:
        open_custody(env)
    assert "u:p" not in str(refusal.value)
    del env[variable]
    with pytest.raises(SettingsError, match=f"^{variable} is not set"):
        open_custody(env)


def test_missing_credentials_are_named(env: dict[str, str]) -> None:
    env["SIMULACRA_KEYS"] = "vault+http://127.0.0.1:1/transit?auth=approle"
    with pytest.raises(SettingsError, match="auth=approle needs VAULT_ROLE_ID in the environment"):
        open_custody(env)


def test_tenant_moves_between_providers(env: dict[str, str], tmp_path: Path, bao: Server) -> None:
    env["SIMULACRA_KEYS"] += f" vault+{bao.url}/transit"
    env["VAULT_TOKEN"] = bao.access
    custody = open_custody(env)
    keys, resource = custody.keys, ResourceRef("mover", "models", "u")
    assert isinstance(keys, TenantKeys)
    keys.create_tenant_key("mover")
    before = custody.new_resource_key(resource)
    custody.write(resource.artifact("model"), before, [b"weights"])
    keys.provider("vault").create_tenant_key("mover")
    keys.create_tenant_key("mover")
    assert before.startswith("local.v1.")
    keys.provider("local").destroy_tenant_key("elsewhere")
    context = resource.encryption_context
    moved = keys.provider("vault").wrap("mover", keys.unwrap("mover", before, context), context)
    keys.provider("local").destroy_tenant_key("mover")
    assert keys.has_tenant_key("mover")
    assert keys.is_current("mover", moved)
    assert not keys.is_current("mover", before)
    assert custody.new_resource_key(resource).startswith("vault.v1.")
    assert custody.read_bytes(resource.artifact("model"), moved, limit=10) == b"weights"
    for wrapped in (before, "other.v1.x", ""):
        with pytest.raises(KeyUnavailable):
            custody.read(resource.artifact("model"), wrapped)
    said = "SIMULACRA_KEYS names no key provider 'awsKms'; it names local, vault"
    with pytest.raises(KeyUnavailable, match=said):
        keys.provider("awsKms")
    keys.destroy_tenant_key("mover")
    assert not keys.has_tenant_key("mover")


def test_missing_audit_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^SIMULACRA_AUDIT is not set"):
        open_audit({})
