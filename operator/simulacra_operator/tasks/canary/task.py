"""The canary's task: a run now and then, the search for its marks, and the result on record."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from simulacra_crds.kube import client as kube
from simulacra_crds.kube.client import ApiResource, Cluster
from simulacra_custody.audit.event import Counts, EventType, Outcome
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.errors import CustodyError
from simulacra_operator import metrics
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.runtime.signing_keys import SigningKeys
from simulacra_operator.settings import CanarySettings
from simulacra_operator.tasks.canary.marks import Marks
from simulacra_operator.tasks.canary.places import (
    LogWatch,
    NotSearched,
    Searched,
    Tally,
    search_files,
    search_kind,
    search_metrics,
    search_store,
)
from simulacra_operator.tasks.canary.record import (
    TENANT,
    CanaryRecord,
    CanaryResult,
    Verdict,
    judge,
    open_leaks,
)
from simulacra_operator.tasks.canary.run import CanaryFailed, CanaryRun

log = logging.getLogger(__name__)
KINDS: tuple[ApiResource, ...] = (
    kube.TENANTS,
    *kube.WORK_RESOURCES,
    kube.JOBS,
    kube.PODS,
    kube.CONFIGMAPS,
    kube.EVENTS,
)
LIFE_S = 1200.0
"""A run that takes longer has failed."""
FILES = ("scratch", "process logs", "control plane database")
"""Places that are files of a node; not searched unless their paths are given."""
_DELETION = "deletion"
_OUTCOMES = {
    Verdict.CLEAN: Outcome.SUCCESS,
    Verdict.PARTLY_SEARCHED: Outcome.REFUSED,
    Verdict.LEAK: Outcome.FAILED,
    Verdict.FAILED: Outcome.FAILED,
}


class Canary:
    """Runs the canary, one run at a time. Create it inside its event loop."""

    def __init__(
        self,
        cluster: Cluster,
        custody: CustodyClient,
        signing_keys: SigningKeys,
        settings: CanarySettings,
        now: Callable[[], datetime],
    ) -> None:
        self._cluster = cluster
        self._custody = custody
        self._signing_keys = signing_keys
        self._settings = settings
        self._now = now
        self._record = CanaryRecord(cluster)
        self._ended: datetime | None = None

    async def step(self) -> None:
        """Run once and record the result, if a run is due or asked for."""
        keys = await self._signing_keys.keys()
        results, asked = await self._record.find(keys)
        measure(results)
        ended = max(
            (one for one in (self._ended, *(r.ended for r in results[:1])) if one), default=None
        )
        due = ended is None or self._now() >= ended + timedelta(minutes=self._settings.minutes)
        if not due and not asked:
            return
        result = await self._run(expire=bool(results) and results[0].erased_by == _DELETION)
        # Remembered first: a record that cannot be written must not cause one run after another.
        self._ended = result.ended
        await self._tell(keys, (result, *results))

    async def _run(self, *, expire: bool) -> CanaryResult:
        marks, started = Marks.new(), self._now()
        watch = LogWatch(marks.needles)
        logging.getLogger().addHandler(watch)
        detail = ""
        places: tuple[Searched, ...] = ()
        try:
            async with asyncio.timeout(LIFE_S):
                await CanaryRun(self._cluster, self._custody, marks).run(expire=expire)
            places = await self.search(marks, started, watch)
        except (CanaryFailed, TimeoutError) as error:
            detail = str(error) or "it took too long"
        except (kube.ClusterError, CustodyError) as error:
            detail = f"a dependency failed ({type(error).__name__})"
        finally:
            logging.getLogger().removeHandler(watch)
        return CanaryResult(
            started=started,
            ended=self._now(),
            erased_by="expiry" if expire else _DELETION,
            verdict=Verdict.FAILED if detail else judge(places),
            detail=detail,
            places=places,
        )

    async def search(
        self, marks: Marks, started: datetime, watch: LogWatch
    ) -> tuple[Searched, ...]:
        """Look for the marks in every place; one that cannot be read does not end the search."""
        since = started.timestamp()
        stores = {"store": self._custody.service.store, "audit log": self._custody.audit_store}
        searches: dict[str, Callable[[Tally], Awaitable[None]]] = {
            name: partial(self._in_thread, partial(search_store, store, since))
            for name, store in stores.items()
        }
        for kind in KINDS:
            searches[f"control plane: {kind.plural}"] = partial(search_kind, self._cluster, kind)
        for name in FILES:
            path = self._settings.files.get(name)
            searches[name] = partial(self._search_files, path, since)
        searches["operator log"] = partial(self._in_thread, watch.search)
        searches["operator metrics"] = partial(self._in_thread, search_metrics)
        return tuple([await _search(name, one, marks) for name, one in searches.items()])

    async def _in_thread(self, search: Callable[[Tally], None], tally: Tally) -> None:
        await self._custody.run("searchMarks", search, tally)

    async def _search_files(self, path: str | None, since: float, tally: Tally) -> None:
        if path is None:
            raise NotSearched("out of the operator's reach")
        await self._in_thread(partial(search_files, path, since), tally)

    async def _tell(self, keys: InstallationKeys, results: tuple[CanaryResult, ...]) -> None:
        """Write the result to log, metrics, record and audit log."""
        result = results[0]
        leaks, unsearched = result.named(found=True), result.named(found=False)
        metrics.CANARY_LIVES.labels(result.verdict).inc()
        measure(results)
        level = logging.INFO if result.verdict == Verdict.CLEAN else logging.WARNING
        fields = {"verdict": str(result.verdict), "leaks": leaks, "unsearched": unsearched}
        log.log(level, "canary run ended", extra={**fields, "detail": result.detail})
        counts = Counts(
            objects=sum(one.items for one in result.places),
            bytes=sum(one.bytes for one in result.places),
        )
        outcome = _OUTCOMES[result.verdict]
        event = EventType.CANARY_SEARCHED
        await self._custody.record(event, TENANT, counts=counts, outcome=outcome)
        await self._record.save(keys, results)
        await self._record.show(results)


def measure(results: Sequence[CanaryResult]) -> None:
    """Set the gauges, also after a restart; a run that failed changes none of them.

    If every recorded run failed, the first of them is where the silence began.
    """
    ended = next((one for one in results if one.verdict != Verdict.FAILED), None)
    if ended is not None:
        metrics.CANARY_LEAKS.set(len(open_leaks(results)))
        metrics.CANARY_UNSEARCHED.set(sum(one.unsearched is not None for one in ended.places))
        metrics.CANARY_ENDED.set(ended.ended.timestamp())
    elif results:
        metrics.CANARY_ENDED.set(results[-1].started.timestamp())


async def _search(place: str, search: Callable[[Tally], Awaitable[None]], marks: Marks) -> Searched:
    tally = Tally(marks.needles)
    try:
        await search(tally)
    except NotSearched as error:
        return tally.result(place, str(error))
    except kube.ClusterError as error:
        return tally.result(place, f"the API server answered {error.status}")
    except CustodyError as error:
        return tally.result(place, f"it cannot be read ({type(error).__name__})")
    return tally.result(place)
