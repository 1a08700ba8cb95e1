"""Customer mode: generated artifacts under the customer's AWS KMS key, which cannot decrypt for us.

The service asks the key for a new data key (``kms:GenerateDataKey``), encrypts one AWS Encryption
SDK message with it and forgets it. Afterwards only principals that may call ``kms:Decrypt`` on the
key can read. That depends on the customer's key policy (docs/howto/customer-keys.md), so
`check_customer_key` checks it when a tenant is set up and every minute after.
"""

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from simulacra_custody.artifact_writer import ArtifactWriter, StoredArtifact, open_artifact
from simulacra_custody.aws_errors import error_code
from simulacra_custody.errors import CustodyError, KeyCheckError, KeyUnavailable
from simulacra_custody.keys.aws_access import KmsAccess, kms_errors
from simulacra_custody.refs import ArtifactRef
from simulacra_custody.stores.base import ObjectStore, Presigning

MESSAGE_FORMAT = "aws-encryption-sdk-message-v2"

_REFUSED = "AccessDeniedException"


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """A customer's key, from ``spec.encryption`` of a Tenant in mode Customer.

    Attributes:
        key_arn: ARN of the AWS KMS key; it is called in its region.
        role_arn: role to assume, None if the key policy names the service.
        external_id: external id in the role's trust policy.
        endpoint: base URL of KMS and STS, None for AWS.
    """

    key_arn: str
    role_arn: str | None = None
    external_id: str | None = None
    endpoint: str | None = None

    @property
    def access(self) -> KmsAccess:
        """Access to the key. Raises ValueError if the ARN is invalid."""
        parts = self.key_arn.split(":")
        if len(parts) != 6 or parts[2] != "kms" or not parts[3]:
            raise ValueError("key_arn must be the ARN of an AWS KMS key")
        return KmsAccess(parts[3], self.endpoint, self.role_arn, self.external_id)


@dataclass(frozen=True, slots=True)
class DecryptMetadata:
    """Everything that a customer needs to decrypt an artifact; nothing of it is secret.

    Attributes:
        key_arn: the key to decrypt with.
        encryption_context: the context of the message.
        algorithm_suite: the AWS Encryption SDK's name of the suite.
        format: format of the container.
        sha256: digest (hex) of the plaintext.
        bytes: size of the plaintext.
        command: the exact ``aws-encryption-cli`` call.
    """

    key_arn: str
    encryption_context: dict[str, str]
    algorithm_suite: str
    format: str
    sha256: str
    bytes: int
    command: str


@contextlib.contextmanager
def open_customer_writer(
    store: ObjectStore, ref: ArtifactRef, key: CustomerKey
) -> Iterator[ArtifactWriter]:
    """Open a writer under the customer's key; without `ArtifactWriter.commit` nothing is stored.

    Raises:
        KeyUnavailable: the key is disabled, out of reach or does not let the service encrypt.
        StoreUnavailable: the store failed.
    """
    # Importing the SDK takes half a second.
    from simulacra_custody.envelope import Encryptor, kms_keyring

    client = key.access.client()
    codes = _recorded_codes(client)
    encryptor = Encryptor(kms_keyring(key.key_arn, client), ref.encryption_context)
    try:
        encryptor.start()
    except Exception as error:  # of the SDK, the material providers or boto3
        reason = (codes[-1] or "the SDK failed") if codes else "no answer"
        raise KeyUnavailable(
            f"AWS KMS could not encrypt under the customer's key: {reason}"
        ) from error
    with open_artifact(store, ref, encryptor) as writer:
        yield writer


def decrypt_metadata(ref: ArtifactRef, key_arn: str, stored: StoredArtifact) -> DecryptMetadata:
    """Return what the customer gets with the artifact's bytes."""
    context = ref.encryption_context
    name = ref.name.replace("/", "-")
    command = [
        "aws-encryption-cli", "--decrypt", "--input", f"{name}.encrypted", "--output", name,
        "--wrapping-keys", f"key={key_arn}",
        "--encryption-context", *(f"{field}={value}" for field, value in context.items()),
        "--commitment-policy", "require-encrypt-require-decrypt", "--max-encrypted-data-keys", "1",
        "--suppress-metadata",
    ]  # fmt: skip
    return DecryptMetadata(
        key_arn, context, "AES_256_GCM_HKDF_SHA512_COMMIT_KEY", MESSAGE_FORMAT,
        stored.sha256, stored.bytes, shlex.join(command),
    )  # fmt: skip


def presigned_url(store: ObjectStore, ref: ArtifactRef) -> str | None:
    """Return a link to the ciphertext, valid for 15 minutes; None if the store has no links."""
    return store.presign(ref.key) if isinstance(store, Presigning) else None


def check_customer_key(key: CustomerKey, tenant: str) -> None:
    """Check that the service may encrypt under the key and may not decrypt, with or without role.

    Raises:
        KeyCheckError: with ``step`` one of ``key``, ``generate``, ``refuse``.
    """
    context = {"tenant": tenant, "purpose": "key-check"}
    step = "key"
    try:
        client = key.access.client()
        step = "generate"
        blob = _generate(client, key, context)
    except (CustodyError, ValueError) as error:
        raise KeyCheckError(step, str(error)) from error
    identities = [("the service", replace(key, role_arn=None, external_id=None).access)]
    if key.role_arn:
        identities.append(("the role", key.access))
    for identity, access in identities:
        code = _try_decrypt(access.client(), key, blob, context)
        if code != _REFUSED:
            got = code or "the key"
            raise KeyCheckError("refuse", f"{identity} was not refused kms:Decrypt but got {got}")


def _recorded_codes(client: Any) -> list[str]:
    """Return a list that records KMS's error code of each call, empty for a success.

    The SDK and its material providers make the calls and do not report the codes.
    """
    codes: list[str] = []

    def record(parsed: dict[str, Any], **_: object) -> None:
        codes.append(str(parsed.get("Error", {}).get("Code", "")))

    client.meta.events.register("after-call.kms", record)
    return codes


def _generate(client: Any, key: CustomerKey, context: dict[str, str]) -> bytes:
    with kms_errors("encrypt under the customer's key"):
        answer = client.generate_data_key(
            KeyId=key.key_arn, KeySpec="AES_256", EncryptionContext=context
        )
    return bytes(answer["CiphertextBlob"])


def _try_decrypt(client: Any, key: CustomerKey, blob: bytes, context: dict[str, str]) -> str:
    """Return KMS's error code, empty if it decrypted."""
    try:
        with kms_errors("answer kms:Decrypt"):
            client.decrypt(KeyId=key.key_arn, CiphertextBlob=blob, EncryptionContext=context)
    except KeyUnavailable as error:
        return error_code(error.__cause__) or type(error.__cause__).__name__
    return ""
