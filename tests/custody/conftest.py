"""Fixtures of the custody tests: a real local store and keyring in a temporary folder, with two tenants."""

import os
from pathlib import Path

import pytest

from simulacra_custody.context import ResourceRef
from simulacra_custody.custody import Custody
from simulacra_custody.local_keyring import LocalKeyring
from simulacra_custody.local_store import LocalStore


@pytest.fixture
def keyring(tmp_path: Path) -> LocalKeyring:
    keyring = LocalKeyring(tmp_path / "keys" / "keyring.json")
    keyring.create_tenant_key("acme")
    keyring.create_tenant_key("globex")
    return keyring


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


@pytest.fixture
def custody(store: LocalStore, keyring: LocalKeyring) -> Custody:
    return Custody(store, keyring)


@pytest.fixture
def dataset() -> ResourceRef:
    return ResourceRef("acme", "datasets", "5f0c")


@pytest.fixture
def wrapped(custody: Custody, dataset: ResourceRef) -> str:
    return custody.new_resource_key(dataset)


@pytest.fixture(scope="session")
def plaintext() -> bytes:
    """Three full frames and a short one."""
    return os.urandom(3 * 256 * 1024 + 1000)
