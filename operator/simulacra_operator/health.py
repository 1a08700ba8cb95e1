"""Liveness, readiness and metrics over HTTP, on an address that the settings name (loopback unless told otherwise)."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from simulacra_operator import metrics
from simulacra_operator.runtime.leadership import Leadership
from simulacra_operator.runtime.store_claim import Ownership
from simulacra_operator.settings import Settings
from simulacra_operator.tasks.sweep import STALLED_S, Sweep


async def serve(
    settings: Settings, sweep: Sweep, leadership: Leadership, ownership: Ownership
) -> tuple[web.AppRunner, int]:
    """Start serving; return what to clean up at the end, and the port.

    A process that stands by is alive and ready; one whose store is another installation's is alive.
    """

    async def health(request: web.Request) -> web.Response:
        if ownership.refused is not None:
            body = {"leading": False, "store": ownership.refused}
            return web.json_response(body, status=200 if request.path == "/livez" else 503)
        if not leadership.leading:
            return web.json_response({"leading": False})
        fit = sweep.still_s < STALLED_S and (sweep.completed or request.path == "/livez")
        facts = {"leading": True, "sweepAgeSeconds": round(sweep.age_s, 1)}
        return web.json_response(facts, status=200 if fit else 503)

    async def exposition(request: web.Request) -> web.Response:
        metrics.SWEEP_AGE.set(sweep.age_s if leadership.leading else 0)
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes(
        [web.get("/livez", health), web.get("/readyz", health), web.get("/metrics", exposition)]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port)
    await site.start()
    return runner, runner.addresses[0][1]
