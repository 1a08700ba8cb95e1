"""Opens custody from the environment: the same three variables in every process of the product."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from simulacra_custody.audit.certificates import Certificates
from simulacra_custody.audit.log import SegmentedAuditLog
from simulacra_custody.errors import SettingsError
from simulacra_custody.keys.base import KeyProvider
from simulacra_custody.keys.keyring import LocalKeyring
from simulacra_custody.keys.tenant_keys import TenantKeys
from simulacra_custody.service import Custody
from simulacra_custody.stores.base import ObjectStore
from simulacra_custody.stores.local import LocalStore

STORE_VARIABLE = "SIMULACRA_STORE"
KEYS_VARIABLE = "SIMULACRA_KEYS"
AUDIT_VARIABLE = "SIMULACRA_AUDIT"

_STORE_FORM = (
    "file:///absolute/path or s3://bucket/prefix?endpoint=https://host:port&region=us-east-1"
)
_KEYS_FORM = (
    "local:///absolute/path, vault+https://host:port/transit?auth=kubernetes&role=simulacra or "
    "awskms://?region=us-east-1 (several are separated by spaces, the first is the default)"
)


def open_custody(env: Mapping[str, str] = os.environ) -> Custody:
    """Custody over ``SIMULACRA_STORE`` and ``SIMULACRA_KEYS``.

    Raises:
        SettingsError: naming the variable and the form it must have.
    """
    return Custody(open_store(env, STORE_VARIABLE), open_keys(env))


def open_audit(env: Mapping[str, str] = os.environ) -> SegmentedAuditLog:
    """Return the audit log in the store that ``SIMULACRA_AUDIT`` names. Raises `SettingsError`."""
    return SegmentedAuditLog(open_store(env, AUDIT_VARIABLE))


def open_certificates(env: Mapping[str, str] = os.environ) -> Certificates:
    """Return the certificates in the store that ``SIMULACRA_AUDIT`` names. Raises `SettingsError`."""
    return Certificates(open_store(env, AUDIT_VARIABLE))


def open_store(env: Mapping[str, str], variable: str) -> ObjectStore:
    """The object store that a variable names: ``file:///dir`` or ``s3://bucket/prefix?...`` (see `s3_client`)."""
    value = _value(env, variable, _STORE_FORM)
    try:
        url = urlsplit(value)
        if url.scheme == "s3":
            from simulacra_custody.stores.s3.client import (
                S3Location,
            )  # boto3 takes a third of a second
            from simulacra_custody.stores.s3.store import S3Store

            return S3Store(S3Location.from_url(url))
        return LocalStore(_path(url, "file"))
    except ValueError as error:
        raise SettingsError(
            f"{variable} is malformed: set {variable} to {_STORE_FORM}; {error}"
        ) from None


def own_buckets(env: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the S3 buckets that the stores of an environment are in, as regular expressions.

    Nothing that a customer names may be read from there with the customer's words alone.
    """
    urls = [
        urlsplit(env.get(variable, "").strip()) for variable in (STORE_VARIABLE, AUDIT_VARIABLE)
    ]
    return tuple(
        re.escape(url.netloc).replace(r"\{tenant\}", ".+") for url in urls if url.scheme == "s3"
    )


def is_own_bucket(buckets: Sequence[str], uri: str) -> bool:
    """Whether an ``s3://bucket/key`` is in one of those buckets; wherever it is said to be: hosts have many names."""
    bucket = urlsplit(uri).netloc
    return any(re.fullmatch(pattern, bucket) for pattern in buckets)


def open_keys(env: Mapping[str, str]) -> TenantKeys:
    """The key providers that ``SIMULACRA_KEYS`` names, in its order."""
    providers: dict[str, KeyProvider] = {}
    for value in _value(env, KEYS_VARIABLE, _KEYS_FORM).split():
        try:
            name, provider = _provider(urlsplit(value), env)
            if name in providers:
                raise ValueError(f"there may be one {name} provider")
        except ValueError as error:
            raise SettingsError(
                f"{KEYS_VARIABLE} is malformed: set {KEYS_VARIABLE} to {_KEYS_FORM}; {error}"
            ) from None
        providers[name] = provider
    return TenantKeys(providers)


def _provider(url: SplitResult, env: Mapping[str, str]) -> tuple[str, KeyProvider]:
    if url.scheme in ("vault+http", "vault+https"):
        from simulacra_custody.keys.vault import VaultTransit
        from simulacra_custody.keys.vault_login import VaultLogin  # hvac takes a fifth of a second

        return "vault", VaultTransit(VaultLogin.from_url(url, env))
    if url.scheme == "awskms":
        from simulacra_custody.keys.aws_access import KmsAccess  # boto3 takes a third of a second
        from simulacra_custody.keys.aws_kms import AwsKms

        return "awsKms", AwsKms(KmsAccess.from_url(url))
    return "local", LocalKeyring(_path(url, "local"))


def _value(env: Mapping[str, str], variable: str, form: str) -> str:
    value = env.get(variable, "").strip()
    if not value:
        raise SettingsError(f"{variable} is not set: set {variable} to {form}")
    return value


def _path(url: SplitResult, scheme: str) -> Path:
    absolute = url.path.startswith("/") and url.path.strip("/")
    if url.scheme != scheme or url.netloc or url.query or url.fragment or not absolute:
        raise ValueError(f"{scheme}:// takes an absolute path and nothing else")
    return Path(unquote(url.path))
