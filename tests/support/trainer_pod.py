"""A pod's environment for trainer tests: real custody on a local store, and tasks run on it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from simulacra_crds.registry import WORK
from simulacra_crds.tasks import (
    REQUEST,
    SHARD_ENV,
    TASK_ENV,
    TERMINATION_LIMIT,
    TERMINATION_PATH_ENV,
    UPLOAD,
    FitRequest,
    KeyedRef,
    PrepareRequest,
    TaskResult,
    TaskSpec,
)
from simulacra_custody.keys.keyring import LocalKeyring
from simulacra_custody.refs import ResourceRef
from simulacra_custody.service import Custody
from simulacra_custody.stores.local import LocalStore
from simulacra_trainer.tasks import entry
from simulacra_trainer.tasks.artifacts import Artifacts

COLUMNS = ("zq_shopper", "zq_basket", "zq_visits")
LEVELS = ("zq_gold", "zq_silver", "zq_bronze")
RESOURCES = tuple(info.resource.PLURAL for info in WORK)


class Pod:
    """A tenant's store and keyring, and tasks run on them in this process."""

    def __init__(self, root: Path) -> None:
        keyring = LocalKeyring(root / "keys.json")
        keyring.create_tenant_key("acme")
        self.custody = Custody(LocalStore(root / "store"), keyring)
        self.root = root
        self.env = {
            "SIMULACRA_STORE": f"file://{root}/store",
            "SIMULACRA_KEYS": f"local://{root}/keys.json",
        }
        self.refs = {
            kind: KeyedRef(
                kind=kind,
                uid=f"uid-{kind}",
                wrapped_key=self.custody.new_resource_key(ResourceRef("acme", kind, f"uid-{kind}")),
            )
            for kind in RESOURCES
        }

    def artifacts(self, kind: str) -> Artifacts:
        return Artifacts(self.custody, "acme", self.refs[kind])

    def environment(self, name: str, kind: str, shard: int = 0, shards: int = 1) -> dict[str, str]:
        spec = TaskSpec(
            task=name,
            tenant="acme",
            resource=self.refs[kind],
            dataset=self.refs["datasets"],
            model=self.refs["models"],
            shards=shards,
        )
        return {
            **self.env,
            TASK_ENV: spec.model_dump_json(by_alias=True),
            TERMINATION_PATH_ENV: str(self.root / "termination"),
            SHARD_ENV: str(shard),
        }

    def run(self, name: str, kind: str, shard: int = 0, shards: int = 1) -> tuple[int, TaskResult]:
        code = entry.run_task(self.environment(name, kind, shard, shards))
        message = (self.root / "termination").read_bytes()
        assert len(message) <= TERMINATION_LIMIT
        return code, TaskResult.model_validate_json(message)

    def start(
        self, name: str, kind: str, shard: int = 0, shards: int = 1, **more: str
    ) -> subprocess.Popen[bytes]:
        """Start a task as its own process; its log is `shard`.log below the root."""
        env = {**os.environ, **self.environment(name, kind, shard, shards), **more}
        env[TERMINATION_PATH_ENV] = str(self.root / f"termination-{shard}")
        with (self.root / f"{shard}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "simulacra_trainer", "run"], env=env, stderr=log
            )

    def result(self, shard: int = 0) -> TaskResult:
        """Return the result that a started task wrote."""
        return TaskResult.model_validate_json((self.root / f"termination-{shard}").read_bytes())

    def prepare_for(self, request: FitRequest) -> None:
        """Prepare a dataset and request a fit."""
        self.artifacts("datasets").store(UPLOAD, upload_bytes())
        self.artifacts("datasets").store_model(REQUEST, PrepareRequest(format="csv"))
        self.artifacts("models").store_model(REQUEST, request)
        process = self.start("prepare", "datasets")
        assert process.wait(120) == 0, (self.root / "0.log").read_text()


def upload_bytes(rows: int = 600) -> bytes:
    rng = np.random.default_rng(4)
    level = rng.choice(LEVELS, rows, p=[0.5, 0.3, 0.2])
    basket = np.round(np.where(level == "zq_gold", 80, 30) + rng.gamma(3, 5, rows), 2)
    visits = rng.poisson(4, rows) + 3 * (level == "zq_gold")
    lines = [",".join(COLUMNS)] + [
        f"{a},{b},{c}" for a, b, c in zip(level, basket, visits, strict=True)
    ]
    return "\n".join(lines).encode()
