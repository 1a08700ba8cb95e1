"""Custody from the environment: the same three variables in every process.

Only this module reads the environment, and no other library module of the package imports it.
"""

import os
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from simulacra_custody.audit.certificates import Certificates
from simulacra_custody.audit.cuts import DEFAULT_DAYS, LEAST_DAYS, MOST_DAYS
from simulacra_custody.audit.live_keys import PublishedLiveKeys
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
AUDIT_DAYS_VARIABLE = "SIMULACRA_AUDIT_DAYS"

_STORE_FORM = (
    "file:///absolute/path or s3://bucket/prefix?endpoint=https://host:port&region=us-east-1"
)
_KEYS_FORM = (
    "local:///absolute/path, vault+https://host:port/transit?auth=kubernetes&role=simulacra or "
    "awskms://?region=us-east-1 (separate several with spaces, the first is the default)"
)


def open_custody(env: Mapping[str, str] = os.environ) -> Custody:
    """Return custody over ``SIMULACRA_STORE`` and ``SIMULACRA_KEYS``.

    Raises:
        SettingsError: names the variable and its valid forms.
    """
    return Custody(open_store(env, STORE_VARIABLE), open_keys(env))


def open_audit(env: Mapping[str, str] = os.environ) -> SegmentedAuditLog:
    """Return the audit log in the store of ``SIMULACRA_AUDIT``. Raises `SettingsError`."""
    return SegmentedAuditLog(open_store(env, AUDIT_VARIABLE))


def audit_days(env: Mapping[str, str] = os.environ) -> int:
    """Return for how many days audit records are kept (``SIMULACRA_AUDIT_DAYS``).

    Raises:
        SettingsError: it is no whole number from `LEAST_DAYS` to `MOST_DAYS`.
    """
    value = env.get(AUDIT_DAYS_VARIABLE) or str(DEFAULT_DAYS)
    if not (value.isascii() and value.isdigit() and LEAST_DAYS <= int(value) <= MOST_DAYS):
        raise SettingsError(
            f"{AUDIT_DAYS_VARIABLE} must be {LEAST_DAYS} to {MOST_DAYS} days, "
            f"for example {DEFAULT_DAYS}"
        )
    return int(value)


def open_certificates(env: Mapping[str, str] = os.environ) -> Certificates:
    """Return the certificates in the store of ``SIMULACRA_AUDIT``. Raises `SettingsError`."""
    return Certificates(open_store(env, AUDIT_VARIABLE))


def open_live_keys(env: Mapping[str, str] = os.environ) -> PublishedLiveKeys:
    """Return the live keys in the store of ``SIMULACRA_AUDIT``. Raises `SettingsError`."""
    return PublishedLiveKeys(open_store(env, AUDIT_VARIABLE))


def open_store(env: Mapping[str, str], variable: str) -> ObjectStore:
    """Return the object store of a variable: ``file:///dir`` or ``s3://bucket/prefix?...``."""
    value = _value(env, variable, _STORE_FORM)
    try:
        url = urlsplit(value)
        if url.scheme == "s3":
            # boto3 takes a third of a second.
            from simulacra_custody.stores.s3.client import S3Location
            from simulacra_custody.stores.s3.store import S3Store

            return S3Store(S3Location.from_url(url, _parameters(url, S3Location.PARAMETERS)))
        return LocalStore(_path(url, "file"))
    except ValueError as error:
        raise _malformed(variable, _STORE_FORM, error) from None


def open_keys(env: Mapping[str, str]) -> TenantKeys:
    """Return the key providers of ``SIMULACRA_KEYS``, in its order."""
    providers: dict[str, KeyProvider] = {}
    for value in _value(env, KEYS_VARIABLE, _KEYS_FORM).split():
        try:
            name, provider = _provider(urlsplit(value), env)
            if name in providers:
                raise ValueError(f"give one {name} provider only")
        except ValueError as error:
            raise _malformed(KEYS_VARIABLE, _KEYS_FORM, error) from None
        providers[name] = provider
    return TenantKeys(providers)


def own_buckets(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the buckets of the installation's own stores, as regular expressions.

    Nothing in them may be read because a customer names it.
    """
    urls = [urlsplit(env.get(name, "").strip()) for name in (STORE_VARIABLE, AUDIT_VARIABLE)]
    return tuple(
        re.escape(url.netloc).replace(r"\{tenant\}", ".+") for url in urls if url.scheme == "s3"
    )


def is_own_bucket(buckets: Sequence[str], uri: str) -> bool:
    """Return whether an ``s3://bucket/key`` is in one of those buckets, at whatever endpoint."""
    bucket = urlsplit(uri).netloc
    return any(re.fullmatch(pattern, bucket) for pattern in buckets)


def _provider(url: SplitResult, env: Mapping[str, str]) -> tuple[str, KeyProvider]:
    if url.scheme in ("vault+http", "vault+https"):
        # hvac takes a fifth of a second.
        from simulacra_custody.keys.vault import VaultTransit
        from simulacra_custody.keys.vault_login import VaultLogin

        given = _parameters(url, VaultLogin.PARAMETERS)
        return "vault", VaultTransit(VaultLogin.from_url(url, given, env))
    if url.scheme == "awskms":
        from simulacra_custody.keys.aws_access import KmsAccess
        from simulacra_custody.keys.aws_kms import AwsKms

        return "awsKms", AwsKms(KmsAccess.from_url(url, _parameters(url, KmsAccess.PARAMETERS)))
    return "local", LocalKeyring(_path(url, "local"))


def _parameters(url: SplitResult, allowed: AbstractSet[str]) -> dict[str, str]:
    """Return the parameters of a URL's query, each known and given once with a value."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(url.query, keep_blank_values=True):
        if name not in allowed or name in found or not value:
            known = ", ".join(sorted(allowed))
            raise ValueError(f"a parameter is unknown, empty or repeated; the known ones: {known}")
        found[name] = value
    if url.fragment:
        raise ValueError("the URL must not contain '#'")
    return found


def _path(url: SplitResult, scheme: str) -> Path:
    absolute = url.path.startswith("/") and url.path.strip("/")
    if url.scheme != scheme or url.netloc or url.query or url.fragment or not absolute:
        raise ValueError(f"{scheme}:// takes an absolute path and nothing else")
    return Path(unquote(url.path))


def _value(env: Mapping[str, str], variable: str, form: str) -> str:
    value = env.get(variable, "").strip()
    if not value:
        raise SettingsError(f"{variable} is not set: set {variable} to {form}")
    return value


def _malformed(variable: str, form: str, error: ValueError) -> SettingsError:
    return SettingsError(f"{variable} is malformed: set {variable} to {form}; {error}")
