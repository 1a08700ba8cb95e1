"""Encrypted artifacts: they read back, and altered bytes are rejected."""

import os
from collections.abc import Callable
from dataclasses import replace

import aws_encryption_sdk
import pytest
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import AesWrappingAlg, CreateRawAesKeyringInput
from aws_encryption_sdk.identifiers import Algorithm, CommitmentPolicy

from simulacra_custody.envelope import FRAME_BYTES, KEY_NAME, KEY_NAMESPACE
from simulacra_custody.errors import (
    ArtifactCorrupt,
    ArtifactMissing,
    ArtifactTooLarge,
    KeyUnavailable,
)
from simulacra_custody.refs import ArtifactRef, ResourceRef
from simulacra_custody.service import Custody

SIZES = [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES, 3 * FRAME_BYTES + 7]


def stored(custody: Custody, ref: ArtifactRef) -> bytes:
    return b"".join(custody.store.open_range(ref.key))


def drain(custody: Custody, ref: ArtifactRef, wrapped: str) -> bytes:
    return b"".join(custody.read(ref, wrapped))


@pytest.fixture
def ref(dataset: ResourceRef) -> ArtifactRef:
    return dataset.artifact("raw")


@pytest.fixture
def message(custody: Custody, ref: ArtifactRef, wrapped: str, plaintext: bytes) -> bytes:
    """Store ``plaintext`` under ``ref`` and return its ciphertext."""
    custody.write(ref, wrapped, [plaintext])
    return stored(custody, ref)


@pytest.mark.parametrize("size", SIZES)
def test_artifact_of_every_size_reads_back(
    custody: Custody, ref: ArtifactRef, wrapped: str, size: int
) -> None:
    data = os.urandom(size)
    custody.write(ref, wrapped, (data[start : start + 70_001] for start in range(0, size, 70_001)))
    assert drain(custody, ref, wrapped) == data
    assert custody.read_bytes(ref, wrapped, limit=size) == data


def test_result_reports_size_and_digest(custody: Custody, ref: ArtifactRef, wrapped: str) -> None:
    result = custody.write(ref, wrapped, [b"a", b"bc"])
    assert (result.name, result.bytes) == ("raw", 3)
    # FIPS 180, "abc"
    assert result.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert result.stored_bytes == len(stored(custody, ref))


def test_each_chunk_is_a_frame(
    custody: Custody, ref: ArtifactRef, wrapped: str, plaintext: bytes
) -> None:
    custody.write(ref, wrapped, [plaintext])
    sizes = [len(chunk) for chunk in custody.read(ref, wrapped)]
    assert sizes == [FRAME_BYTES] * 3 + [len(plaintext) - 3 * FRAME_BYTES]


def test_plaintext_is_not_in_the_store(custody: Custody, ref: ArtifactRef, wrapped: str) -> None:
    secret = b"respondent 4711 switches to the rival"
    custody.write(ref, wrapped, [secret * 1000])
    message = stored(custody, ref)
    assert secret not in message
    custody.write(ref, wrapped, [secret * 1000])
    assert stored(custody, ref) != message


def test_empty_artifact_can_be_stored(custody: Custody, ref: ArtifactRef, wrapped: str) -> None:
    custody.write(ref, wrapped, [])
    assert custody.exists(ref)
    assert list(custody.read(ref, wrapped)) == []


def test_another_aws_encryption_sdk_client_opens_the_message(
    custody: Custody,
    dataset: ResourceRef,
    ref: ArtifactRef,
    wrapped: str,
    plaintext: bytes,
    message: bytes,
) -> None:
    """It needs only the documented key name, context and data key."""
    providers = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
    keyring = providers.create_raw_aes_keyring(
        CreateRawAesKeyringInput(
            key_namespace="simulacra",
            key_name="resource-data-key",
            wrapping_key=custody.keys.unwrap("acme", wrapped, dataset.encryption_context),
            wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
        )
    )
    client = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    )
    decrypted, header = client.decrypt(
        source=message, keyring=keyring, encryption_context=ref.encryption_context
    )
    assert decrypted == plaintext
    assert header.algorithm is Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
    assert header.encryption_context == ref.encryption_context
    assert header.frame_length == FRAME_BYTES
    assert (KEY_NAMESPACE, KEY_NAME) == ("simulacra", "resource-data-key")


