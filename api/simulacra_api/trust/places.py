"""Where an installation keeps data and keys, in words, from its own settings.

Only host names, buckets and regions are taken: a URL's user, password and other parameters are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qs, urlsplit

from simulacra_crds.auth0 import DOMAIN_VARIABLE
from simulacra_crds.webhook import allows_private
from simulacra_custody.wiring import AUDIT_VARIABLE, KEYS_VARIABLE, STORE_VARIABLE

AMAZON = "Amazon Web Services"


def places_of(env: Mapping[str, str]) -> dict[str, str]:
    """Return words by placeholder of the documents; empty for what is not set."""
    keys = [_words(urlsplit(value)) for value in env.get(KEYS_VARIABLE, "").split()]
    issuer = env.get("SIMULACRA_OIDC_ISSUER", "")
    installed = bool(env.get(STORE_VARIABLE))
    built_in = "the installation itself" if installed else ""
    receivers = "public and private addresses" if allows_private(env) else "public addresses"
    return {
        "store": _words(urlsplit(env.get(STORE_VARIABLE, ""))),
        "audit": _words(urlsplit(env.get(AUDIT_VARIABLE, ""))),
        "keys": " and ".join(keys),
        "issuer": urlsplit(issuer).hostname or built_in,
        "auth0": env.get(DOMAIN_VARIABLE, ""),
        "webhooks": receivers if installed else "",
    }


def _words(url: SplitResult) -> str:
    given = parse_qs(url.query)
    region = f", region {given['region'][0]}" if "region" in given else ""
    endpoint = urlsplit(given.get("endpoint", [""])[0]).hostname
    match url.scheme.partition("+")[0]:
        case "file":
            return "files of the machine that runs the service"
        case "local":
            return "a keyring file of the machine that runs the service"
        case "s3":
            return f"the bucket {url.hostname} at {endpoint or AMAZON}{region}"
        case "awskms":
            return f"a key management service at {endpoint or AMAZON}{region}"
        case "vault":
            return f"Vault or OpenBao at {url.hostname}"
    return ""
