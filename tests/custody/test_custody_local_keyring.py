"""The keyring file: access, durability, damage, concurrent processes and the key check."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from simulacra_custody.errors import KeyCheckError, KeyUnavailable
from simulacra_custody.keys.keyring import LocalKeyring

KEY = bytes(range(32))


def test_no_file_contains_destroyed_or_retired_keys(keyring: LocalKeyring) -> None:
    first = json.loads(keyring.path.read_text())["acme"]
    keyring.rotate_tenant_key("acme")
    second = json.loads(keyring.path.read_text())["acme"]
    assert second["old"] == [first]
    keyring.retire_old_keys("acme")
    assert json.loads(keyring.path.read_text())["acme"] == {
        "id": second["id"],
        "key": second["key"],
    }
    keyring.destroy_tenant_key("acme")
    assert sorted(path.name for path in keyring.path.parent.iterdir()) == [
        "keyring.json",
        "keyring.json.lock",
    ]
    assert json.loads(keyring.path.read_text()).keys() == {"globex"}


def test_key_changes_are_durable_when_the_call_returns(
    keyring: LocalKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power failure could restore a destroyed key or lose a new one."""
    steps: list[str] = []
    sync, replace = os.fsync, os.replace

    def synced(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def replaced(source: Path, target: Path) -> None:
        steps.append("replaced")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    keyring.destroy_tenant_key("acme")
    assert steps == ["file", "replaced", "folder"]


def test_missing_file_has_no_key(tmp_path: Path) -> None:
    assert not LocalKeyring(tmp_path / "none.json").has_tenant_key("acme")


def test_only_the_owner_has_access_to_file_and_folder(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        keyring = LocalKeyring(tmp_path / "k" / "keyring.json")
        keyring.create_tenant_key("acme")
    finally:
        os.umask(old)
    assert stat.S_IMODE(keyring.path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in keyring.path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_file_open_to_others_is_refused(keyring: LocalKeyring, mode: int) -> None:
    keyring.path.chmod(mode)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        keyring.wrap("acme", KEY, {})
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        keyring.create_tenant_key("initech")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"acme": {}}', '{"acme": "x"}', '{"acme": {"id": "a", "key": "!"}}']
)
def test_damaged_file_is_refused_and_never_overwritten(keyring: LocalKeyring, text: str) -> None:
    keyring.path.write_text(text)
    with pytest.raises(KeyUnavailable, match="damaged"):
        keyring.wrap("acme", KEY, {})
    with pytest.raises(KeyUnavailable, match="damaged"):
        keyring.create_tenant_key("initech")
    assert keyring.path.read_text() == text


def test_unreadable_path_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyUnavailable):
        LocalKeyring(tmp_path / "file" / "keyring.json").create_tenant_key("acme")
    with pytest.raises(KeyUnavailable):
        LocalKeyring(tmp_path / "file" / "keyring.json").has_tenant_key("acme")


class ContextIgnored(LocalKeyring):
    """A provider that drops the context, as Vault's Transit does on a key that is not derived."""

    def wrap(self, tenant: str, plaintext_key: bytes, context: dict[str, str]) -> str:
        return super().wrap(tenant, plaintext_key, {})

    def unwrap(self, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        return super().unwrap(tenant, wrapped, {})


def test_key_check_detects_an_ignored_context(keyring: LocalKeyring) -> None:
    with pytest.raises(KeyCheckError) as failure:
        ContextIgnored(keyring.path).check("acme")
    assert failure.value.step == "refuse"


class WrapRefused(LocalKeyring):
    def wrap(self, tenant: str, plaintext_key: bytes, context: dict[str, str]) -> str:
        raise KeyUnavailable("disabled")


class UnwrapRefused(LocalKeyring):
    def unwrap(self, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        raise KeyUnavailable("disabled")


class AnotherKey(LocalKeyring):
    def unwrap(self, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        return bytes(32)


@pytest.mark.parametrize(
    ("provider", "step"),
    [(WrapRefused, "generate"), (UnwrapRefused, "decrypt"), (AnotherKey, "decrypt")],
)
def test_key_check_names_the_failing_step(
    keyring: LocalKeyring, provider: type[LocalKeyring], step: str
) -> None:
    with pytest.raises(KeyCheckError) as failure:
        provider(keyring.path).check("acme")
    assert failure.value.step == step


RACER = """
import sys
from pathlib import Path
from simulacra_custody.keys.keyring import LocalKeyring
keyring = LocalKeyring(Path(sys.argv[1]))
keyring.create_tenant_key("shared")
token = keyring.wrap("shared", bytes(32), {})
for number in range(40):
    keyring.create_tenant_key(f"{sys.argv[2]}-{number}")
    if number % 2:
        keyring.destroy_tenant_key(f"{sys.argv[2]}-{number}")
print(token)
"""


def test_two_processes_lose_no_key(tmp_path: Path) -> None:
    path = tmp_path / "keyring.json"
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(path), name], stdout=subprocess.PIPE, text=True
        )
        for name in ("a", "b")
    ]
    tokens = [racer.communicate(timeout=100)[0].strip() for racer in racers]
    assert [racer.returncode for racer in racers] == [0, 0]
    expected = {f"{name}-{number}" for name in ("a", "b") for number in range(0, 40, 2)}
    assert set(json.loads(path.read_text())) == {"shared", *expected}
    # Both created "shared" at once: there is one key.
    for token in tokens:
        assert LocalKeyring(path).unwrap("shared", token, {}) == bytes(32)


def test_a_token_with_signs_that_base64_skips_is_refused(keyring: LocalKeyring) -> None:
    token = keyring.wrap("acme", KEY, {"kind": "models"})
    assert keyring.unwrap("acme", token, {"kind": "models"}) == KEY
    with pytest.raises(KeyUnavailable):
        keyring.unwrap("acme", f"{token}!!!!", {"kind": "models"})
