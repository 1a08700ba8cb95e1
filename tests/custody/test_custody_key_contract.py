"""Contract of key providers: a file, OpenBao, moto's KMS and MiniStack's."""

import pytest

from simulacra_custody.errors import ArtifactCorrupt, KeyCheckError, KeyUnavailable
from simulacra_custody.keys.base import KeyProvider
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.stores.local import LocalStore
from simulacra_custody.stores.owner import StoreOwner

KEY = bytes(range(32))
Tenants = tuple[str, str]


@pytest.fixture
def acme(any_keys: KeyProvider, tenants: Tenants) -> str:
    for tenant in tenants:
        any_keys.create_tenant_key(tenant)
    return tenants[0]


def context(tenant: str) -> dict[str, str]:
    return {"tenant": tenant, "kind": "datasets", "uid": "u1"}


def test_wrapped_key_unwraps(any_keys: KeyProvider, acme: str) -> None:
    token = any_keys.wrap(acme, KEY, context(acme))
    assert token.isascii()
    assert token.isprintable()
    assert " " not in token
    assert any_keys.unwrap(acme, token, dict(reversed(context(acme).items()))) == KEY
    assert any_keys.wrap(acme, KEY, context(acme)) != token
    any_keys.check(acme)


def test_other_context_is_rejected(any_keys: KeyProvider, acme: str) -> None:
    token = any_keys.wrap(acme, KEY, context(acme))
    for other in (
        {},
        {**context(acme), "uid": "u2"},
        {**context(acme), "more": "x"},
        {"tenant": acme},
    ):
        with pytest.raises(KeyUnavailable, match="in this context"):
            any_keys.unwrap(acme, token, other)


def test_other_tenant_is_rejected(any_keys: KeyProvider, acme: str, tenants: Tenants) -> None:
    token = any_keys.wrap(acme, KEY, context(acme))
    for tokens_context in (context(acme), context(tenants[1])):
        with pytest.raises(KeyUnavailable, match=tenants[1]):
            any_keys.unwrap(tenants[1], token, tokens_context)


# MiniStack's blobs have no authentication tag.
@pytest.mark.parametrize("any_keys", ["local", "openbao", "moto"], indirect=True)
def test_damaged_token_is_rejected_and_not_repeated(any_keys: KeyProvider, acme: str) -> None:
    token = any_keys.wrap(acme, KEY, context(acme))
    damaged = ["", ".", "local.v1", "vault.v1.", "awskms.v1."]
    damaged += [token[:-3], token + "AAAA", token + "ä"]
    for position in range(0, len(token) - 1, max(1, len(token) // 20)):
        other = "A" if token[position] not in "Aa" else "B"
        damaged.append(token[:position] + other + token[position + 1 :])
    for bad in damaged:
        with pytest.raises(KeyUnavailable) as refusal:
            any_keys.unwrap(acme, bad, context(acme))
        assert len(bad) < 20 or bad not in str(refusal.value)


def test_create_is_idempotent_and_destroy_is_final(
    any_keys: KeyProvider, acme: str, tenants: Tenants
) -> None:
    token = any_keys.wrap(acme, KEY, context(acme))
    any_keys.create_tenant_key(acme)
    assert any_keys.unwrap(acme, token, context(acme)) == KEY
    any_keys.destroy_tenant_key(acme)
    any_keys.destroy_tenant_key(acme)
    assert not any_keys.has_tenant_key(acme)
    assert any_keys.has_tenant_key(tenants[1])
    for attempt in (
        lambda: any_keys.wrap(acme, KEY, {}),
        lambda: any_keys.unwrap(acme, token, context(acme)),
    ):
        with pytest.raises(KeyUnavailable, match=f"tenant {acme} has no key"):
            attempt()
    assert not any_keys.has_tenant_key(acme), "wrapping creates no key"
    any_keys.create_tenant_key(acme)
    with pytest.raises(KeyUnavailable, match=acme):
        any_keys.unwrap(acme, token, context(acme))


def test_rotation_keeps_old_tokens_until_they_are_retired(any_keys: KeyProvider, acme: str) -> None:
    tokens = [any_keys.wrap(acme, KEY, context(acme))]
    for _ in range(2):
        any_keys.rotate_tenant_key(acme)
        tokens.append(any_keys.wrap(acme, KEY, context(acme)))
    assert [any_keys.is_current(acme, token) for token in tokens] == [False, False, True]
    assert [any_keys.unwrap(acme, token, context(acme)) for token in tokens] == [KEY] * 3
    any_keys.retire_old_keys(acme)
    any_keys.retire_old_keys(acme)
    assert any_keys.unwrap(acme, tokens[2], context(acme)) == KEY
    for token in tokens[:2]:
        with pytest.raises(KeyUnavailable, match=acme):
            any_keys.unwrap(acme, token, context(acme))
    any_keys.rotate_tenant_key(acme)
    any_keys.destroy_tenant_key(acme)
    assert not any_keys.has_tenant_key(acme)


def test_missing_key_is_reported(any_keys: KeyProvider, tenants: Tenants) -> None:
    nobody = tenants[0]
    assert not any_keys.has_tenant_key(nobody)
    any_keys.destroy_tenant_key(nobody)
    with pytest.raises(KeyCheckError, match=f"tenant {nobody} has no key") as failure:
        any_keys.check(nobody)
    assert failure.value.step == "key"
    for attempt in (
        any_keys.rotate_tenant_key,
        any_keys.retire_old_keys,
        lambda tenant: any_keys.is_current(tenant, "x"),
    ):
        with pytest.raises(KeyUnavailable, match="has no key"):
            attempt(nobody)
    with pytest.raises(ValueError, match="tenant"):
        any_keys.create_tenant_key("../acme")


def test_artifacts_survive_a_rewrap_but_no_tenant_erasure(
    any_keys: KeyProvider, acme: str, store: LocalStore, tenants: Tenants
) -> None:
    custody, resource = Custody(store, any_keys), ResourceRef(acme, "datasets", "u1")
    wrapped = custody.new_resource_key(resource)
    custody.write(resource.artifact("raw"), wrapped, [b"rows"])
    assert custody.rewrap(resource, wrapped) == wrapped
    any_keys.rotate_tenant_key(acme)
    rewrapped = custody.rewrap(resource, wrapped)
    any_keys.retire_old_keys(acme)
    assert custody.read_bytes(resource.artifact("raw"), rewrapped, limit=10) == b"rows"
    with pytest.raises(KeyUnavailable):
        custody.read(resource.artifact("raw"), wrapped)
    with pytest.raises(ArtifactCorrupt):
        custody.read(resource.artifact("raw"), custody.new_resource_key(resource))
    backup = list(store.open_range(resource.artifact("raw").key))
    report = custody.erase_tenant(acme, StoreOwner(store, "ours"))
    assert (report.objects, report.verified_empty) == (1, True)
    store.put(resource.artifact("raw").key, backup)
    with pytest.raises(KeyUnavailable, match="has no key"):
        custody.read(resource.artifact("raw"), rewrapped)
    assert any_keys.has_tenant_key(tenants[1])