def flipped(message: bytes, position: int) -> bytes:
    return message[:position] + bytes([message[position] ^ 1]) + message[position + 1 :]


def test_flipped_header_bit_is_rejected_before_the_first_chunk(
    custody: Custody, ref: ArtifactRef, wrapped: str, message: bytes
) -> None:
    for position in range(0, 290, 3):
        custody.store.put(ref.key, [flipped(message, position)])
        with pytest.raises(ArtifactCorrupt, match=ref.key):
            custody.read(ref, wrapped)


@pytest.mark.parametrize("frame", [1, 2, 3])
def test_flipped_bit_in_a_frame_yields_only_earlier_frames(
    custody: Custody, ref: ArtifactRef, wrapped: str, plaintext: bytes, message: bytes, frame: int
) -> None:
    custody.store.put(ref.key, [flipped(message, frame * (FRAME_BYTES + 32) + 800)])
    given = bytearray()
    with pytest.raises(ArtifactCorrupt):  # noqa: PT012 - the loop must raise
        for chunk in custody.read(ref, wrapped):
            given += chunk
    assert bytes(given) == plaintext[: frame * FRAME_BYTES]


def test_flipped_last_bit_is_rejected(
    custody: Custody, ref: ArtifactRef, wrapped: str, message: bytes
) -> None:
    custody.store.put(ref.key, [flipped(message, len(message) - 1)])
    with pytest.raises(ArtifactCorrupt):
        drain(custody, ref, wrapped)


@pytest.mark.parametrize(
    "cut",
    [
        lambda message: b"",
        lambda message: message[:1],
        lambda message: message[:100],
        lambda message: message[: 300 + FRAME_BYTES],
        lambda message: message[: len(message) - 1016 - 36],  # exactly the final frame
        lambda message: message[:-1],
        lambda message: message + b"\x00",
        lambda message: message + message,
        lambda message: b"\x00" * len(message),
        lambda message: os.urandom(5000),
    ],
)
def test_truncated_extended_or_foreign_bytes_are_rejected(
    custody: Custody, ref: ArtifactRef, wrapped: str, message: bytes, cut: Callable[[bytes], bytes]
) -> None:
    custody.store.put(ref.key, [cut(message)])
    with pytest.raises(ArtifactCorrupt):
        drain(custody, ref, wrapped)


def test_swapped_frames_are_rejected(
    custody: Custody, ref: ArtifactRef, wrapped: str, message: bytes
) -> None:
    size = FRAME_BYTES + 4 + 12 + 16
    header = len(message) - 3 * size - (4 + 4 + 12 + 4 + 1000 + 16)
    frames = [message[header + number * size : header + (number + 1) * size] for number in range(3)]
    rest = message[header + 3 * size :]
    custody.store.put(ref.key, [message[:header], *frames, rest])
    # Unchanged frames open, so the message was cut between frames.
    assert len(drain(custody, ref, wrapped)) == 3 * FRAME_BYTES + 1000
    custody.store.put(ref.key, [message[:header], frames[1], frames[0], frames[2], rest])
    with pytest.raises(ArtifactCorrupt):
        drain(custody, ref, wrapped)


def test_objects_swapped_within_a_resource_are_rejected(
    custody: Custody, dataset: ResourceRef, wrapped: str
) -> None:
    one, two = dataset.artifact("dataset"), dataset.artifact("schema")
    custody.write(one, wrapped, [b"1"])
    custody.write(two, wrapped, [b"2"])
    first, second = stored(custody, one), stored(custody, two)
    custody.store.put(one.key, [second])
    custody.store.put(two.key, [first])
    for ref in (one, two):
        with pytest.raises(ArtifactCorrupt):
            custody.read(ref, wrapped)


