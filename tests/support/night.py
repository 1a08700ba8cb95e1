"""A night of an installation: customers who ask without a pause, and what it says of each fault."""

from __future__ import annotations

import csv
import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2

from helm_chart import SYSTEM
from installation import SURVEY, eventually
from node import Node
from node_servers import HOME
from prometheus import ALERTS, Prometheus, quick_rules
from simulacra import ApiError, Client, JobFailed
from simulacra_crds.kinds.base import LABEL_KIND

COLUMNS = ("female", "education_years", "happiness", "tv_hours")
TABLE_ROWS, ROWS = 400, 200
SPEED = 10
"""Factor of the durations in the second set of rules: five hours in half an hour."""
QUICK = "Night"
"""Begins the names of the second set's alerts."""
EXPLAINED_S = 60.0
WORK = "datasets,models,generationjobs,effectestimates,segmentestimates,answersheets"
_READY = '{.status.conditions[?(@.type=="Ready")]'
_SHOWN = " ".join(
    (
        "{.kind} {.metadata.namespace}/{.metadata.name}:",
        _READY + ".status}",
        _READY + ".reason};",
        _READY + ".message};",
        "last failure: {.status.lastFailure.reason} {.status.lastFailure.message}",
    )
)
STATUS = "{range .items[*]}" + _SHOWN + '{"\\n"}{end}'


def small_table(path: Path) -> Path:
    """Write the first rows of four columns of the survey."""
    with SURVEY.open(newline="") as source, path.open("w", newline="") as few:
        out = csv.DictWriter(few, COLUMNS, extrasaction="ignore")
        out.writeheader()
        out.writerows(itertools.islice(csv.DictReader(source), TABLE_ROWS))
    return path


@dataclass(frozen=True)
class Asked:
    """One accepted request; `ask` makes it again under another idempotency key."""

    client: Client
    kind: str
    resource: str
    job: str
    ask: Callable[[str], Any]


@dataclass
class Load:
    """Each customer asks for one thing after the other, in its own thread, until told to stop.

    A request that the service cannot take is repeated with its key, as a customer's program does.

    Attributes:
        table: what every customer uploads.
        asked: the accepted requests.
        repeats: refusals after which a request was repeated.
    """

    table: Path
    pause_s: float
    asked: list[Asked] = field(default_factory=list)
    repeats: list[str] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, customers: list[Client], limit: int) -> Iterator[Load]:
        """Ask until the block ends, or for `limit` requests of each customer at most."""
        threads = [
            threading.Thread(target=self._customer, args=(one, f"{at}", limit), daemon=True)
            for at, one in enumerate(customers)
        ]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join(300)

    def resources(self) -> int:
        """Return how many resources the requests made; an upload makes a Dataset and a Model."""
        return sum(2 if one.kind == "dataset" else 1 for one in list(self.asked))

    def _customer(self, client: Client, name: str, limit: int) -> None:
        dataset = ""
        try:
            for at in range(limit):
                if self._stop.is_set():
                    return
                if at % 25 == 0:
                    dataset = self._upload(client, f"{name}-{at}")
                else:
                    self._ask(client, dataset, at, f"{name}-{at}")
                self._stop.wait(self.pause_s)
        except BaseException as error:
            self.errors.append(error)
            raise

    def upload(self, client: Client, name: str) -> Asked:
        """Upload the table, and do not wait for its model."""
        made = self._made(client, name)
        self.asked.append(made)
        return made

    def _made(self, client: Client, name: str) -> Asked:
        upload = lambda key: client.upload(self.table, family="forest", key=key)  # noqa: E731
        return self.ask(client, "dataset", upload, f"night-upload-{name}")

    def _upload(self, client: Client, name: str) -> str:
        for attempt in range(3):
            made = self._made(client, f"{name}-{attempt}")
            with suppress(JobFailed):  # an outage outlasted its attempts
                client.wait(made.job, timeout=900, away_seconds=600)
                self.asked.append(made)
                return made.resource
            client.delete_dataset(made.resource, timeout=300)
        raise AssertionError("three uploads failed")

    def _ask(self, client: Client, dataset: str, at: int, name: str) -> None:
        effect = {"treatment": "education_years", "value": 16, "baseline": 12}
        levers = [{"column": "education_years"}]
        ask: Callable[[str], Any]
        if at % 50 == 5:
            kind = "sheet"
            ask = lambda key: client.ask_sheet(dataset, outcome="tv_hours", levers=levers, key=key)  # noqa: E731
        elif at % 20 == 8:
            kind = "segment"
            ask = lambda key: client.boost(dataset, {"happiness": []}, ["female"], key=key)  # noqa: E731
        elif at % 6 == 3:
            kind = "effect"
            ask = lambda key: client.estimate(dataset, **effect, outcome="tv_hours", key=key)  # noqa: E731
        else:
            kind = "generation"
            ask = lambda key: client.generate(dataset, ROWS, seed=at, key=key)  # noqa: E731
        self.asked.append(self.ask(client, kind, ask, f"night-ask-{name}"))

    def ask(self, client: Client, kind: str, ask: Callable[[str], Any], key: str) -> Asked:
        """Make a request until it is accepted."""
        made = self.taken(lambda: ask(key))
        return Asked(client, kind, made[f"{kind}_id"], made["job_id"], ask)

    def taken(self, ask: Callable[[], Any], seconds: float = 600) -> Any:
        """Return the answer of a request, repeated while the service is away or full."""
        end = time.monotonic() + seconds
        while True:
            try:
                return ask()
            except (ApiError, httpx2.TransportError) as error:
                known = isinstance(error, ApiError) and error.status < 500
                if (
                    known and error.status not in (402, 403, 408, 409, 429)
                ) or time.monotonic() > end:
                    raise
                self.repeats.append(getattr(error, "code", type(error).__name__))
                time.sleep(3)


