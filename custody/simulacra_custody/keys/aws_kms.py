"""Tenant keys in AWS KMS, one symmetric key a tenant, found by its alias.

``alias/simulacra/<tenant>`` is the key that wraps; a rotation makes a new key and leaves the old one under
``alias/simulacra/<tenant>/old/<key id>``, so that retiring it really ends what it wrapped (KMS's own rotation keeps
old material for good). Destroying schedules the key's deletion in 7 days, the shortest that KMS has: from that moment
it decrypts nothing, but an administrator of the account could cancel until then. KMS enforces the encryption context.

KMS makes a key before it can have a name, so whoever ends in between leaves one that nothing leads to and that is paid
for. It has wrapped nothing. It is known by its tag, and destroyed when old keys are: at the end of the next rotation,
or with the tenant. It is never used: who may make keys in the account may tag them, and decides who decrypts.
"""

import base64
import binascii
import logging
import re
from datetime import UTC, datetime

from simulacra_custody.errors import KeyUnavailable
from simulacra_custody.keys.aws_access import KmsAccess, kms_code, kms_errors
from simulacra_custody.keys.base import check_tenant_key
from simulacra_custody.refs import check_part

_PREFIX = "awskms.v1"
_DELETION_DAYS = 7
_TAG = "simulacra-tenant"
_NAMED_S = 30.0
"""A key that has no name after so long never gets one: naming it is the next call. A rotation lasts longer."""
_DENIED = frozenset({"AccessDeniedException", "NotFoundException"})
_KEY_ID = re.compile(r"[A-Za-z0-9-]{1,64}")

log = logging.getLogger(__name__)


