from pathlib import Path

import pytest

from simulacra_custody.audit import open_audit
from simulacra_custody.context import ResourceRef
from simulacra_custody.errors import SettingsError
from simulacra_custody.settings import open_custody


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"SIMULACRA_STORE": f"file://{tmp_path}/the%20store", "SIMULACRA_KEYS": f"local://{tmp_path}/keyring.json"}


def test_two_processes_share_what_the_variables_name(env: dict[str, str], tmp_path: Path) -> None:
    ref = ResourceRef("acme", "models", "u").artefact("model")
    writer, reader = open_custody(env), open_custody(env)
    writer.keys.create_tenant_key("acme")
    wrapped = writer.new_resource_key(ref.resource)
    writer.write(ref, wrapped, [b"weights"])
    assert reader.read_bytes(ref, wrapped, limit=100) == b"weights"
    assert (tmp_path / "the store" / ref.key).is_file()


@pytest.mark.parametrize("variable", ["SIMULACRA_STORE", "SIMULACRA_KEYS"])
@pytest.mark.parametrize(
    "value",
    [None, "", "/abs/dir", "s3://bucket", "file:relative", "file://host/dir", "file:///", "local:///", "x:///a?b"],
)
def test_bad_variable_is_named_with_the_form_it_needs(
    tmp_path: Path, env: dict[str, str], variable: str, value: str | None
) -> None:
    if value is None:
        del env[variable]
    else:
        env[variable] = value
    with pytest.raises(SettingsError, match=f"^{variable} is .*: set {variable} to [a-z]+:///absolute/path$"):
        open_custody(env)
    assert not (tmp_path / "the store").exists()


def test_audit_variable_is_named() -> None:
    with pytest.raises(SettingsError, match=r"^SIMULACRA_AUDIT is not set"):
        open_audit({})
