"""Tenant keys in AWS KMS, one symmetric key a tenant, found by its alias.

``alias/simulacra/<tenant>`` is the key that wraps. A rotation makes a new key and keeps the old one
under ``alias/simulacra/<tenant>/old/<key id>``, so that retiring it ends what it wrapped (KMS's own
rotation keeps old material for good). Destroying a key schedules its deletion in 7 days, the
minimum of KMS: from then on it decrypts nothing, but until then an administrator of the account
could cancel. KMS enforces the encryption context.

KMS creates a key before it can have an alias, so a process killed in between leaves a key that
nothing refers to and that costs money. It has wrapped nothing. Its tag identifies it, and it is
destroyed with old keys: at the end of the next rotation, or with the tenant. It is never used,
because anybody who can create keys in the account can set that tag and decides who may decrypt.
"""

import base64
import binascii
import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from simulacra_custody.aws_errors import error_code
from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.keys.aws_access import KmsAccess, kms_errors
from simulacra_custody.keys.base import KeyProvider, no_key, wrong_context, wrong_key
from simulacra_custody.refs import check_part

_PREFIX = "awskms.v1"
_DELETION_DAYS = 7
_TAG = "simulacra-tenant"
_NAMED_S = 30.0
"""A key without an alias after this time never gets one: naming it is the very next call."""
_DENIED = frozenset({"AccessDeniedException", "NotFoundException"})
_KEY_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

log = logging.getLogger(__name__)


