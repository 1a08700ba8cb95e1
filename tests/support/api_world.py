"""A served API on a control plane with several tenants, and a stand-in for operator and trainer.

No operator runs here: `StandIn` sets the statuses and writes the artifacts. The control plane is
the embedded one and, under the marker `controlplane`, the real one, where the API has only the
rights of the chart.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
import uvicorn
import yaml

import helm_chart
from effect_results import SHARE, effect_result, sheet_result
from ports import free_port
from proofs import sign_summary
from simulacra_api.__main__ import listen, server_config
from simulacra_api.app import create_app
from simulacra_api.auth.clients import hash_secret
from simulacra_api.settings import Settings
from simulacra_crds.crd_yaml import crd
from simulacra_crds.kinds.base import API_VERSION, FINALIZER
from simulacra_crds.kube.client import (
    ACCESS_REQUESTS,
    ANSWER_SHEETS,
    CRDS,
    CUSTOM,
    DATASETS,
    EFFECT_ESTIMATES,
    GENERATION_JOBS,
    MODELS,
    NAMESPACES,
    SECRETS,
    SEGMENT_ESTIMATES,
    TENANTS,
    AlreadyExists,
    ApiResource,
    Cluster,
    ClusterError,
)
from simulacra_crds.names import access_request_name, model_name
from simulacra_crds.registry import KINDS
from simulacra_crds.tasks import (
    ATTAINMENT,
    DESCRIPTION,
    ESTIMATE,
    EVIDENCE,
    FAILURE,
    GRAPH,
    PROGRESS,
    REPORT,
    REPORT_PAGE,
    SCHEMA,
    SEGMENTS,
    SHEET,
    SHEET_PAGE,
    SHEET_WORKBOOK,
    SUMMARY,
    SUMMARY_SIGNATURE,
    part_name,
)
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.wiring import open_custody
from simulacra_schema.claims import mask_unclaimed
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema
from simulacra_schema.wave_summary import WaveSummary

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "bin" / "cluster"
SYSTEM, CLIENTS = "simulacra-system", "simulacra-system-clients"
SECRET = "sim_secret_of_the_tests"
SMALL_LIMIT = 3 << 20
TABLE = TableSchema(
    rows=100,
    columns=[
        ColumnSchema(
            name="segment",
            kind="categorical",
            storage="string",
            levels=[
                LevelSchema(value="genz_switcher", share=0.2),
                LevelSchema(value="loyal", share=0.8),
            ],
        ),
        ColumnSchema(name="price", kind="numeric", storage="double", minimum=1.0, maximum=9.0),
        ColumnSchema(name="loyalty", kind="integer", storage="int64", minimum=0, maximum=10),
        ColumnSchema(
            name="region",
            kind="categorical",
            storage="string",
            levels=[LevelSchema(value="north", share=0.5), LevelSchema(value="south", share=0.5)],
        ),
        ColumnSchema(name="id", kind="identifier", storage="string", learned=False),
    ],
)

WAVES = WaveSummary.model_validate(
    {
        "column": "quarter",
        "waves": [
            {
                "label": "2026-Q3",
                "rows": 501,
                "fingerprint": "a" * 64,
                "attack": 0.58,
                "banner": ["region"],
                "questions": [
                    {
                        "name": "segment",
                        "levels": ["loyal", "genz_switcher"],
                        "respondents": 500,
                        "worth": 500,
                        "hits": [400.0, 100.0],
                        "effects": [1.0, 1.0],
                        "freedom": [499.0, 499.0],
                        "by": {"region": {"respondents": [500], "hits": [[400.0, 100.0]]}},
                    }
                ],
            }
        ],
    }
)
COMPLETED = {
    "name": "t",
    "schema": {
        "fieldsMatch": "subset",
        "fields": [
            {"name": "id", "type": "string", "x-simulacra": {"role": "key"}},
            {"name": "segment", "type": "string"},
            {"name": "price", "type": "number"},
        ],
    },
}
"""The description of the table above, as prepare completes it."""


@pytest.fixture(
    scope="session",
    params=[
        pytest.param("embedded", marks=pytest.mark.embedded),
        pytest.param("real", marks=pytest.mark.controlplane),
    ],
)
def plane(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The administrator's kubeconfig of a running control plane."""
    folder = tmp_path_factory.mktemp("plane")
    if request.param == "real":
        if not REAL.exists():
            pytest.skip("no real control plane on this machine")
        subprocess.run(
            [str(REAL), "up", str(folder), "--port", str(free_port(5))],
            check=True,
            timeout=120,
            capture_output=True,
        )
        yield folder / "kubeconfig"
        subprocess.run(
            [str(REAL), "down", str(folder)], check=True, timeout=60, capture_output=True
        )
        return
    with embedded_plane(folder) as kubeconfig:
        yield kubeconfig


