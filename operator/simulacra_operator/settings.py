"""Settings of the operator, read from its environment once at startup."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from simulacra_crds.auth0 import AUDIENCE_VARIABLE, DEFAULT_AUDIENCE, Auth0Settings
from simulacra_crds.kinds.model import ModelResources
from simulacra_crds.logs import FORMAT_VARIABLE, LEVEL_VARIABLE
from simulacra_crds.webhook import allows_private
from simulacra_custody.audit.cuts import DEFAULT_DAYS
from simulacra_custody.errors import SettingsError
from simulacra_custody.stores.owner import TAKE_OVER_VARIABLE, check_installation
from simulacra_custody.wiring import KEYS_VARIABLE, STORE_VARIABLE, audit_days, own_buckets
from simulacra_operator.observed.placement import Placement
from simulacra_operator.pod_access import PodAccess
from simulacra_operator.scope import NAMESPACES_VARIABLE, Scope

IMAGE_VARIABLE = "SIMULACRA_TRAINER_IMAGE"
VARIANT_VARIABLE = "SIMULACRA_TRAINER_VARIANT"
LISTEN_VARIABLE = "SIMULACRA_OPERATOR_LISTEN"
IDENTITY_VARIABLE = "SIMULACRA_OPERATOR_IDENTITY"
_OF_PODS = (STORE_VARIABLE, KEYS_VARIABLE, LEVEL_VARIABLE, FORMAT_VARIABLE)
"""Variables of the operator that its pods get as well."""
CANARY_VARIABLE = "SIMULACRA_CANARY_MINUTES"
CANARY_FILES_VARIABLE = "SIMULACRA_CANARY_FILES"


class OperatorSettingsError(Exception):
    """A variable is malformed; the message names it and a valid form."""


@dataclass(frozen=True)
class CanarySettings:
    """When the canary runs, and where on this machine it looks for its marks.

    Attributes:
        minutes: pause between two runs; 0: no canary.
        files: paths or globs by the name of the place.
    """

    minutes: int = 0
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the variables. Raises ValueError."""
        minutes = env.get(CANARY_VARIABLE) or "0"
        if not (minutes.isascii() and minutes.isdigit()):
            raise ValueError(f"{CANARY_VARIABLE} is malformed: set it to minutes, for example 60")
        pairs = [one.partition("=") for one in env.get(CANARY_FILES_VARIABLE, "").split(":") if one]
        return cls(int(minutes), {name: path for name, _, path in pairs})


@dataclass(frozen=True)
class Settings:
    """The operator's settings.

    Attributes:
        trainer_image: image of the Jobs' containers.
        pod_env: variables of every pod, so that it uses the same store and keys.
        host: address of health and metrics.
        port: its port; 0 picks a free one.
        identity: holder name of the Lease; a process with the same name takes over at once.
        webhooks_allow_private: whether webhooks may use http and private addresses.
        auth0: identity provider that creates clients; None: the built-in issuer accepts any.
        pod_access: how pods reach the store and the keys.
        own_buckets: buckets of this installation's stores, which no Dataset may be read from.
        placement: nodes and queue of the pods.
        take_over: the installation whose store this one may take over.
        lacks_torch: whether the trainer's image is the one for CPUs, without the neural engine.
        audit_days: for how many days audit records are kept.
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
    canary: CanarySettings = field(default_factory=CanarySettings)
    lacks_torch: bool = False
    audit_days: int = DEFAULT_DAYS


def read_settings(env: Mapping[str, str]) -> Settings:
    """Read all settings; docs/reference/settings.md lists the variables.

    Raises:
        OperatorSettingsError: a variable is malformed; the message names it.
    """
    host, _, port = env.get(LISTEN_VARIABLE, "127.0.0.1:8081").rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise OperatorSettingsError(
            f"{LISTEN_VARIABLE} is malformed: set it to host:port, for example 127.0.0.1:8081"
        )
    take_over = env.get(TAKE_OVER_VARIABLE) or None
    try:
        if take_over is not None:
            check_installation(take_over)
        return Settings(
            trainer_image=env.get(IMAGE_VARIABLE) or "simulacra/trainer:dev",
            pod_env=tuple((name, env[name]) for name in _OF_PODS if name in env),
            host=host,
            port=int(port),
            identity=env.get(IDENTITY_VARIABLE) or socket.gethostname(),
            webhooks_allow_private=allows_private(env),
            auth0=Auth0Settings.from_env(env, env.get(AUDIENCE_VARIABLE) or DEFAULT_AUDIENCE),
            pod_access=PodAccess.from_env(env),
            own_buckets=own_buckets(env),
            scope=Scope.parse(env.get(NAMESPACES_VARIABLE, "")),
            placement=Placement.from_env(env),
            take_over=take_over,
            canary=CanarySettings.from_env(env),
            lacks_torch=env.get(VARIANT_VARIABLE) == "cpu",
            audit_days=audit_days(env),
        )
    except (ValueError, SettingsError) as error:
        raise OperatorSettingsError(str(error)) from None
