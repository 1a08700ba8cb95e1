"""Sealed secrets open for their tenant and purpose only."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.keys.keyring import LocalKeyring
from simulacra_custody.keys.sealed_secrets import reseal, seal, unseal


@pytest.fixture
def keys(tmp_path: Path) -> LocalKeyring:
    keyring = LocalKeyring(tmp_path / "keyring.json")
    for tenant in ("acme", "globex"):
        keyring.create_tenant_key(tenant)
    return keyring


def test_sealed_secret_opens(keys: LocalKeyring) -> None:
    for plaintext in (b"", b"secret", b"x" * 5000):
        sealed = seal(keys, "acme", "webhook/1", plaintext)
        assert unseal(keys, "acme", "webhook/1", sealed) == plaintext
        assert base64.b64encode(b"secret").decode() not in sealed


def test_sealing_twice_gives_different_texts(keys: LocalKeyring) -> None:
    assert seal(keys, "acme", "p", b"secret") != seal(keys, "acme", "p", b"secret")


def test_sealed_secret_opens_for_no_other_tenant_or_purpose(keys: LocalKeyring) -> None:
    sealed = seal(keys, "acme", "webhook/1", b"secret")
    for tenant, purpose in (("globex", "webhook/1"), ("acme", "webhook/2")):
        with pytest.raises(KeyUnavailable):
            unseal(keys, tenant, purpose, sealed)
    other = json.loads(seal(keys, "acme", "webhook/1", b"other"))
    swapped = json.dumps(json.loads(sealed) | {"box": other["box"]})
    cut = json.dumps(json.loads(sealed) | {"box": "AAAA"})
    for wrong in (swapped, cut, "", "{}", "[]", json.dumps({"key": "x", "box": "AAAA"})):
        with pytest.raises(KeyUnavailable):
            unseal(keys, "acme", "webhook/1", wrong)


def test_sealed_secret_needs_the_tenants_key(keys: LocalKeyring) -> None:
    sealed = seal(keys, "acme", "webhook/1", b"secret")
    keys.destroy_tenant_key("acme")
    with pytest.raises(KeyUnavailable):
        unseal(keys, "acme", "webhook/1", sealed)


def test_only_a_secret_under_an_older_key_is_sealed_again(keys: LocalKeyring) -> None:
    sealed = seal(keys, "acme", "p", b"secret")
    assert reseal(keys, "acme", "p", sealed) == sealed
    keys.rotate_tenant_key("acme")
    again = reseal(keys, "acme", "p", sealed)
    assert again != sealed
    assert unseal(keys, "acme", "p", again) == b"secret"
