"""Liveness, readiness and metrics over HTTP."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from simulacra_operator import metrics
from simulacra_operator.runtime.leadership import Leadership
from simulacra_operator.runtime.store_claim import StoreClaim
from simulacra_operator.settings import Settings
from simulacra_operator.tasks.sweep import STALLED_S, Sweep


async def serve(
    settings: Settings, sweep: Sweep, leadership: Leadership, claim: StoreClaim
) -> tuple[web.AppRunner, int]:
    """Start serving; return the runner to clean up, and the port.

    A standby is live and ready. A process whose store belongs to another installation is live.
    """

    async def health(request: web.Request) -> web.Response:
        live = request.path == "/livez"
        if claim.refused is not None:
            body = {"leading": False, "store": claim.refused}
            return web.json_response(body, status=200 if live else 503)
        if not leadership.leading:
            return web.json_response({"leading": False})
        healthy = sweep.idle_s < STALLED_S and (sweep.completed or live)
        facts = {"leading": True, "sweepAgeSeconds": round(sweep.age_s, 1)}
        return web.json_response(facts, status=200 if healthy else 503)

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
