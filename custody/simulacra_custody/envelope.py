"""AWS Encryption SDK messages: keyrings, and encryption in constant memory.

An artifact is one message in the suite AES_256_GCM_HKDF_SHA512_COMMIT_KEY, with key commitment.
Its message key is wrapped by a raw AES keyring with the resource's data key, or by a customer's
AWS KMS key. Any AWS Encryption SDK can open it. Importing this module takes half a second (the SDK
and its Dafny runtime), so `service` imports it on first use.
"""

import logging
from collections import deque
from collections.abc import Iterator
from typing import Any

import aws_encryption_sdk
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    AesWrappingAlg,
    CreateAwsKmsKeyringInput,
    CreateRawAesKeyringInput,
)
from aws_encryption_sdk.identifiers import Algorithm, CommitmentPolicy

FRAME_BYTES = 256 * 1024
"""Plaintext bytes of a frame: the fastest of 64 KiB, 256 KiB and 1 MiB."""

SUITE = Algorithm.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
"""Key commitment and no signature: AES-256-GCM, HKDF with SHA-512."""

KEY_NAMESPACE = "simulacra"
KEY_NAME = "resource-data-key"

# The SDK logs tracebacks of errors that it raises anyway.
logging.getLogger("aws_encryption_sdk").setLevel(logging.CRITICAL + 1)

CLIENT = aws_encryption_sdk.EncryptionSDKClient(
    commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT, max_encrypted_data_keys=1
)
_PROVIDERS = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())


class Buffer:
    """Bytes that were fed and not yet read, as the SDK's source stream."""

    def __init__(self) -> None:
        self._chunks: deque[memoryview] = deque()
        self.size = 0

    def feed(self, data: bytes) -> None:
        """Append bytes."""
        # Copy a mutable buffer: the caller may reuse it before it is read.
        self._chunks.append(memoryview(data if isinstance(data, bytes) else bytes(data)))
        self.size += len(self._chunks[-1])

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        parts = []
        while size > 0 and self._chunks:
            chunk = self._chunks.popleft()
            if len(chunk) > size:
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            parts.append(chunk)
            size -= len(chunk)
            self.size -= len(chunk)
        return b"".join(parts)


class Encryptor:
    """Push-style encryption: feed plaintext, take ciphertext.

    The SDK pulls from a source. It is asked only for frames that the source holds, so that it
    needs no thread.
    """

    def __init__(self, keyring: Any, context: dict[str, str]) -> None:
        self._source = Buffer()
        self._stream: Any = CLIENT.stream(
            mode="encrypt",
            source=self._source,
            keyring=keyring,
            encryption_context=context,
            algorithm=SUITE,
            frame_length=FRAME_BYTES,
        )

    def start(self) -> None:
        """Get the message key now, not with the first frame. Raises what the keyring raises."""
        _ = self.message_id

    @property
    def message_id(self) -> str:
        """The message id, hex."""
        return str(self._stream.header.message_id.hex())

    def update(self, data: bytes) -> Iterator[bytes]:
        """Feed plaintext; yield the ciphertext of each full frame."""
        self._source.feed(data)
        while self._source.size >= FRAME_BYTES:
            yield self._stream.read(FRAME_BYTES)

    def finalize(self) -> Iterator[bytes]:
        """Yield the rest of the message. Feed nothing afterwards."""
        while chunk := self._stream.read(FRAME_BYTES):
            yield chunk


def data_keyring(data_key: bytes) -> Any:
    """Return the keyring of a resource's data key (256 bits)."""
    return _PROVIDERS.create_raw_aes_keyring(
        CreateRawAesKeyringInput(
            key_namespace=KEY_NAMESPACE,
            key_name=KEY_NAME,
            wrapping_key=data_key,
            wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
        )
    )


def kms_keyring(key_arn: str, client: Any) -> Any:
    """Return the keyring of an AWS KMS key: it calls GenerateDataKey to encrypt, else Decrypt."""
    return _PROVIDERS.create_aws_kms_keyring(
        CreateAwsKmsKeyringInput(kms_key_id=key_arn, kms_client=client)
    )