@contextmanager
def embedded_plane(folder: Path) -> Iterator[Path]:
    """Run the embedded control plane; yield the administrator's kubeconfig."""
    command = [sys.executable, "-m", "simulacra_controlplane", "--data-dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["server"]
        yield folder / "kubeconfig"
        process.terminate()


async def _make(
    cluster: Cluster, resource: ApiResource, body: Object, namespace: str | None = None
) -> None:
    with suppress(AlreadyExists):
        await cluster.create(resource, body, namespace)


async def _install(cluster: Cluster) -> None:
    """Create CRDs, namespaces, tenants and clients, as operator and supervisor do."""
    for kind in KINDS:
        await _make(cluster, CRDS, crd(kind))
    for name in (SYSTEM, CLIENTS, "tenant-acme", "tenant-globex", "tenant-tiny"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await _make(cluster, NAMESPACES, namespace)
    for resource in CUSTOM.values():  # served a moment after the definition is accepted
        await _until_served(cluster, resource)
    hashes = json.dumps([{"hash": hash_secret(SECRET), "created": datetime.now(UTC).isoformat()}])
    for tenant in ("acme", "globex", "tiny", "asleep", "early"):  # the last has no namespace yet
        # No job ends without an operator: the common tenants have room for those of all tests.
        quotas = {"concurrentJobs": 1000}
        if tenant == "tiny":
            quotas = {"maxUploadBytes": SMALL_LIMIT, "maxRowsPerGeneration": 5000}
        clients, suspend = [f"client.{tenant}"], tenant == "asleep"
        spec = {"clients": clients, "quotas": quotas, "suspend": suspend}
        body = {"apiVersion": API_VERSION, "kind": "Tenant", "metadata": {"name": tenant}}
        await _until_established(cluster, body | {"spec": spec})
    for client in ("acme", "globex", "tiny", "asleep", "early", "nobody"):
        metadata = {"name": f"client-client.{client}"}
        data = {"hashes": base64.b64encode(hashes.encode()).decode()}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}
        await _make(cluster, SECRETS, secret, CLIENTS)


async def _until_served(cluster: Cluster, resource: ApiResource) -> None:
    for attempt in range(50):
        try:
            await cluster.request("GET", resource.path())
            return
        except ClusterError:
            if attempt == 49:
                raise
            await asyncio.sleep(0.2)


async def _until_established(cluster: Cluster, tenant: Object) -> None:
    for attempt in range(50):
        try:
            return await _make(cluster, TENANTS, tenant)
        except Exception:
            if attempt == 49:
                raise
            await asyncio.sleep(0.2)


async def _restricted(cluster: Cluster, admin: Path, folder: Path) -> Path:
    """Return a kubeconfig with exactly the chart's rights for the API (real control plane only)."""
    roles = ApiResource(
        "rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", namespaced=False
    )
    bindings = ApiResource(
        roles.api_version, "clusterrolebindings", "ClusterRoleBinding", namespaced=False
    )
    kinds = {
        "ClusterRole": roles,
        "ClusterRoleBinding": bindings,
        "Role": ApiResource(roles.api_version, "roles", "Role"),
        "RoleBinding": ApiResource(roles.api_version, "rolebindings", "RoleBinding"),
        "ServiceAccount": ApiResource("v1", "serviceaccounts", "ServiceAccount"),
    }
    for document in helm_chart.rbac_objects("api"):
        namespace = document["metadata"].get("namespace")
        await _make(cluster, kinds[document["kind"]], document, namespace)
    path = f"/api/v1/namespaces/{SYSTEM}/serviceaccounts/simulacra-api/token"
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    token = (await cluster.request("POST", path, json=body))["status"]["token"]
    config = yaml.safe_load(admin.read_text())
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    restricted = folder / "restricted"
    restricted.write_text(yaml.safe_dump(config))
    return restricted


@dataclass
class StandIn:
    """Does the work of operator and trainer, at once."""

    cluster: Cluster
    custody: Custody
    tenant: str = "acme"
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def namespace(self) -> str:
        return f"tenant-{self.tenant}"

    async def status(self, resource: ApiResource, name: str, **status: Any) -> Object:
        return await self.cluster.patch(
            resource, name, {"status": status}, self.namespace, subresource="status"
        )

    async def write(
        self, resource: ApiResource, name: str, artefact: str, content: bytes
    ) -> Object:
        """Store an artifact under the resource's key; return its entry for `status.artefacts`."""
        found = await self.cluster.get(resource, name, self.namespace)
        ref = ResourceRef(self.tenant, resource.plural, found["metadata"]["uid"])
        key = found.get("status", {}).get("wrappedKey")
        if key is None:
            key = self.custody.new_resource_key(ref)
            await self.status(resource, name, wrappedKey=key)
        stored = self.custody.write(ref.artifact(artefact), key, [content])
        known = {"bytes": stored.bytes, "sha256": stored.sha256, "messageId": stored.message_id}
        return {"name": stored.name, **known}

    async def prepare(self, dataset: str, phase: str = "Ready", kept: str | None = None) -> None:
        """Read a table as the operator and its pod do; `kept` is the artifact of its source."""
        await self.write(DATASETS, dataset, SCHEMA, TABLE.model_dump_json(by_alias=True).encode())
        content = json.dumps(COMPLETED).encode()
        entries = [await self.write(DATASETS, dataset, DESCRIPTION, content)]
        if kept is not None:
            entries.append(await self.write(DATASETS, dataset, kept, CSV))
        spec = (await self.cluster.get(DATASETS, dataset, self.namespace))["spec"]
        read = {"learned": 2, "replaced": 1, "toConfirm": 1, "revision": 1}
        read |= {"requested": spec.get("tableDescription", {}).get("sha256")}
        status = {"rows": 100, "columns": 3, "description": read, "artefacts": entries}
        await self.status(DATASETS, dataset, phase=phase, **status)

    async def fit(self, dataset: str) -> None:
        model = model_name(dataset)
        await self.write(MODELS, model, REPORT, b'{"fidelity": {"score": 0.9}}')
        await self.write(
            MODELS, model, REPORT_PAGE, b"<!DOCTYPE html><title>Quality report</title>"
        )
        await self.write(MODELS, model, GRAPH, b'{"edges": []}')
        owner = (await self.cluster.get(TENANTS, self.tenant))["metadata"]["uid"]
        await self.write(MODELS, model, SUMMARY, WAVES.content())
        signed = sign_summary(owner, WAVES).encode()
        await self.write(MODELS, model, SUMMARY_SIGNATURE, signed)
        await self.status(MODELS, model, phase="Ready", family="forest", figures={"fidelity": 0.9})

    async def generate(self, name: str, parts: list[pa.Table], phase: str = "Ready") -> list[bytes]:
        """Store the parts; return their bytes."""
        files, entries = [], []
        for shard, table in enumerate(parts):
            sink = io.BytesIO()
            pq.write_table(table, sink)
            files.append(sink.getvalue())
            entry = await self.write(GENERATION_JOBS, name, part_name(shard), files[-1])
            entries.append(entry | {"rows": table.num_rows})
        attained = {
            "status": "exact",
            "effectiveSampleSize": 90.0,
            "conditions": [{"asked": 0.3, "attained": 0.3}],
        }
        await self.write(GENERATION_JOBS, name, ATTAINMENT, json.dumps(attained).encode())
        worth = {
            "column": "evidence_weight",
            "worth": 476.2,
            "weight": 0.2381,
            "ratio": 0.8,
            "designEffect": 4.2,
            "basis": "respondents",
            "sentence": "Worth 476 respondents.",
        }
        await self.write(GENERATION_JOBS, name, EVIDENCE, json.dumps(worth).encode())
        await self.write(
            GENERATION_JOBS, name, REPORT, json.dumps({"rows": {"synthetic": 2000}}).encode()
        )
        await self.write(
            GENERATION_JOBS, name, REPORT_PAGE, b"<!DOCTYPE html><title>Report</title>"
        )
        rows = sum(table.num_rows for table in parts)
        await self.status(GENERATION_JOBS, name, phase=phase, rows=rows, artefacts=entries)
        return files

    async def estimate(self, name: str, verdict: str | None = "assumed") -> None:
        """Store an estimate as the trainer's `estimate` does; None: as before verdicts."""
        found = mask_unclaimed(effect_result(verdict or "assumed")).to_wire()
        if verdict is None:
            later = ("verdict", "precision", "union", "effectiveRows", "checks", "sensitivity")
            found = {key: value for key, value in found.items() if key not in later}
            kinds = ("verdict", "precision", "effectiveRows", "robustness")
            kept = {key: value for key, value in found["estimate"].items() if key not in kinds}
            found["estimate"] = kept | {"identified": True}
        await self.write(EFFECT_ESTIMATES, name, ESTIMATE, json.dumps(found).encode())
        await self.status(EFFECT_ESTIMATES, name, phase="Ready", estimate=found["estimate"])

    async def boost(self, name: str) -> None:
        """Store certified shares as the trainer's `boost` does."""
        summary = {"intervals": 1, "boosted": 1, "slightly": 0, "noBetter": 0, "worth": 76.0}
        share = SHARE | {"own": {"share": 0.38, "low": 0.25, "high": 0.53}}
        shares = {"region": {"north": 1.0}, "segment": {"loyal": 0.35}}
        result = {"summary": summary, "shares": [share], "conditions": {"categorical": shares}}
        await self.write(SEGMENT_ESTIMATES, name, SEGMENTS, json.dumps(result).encode())
        await self.status(SEGMENT_ESTIMATES, name, phase="Ready", segments=summary)

    async def sheet(self, name: str, verdict: str = "assumed") -> None:
        """Store an answer sheet as the trainer's `sheet` does."""
        result = sheet_result(verdict)
        await self.write(ANSWER_SHEETS, name, SHEET, result.model_dump_json(by_alias=True).encode())
        await self.write(ANSWER_SHEETS, name, SHEET_PAGE, b"<!DOCTYPE html><title>Sheet</title>")
        await self.write(ANSWER_SHEETS, name, SHEET_WORKBOOK, b"PK workbook")
        await self.status(ANSWER_SHEETS, name, phase="Ready", sheet=result.summary.to_wire())

    async def progress(
        self, resource: ApiResource, name: str, percent: int, eta: int, silent: int | None = None
    ) -> None:
        """Store a report as a pod does; silent: seconds ago, None as in earlier releases."""
        report: Object = {"percent": percent, "etaSeconds": eta, "step": "fit"}
        if silent is not None:
            report["reportedAt"] = (datetime.now(UTC) - timedelta(seconds=silent)).isoformat()
        await self.write(resource, name, PROGRESS, json.dumps(report).encode())
        await self.status(resource, name, phase="Running")

    async def fail(
        self,
        resource: ApiResource,
        name: str,
        reason: str,
        detail: str,
        at: str | None = None,
        errors: Sequence[Object] = (),
    ) -> None:
        failure = {"reason": reason, "detail": detail, "pointer": at, "errors": list(errors)}
        await self.write(resource, name, FAILURE, json.dumps(failure).encode())
        last = {"reason": reason, "message": "without data", "time": datetime.now(UTC).isoformat()}
        await self.status(resource, name, phase="Failed", lastFailure=last)

    async def erase(self, resource: ApiResource, name: str) -> None:
        """Wait for the deletion of a resource, erase its artifacts and remove its finalizer."""
        while not (found := await self.cluster.get(resource, name, self.namespace))["metadata"].get(
            "deletionTimestamp"
        ):
            await asyncio.sleep(0.02)
        kept = [entry for entry in found["metadata"]["finalizers"] if entry != FINALIZER]
        self.custody.erase(ResourceRef(self.tenant, resource.plural, found["metadata"]["uid"]))
        await self.cluster.patch(resource, name, {"metadata": {"finalizers": kept}}, self.namespace)


@dataclass
class World:
    """A served API and its services."""

    url: str
    settings: Settings
    cluster: Cluster
    custody: Custody
    folder: Path
    kubeconfig: Path
    tokens: dict[str, str] = field(default_factory=dict)

    def stand_in(self, tenant: str = "acme") -> StandIn:
        return StandIn(self.cluster, self.custody, tenant)

    async def token(self, client: str) -> str:
        if client not in self.tokens:
            body = {
                "grant_type": "client_credentials",
                "client_id": f"client.{client}",
                "client_secret": SECRET,
            }
            async with httpx2.AsyncClient() as http:
                answer = await http.post(f"{self.url}/oauth/token", json=body)
            assert answer.status_code == 200, answer.text
            self.tokens[client] = answer.json()["access_token"]
        return self.tokens[client]

    @asynccontextmanager
    async def client(self, tenant: str = "acme") -> AsyncIterator[httpx2.AsyncClient]:
        headers = {"Authorization": f"Bearer {await self.token(tenant)}"}
        async with httpx2.AsyncClient(base_url=self.url, headers=headers, timeout=60) as http:
            yield http

    async def approve(self, request_id: str, tenant: str, client: str = "") -> str:
        """Approve an access request as a person and then the operator do; return the client id."""
        name = access_request_name(request_id)
        made = await self.cluster.patch(ACCESS_REQUESTS, name, {"spec": {"decision": "Approved"}})
        client = client or "sim-" + made["metadata"]["uid"][:13]
        condition = {
            "type": "Decided",
            "status": "True",
            "reason": "Approved",
            "message": "",
            "observedGeneration": 1,
            "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        status = {"tenant": tenant, "clientId": client, "conditions": [condition]}
        await self.cluster.patch(ACCESS_REQUESTS, name, {"status": status}, subresource="status")
        return client

    def serve(
        self, settings: Settings, listener: socket.socket
    ) -> AbstractAsyncContextManager[None]:
        """Serve one more API in this loop."""
        return serve(settings, listener)

    @asynccontextmanager
    async def another_api(self, tenant: str = "acme") -> AsyncIterator[httpx2.AsyncClient]:
        """Serve one more API, which knows nothing of earlier requests; yield a client of it."""
        listener = listen("127.0.0.1", 0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with _stores_of(self.folder):
            async with serve(self.settings, listener), self.client(tenant) as client:
                client.base_url = httpx2.URL(url)
                yield client

    def stored(self) -> list[str]:
        """Return the keys of all objects and unfinished puts."""
        store = self.custody.store
        return [
            info.key
            for listed in (store.list("tenants/"), store.list_incomplete("tenants/"))
            for info in listed
        ]

    def audit_text(self) -> str:
        return "".join(
            path.read_text() for path in sorted((self.folder / "audit").rglob("*.jsonl"))
        )


@asynccontextmanager
async def serve(settings: Settings, listener: socket.socket) -> AsyncIterator[None]:
    """Serve the API in this loop over real TCP."""
    proxies = {"FORWARDED_ALLOW_IPS": "127.0.0.1"}
    server = uvicorn.Server(server_config(create_app(settings), proxies))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        assert not task.done(), task.exception()
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await task


@pytest.fixture(scope="session")
def serve_api() -> Any:
    """Serve another API, with its own state, beside the one of the session."""
    return serve


def _variables(folder: Path) -> dict[str, str]:
    return {
        "SIMULACRA_STORE": f"file://{folder}/store",
        "SIMULACRA_KEYS": f"local://{folder}/keyring.json",
        "SIMULACRA_AUDIT": f"file://{folder}/audit",
    }


@contextmanager
def _stores_of(folder: Path) -> Iterator[None]:
    """Set the three custody variables: another folder's world may live in the same session."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _variables(folder).items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Set the three custody variables to a folder of their own."""
    folder = tmp_path_factory.mktemp("custody")
    os.environ.update(_variables(folder))
    yield folder
    for name in _variables(folder):
        os.environ.pop(name, None)


@pytest.fixture
def own_environment(environment: Path) -> Iterator[None]:
    """Set them again for one test; a fixture of the session does so by itself."""
    with _stores_of(environment):
        yield


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(
    plane: Path, environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    with _stores_of(environment):
        async for served in _world(plane, environment, tmp_path_factory):
            yield served


async def _world(
    plane: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    cluster = await Cluster.connect(str(plane))
    await _install(cluster)
    custody = open_custody()
    for tenant in ("acme", "globex", "tiny"):
        custody.keys.create_tenant_key(tenant)
    kubeconfig = plane
    if await _has_rbac(cluster):
        kubeconfig = await _restricted(cluster, plane, tmp_path_factory.mktemp("restricted"))
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = Settings(
        public_url=url, kubeconfig=str(kubeconfig), delete_wait_seconds=1.0, cache_seconds=0.0
    )
    async with serve(settings, listener):
        yield World(url, settings, cluster, custody, folder, kubeconfig)
    await cluster.close()


async def _has_rbac(cluster: Cluster) -> bool:
    groups = await cluster.request("GET", "/apis")
    return "rbac.authorization.k8s.io" in {group["name"] for group in groups["groups"]}


@pytest.fixture
def acme(world: World) -> StandIn:
    return world.stand_in()


@pytest.fixture
def key() -> str:
    return uuid.uuid4().hex


CSV = b"segment,price\n" + b"".join(b"loyal,%d.5\n" % (row % 9) for row in range(200))


@pytest_asyncio.fixture(loop_scope="session")
async def http(world: World) -> AsyncIterator[httpx2.AsyncClient]:
    async with world.client() as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def uploaded(http: httpx2.AsyncClient, key: str) -> str:
    """A dataset whose upload is complete and which is not prepared yet."""
    answer = await http.post(
        "/v1/datasets", files={"file": ("t.csv", CSV)}, headers={"Idempotency-Key": key}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["dataset_id"])


@pytest_asyncio.fixture(loop_scope="session")
async def ready(uploaded: str, acme: StandIn) -> str:
    """A dataset that is prepared and whose model is fit."""
    await acme.prepare(uploaded)
    await acme.fit(uploaded)
    return uploaded
