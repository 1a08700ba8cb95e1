"""Entry point of the operator: `python -m simulacra_operator`."""

import asyncio
import ctypes
import logging
import os
import sys
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from simulacra_crds import logs
from simulacra_custody.core_dumps import forbid_core_dumps
from simulacra_custody.errors import SettingsError, StoreForeign
from simulacra_custody.wiring import open_audit, open_certificates, open_custody
from simulacra_operator import health
from simulacra_operator.runtime import kopf_setup
from simulacra_operator.runtime.audit_guard import AuditGuard
from simulacra_operator.runtime.controller import Controller
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.runtime.leadership import Leadership, LeadershipLost
from simulacra_operator.runtime.metered_client import MeteredCluster
from simulacra_operator.runtime.store_claim import StoreClaim
from simulacra_operator.settings import OperatorSettingsError, Settings, read_settings
from simulacra_operator.tasks import cleanup, watchers
from simulacra_operator.tasks.canary.task import Canary
from simulacra_operator.tasks.live_keys import LiveKeyPublication
from simulacra_operator.tasks.periodic import Periodic
from simulacra_operator.tasks.rotation import Rotation
from simulacra_operator.tasks.sweep import Sweep
from simulacra_operator.tasks.webhooks.delivery import WebhookDelivery

log = logging.getLogger("simulacra_operator")
M_ARENA_MAX = -8
"""From malloc.h."""
Run = Coroutine[Any, Any, None]


async def operate(settings: Settings, custody: CustodyClient) -> None:
    """Stand by until this process leads, then run until a signal or until one task ends."""
    cluster = (await MeteredCluster.connect()).within(settings.scope)
    controller = Controller(cluster, custody, settings, cluster.now)
    sweep = Sweep(controller)
    leadership = Leadership(cluster, settings.identity)
    claim = StoreClaim(cluster, custody, settings.take_over)
    runner, port = await health.serve(settings, sweep, leadership, claim)
    log.info("started", extra={"host": settings.host, "port": port})
    try:
        await claim.acquire()
        await leadership.acquire()
        tasks = (leadership.hold(), claim.hold(), controller.run(), sweep.run())
        await _lead(controller, (*tasks, *_periodic_tasks(controller, settings, sweep)))
    finally:
        await leadership.release()
        await runner.cleanup()
        await cluster.close()
        custody.close()


def _periodic_tasks(controller: Controller, settings: Settings, sweep: Sweep) -> list[Run]:
    """Return the periodic tasks besides the sweep, with their pauses in seconds."""
    cluster, custody, scope = controller.cluster, controller.custody, controller.scope
    private = settings.webhooks_allow_private
    orphans = partial(cleanup.erase_orphans, cluster, custody, scope)
    tombstones = partial(cleanup.delete_tombstones, cluster, controller.now)
    notices = partial(cleanup.delete_notices, cluster, controller.now)
    guard = AuditGuard(cluster, custody, controller.signing_keys, settings.audit_days)
    live_keys = LiveKeyPublication(sweep, custody, controller.signing_keys)
    certificates = partial(cleanup.sweep_certificates, custody)
    requests = partial(watchers.poll_access_requests, controller)
    tenants = partial(watchers.watch_tenants, controller)
    tasks = [
        Rotation(controller).run(),
        WebhookDelivery(cluster, custody, allow_private=private).run(),
        Periodic("checkpoint", 5.0, guard.sign).run(),
        Periodic("audit check", 1.0, guard.check).run(),
        Periodic("audit pruning", 60.0, guard.prune).run(),
        Periodic("live key publication", 10.0, live_keys.step).run(),
        Periodic("access request poll", 300.0, requests).run(),
        Periodic("orphan cleanup", 600.0, orphans).run(),
        Periodic("tombstone cleanup", 600.0, tombstones).run(),
        Periodic("notice cleanup", 3600.0, notices).run(),
        Periodic("certificate cleanup", 3600.0, certificates).run(),
    ]
    for namespace in scope.each():
        jobs = partial(watchers.watch_jobs, controller, namespace)
        tasks.append(Periodic("job watch", 5.0, jobs).run())
    if settings.canary.minutes and scope.everywhere:
        canary = Canary(cluster, custody, controller.signing_keys, settings.canary, controller.now)
        tasks.append(Periodic("canary", 15.0, canary.step).run())
    if not scope.everywhere:
        tasks.append(Periodic("tenant watch", 5.0, tenants).run())
    return tasks


async def _lead(controller: Controller, coroutines: tuple[Run, ...]) -> None:
    """Run kopf and the tasks until one of them ends."""
    stop = asyncio.Event()
    tasks = [asyncio.create_task(one) for one in coroutines]

    def end_tasks() -> None:
        for task in tasks:
            task.cancel()

    watching = asyncio.create_task(kopf_setup.run(controller, stop, end_tasks))
    try:
        await asyncio.wait([watching, *tasks], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        end_tasks()
        results = await asyncio.gather(watching, *tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


def _limit_arenas() -> None:
    """Limit glibc's malloc to two arenas, else each of custody's threads keeps one of its own.

    The same as MALLOC_ARENA_MAX=2; no effect with another C library. Source: mallopt(3).
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def main() -> int:
    """Read the settings and run.

    Returns:
        2 when a setting is missing or malformed, 1 when the operator failed or another one leads
        (the process manager starts it again), else 0.
    """
    # kopf calls getpass, which fails where the uid has no passwd entry
    os.environ.setdefault("LOGNAME", "simulacra")
    logs.configure(os.environ)
    _limit_arenas()
    forbid_core_dumps()
    try:
        settings = read_settings(os.environ)
        custody = CustodyClient(open_custody(), open_audit(), open_certificates())
    except (OperatorSettingsError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        asyncio.run(operate(settings, custody))
    except LeadershipLost:
        log.warning("leadership lost")
        return 1
    except StoreForeign as error:
        log.error("store no longer this installation's", extra={"detail": str(error)})
        return 1
    except Exception:
        log.exception("operator failed")  # the formatter drops the exception's message
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
