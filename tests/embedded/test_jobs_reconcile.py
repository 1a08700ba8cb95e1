"""`reconcile`: invariants in a simulated cluster under random moves, and single rules."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulacra_embedded.jobs import pods
from simulacra_embedded.jobs.reconcile import BACKOFF_MAX, Plan, reconcile

Object = dict[str, Any]
START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class World:
    """A simulated API server and node with one Job and its pods. Time passes by `tick`."""

    def __init__(self, **spec: Any) -> None:
        containers = [{"name": "main", "image": "i"}]
        template = {"spec": {"restartPolicy": "Never", "containers": containers}}
        self.job: Object = {
            "metadata": {"name": "work", "namespace": "n", "uid": "u"},
            "spec": {"parallelism": 1, "completions": 1, "backoffLimit": 6, "template": template}
            | {"completionMode": "Indexed", "podReplacementPolicy": "Failed"}
            | spec,
        }
        self.pods: dict[str, Object] = {}
        self.now = START
        self.created: list[str] = []

    def step(self, *, crash_after: int | None = None) -> Plan:
        """Run one pass of the controller; `crash_after` limits the number of its writes."""
        plan = reconcile(
            copy.deepcopy(self.job), copy.deepcopy(list(self.pods.values())), self.now, 10 * SECOND
        )
        writes = [lambda pod=pod: self._delete(pod, plan.release) for pod in plan.delete]
        writes += [lambda pod=pod: self._create(pod) for pod in plan.create]
        writes += [lambda: self.job.update(status=copy.deepcopy(plan.status))]
        for write in writes[:crash_after]:
            write()
        return plan

    def _create(self, pod: Object) -> None:
        name = pod["metadata"]["name"]
        assert name not in self.pods, "two pods of one name"
        self.created.append(name)
        meta = pod["metadata"] | {
            "uid": f"{name}-{len(self.created)}",
            "creationTimestamp": pods.format_time(self.now),
        }
        self.pods[name] = pod | {"metadata": meta, "status": {"phase": "Running"}}

    def _delete(self, pod: Object, release: bool) -> None:
        meta = self.pods[pod["metadata"]["name"]]["metadata"]
        meta["deletionTimestamp"] = pods.format_time(self.now)
        if release:
            meta["annotations"] = meta["annotations"] | {pods.RELEASED: "true"}

    def end(self, name: str, code: int, **conditions: str) -> None:
        """Set the status that the node writes at the end of a pod."""
        pod = self.pods[name]
        terminated = {"exitCode": code, "finishedAt": pods.format_time(self.now)}
        pod["status"] = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [{"name": "main", "state": {"terminated": terminated}}],
            "conditions": [{"type": kind, "status": value} for kind, value in conditions.items()],
        }

    def settle(self) -> None:
        """Remove the deleted pods."""
        self.pods = {
            n: p for n, p in self.pods.items() if not p["metadata"].get("deletionTimestamp")
        }

    def live(self) -> list[Object]:
        return [pod for pod in self.pods.values() if not pods.is_finished(pod)]

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def condition(self, kind: str) -> Object | None:
        found = self.job.get("status", {}).get("conditions") or []
        return next((c for c in found if c["type"] == kind and c["status"] == "True"), None)

    @property
    def finished(self) -> bool:
        return bool(self.condition("Complete") or self.condition("Failed"))


MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            [*["step"] * 4, "crash", "succeed", "fail", "disrupt", "settle", "suspend", "resume"]
        ),
        st.integers(0, 12),
    ),
    min_size=15,
    max_size=40,
)
DISRUPTION = {
    "action": "Ignore",
    "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
}


def move(world: World, what: str, number: int) -> None:
    live = world.live()
    pod = live[number % len(live)]["metadata"]["name"] if live else None
    if what in ("step", "crash"):
        world.step(crash_after=number if what == "crash" else None)
    elif what in ("suspend", "resume"):
        world.job["spec"]["suspend"] = what == "suspend"
    elif what == "settle":
        world.settle()
    elif pod:
        conditions = {"DisruptionTarget": "True"} if what == "disrupt" else {}
        world.end(pod, 0 if what == "succeed" else 1, **conditions)
    world.tick(number)


@settings(max_examples=200, deadline=None)
@given(moves=MOVES, parallelism=st.integers(1, 3), completions=st.integers(1, 4))
def test_job_invariants_hold_under_random_moves(
    moves: list[tuple[str, int]], parallelism: int, completions: int
) -> None:
    world = World(
        parallelism=parallelism,
        completions=completions,
        podFailurePolicy={"rules": [DISRUPTION]},
    )
    before: Object = {}
    for what, number in moves:
        move(world, what, number)
        status = world.job.get("status", {})
        live = world.live()
        assert len(live) <= parallelism
        indexes = [pods.index_of(pod) for pod in live]
        assert len(set(indexes)) == len(indexes), "two live pods for one index"
        assert status.get("succeeded", 0) <= completions
        for counter in ("succeeded", "failed"):
            assert status.get(counter, 0) >= before.get(counter, 0), "a counter decreased"
        assert not (before.get("completionTime") and status != before), "a finished Job changed"
        before = copy.deepcopy(status)
    world.job["spec"]["suspend"] = False
    for _ in range(60):  # from any state, the Job ends when its pods do
        if world.finished:
            break
        for pod in world.live():
            world.end(pod["metadata"]["name"], 0)
        world.settle()
        world.tick(700)
        world.step()
    assert world.finished
    assert world.job["status"]["uncountedTerminatedPods"] == {}


def test_second_pass_writes_nothing() -> None:
    world = World(parallelism=2, completions=2)
    world.step()
    again = world.step()
    assert not again.create
    assert not again.delete
    assert again.status == world.job["status"]


def test_backoff_doubles_until_a_success() -> None:
    world = World(parallelism=1, completions=2)
    waits = []
    for _ in range(3):
        world.step()
        world.end(world.live()[0]["metadata"]["name"], 1)
        plan = world.step()
        assert not plan.create
        assert plan.wake is not None
        waits.append((plan.wake - world.now) / SECOND)
        world.now = plan.wake
    assert waits == [10, 20, 40]
    world.step()
    world.tick(1)
    world.end(world.live()[0]["metadata"]["name"], 0)
    assert world.step().create


def test_backoff_has_a_maximum() -> None:
    world = World(backoffLimit=100)
    for _ in range(12):
        world.step()
        world.end(world.live()[0]["metadata"]["name"], 1)
        plan = world.step()
        assert plan.wake is not None
        wait = plan.wake - world.now
        world.now = plan.wake
    assert wait == BACKOFF_MAX


def test_ignored_failure_is_replaced_after_a_pause_and_not_counted() -> None:
    world = World(backoffLimit=0, podFailurePolicy={"rules": [DISRUPTION]})
    world.step()
    world.end(world.live()[0]["metadata"]["name"], 137, DisruptionTarget="True")
    plan = world.step()
    assert (plan.create, plan.wake) == ([], world.now + timedelta(seconds=10))
    world.tick(11)
    assert len(world.step().create) == 1
    assert "failed" not in world.job["status"]


def test_terminating_pod_is_replaced_once_it_has_ended() -> None:
    world = World()
    world.step()
    world.live()[0]["metadata"]["deletionTimestamp"] = pods.format_time(world.now)
    world.tick(11)
    assert not world.step().create
    world.settle()
    assert len(world.step().create) == 1


def test_deadline_counts_from_the_last_resume() -> None:
    world = World(activeDeadlineSeconds=10)
    assert world.step().wake == START + 10 * SECOND
    world.job["spec"]["suspend"] = True
    world.step()
    world.settle()
    world.tick(60)
    assert world.step().wake is None
    world.job["spec"]["suspend"] = False
    world.step()
    assert not world.condition("FailureTarget")
    assert world.step().wake == world.now + 10 * SECOND
    world.tick(11)
    world.step()
    assert world.condition("FailureTarget")["reason"] == "DeadlineExceeded"  # type: ignore[index]
    assert not world.finished  # its pod is still terminating
    world.settle()
    world.step()
    assert world.condition("Failed")["reason"] == "DeadlineExceeded"  # type: ignore[index]


def test_lower_parallelism_deletes_surplus_pods() -> None:
    world = World(parallelism=3, completions=3)
    world.step()
    world.job["spec"]["parallelism"] = 1
    plan = world.step()
    assert len(plan.delete) == 2
    assert plan.release
    world.settle()
    world.step()
    assert "failed" not in world.job["status"]


def test_pods_ended_by_a_suspension_are_not_counted() -> None:
    world = World(parallelism=2, completions=2)
    world.step()
    world.job["spec"]["suspend"] = True
    world.step()
    for pod in world.live():
        world.end(pod["metadata"]["name"], 143)
    world.step()
    assert "failed" not in world.job["status"]


def test_deleted_job_gets_no_new_pods() -> None:
    world = World()
    world.job["metadata"]["deletionTimestamp"] = pods.format_time(world.now)
    assert not world.step().create
