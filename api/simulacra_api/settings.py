"""Settings of one API process, read from the environment once at start."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from simulacra_crds.auth0 import AUDIENCE_VARIABLE, Auth0Settings
from simulacra_crds.auth0 import DEFAULT_AUDIENCE as DEFAULT_AUDIENCE
from simulacra_crds.webhook import allows_private
from simulacra_custody.audit.cuts import DEFAULT_DAYS
from simulacra_custody.wiring import audit_days

LINK_SECONDS = 900
"""Lifetime of a download link (15 minutes)."""
LEASE_SECONDS = 60.0
"""An upload lease that was not renewed for this long is stale; a retry takes the upload over."""
MAX_JSON_BYTES = 1 << 20
"""Largest JSON body that is read."""
MAX_ARTIFACT_BYTES = 32 << 20
"""Largest artifact (schema, report, graph) that is read into memory."""


@dataclass(frozen=True)
class Settings:
    """What differs between installations.

    Attributes:
        public_url: base URL that customers see, without a slash at the end; links and the issuer
            begin with it.
        audience: `aud` of the access tokens.
        kubeconfig: path of a kubeconfig; None: KUBECONFIG or the pod's service account.
        token_seconds: lifetime of a token of the built-in issuer.
        max_upload_bytes: upper limit of an upload, whatever the tenant's quota says.
        delete_wait_seconds: how long DELETE waits for the erasure before it answers 202.
        cache_seconds: maximum age of a resource that is shown; a change takes this much longer.
        oidc_issuer: an OpenID Connect issuer, trusted beside the built-in one.
        webhooks_allow_private: whether webhooks may use http and addresses that are not public.
        hosts: names under which the API answers, beside that of the public URL and loopback ones;
            `*.example.com` for all below a name, `*` for all.
        metrics_listen: host and port of the metrics; None: on the API's port, for loopback callers.
        auth0: where clients of approved signups and their secrets are made; None: in the built-in
            issuer.
        audit_days: for how many days the operator keeps audit records.
    """

    public_url: str
    audience: str = DEFAULT_AUDIENCE
    kubeconfig: str | None = None
    token_seconds: int = 3600
    max_upload_bytes: int = 1 << 40
    delete_wait_seconds: float = 5.0
    cache_seconds: float = 0.25
    oidc_issuer: str | None = None
    webhooks_allow_private: bool = False
    hosts: tuple[str, ...] = ()
    metrics_listen: tuple[str, int] | None = None
    auth0: Auth0Settings | None = None
    audit_days: int = DEFAULT_DAYS

    @classmethod
    def from_env(cls, public_url: str, env: Mapping[str, str] = os.environ) -> Settings:
        """Read SIMULACRA_PUBLIC_URL (default: the URL given) and the other settings.

        These are SIMULACRA_AUDIENCE, _MAX_UPLOAD_BYTES, _OIDC_ISSUER, _WEBHOOK_ALLOW_PRIVATE,
        _HOSTS, _METRICS_LISTEN, _AUDIT_DAYS, _AUTH0_* (see `simulacra_crds.auth0`), and KUBECONFIG.

        Raises:
            ValueError, SettingsError: naming the variable and the form it must have.
        """
        limit = env.get("SIMULACRA_MAX_UPLOAD_BYTES", str(cls.max_upload_bytes))
        if not limit.isdigit() or not int(limit):
            raise ValueError("SIMULACRA_MAX_UPLOAD_BYTES must be a whole number of bytes above 0")
        public = env.get("SIMULACRA_PUBLIC_URL") or public_url
        issuer = env.get("SIMULACRA_OIDC_ISSUER")
        if not public.startswith(("http://", "https://")):
            raise ValueError("SIMULACRA_PUBLIC_URL must begin with http:// or https://")
        if issuer and not issuer.startswith(("http://", "https://")):
            raise ValueError("SIMULACRA_OIDC_ISSUER must be the URL in the tokens' iss claim")
        audience = env.get(AUDIENCE_VARIABLE) or DEFAULT_AUDIENCE
        auth0 = Auth0Settings.from_env(env, audience)
        return cls(
            public_url=public.rstrip("/"),
            audience=audience,
            kubeconfig=env.get("KUBECONFIG") or None,
            max_upload_bytes=int(limit),
            oidc_issuer=issuer or (auth0.issuer if auth0 else None),
            hosts=tuple(env.get("SIMULACRA_HOSTS", "").replace(",", " ").split()),
            metrics_listen=_host_and_port(env.get("SIMULACRA_METRICS_LISTEN", "")),
            auth0=auth0,
            webhooks_allow_private=allows_private(env),
            audit_days=audit_days(env),
        )


def _host_and_port(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    if not text:
        return None
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ValueError("SIMULACRA_METRICS_LISTEN must be host:port, 0.0.0.0:8082 for example")
    return host.strip("[]"), int(port)
