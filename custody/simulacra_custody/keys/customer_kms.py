"""Customer mode: generated artifacts under the customer's own AWS KMS key, which the service cannot decrypt with.

The service asks the key for a fresh data key (``kms:GenerateDataKey``), encrypts one AWS Encryption SDK message with
it and forgets it; from then on only who may call ``kms:Decrypt`` on the key can read. What that promise rests on is
the customer's key policy (docs/howto/customer-keys.md), so it is checked when a tenant is set up and every minute after:
`check_customer_key`.
"""

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from simulacra_custody.artifact_writer import ArtifactWriter, StoredArtifact, open_artifact
from simulacra_custody.errors import CustodyError, KeyCheckError, KeyUnavailable
from simulacra_custody.keys.aws_access import KmsAccess, kms_code, kms_errors
from simulacra_custody.refs import ArtifactRef
from simulacra_custody.stores.base import ObjectStore, Presigning

MESSAGE_FORMAT = "aws-encryption-sdk-message-v2"

_REFUSED = "AccessDeniedException"


@dataclass(frozen=True, slots=True)
class CustomerKey:
    """A customer's key: what ``spec.encryption`` of a Tenant in mode Customer says.

    Attributes:
        key_arn: ARN of the AWS KMS key; its region is where it is called.
        role_arn: role in the customer's account to assume, None where the key policy names the service itself.
        external_id: what the role's trust policy asks for.
        endpoint: base URL of KMS and STS, None for AWS's own.
    """

    key_arn: str
    role_arn: str | None = None
    external_id: str | None = None
    endpoint: str | None = None

    @property
    def access(self) -> KmsAccess:
        """How the key is reached. ValueError if the ARN is none."""
        parts = self.key_arn.split(":")
        if len(parts) != 6 or parts[2] != "kms" or not parts[3]:
            raise ValueError("key_arn must be the ARN of an AWS KMS key")
        return KmsAccess(parts[3], self.endpoint, self.role_arn, self.external_id)


@dataclass(frozen=True, slots=True)
class DecryptMetadata:
    """All that a customer needs to decrypt an artifact, and nothing secret.

    Attributes:
        key_arn: the key to decrypt with.
        encryption_context: the context that the message is bound to.
        algorithm_suite: the AWS Encryption SDK's name of the suite.
        format: the container's format.
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
    """Write an artifact under the customer's key; leaving without `ArtifactWriter.commit` stores nothing.

    Raises:
        KeyUnavailable: if the customer's key is disabled, out of reach or does not let the service encrypt.
        StoreUnavailable: if the store fails.
    """
    from simulacra_custody.envelope import Encryptor, kms_keyring  # half a second, see there

    client = key.access.client()
    answers = _answers(client)
    encryptor = Encryptor(kms_keyring(key.key_arn, client), ref.encryption_context)
    try:
        encryptor.start()
    except Exception as error:  # the SDK's, the material providers' or boto3's
        raise KeyUnavailable(
            f"AWS KMS could not encrypt under the customer's key: {_said(answers)}"
        ) from error
    with open_artifact(store, ref, encryptor) as writer:
        yield writer


def decrypt_metadata(ref: ArtifactRef, key_arn: str, stored: StoredArtifact) -> DecryptMetadata:
    """What to hand out with the artifact's bytes."""
    context = ref.encryption_context
    name = ref.artefact.replace("/", "-")
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
    """A link to the artifact's ciphertext, good for 15 minutes; None if the store gives out none (a directory)."""
    return store.presign(ref.key) if isinstance(store, Presigning) else None


def check_customer_key(key: CustomerKey, tenant: str) -> None:
    """Prove that the service may encrypt under the key and may not decrypt, whoever it is when it tries.

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
    for identity, access in _identities(key):
        code = _try_decrypt(access.client(), key, blob, context)
        if code != _REFUSED:
            raise KeyCheckError(
                "refuse", f"{identity} was not refused kms:Decrypt but got {code or 'the key'}"
            )


def _identities(key: CustomerKey) -> Iterator[tuple[str, KmsAccess]]:
    yield "the service", replace(key, role_arn=None, external_id=None).access
    if key.role_arn:
        yield "the role", key.access


def _answers(client: Any) -> list[str]:
    """A list that takes KMS's error code of every call that the client makes, empty for a success.

    The SDK and its material providers make the calls and keep the codes to themselves.
    """
    answers: list[str] = []

    def note(parsed: dict[str, Any], **_: object) -> None:
        answers.append(str(parsed.get("Error", {}).get("Code", "")))

    client.meta.events.register("after-call.kms", note)
    return answers


def _said(answers: list[str]) -> str:
    return (answers[-1] or "the key") if answers else "no answer"


def _generate(client: Any, key: CustomerKey, context: dict[str, str]) -> bytes:
    with kms_errors("encrypt under the customer's key"):
        answer = client.generate_data_key(
            KeyId=key.key_arn, KeySpec="AES_256", EncryptionContext=context
        )
    return bytes(answer["CiphertextBlob"])


def _try_decrypt(client: Any, key: CustomerKey, blob: bytes, context: dict[str, str]) -> str:
    """KMS's error code, empty if it decrypted."""
    try:
        with kms_errors("be asked to decrypt"):
            client.decrypt(KeyId=key.key_arn, CiphertextBlob=blob, EncryptionContext=context)
    except KeyUnavailable as error:
        return kms_code(error.__cause__) or type(error.__cause__).__name__
    return ""