@dataclass
class Told:
    """What was said of one event: the words and after how many seconds, by place."""

    event: str
    began: float
    ended: float = 0.0
    started: float = field(default_factory=time.time)
    """When its cause was set; `began` may be later: when the first place can say it."""
    places: dict[str, tuple[float, str]] = field(default_factory=dict)
    expected: tuple[str, ...] = ()
    """Alerts of the second set that the event may cause."""


class Night:
    """The installation as its platform engineer sees it: kubectl, logs and alerts."""

    def __init__(self, node: Node, prometheus: Prometheus) -> None:
        self.node, self.prometheus = node, prometheus
        self.events: list[Told] = []

    @contextmanager
    def event(self, what: str, *expected: str) -> Iterator[Told]:
        """Note an event from its begin until the block ends."""
        told = Told(what, time.time(), expected=tuple(f"{QUICK}{one}" for one in expected))
        self.events.append(told)
        yield told
        told.ended = time.time()

    def explains(self, told: Told, **looks: Callable[[], str]) -> None:
        """Wait until each place says something, a minute at most each since the event began."""
        left = dict(looks)
        while left:
            for place, look in list(left.items()):
                if said := look():
                    told.places[place] = (time.time() - told.began, " ".join(said.split())[:300])
                    del left[place]
            if time.time() - told.began > EXPLAINED_S + 30:
                break
            time.sleep(1)
        told.places |= dict.fromkeys(left, (float("inf"), "nothing"))

    def status(self, *words: str, kinds: str = WORK) -> Callable[[], str]:
        """Return what gives the first line of unfinished resources' states with all words."""

        def look() -> str:
            lines = self.node.kubectl("get", kinds, "-A", "-o", f"jsonpath={STATUS}").splitlines()
            waiting = [one for one in lines if ": True " not in one]
            return next((one for one in waiting if all(word in one for word in words)), "")

        return look

    def logged(self, told: Told, component: str, *words: str) -> Callable[[], str]:
        """Return what gives the first line of a component's log with all words, since the event."""
        since = datetime.fromtimestamp(told.started, UTC).isoformat(timespec="seconds")

        def look() -> str:
            selector = ("-l", f"app.kubernetes.io/component={component}", "--tail=-1")
            text = self.node.kubectl(
                "logs", "-n", SYSTEM, *selector, f"--since-time={since}", "--prefix", ok=None
            )
            return next(
                (one for one in text.splitlines() if all(word in one for word in words)), ""
            )

        return look

    def alerted(self, name: str) -> Callable[[], str]:
        """Return what gives the summary of a firing alert of the second set."""

        def look() -> str:
            alerts = self.prometheus.ask("alerts")["alerts"]
            return next(
                (
                    f"{name}: {one['annotations']['summary']}"
                    for one in alerts
                    if one["labels"]["alertname"] == f"{QUICK}{name}" and one["state"] == "firing"
                ),
                "",
            )

        return look

    def alerts(self, start: float, end: float, state: str = "firing") -> dict[str, list[float]]:
        """Return when each alert was in a state between two times, to two seconds."""
        span = {"start": f"{start:.0f}", "end": f"{end:.0f}", "step": "2"}
        found: dict[str, list[float]] = {}
        query = f'ALERTS{{alertstate=~"{state}"}}'
        for one in self.prometheus.ask("query_range", query=query, **span)["result"]:
            times = found.setdefault(one["metric"]["alertname"], [])
            times += [float(at) for at, _ in one["values"]]
        return {name: sorted(times) for name, times in found.items()}


