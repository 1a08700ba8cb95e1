"""Opens custody from the environment: the same three variables in every process of the product."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from simulacra_custody.custody import Custody
from simulacra_custody.errors import SettingsError
from simulacra_custody.local_keyring import LocalKeyring
from simulacra_custody.local_store import LocalStore

STORE_VARIABLE = "SIMULACRA_STORE"
KEYS_VARIABLE = "SIMULACRA_KEYS"
AUDIT_VARIABLE = "SIMULACRA_AUDIT"


def open_custody(env: Mapping[str, str] = os.environ) -> Custody:
    """Custody over ``SIMULACRA_STORE`` (``file:///dir``) and ``SIMULACRA_KEYS`` (``local:///keyring.json``).

    Raises:
        SettingsError: naming the variable and the form it must have.
    """
    store, keys = path_of(env, STORE_VARIABLE, "file"), path_of(env, KEYS_VARIABLE, "local")
    return Custody(LocalStore(store), LocalKeyring(keys))


def path_of(env: Mapping[str, str], variable: str, scheme: str) -> Path:
    """The absolute path in a variable of the form ``scheme:///path``; `SettingsError` otherwise."""
    expected = f"set {variable} to {scheme}:///absolute/path"
    value = env.get(variable, "")
    if not value:
        raise SettingsError(f"{variable} is not set: {expected}")
    url = urlsplit(value)
    absolute = url.path.startswith("/") and url.path.strip("/")
    if url.scheme != scheme or url.netloc or url.query or url.fragment or not absolute:
        raise SettingsError(f"{variable} is malformed: {expected}")
    return Path(unquote(url.path))
