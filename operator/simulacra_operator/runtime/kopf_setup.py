"""kopf setup: it watches, keeps our finalizer and calls; the controller decides.

kopf's defaults would collide with other operators (finalizer, annotations, peering) and copy each
spec, with the customer's conditions, into an annotation. This setup avoids both.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import kopf

from simulacra_crds.kinds.access_request import AccessRequest
from simulacra_crds.kinds.base import FINALIZER, GROUP, VERSION, Resource
from simulacra_crds.kinds.tenant import Tenant
from simulacra_crds.registry import WORK
from simulacra_operator.observed.custom_resource import key_of
from simulacra_operator.runtime import event_router
from simulacra_operator.runtime.controller import Controller
from simulacra_operator.scope import Scope

RETRY_S = 5.0
"""When to call a deletion handler again that failed, which only a bug can cause."""


class NoDiffBase(kopf.DiffBaseStorage):
    """Stores no spec: we have no handlers of differences, and no object differs from itself."""

    def build(self, **_: Any) -> Any:
        """Return an empty essence of an object."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return an empty last essence of an object."""
        return {}

    def store(self, **_: Any) -> None:
        """Store nothing."""


class EndlessBackoff:
    """Delays in seconds between attempts of a request, without end: outages are waited out."""

    def __iter__(self) -> Iterator[float]:
        """Return the delays of one request."""
        return itertools.chain((0.5, 1.0, 2.0), itertools.repeat(4.0))


async def changed(memo: Any, body: Any, type: str | None, **_: Any) -> None:  # noqa: A002
    """Route an event of a custom resource."""
    await event_router.changed(memo.controller, body, type)


async def deleted(memo: Any, body: Any, **_: Any) -> None:
    """Keep the finalizer until everything of a resource is erased."""
    try:
        await memo.controller.wait_until_erased(key_of(body), body["metadata"]["uid"])
    except Exception as error:
        raise kopf.TemporaryError(type(error).__name__, delay=RETRY_S) from None


def login(**kwargs: Any) -> Any:
    """Log in by kubeconfig or service account, in the same order as our own client."""
    return kopf.login_with_kubeconfig(**kwargs) or kopf.login_with_service_account(**kwargs)


async def cleanup(memo: Any, **_: Any) -> None:
    """End the operator's tasks first, else kopf waits five seconds for them as its own."""
    memo.end_tasks()


def registry(scope: Scope) -> kopf.OperatorRegistry:
    """Return the handlers of all kinds.

    An AccessRequest owns no bytes, so it needs no finalizer. `tasks.watchers` watches the Jobs, and
    the Tenants where namespaces are listed: kopf would put its finalizer on all of them.
    """
    handlers = kopf.OperatorRegistry()
    guarded: list[type[Resource]] = [info.resource for info in WORK]
    if scope.everywhere:
        guarded.append(Tenant)
    kinds: list[type[Resource]] = [*guarded, AccessRequest]
    for kind in kinds:
        where, name = (GROUP, VERSION, kind.PLURAL), kind.__name__.lower()
        kopf.on.event(*where, id=f"{name}_changed", registry=handlers)(changed)
        if kind in guarded:
            kopf.on.delete(*where, id=f"{name}_deleted", registry=handlers)(deleted)
    kopf.on.login(registry=handlers)(login)
    kopf.on.cleanup(registry=handlers)(cleanup)
    return handlers


def configure(settings: kopf.OperatorSettings, scope: Scope) -> None:
    """Configure kopf. With listed namespaces it scans for no namespaces and definitions."""
    settings.scanning.disabled = not scope.everywhere
    settings.persistence.finalizer = FINALIZER
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(
        prefix=f"operator.{GROUP}", v1=False
    )
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.posting.enabled = False  # `events` emits ours, without free text
    settings.watching.server_timeout = 300  # an integer: the API server rejects 300.0
    settings.watching.connect_timeout = 10.0
    # an object with a recent event holds a task and its last state for this long
    settings.queueing.idle_timeout = 1.0
    # a waiting deletion is resumed at the next start
    settings.queueing.exit_timeout = 0.5
    settings.networking.request_timeout = 30.0
    settings.networking.error_backoffs = EndlessBackoff()


async def run(controller: Controller, stop: asyncio.Event, end_tasks: Callable[[], None]) -> None:
    """Run kopf until `stop` is set or a SIGTERM or SIGINT; call `end_tasks` before the end."""
    scope = controller.scope
    settings = kopf.OperatorSettings()
    configure(settings, scope)
    await kopf.operator(
        registry=registry(scope),
        settings=settings,
        memo=kopf.Memo(controller=controller, end_tasks=end_tasks),
        clusterwide=scope.everywhere,
        namespaces=scope.namespaces,
        standalone=True,
        stop_flag=stop,
    )