def rules(folder: Path) -> list[str]:
    """Return the chart's rules and a second set of them with durations a SPEEDth as long."""
    quick = folder / "night.yaml"
    text = quick_rules(SPEED).replace("- alert: ", f"- alert: {QUICK}")
    # what must happen several times in a range must happen twice in a SPEEDth of it
    text = re.sub(r"(increase\(.*\) > )(\d+)", lambda one: f"{one[1]}{min(int(one[2]), 1)}", text)
    quick.write_text(text.replace("name: simulacra\n", "name: night\n", 1))
    return [str(ALERTS), str(quick)]


@contextmanager
def away(node: Node, server: str) -> Iterator[None]:
    """Take a server of node_servers away: it has no address, and what is connected is cut."""
    selector = '{{"spec": {{"selector": {{"app": "{}"}}}}}}'
    node.kubectl("patch", "service", server, "-n", HOME, "-p", selector.format("nobody"))
    kill = ("exec", "-n", HOME, f"deploy/{server}", "--", "sh", "-c", "kill 1")
    node.kubectl(*kill, ok=None)
    yield
    node.kubectl("rollout", "status", "-n", HOME, f"deploy/{server}", "--timeout=120s")
    node.kubectl("patch", "service", server, "-n", HOME, "-p", selector.format(server))


def holder(node: Node) -> str:
    """Return the pod that the operators' Lease names."""
    path = ("-n", SYSTEM, "-o", "jsonpath={.spec.holderIdentity}")
    return node.kubectl("get", "lease", "simulacra-operator", *path).rpartition("_")[0]


def running_job_pods(node: Node, label: str = LABEL_KIND) -> list[str]:
    """Return the running pods of Jobs with a label."""
    path = "{range .items[?(@.status.phase=='Running')]}{.metadata.name} {end}"
    return node.kubectl("get", "pods", "-A", "-l", label, "-o", f"jsonpath={path}").split()


def wait_for_pods(node: Node, label: str = LABEL_KIND) -> None:
    """Wait until a Job's pod with a label runs, so that an event meets work."""
    eventually(lambda: bool(running_job_pods(node, label)), 120)


def report(night: Night, figures: dict[str, Any]) -> str:
    """Return the events and figures as Markdown."""
    lines = ["| event | place | after s | what it says |", "|---|---|---|---|"]
    for told in night.events:
        for place, (seconds, said) in told.places.items():
            lines.append(f"| {told.event} | {place} | {seconds:.0f} | {said.replace('|', '/')} |")
    return "\n".join([*lines, "", "```", json.dumps(figures, indent=1, default=str), "```", ""])