class AwsKms:
    """`KeyProvider` over AWS KMS."""

    def __init__(self, access: KmsAccess) -> None:
        self._client = access.client()

    def create_tenant_key(self, tenant: str) -> None:
        """Make the tenant's key and its alias; of two who do so at once, one key stays."""
        alias = _alias(tenant)
        if self._key_id(alias) is not None:
            return
        key_id = self._create(tenant)
        try:
            with kms_errors("name a key"):
                self._client.create_alias(AliasName=alias, TargetKeyId=key_id)
        except KeyUnavailable as error:
            self._delete_key(key_id)
            if kms_code(error.__cause__) != "AlreadyExistsException":
                raise

    def destroy_tenant_key(self, tenant: str) -> None:
        """Schedule the deletion of every version of the tenant's key, and drop their aliases."""
        for alias in [*self._old_aliases(tenant), _alias(tenant)]:
            self._destroy(alias)
        self._destroy_nameless(tenant, 0.0)

    def has_tenant_key(self, tenant: str) -> bool:
        """Whether the tenant's alias leads to a key."""
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
        """Decrypt a data key; `KeyUnavailable` for a token of another key, tenant or context."""
        prefix, _, body = wrapped.rpartition(".")
        key_id = prefix.removeprefix(f"{_PREFIX}.")
        if not _KEY_ID.fullmatch(key_id) or not self._is_key_of(tenant, key_id):
            raise KeyUnavailable(
                f"the wrapped key was not made with the present key of tenant {tenant}"
            )
        try:
            blob = base64.b64decode(body.encode(), altchars=b"-_", validate=True)
            with kms_errors("unwrap a key"):
                answer = self._client.decrypt(
                    KeyId=key_id, CiphertextBlob=blob, EncryptionContext=context
                )
        except (binascii.Error, ValueError):
            raise KeyUnavailable(
                f"the wrapped key does not open for tenant {tenant} in this context"
            ) from None
        except KeyUnavailable as error:
            if kms_code(error.__cause__) in ("InvalidCiphertextException", "IncorrectKeyException"):
                raise KeyUnavailable(
                    f"the wrapped key does not open for tenant {tenant} in this context"
                ) from None
            raise
        return bytes(answer["Plaintext"])

    def rotate_tenant_key(self, tenant: str) -> None:
        """Make a new key, keep the present one as an old one, and let the alias lead to the new one."""
        before, after = self._current(tenant), self._create(tenant)
        with kms_errors("rotate a key"):
            # A rotation that was cut short may have named it already.
            if self._key_id(_old(tenant, before)) is None:
                self._client.create_alias(AliasName=_old(tenant, before), TargetKeyId=before)
            self._client.update_alias(AliasName=_alias(tenant), TargetKeyId=after)

    def is_current(self, tenant: str, wrapped: str) -> bool:
        """Whether the token names the key that the alias leads to."""
        return wrapped.startswith(f"{_PREFIX}.{self._current(tenant)}.")

    def retire_old_keys(self, tenant: str) -> None:
        """Schedule the deletion of the old keys, and of those that were made and never got a name."""
        current = _old(tenant, self._current(tenant))  # named so by a rotation that was cut short
        for alias in self._old_aliases(tenant):
            if alias != current:
                self._destroy(alias)
        self._destroy_nameless(tenant, _NAMED_S)

    def check(self, tenant: str) -> None:
        """Run the key check; see `keys.check_tenant_key`."""
        check_tenant_key(self, tenant)

    def _is_key_of(self, tenant: str, key_id: str) -> bool:
        return key_id == self._current(tenant) or key_id == self._key_id(_old(tenant, key_id))

    def _current(self, tenant: str) -> str:
        key_id = self._key_id(_alias(tenant))
        if key_id is None:
            raise KeyUnavailable(f"tenant {tenant} has no key")
        return key_id

    def _key_id(self, alias: str) -> str | None:
        """The id of the key that an alias leads to, None if there is no such alias."""
        try:
            with kms_errors("describe a key"):
                return str(self._client.describe_key(KeyId=alias)["KeyMetadata"]["KeyId"])
        except KeyUnavailable as error:
            if kms_code(error.__cause__) == "NotFoundException":
                return None
            raise

    def _create(self, tenant: str) -> str:
        with kms_errors("create a key"):
            answer = self._client.create_key(
                Description="Simulacra tenant key", Tags=[{"TagKey": _TAG, "TagValue": tenant}]
            )
        return str(answer["KeyMetadata"]["KeyId"])

    def _destroy(self, alias: str) -> None:
        key_id = self._key_id(alias)
        if key_id is not None:
            self._delete_key(key_id)
            with kms_errors("drop an alias"):
                self._client.delete_alias(AliasName=alias)

    def _delete_key(self, key_id: str) -> None:
        try:
            with kms_errors("destroy a key"):
                self._client.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=_DELETION_DAYS)
        except KeyUnavailable as error:
            if kms_code(error.__cause__) != "KMSInvalidStateException":  # scheduled already
                raise

    def _old_aliases(self, tenant: str) -> list[str]:
        return [name for name in self._aliases() if name.startswith(_old(tenant, ""))]

    def _aliases(self) -> dict[str, str | None]:
        """Every alias of the account, and the key that it leads to."""
        with kms_errors("list aliases"):
            pages = self._client.get_paginator("list_aliases").paginate()
            return {
                str(one["AliasName"]): one.get("TargetKeyId")
                for page in pages
                for one in page["Aliases"]
            }

    def _destroy_nameless(self, tenant: str, min_age_s: float) -> None:
        """Schedule the deletion of the tenant's keys that are enabled and have no alias, and say so.

        One whose deletion an administrator cancelled is disabled, and stays.
        """
        try:
            with kms_errors("list keys"):
                pages = self._client.get_paginator("list_keys").paginate()
                found = {str(key["KeyId"]) for page in pages for key in page["Keys"]}
        except KeyUnavailable as error:
            if kms_code(error.__cause__) not in _DENIED:
                raise
            log.warning(
                "keys without an alias are not looked for: allow kms:ListKeys",
                extra={"tenant": tenant},
            )
            return
        nameless = found - set(
            self._aliases().values()
        )  # listed after the keys: a new one may be named meanwhile
        for key_id in sorted(nameless):
            if self._is_left(tenant, key_id, min_age_s):
                self._delete_key(key_id)
                log.warning(
                    "a key without an alias is destroyed", extra={"tenant": tenant, "key": key_id}
                )

    def _is_left(self, tenant: str, key_id: str, min_age_s: float) -> bool:
        """Whether a key is tagged as the tenant's, enabled and old enough; others' keys may not be looked at."""
        try:
            with kms_errors("look at a key"):
                pages = self._client.get_paginator("list_resource_tags").paginate(KeyId=key_id)
                if not any(
                    tag == {"TagKey": _TAG, "TagValue": tenant}
                    for page in pages
                    for tag in page["Tags"]
                ):
                    return False
                facts = self._client.describe_key(KeyId=key_id)["KeyMetadata"]
        except KeyUnavailable as error:
            if kms_code(error.__cause__) in _DENIED:
                return False
            raise
        age = datetime.now(UTC) - facts["CreationDate"]
        return bool(facts["KeyState"] == "Enabled" and age.total_seconds() >= min_age_s)


def _alias(tenant: str) -> str:
    check_part(tenant, "tenant")
    if "." in tenant:
        raise ValueError("tenant must not contain '.' for a key alias")
    return f"alias/simulacra/{tenant}"


def _old(tenant: str, key_id: str) -> str:
    return f"{_alias(tenant)}/old/{key_id}"
