"""Starts the operator: `python -m simulacra_operator`."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import sys
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any, Never

from simulacra_custody.errors import SettingsError, StoreForeign
from simulacra_custody.wiring import open_audit, open_certificates, open_custody
from simulacra_operator import health, logs
from simulacra_operator.kinds.access_request import poller
from simulacra_operator.kinds.tenant import watcher as tenants
from simulacra_operator.runtime import kopf_setup
from simulacra_operator.runtime.controller import Engine
from simulacra_operator.runtime.custody_client import Custodian
from simulacra_operator.runtime.leadership import Leadership, LeadershipLost
from simulacra_operator.runtime.scope import ScopedCluster
from simulacra_operator.runtime.store_claim import Ownership
from simulacra_operator.settings import OperatorSettingsError, Settings, read_settings
from simulacra_operator.tasks import checkpoints, orphans, tombstones
from simulacra_operator.tasks.rotation import Rotation
from simulacra_operator.tasks.sweep import Sweep
from simulacra_operator.tasks.webhooks.delivery import WebhookDuty

log = logging.getLogger("simulacra_operator")
M_ARENA_MAX = -8
"""Of malloc.h."""


async def operate(settings: Settings, custodian: Custodian) -> None:
    """Stand by until the Lease is ours, then run until SIGTERM or SIGINT; one part that ends ends the process."""
    cluster = (await ScopedCluster.connect()).within(settings.scope)
    engine = Engine(cluster, custodian, settings, cluster.now)
    sweep, leadership = Sweep(engine), Leadership(cluster, settings.identity)
    ownership = Ownership(cluster, custodian, settings.take_over)
    runner, port = await health.serve(settings, sweep, leadership, ownership)
    logs.log_started(settings.host, port)
    try:
        await ownership.acquire()
        await leadership.acquire()
        await _lead(engine, sweep, (leadership.hold(), ownership.hold()), settings)
    finally:
        await leadership.release()
        await runner.cleanup()
        await cluster.close()
        custodian.close()


async def _lead(
    engine: Engine, sweep: Sweep, holding: Iterable[Coroutine[Any, Any, Never]], settings: Settings
) -> None:
    """Do every duty until one of them ends; `holding` are those that end when this process may not act any more."""
    cluster, custodian, stop = engine.cluster, engine.custodian, asyncio.Event()
    duties = (
        *holding,
        engine.run(),
        sweep.run(),
        tenants.run(engine),
        orphans.run(engine.cluster, custodian, settings.scope),
        poller.run(engine),
        tombstones.run(cluster, cluster.now),
        checkpoints.run(engine),
        Rotation(engine).run(),
        WebhookDuty(engine.cluster, custodian, allow_private=settings.webhooks_allow_private).run(),
    )
    working = [asyncio.create_task(duty) for duty in duties]

    def end_work() -> None:
        for part in working:
            part.cancel()

    watching = asyncio.create_task(kopf_setup.run(engine, stop, end_work))
    try:
        await asyncio.wait([watching, *working], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        end_work()
        results = await asyncio.gather(watching, *working, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


def _share_arenas() -> None:
    """Let glibc's malloc keep two arenas, not eight a core: the threads of custody would each keep one of their own.

    The same as MALLOC_ARENA_MAX=2; nothing where the C library has no such thing. Source: mallopt(3).
    """
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


def main() -> int:
    """Read the settings and run; the exit code is 2 when a setting is missing or malformed,
    1 when a part of the operator failed or another operator leads: whatever started it starts it again.
    """
    os.environ.setdefault(
        "LOGNAME", "simulacra"
    )  # kopf asks getpass, which dies where the uid has no passwd entry
    logs.configure()
    _share_arenas()
    try:
        settings = read_settings(os.environ)
        custodian = Custodian(
            open_custody(os.environ), open_audit(os.environ), open_certificates(os.environ)
        )
    except (OperatorSettingsError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        asyncio.run(operate(settings, custodian))
    except LeadershipLost:
        log.warning("another operator leads: this one ends")
        return 1
    except StoreForeign as error:
        log.error("the store is not ours any more: this one ends", extra={"what": str(error)})
        return 1
    except Exception:
        log.exception(
            "the operator ends on a fault"
        )  # the formatter leaves out what the exception says
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
