"""What the operator takes from its environment, read once at the start."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

from simulacra_crds.auth0 import AUDIENCE_VARIABLE, DEFAULT_AUDIENCE, Auth0Settings
from simulacra_crds.contract.webhook import allows_private
from simulacra_crds.kinds.model import ModelResources
from simulacra_custody.stores.owner import TAKE_OVER_VARIABLE, check_installation
from simulacra_custody.wiring import KEYS_VARIABLE, STORE_VARIABLE, own_buckets
from simulacra_operator.runtime.scope import NAMESPACES_VARIABLE, Scope
from simulacra_operator.work.placement import Placement
from simulacra_operator.work.pod_access import PodAccess

IMAGE_VARIABLE = "SIMULACRA_TRAINER_IMAGE"
LISTEN_VARIABLE = "SIMULACRA_OPERATOR_LISTEN"
IDENTITY_VARIABLE = "SIMULACRA_OPERATOR_IDENTITY"


class OperatorSettingsError(Exception):
    """A variable is malformed; the message names it and says what it must look like."""


@dataclass(frozen=True)
class Settings:
    """The operator's settings.

    Attributes:
        trainer_image: image of the Jobs' containers.
        pod_env: variables that every pod gets, so that it reaches the same store and keys.
        host: address that health and metrics listen on.
        port: port of the same; 0 takes a free one.
        identity: name under which it holds the Lease; a process of the same name takes over without waiting.
        webhooks_allow_private: webhooks may use http and addresses that are not public.
        auth0: where the clients of approved requests are made; None: the built-in issuer knows them.
        pod_access: what pods get to reach both.
        scope: which tenants are served.
        own_buckets: buckets of this installation's own stores, which no Dataset is read from.
        placement: which nodes and which queue the pods are for.
        take_over: the installation whose store this one may take for its own.
    """

    trainer_image: str
    pod_env: tuple[tuple[str, str], ...]
    host: str
    port: int
    identity: str
    webhooks_allow_private: bool = False
    auth0: Auth0Settings | None = None
    pod_access: PodAccess = field(default_factory=PodAccess)
    own_buckets: tuple[str, ...] = ()
    scope: Scope = field(default_factory=Scope)
    placement: Placement = field(default_factory=lambda: Placement(ModelResources()))
    take_over: str | None = None


def read_settings(env: Mapping[str, str]) -> Settings:
    """Read SIMULACRA_TRAINER_IMAGE, SIMULACRA_OPERATOR_LISTEN (host:port), SIMULACRA_OPERATOR_IDENTITY,
    SIMULACRA_STORE, SIMULACRA_KEYS, SIMULACRA_STORE_TAKE_OVER, SIMULACRA_WEBHOOK_ALLOW_PRIVATE (true or false),
    SIMULACRA_NAMESPACES (separated by commas), SIMULACRA_AUDIENCE, SIMULACRA_AUTH0_*, and those of `pod_access`
    and `placement`.

    Raises:
        OperatorSettingsError: naming the variable that is malformed.
    """
    host, _, port = env.get(LISTEN_VARIABLE, "127.0.0.1:8081").rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise OperatorSettingsError(
            f"{LISTEN_VARIABLE} is malformed: set it to host:port, for example 127.0.0.1:8081"
        )
    try:
        auth0 = Auth0Settings.from_env(env, env.get(AUDIENCE_VARIABLE) or DEFAULT_AUDIENCE)
        pod_access, placement = PodAccess.from_env(env), Placement.from_env(env)
        if take_over := env.get(TAKE_OVER_VARIABLE) or None:
            check_installation(take_over)
        scope, webhooks_allow_private = (
            Scope.parse(env.get(NAMESPACES_VARIABLE, "")),
            allows_private(env),
        )
    except ValueError as error:
        raise OperatorSettingsError(str(error)) from None
    return Settings(
        trainer_image=env.get(IMAGE_VARIABLE) or "simulacra/trainer:dev",
        pod_env=tuple((name, env[name]) for name in (STORE_VARIABLE, KEYS_VARIABLE) if name in env),
        host=host,
        port=int(port),
        identity=env.get(IDENTITY_VARIABLE) or socket.gethostname(),
        webhooks_allow_private=webhooks_allow_private,
        auth0=auth0,
        pod_access=pod_access,
        own_buckets=own_buckets(env),
        scope=scope,
        placement=placement,
        take_over=take_over,
    )
