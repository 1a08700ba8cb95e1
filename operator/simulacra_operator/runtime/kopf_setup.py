"""kopf as this operator uses it: it watches, keeps our finalizer and calls; all decisions are the engine's.

kopf's defaults would collide with other operators (finalizer, annotations, peering) and would copy each spec, with the
conditions that a customer asks for, into an annotation: nothing of that is kept here.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import kopf

from simulacra_crds.kinds.base import FINALIZER, GROUP

# Importing them registers their handlers.
from simulacra_operator.kinds.access_request import handlers as _accessrequest  # noqa: F401
from simulacra_operator.kinds.dataset import handlers as _dataset  # noqa: F401
from simulacra_operator.kinds.effect_estimate import handlers as _effectestimate  # noqa: F401
from simulacra_operator.kinds.generation_job import handlers as _generationjob  # noqa: F401
from simulacra_operator.kinds.model import handlers as _model  # noqa: F401
from simulacra_operator.runtime.controller import Engine
from simulacra_operator.runtime.scope import Scope
from simulacra_operator.work import handlers as _work  # noqa: F401


class NothingStored(kopf.DiffBaseStorage):
    """Remembers no spec: there are no handlers of differences, and each object equals what was last seen."""

    def build(self, **_: Any) -> Any:
        """Return the essence of an object: nothing."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return the essence last seen: nothing."""
        return {}

    def store(self, **_: Any) -> None:
        """Keep nothing."""


class Patience:
    """Delays in seconds between tries of a request: without end, so that an outage of the API server is waited out."""

    def __iter__(self) -> Iterator[float]:
        """Return the delays of one request."""
        return itertools.chain((0.5, 1.0, 2.0), itertools.repeat(4.0))


def configure(settings: kopf.OperatorSettings, scope: Scope) -> None:
    """Make kopf's settings ours. With listed namespaces it looks for no others, and for no definitions."""
    settings.scanning.disabled = not scope.everywhere
    settings.persistence.finalizer = FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(
        prefix=f"operator.{GROUP}", v1=False
    )
    settings.persistence.diffbase_storage = NothingStored()
    settings.posting.enabled = False  # ours are in `events`: they carry no free text
    settings.watching.server_timeout = 300  # an integer: the API server refuses 300.0
    settings.watching.connect_timeout = 10.0
    settings.queueing.idle_timeout = (
        1.0  # each object that had an event so lately holds a task and its last state
    )
    settings.queueing.exit_timeout = (
        0.5  # a deletion that waits is taken up again at the next start
    )
    settings.networking.request_timeout = 30.0
    settings.networking.error_backoffs = Patience()


@kopf.on.login()
def login(**kwargs: Any) -> Any:
    """Log in as the pod's service account, or as the kubeconfig says; the same order as our own client."""
    return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)


@kopf.on.cleanup()
async def cleanup(memo: Any, **_: Any) -> None:
    """End the operator's own tasks first: kopf takes them for hung ones of its own and waits five seconds."""
    memo.ended()


async def run(engine: Engine, stop: asyncio.Event, ended: Callable[[], None]) -> None:
    """Run kopf until `stop` is set, or a SIGTERM or SIGINT; call `ended` before the end."""
    scope = engine.scope
    if scope.everywhere:  # else `tenant.duty` watches the Tenants that are served
        from simulacra_operator.kinds.tenant import handlers as _tenant  # noqa: F401
    settings = kopf.OperatorSettings()
    configure(settings, scope)
    await kopf.operator(
        settings=settings,
        memo=kopf.Memo(engine=engine, ended=ended),
        clusterwide=scope.everywhere,
        namespaces=scope.namespaces,
        standalone=True,
        stop_flag=stop,
    )