@pytest.mark.parametrize(
    "change", [{"tenant": "globex"}, {"kind": "models"}, {"uid": "other"}, {"name": "x"}]
)
def test_object_copied_elsewhere_is_rejected(
    custody: Custody, ref: ArtifactRef, wrapped: str, message: bytes, change: dict[str, str]
) -> None:
    """Even if an attacker has the same data key wrapped for the other place."""
    elsewhere = replace(ref, **change)
    data_key = custody.keys.unwrap("acme", wrapped, ref.resource.encryption_context)
    rewrapped = custody.keys.wrap(elsewhere.tenant, data_key, elsewhere.resource.encryption_context)
    custody.store.put(elsewhere.key, [message])
    with pytest.raises(ArtifactCorrupt):
        custody.read(elsewhere, rewrapped)


def test_message_with_another_context_is_rejected(
    custody: Custody, ref: ArtifactRef, wrapped: str
) -> None:
    from simulacra_custody.envelope import Encryptor, data_keyring

    data_key = custody.keys.unwrap("acme", wrapped, ref.resource.encryption_context)
    for context in ({}, {"tenant": "acme"}, {**ref.encryption_context, "more": "x"}):
        encryptor = Encryptor(data_keyring(data_key), context)
        custody.store.put(ref.key, [*encryptor.update(b"x"), *encryptor.finalize()])
        with pytest.raises(ArtifactCorrupt):
            custody.read(ref, wrapped)


def test_message_without_key_commitment_is_rejected(
    custody: Custody, ref: ArtifactRef, wrapped: str
) -> None:
    from simulacra_custody.envelope import data_keyring

    client = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT
    )
    message, _ = client.encrypt(
        source=b"x",
        keyring=data_keyring(custody.keys.unwrap("acme", wrapped, ref.resource.encryption_context)),
        encryption_context=ref.encryption_context,
        algorithm=Algorithm.AES_256_GCM_IV12_TAG16_HKDF_SHA256,
    )
    custody.store.put(ref.key, [message])
    with pytest.raises(ArtifactCorrupt):
        custody.read(ref, wrapped)


def test_data_key_of_another_resource_does_not_open_the_message(
    custody: Custody, dataset: ResourceRef, ref: ArtifactRef, message: bytes
) -> None:
    with pytest.raises(ArtifactCorrupt):
        custody.read(ref, custody.new_resource_key(dataset))
    with pytest.raises(KeyUnavailable):
        custody.read(ref, custody.new_resource_key(replace(dataset, uid="other")))
    with pytest.raises(KeyUnavailable):
        custody.read(ref, custody.new_resource_key(replace(dataset, tenant="globex")))


def test_destroyed_tenant_key_makes_artifacts_unreadable(
    custody: Custody, ref: ArtifactRef, wrapped: str, message: bytes
) -> None:
    custody.keys.destroy_tenant_key("acme")
    with pytest.raises(KeyUnavailable):
        custody.read(ref, wrapped)
    with pytest.raises(KeyUnavailable):
        custody.write(ref, wrapped, [b"x"])
    assert stored(custody, ref) == message


def test_missing_artifact_and_missing_key_are_reported(
    custody: Custody, dataset: ResourceRef, ref: ArtifactRef, wrapped: str
) -> None:
    with pytest.raises(ArtifactMissing):
        custody.read(ref, wrapped)
    assert not custody.exists(ref)
    with pytest.raises(KeyUnavailable, match="initech has no key"):
        custody.new_resource_key(replace(dataset, tenant="initech"))


def test_read_bytes_stops_at_the_limit(
    custody: Custody, ref: ArtifactRef, wrapped: str, message: bytes
) -> None:
    with pytest.raises(ArtifactTooLarge, match="more than 1000 bytes"):
        custody.read_bytes(ref, wrapped, limit=1000)


def test_decryption_errors_leave_no_log_and_no_context(
    custody: Custody,
    ref: ArtifactRef,
    wrapped: str,
    message: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    custody.store.put(ref.key, [flipped(message, 120)])
    with pytest.raises(ArtifactCorrupt) as refusal:
        custody.read(ref, wrapped)
    assert refusal.value.__suppress_context__
    assert [record.name for record in caplog.records] == []
