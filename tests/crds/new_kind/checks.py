"""What the kind Poll gets from its entry in the registry; a failed assertion ends the process."""

import asyncio
import sys
from types import SimpleNamespace

from operator_facts import ended, observed, resource
from simulacra_api.jobs.cancellation import cancel
from simulacra_api.jobs.schemas import JobQuery
from simulacra_api.jobs.service import find_job, job_page
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds import crd_yaml, names
from simulacra_crds.kinds.base import LABEL_DATASET
from simulacra_operator.runtime.kopf_setup import registry
from simulacra_operator.runtime.planner import RECONCILERS
from simulacra_operator.scope import Scope
from simulacra_operator.work import actions as act

chart = crd_yaml.render(chart=True)
spec = crd_yaml.render()["polls.yaml"]
assert "question is fixed at creation; create another Poll" in spec
assert "modelRef is fixed at creation; create another Poll" in spec

name = names.result_name("Poll", "acme", "ds-1", "key")
assert name.startswith("pol-")
assert names.resource_of_job(names.job_id(name, "Poll")) == ("Poll", name)

work, results = chart["_kinds.tpl"].splitlines()[-2:]
assert work.endswith(", polls{{ end }}")
assert results.endswith(", polls{{ end }}")

asked = {"modelRef": {"name": "mdl-1"}, "question": "yes"}
body = resource("Poll", name, asked, {"wrappedKey": "k"}, labels={LABEL_DATASET: "ds-1"})
seen = observed(body, model=ended("Model", "mdl-1"))
(made,) = [one for one in RECONCILERS["Poll"](seen) if isinstance(one, act.CreateJob)]
assert made.manifest["metadata"]["name"] == seen.job_name
assert "-poll-" in seen.job_name
assert "poll_deleted" in {one.id for one in registry(Scope())._changing.get_all_handlers()}


class Cluster:
    """One Poll."""

    async def list(self, api, namespace=None, **_):
        if api.plural == "polls":
            yield body

    async def patch(self, api, name, patch, namespace=None, **_):
        body["spec"] |= patch["spec"]
        body["metadata"]["annotations"] = patch["metadata"]["annotations"]
        return body


class Cache:
    """The same Poll."""

    async def find(self, kind, name, namespace, *, fresh=False):
        return kind.model_validate(body) if kind.__name__ == "Poll" else None

    async def settle(self):
        pass


class Repository(TenantRepository):
    """Writes no audit record, and has no artifacts."""

    async def record(self, event, **fields):
        pass

    async def _read_if_there(self, resource, artifact, model):
        return None


async def main():
    """List the job, read it and cancel it."""
    services = SimpleNamespace(cluster=Cluster(), cache=Cache())
    repository = Repository(services, SimpleNamespace(namespace="tenant-acme"))
    ((item,), _) = await job_page(repository, JobQuery(kind="poll"))
    assert item.job_id == f"job-{name}"
    found = await find_job(repository, item.job_id)
    assert (found.kind, found.poll_id, found.sheet_id) == ("poll", name, None)
    assert (await cancel(repository, item.job_id)).status == "failed"
    assert body["spec"]["suspend"]


asyncio.run(main())
sys.stdout.write("all checked")