class AwsKms(KeyProvider):
    """`KeyProvider` over AWS KMS."""

    def __init__(self, access: KmsAccess) -> None:
        self._client = access.client()

    def create_tenant_key(self, tenant: str) -> None:
        """Create the tenant's key and its alias; of two concurrent creations one key remains."""
        alias = _alias(tenant)
        if self._key_id(alias) is not None:
            return
        key_id = self._create(tenant)
        try:
            with kms_errors("name a key"):
                self._client.create_alias(AliasName=alias, TargetKeyId=key_id)
        except KeyUnavailable as error:
            self._delete_key(key_id)
            if error_code(error.__cause__) != "AlreadyExistsException":
                raise

    def destroy_tenant_key(self, tenant: str) -> None:
        """Schedule the deletion of every version of the tenant's key and delete their aliases."""
        for alias in [*self._old_aliases(tenant), _alias(tenant)]:
            self._destroy(alias)
        self._destroy_nameless(tenant, 0.0)

    def has_tenant_key(self, tenant: str) -> bool:
        """Return whether the tenant's alias has a key."""
        return self._key_id(_alias(tenant)) is not None

    def wrap(self, tenant: str, plaintext_key: bytes, context: dict[str, str]) -> str:
        """Encrypt a data key: ``awskms.v1.<key id>.<base64url of KMS's ciphertext>``."""
        key_id = self._current(tenant)
        with kms_errors("wrap a key"):
            answer = self._client.encrypt(
                KeyId=key_id, Plaintext=plaintext_key, EncryptionContext=context
            )
        return f"{_PREFIX}.{key_id}.{base64.urlsafe_b64encode(answer['CiphertextBlob']).decode()}"

    def unwrap(self, tenant: str, wrapped: str, context: dict[str, str]) -> bytes:
        """Decrypt a data key."""
        prefix, _, body = wrapped.rpartition(".")
        key_id = prefix.removeprefix(f"{_PREFIX}.")
        if not _KEY_ID.fullmatch(key_id) or not self._is_key_of(tenant, key_id):
            raise wrong_key(tenant)
        try:
            blob = base64.b64decode(body.encode(), altchars=b"-_", validate=True)
            with kms_errors("unwrap a key"):
                answer = self._client.decrypt(
                    KeyId=key_id, CiphertextBlob=blob, EncryptionContext=context
                )
        except (binascii.Error, ValueError):
            raise wrong_context(tenant) from None
        except KeyUnavailable as error:
            code = error_code(error.__cause__)
            if code in ("InvalidCiphertextException", "IncorrectKeyException"):
                raise wrong_context(tenant) from None
            raise
        return bytes(answer["Plaintext"])

    def rotate_tenant_key(self, tenant: str) -> None:
        """Create a new key for the alias and keep the present one as an old key."""
        before = self._current(tenant)
        after = self._create(tenant)
        with kms_errors("rotate a key"):
            # An interrupted rotation may have created this alias.
            if self._key_id(_old(tenant, before)) is None:
                self._client.create_alias(AliasName=_old(tenant, before), TargetKeyId=before)
            self._client.update_alias(AliasName=_alias(tenant), TargetKeyId=after)

    def is_current(self, tenant: str, wrapped: str) -> bool:
        """Return whether the token names the key of the alias."""
        return wrapped.startswith(f"{_PREFIX}.{self._current(tenant)}.")

    def retire_old_keys(self, tenant: str) -> None:
        """Schedule the deletion of the old keys, and of keys that never got an alias."""
        # An interrupted rotation may have given the current key this alias.
        current = _old(tenant, self._current(tenant))
        for alias in self._old_aliases(tenant):
            if alias != current:
                self._destroy(alias)
        self._destroy_nameless(tenant, _NAMED_S)

    def _is_key_of(self, tenant: str, key_id: str) -> bool:
        return key_id == self._current(tenant) or key_id == self._key_id(_old(tenant, key_id))

    def _current(self, tenant: str) -> str:
        key_id = self._key_id(_alias(tenant))
        if key_id is None:
            raise no_key(tenant)
        return key_id

    def _key_id(self, alias: str) -> str | None:
        """Return the id of an alias's key, None without such an alias."""
        try:
            with kms_errors("describe a key"):
                return str(self._client.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"])
        except KeyUnavailable as error:
            if error_code(error.__cause__) == "NotFoundException":
                return None
            raise

    def _create(self, tenant: str) -> str:
        tags = [{"TagKey": _TAG, "TagValue": tenant}]
        with kms_errors("create a key"):
            answer = self._client.create_key(Description="Simulacra tenant key", Tags=tags)
        return str(answer["KeyMetadata"]["KeyId"])

    def _destroy(self, alias: str) -> None:
        key_id = self._key_id(alias)
        if key_id is not None:
            self._delete_key(key_id)
            with kms_errors("delete an alias"):
                self._client.delete_alias(AliasName=alias)

    def _delete_key(self, key_id: str) -> None:
        try:
            with kms_errors("destroy a key"):
                self._client.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=_DELETION_DAYS)
        except KeyUnavailable as error:
            if error_code(error.__cause__) != "KMSInvalidStateException":  # already scheduled
                raise

    def _old_aliases(self, tenant: str) -> list[str]:
        names = [str(one["AliasName"]) for one in self._aliases()]
        return [name for name in names if name.startswith(_old(tenant, ""))]

    def _aliases(self) -> list[dict[str, Any]]:
        """Return every alias of the account."""
        with kms_errors("list aliases"):
            return list(self._listed("list_aliases", "Aliases"))

    def _destroy_nameless(self, tenant: str, min_age_s: float) -> None:
        """Schedule the deletion of the tenant's enabled keys without an alias, and log it.

        A key whose deletion an administrator cancelled is disabled, and remains.
        """
        try:
            with kms_errors("list keys"):
                found = {str(key["KeyId"]) for key in self._listed("list_keys", "Keys")}
        except KeyUnavailable as error:
            if error_code(error.__cause__) not in _DENIED:
                raise
            log.warning(
                "search for keys without an alias skipped: allow kms:ListKeys",
                extra={"tenant": tenant},
            )
            return
        # Aliases are listed after keys, because a new key may get its alias meanwhile.
        nameless = found - {one.get("TargetKeyId") for one in self._aliases()}
        for key_id in sorted(nameless):
            if self._is_left(tenant, key_id, min_age_s):
                self._delete_key(key_id)
                log.warning(
                    "key without an alias destroyed", extra={"tenant": tenant, "key": key_id}
                )

    def _is_left(self, tenant: str, key_id: str, min_age_s: float) -> bool:
        """Return whether a key has the tenant's tag, is enabled and old enough.

        Access to keys of others may be denied.
        """
        try:
            with kms_errors("describe a key"):
                tags = self._listed("list_resource_tags", "Tags", KeyId=key_id)
                if {"TagKey": _TAG, "TagValue": tenant} not in tags:
                    return False
                facts = self._client.describe_key(KeyId=key_id)["KeyMetadata"]
        except KeyUnavailable as error:
            if error_code(error.__cause__) in _DENIED:
                return False
            raise
        age = datetime.now(UTC) - facts["CreationDate"]
        return bool(facts["KeyState"] == "Enabled" and age.total_seconds() >= min_age_s)

    def _listed(self, operation: str, field: str, **given: str) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator(operation).paginate(**given):
            yield from page[field]


def _alias(tenant: str) -> str:
    check_part(tenant, "tenant")
    if "." in tenant:
        raise ValueError("tenant must not contain '.' for a key alias")
    return f"alias/simulacra/{tenant}"


def _old(tenant: str, key_id: str) -> str:
    return f"{_alias(tenant)}/old/{key_id}"
