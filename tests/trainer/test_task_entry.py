"""Tasks run as a pod runs them, on a local store: artifacts, results and logs."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from log_lines import written
from simulacra_crds.kinds.base import Artifact
from simulacra_crds.tasks import (
    ATTAINMENT,
    DATASET,
    ESTIMATE,
    EVIDENCE,
    FAILURE,
    IDENTIFICATION,
    PROGRESS,
    REPORT,
    REPORT_PAGE,
    REQUEST,
    SCHEMA,
    SEGMENTS,
    SHEET,
    SHEET_PAGE,
    SHEET_WORKBOOK,
    STATED_DESCRIPTION,
    TASK_ENV,
    UPLOAD,
    UPLOAD_PIECES,
    BoostRequest,
    EstimateRequest,
    ExitCode,
    Failure,
    FitRequest,
    GenerateRequest,
    PrepareRequest,
    ProgressReport,
    SheetRequest,
    TaskResult,
    part_name,
)
from simulacra_custody.errors import (
    AuditUnavailable,
    CustodyError,
    KeyUnavailable,
    StoreUnavailable,
)
from simulacra_schema.answers import EffectResult
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_schema.segment_shares import SegmentResult
from simulacra_schema.sheets import SheetResult
from simulacra_schema.table import TableSchema
from simulacra_trainer.effects import treated
from simulacra_trainer.families.forest.family import Forest
from simulacra_trainer.pipeline.evidence import Evidence
from simulacra_trainer.pipeline.identification import Identification
from simulacra_trainer.tasks import context, entry, fit
from simulacra_trainer.tasks import generate as generate_task
from simulacra_trainer.tasks.artifacts import Artifacts
from trainer_pod import COLUMNS, Pod, upload_bytes


@pytest.fixture(autouse=True)
def _signals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # pytest keeps its own handlers


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Pod:
    pod = Pod(tmp_path_factory.mktemp("pod"))
    pod.artifacts("datasets").store(UPLOAD, upload_bytes())
    pod.artifacts("datasets").store_model(REQUEST, PrepareRequest(format="csv"))
    pod.artifacts("models").store_model(REQUEST, FitRequest(seed=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "signal", lambda *_: None)
        assert pod.run("prepare", "datasets")[0] == ExitCode.OK
        code, result = pod.run("fit", "models")
    assert code == ExitCode.OK
    assert result.family == "forest"
    assert 0 <= result.figures["dcr_share"] <= 1
    return pod


def tables(pod: Pod, shards: int, directory: Path) -> pa.Table:
    own = pod.artifacts("generationjobs")
    paths = [own.download(part_name(i), directory / f"{i}.parquet") for i in range(shards)]
    return pa.concat_tables(pq.read_table(path) for path in paths)


def test_finished_fit_returns_the_same_result_again(
    fitted: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pod before was lost after its last write: leader and follower fit nothing."""
    own = fitted.artifacts("models")
    own.store("checkpoint/last.ckpt", b"left behind")
    monkeypatch.setattr(fit, "fit_model", None)
    code, result = fitted.run("fit", "models")
    assert (code, result.family, result.rows, result.columns) == (ExitCode.OK, "forest", 600, 3)
    assert {one.name for one in result.artefacts} == {
        "graph.json",
        "report.json",
        "report.html",
        "summary.json",
        *own.names("model/"),
    }
    assert own.describe("graph.json") in result.artefacts
    assert own.names("checkpoint/") == []
    (fitted.root / "termination").unlink()
    leader = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "9"}
    assert entry.run_task(fitted.environment("fit", "models", 1, 2) | leader) == ExitCode.OK
    assert not (fitted.root / "termination").exists()


def digests(result: TaskResult) -> dict[str, str]:
    return {one.name: one.sha256 for one in result.artefacts}


def test_prepare_stores_the_dataset_and_erases_the_upload(pod: Pod) -> None:
    own = pod.artifacts("datasets")
    own.store(UPLOAD, upload_bytes())
    own.store(f"{UPLOAD_PIECES}00000", upload_bytes())  # the API crashed after the last piece
    own.store_model(REQUEST, PrepareRequest())
    code, result = pod.run("prepare", "datasets")
    assert (code, result.outcome, result.reason) == (ExitCode.OK, "Succeeded", "Prepared")
    assert (result.rows, result.columns) == (600, 3)
    assert [column.name for column in own.load(SCHEMA, TableSchema).columns] == list(COLUMNS)
    assert not own.exists(UPLOAD)
    assert not own.names(UPLOAD_PIECES)
    assert own.load(PROGRESS, ProgressReport).percent <= 100
    again = pod.run("prepare", "datasets")[1]  # killed after the erasure, run again
    assert digests(again) == digests(result)


def test_an_upload_that_is_not_a_table_fails_with_a_detail_for_the_customer(pod: Pod) -> None:
    own = pod.artifacts("datasets")
    own.store(UPLOAD, b"only_one_zq_column\nzq_value\n" * 30)
    own.store_model(REQUEST, PrepareRequest(format="csv"))
    code, result = pod.run("prepare", "datasets")
    assert code == ExitCode.USER_ERROR
    assert result.outcome == "Failed"
    assert "zq_" not in result.model_dump_json()
    failure = own.load(FAILURE, Failure)
    assert failure.reason == result.reason
    assert failure.detail
    assert not own.exists(DATASET)


def test_rows_meet_the_conditions_for_any_number_of_shards(fitted: Pod, tmp_path: Path) -> None:
    own = fitted.artifacts("generationjobs")
    conditions = ConditionSet(
        categorical={"zq_shopper": {"zq_bronze": 0.6}},
        numeric={"zq_visits": NumericRange(min=2, max=6)},
    )
    own.store_model(REQUEST, GenerateRequest(row_count=1001, conditions=conditions, seed=5))
    drawn = {}
    reports = []
    for shards in (1, 3):
        for shard in range(shards):
            own.erase(part_name(shard))
            code, result = fitted.run("generate", "generationjobs", shard, shards)
            assert (code, result.reason) == (ExitCode.OK, "Generated")
            assert result.attainment is not None
            assert result.attainment.status == "exact"
        drawn[shards] = tables(fitted, shards, tmp_path)
        reports.append(json.loads(own.download(REPORT, tmp_path / REPORT).read_bytes()))
    assert drawn[1].equals(drawn[3])
    assert drawn[1].num_rows == 1001
    assert drawn[1].column("zq_shopper").to_pylist().count("zq_bronze") in (600, 601)
    visits = np.array([int(v) for v in drawn[1].column("zq_visits").to_pylist()])
    assert visits.min() >= 2
    assert visits.max() <= 6
    assert own.exists(ATTAINMENT)
    assert reports[0] == reports[1]
    asked = {
        "rows": 1001,
        "persons": None,
        "seed": 5,
        "interventions": {},
        "counterfactual": False,
        "compared": 1001,
        "reweighted": True,
    }
    assert reports[0]["asked"] == asked
    assert own.exists(REPORT_PAGE)
    found = own.load(EVIDENCE, Evidence)
    assert result.worth == found.worth
    assert drawn[3].column("evidence_weight").to_pylist() == [found.weight] * 1001
    assert reports[0]["worth"]["sentence"] == found.sentence
    assert {one.level for one in found.classes} >= {"zq_bronze"}
    assert "zq_" not in result.model_dump_json()


def test_respondents_under_do_are_counted_once_for_all_shards(
    fitted: Pod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = fitted.artifacts("generationjobs")
    for name in (part_name(0), part_name(1), EVIDENCE):
        own.erase(name)
    request = GenerateRequest(row_count=40, interventions={"zq_shopper": "zq_bronze"}, seed=5)
    own.store_model(REQUEST, request)
    assert fitted.run("generate", "generationjobs", 0, 2)[0] == ExitCode.OK
    monkeypatch.setattr(treated, "support_of_do", lambda *_, **__: pytest.fail("counted"))
    assert fitted.run("generate", "generationjobs", 1, 2)[0] == ExitCode.OK
    found = own.load(EVIDENCE, Evidence)
    assert found.basis == "do"
    weights = tables(fitted, 2, tmp_path).column("evidence_weight").to_pylist()
    assert weights == [found.weight] * 40
    for name in (part_name(0), part_name(1), EVIDENCE):
        own.erase(name)


def test_a_stored_part_is_not_generated_again(fitted: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    own = fitted.artifacts("generationjobs")
    own.erase(part_name(0))
    own.erase(ATTAINMENT)
    own.store_model(REQUEST, GenerateRequest(row_count=50))
    first = fitted.run("generate", "generationjobs")[1]

    def loaded(*_: object, **__: object) -> None:
        pytest.fail("the model was loaded")

    monkeypatch.setattr(context.TaskContext, "load_model", loaded)
    code, again = fitted.run("generate", "generationjobs")
    assert code == ExitCode.OK
    # A part that was only read again is known by its digest, not by its message id.
    known = [one.model_copy(update={"message_id": None}) for one in first.artefacts]
    assert again.artefacts == known
    assert again.rows == 50


def test_a_model_of_a_newer_release_is_named_as_the_cause(pod: Pod, tmp_path: Path) -> None:
    pod.artifacts("datasets").store(UPLOAD, upload_bytes())
    pod.artifacts("datasets").store_model(REQUEST, PrepareRequest(format="csv"))
    pod.artifacts("models").store_model(REQUEST, FitRequest(seed=3))
    pod.artifacts("generationjobs").store_model(REQUEST, GenerateRequest(row_count=50))
    for name, kind in (("prepare", "datasets"), ("fit", "models")):
        assert pod.run(name, kind)[0] == ExitCode.OK
    own = pod.artifacts("models")
    outline = json.loads(own.download("model/forest.json", tmp_path / "forest.json").read_bytes())
    outline["parts"]["0"] = {"kind": "of a later release"}
    own.erase("model/forest.json")
    own.store("model/forest.json", json.dumps(outline).encode())
    code, result = pod.run("generate", "generationjobs")
    assert (code, result.reason, result.message) == (
        ExitCode.PERMANENT,
        "Internal",
        entry.UNREADABLE_MODEL,
    )


def test_identification_is_stored_and_only_its_verdict_is_in_the_result(fitted: Pod) -> None:
    own = fitted.artifacts("generationjobs")
    for counterfactual in (False, True):
        own.erase(part_name(0))
        own.erase(ATTAINMENT)
        own.erase(IDENTIFICATION)  # a later part of the same request takes the verdict from it
        request = GenerateRequest(
            row_count=10, interventions={"zq_visits": 900}, counterfactual=counterfactual
        )
        own.store_model(REQUEST, request)
        code, result = fitted.run("generate", "generationjobs")
        assert code == ExitCode.OK
        assert "zq_" not in result.model_dump_json()
        found = own.load(IDENTIFICATION, Identification)
        assert result.identified is found.identified
        assert result.verdict == found.verdict.kind
        assert (found.verdict.kind, "of zq_visits" in found.verdict.text) == ("unanswerable", True)
        assert (found.assumption is not None) is counterfactual
    own.erase(IDENTIFICATION)
    own.erase(part_name(0))


def test_a_request_that_does_not_match_the_schema_is_a_user_error(fitted: Pod) -> None:
    own = fitted.artifacts("generationjobs")
    own.erase(part_name(0))
    own.store_model(REQUEST, GenerateRequest(row_count=10, interventions={"zq_nothing": 1}))
    code, result = fitted.run("generate", "generationjobs")
    assert (code, result.reason) == (ExitCode.USER_ERROR, "RequestInvalid")
    assert "zq_" not in result.message
    assert result.message.startswith("spec.interventions[0]: ")
    assert "no such column" in result.message
    assert own.load(FAILURE, Failure).pointer == "/interventions/zq_nothing"
    assert not own.exists(part_name(0))


def test_an_effect_is_stored_and_its_figures_are_in_the_result(fitted: Pod) -> None:
    own = fitted.artifacts("effectestimates")
    request = EstimateRequest(
        treatment="zq_shopper",
        value="zq_gold",
        baseline="zq_silver",
        outcome="zq_basket",
        after=["zq_basket"],
    )
    own.store_model(REQUEST, request)
    code, result = fitted.run("estimate", "effectestimates")
    assert (code, result.reason) == (ExitCode.OK, "Estimated")
    assert result.estimate is not None
    assert result.estimate.low < 50 < result.estimate.high
    assert "zq_" not in result.model_dump_json()
    stored = own.load(ESTIMATE, EffectResult)
    assert stored.summary == result.estimate
    assert stored.verdict.kind == result.estimate.verdict
    assert stored.verdict.kind in ("suggested", "open")
    assert (stored.estimate.effect, stored.sensitivity) == (None, None)
    assert stored.verdict.rests_on[0].origin == "request"


def test_shares_are_stored_and_the_result_has_no_names(fitted: Pod) -> None:
    own = fitted.artifacts("segmentestimates")
    request = BoostRequest(segment=[{"column": "zq_shopper"}], questions=["zq_visits"])
    own.store_model(REQUEST, request)
    code, result = fitted.run("boost", "segmentestimates")
    assert (code, result.reason) == (ExitCode.OK, "Estimated"), result.message
    assert "zq_" not in result.model_dump_json()
    stored = own.load(SEGMENTS, SegmentResult)
    assert stored.summary == result.segments
    assert len(stored.shares) == stored.summary.intervals > 0


def test_answer_sheet_is_stored_with_its_files_and_the_result_has_no_names(fitted: Pod) -> None:
    own = fitted.artifacts("answersheets")
    lever = {"column": "zq_shopper", "after": ["zq_basket"]}
    request = SheetRequest(outcome="zq_visits", levers=[lever], after=["zq_visits"])
    own.store_model(REQUEST, request)
    code, result = fitted.run("sheet", "answersheets")
    assert (code, result.reason) == (ExitCode.OK, "Estimated"), result.message
    assert "zq_" not in result.model_dump_json()
    assert [one.name for one in result.artefacts] == [SHEET, SHEET_PAGE, SHEET_WORKBOOK]
    stored = own.load(SHEET, SheetResult)
    assert stored.summary == result.sheet
    assert stored.levers[0].answer.verdict.text in own.read(SHEET_PAGE).decode()
    assert own.read(SHEET_WORKBOOK).startswith(b"PK")
    progress = own.load(PROGRESS, ProgressReport)
    count = len(stored.levers)
    assert (progress.percent, progress.step) == (100, f"checks {count} of {count}")


def test_the_text_of_an_unexpected_error_stays_in_the_pod(
    fitted: Pod, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_args: object, **_kwargs: object) -> None:
        raise KeyError("zq_gold costs 12.34")

    monkeypatch.setattr(Forest, "fit", broken)
    monkeypatch.setattr(Artifacts, "exists", lambda *_: False)  # the model is there already
    with caplog.at_level(logging.DEBUG):
        code, result = fitted.run("fit", "models")
    assert (code, result.reason) == (ExitCode.PERMANENT, "Internal")
    support_id = result.message.rsplit(" ", 1)[1].strip(".")
    assert support_id in written(caplog)
    assert "KeyError" in written(caplog)
    assert "zq_" not in caplog.text + written(caplog) + result.model_dump_json()


def test_a_custody_error_exits_with_the_code_for_a_retry(pod: Pod) -> None:
    code, result = pod.run("prepare", "datasets")  # nothing was stored
    assert (code, result.reason) == (ExitCode.CUSTODY, "CustodyUnavailable")


@pytest.mark.parametrize("error", [StoreUnavailable, KeyUnavailable, AuditUnavailable])
def test_an_outage_exits_with_a_code_of_its_own(
    pod: Pod, error: type[CustodyError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_args: object) -> None:
        raise error("away")

    monkeypatch.setattr(entry, "_task", away)
    code, result = pod.run("prepare", "datasets")
    assert (code, result.reason) == (ExitCode.OUTAGE, "CustodyUnavailable")


def test_an_environment_without_a_task_is_an_internal_error(pod: Pod) -> None:
    env = {**pod.environment("fit", "models"), TASK_ENV: "{}"}
    assert entry.run_task(env) == ExitCode.PERMANENT


def diary(persons: int = 60, days: int = 6) -> bytes:
    """Return a diary: persons with attributes of their own, days, and answers of each day."""
    rng = np.random.default_rng(8)
    lines = ["zq_person,zq_region,zq_age,zq_day,zq_mood,zq_steps"]
    for person in range(persons):
        region, age = rng.choice(["north", "south"]), rng.integers(18, 80)
        for day in range(days):
            mood = rng.choice(["low", "high"])
            lines.append(f"p{person},{region},{age},{day},{mood},{rng.poisson(40)}")
    return "\n".join(lines).encode()


def test_a_table_of_persons_is_fit_at_once(pod: Pod) -> None:
    """Its model has 17 artifacts: three forests, graph, report and page."""
    described = json.dumps({"fields": [{"name": "zq_person", "x-simulacra": {"role": "subject"}}]})
    stated = pod.artifacts("datasets").store(STATED_DESCRIPTION, described.encode())
    pod.artifacts("datasets").store(UPLOAD, diary())
    request = PrepareRequest(format="csv", description_sha256=stated.sha256)
    pod.artifacts("datasets").store_model(REQUEST, request)
    pod.artifacts("models").store_model(REQUEST, FitRequest(seed=3))
    assert pod.run("prepare", "datasets")[0] == ExitCode.OK
    code, result = pod.run("fit", "models")
    assert (code, result.reason) == (ExitCode.OK, "Fitted"), result.message
    stored = (
        result
        if result.stored is None
        else pod.artifacts("models").load(result.stored.name, TaskResult)
    )
    names = {one.name for one in stored.artefacts}
    assert names >= {"model/subjects-forest.json", "model/first-forest.json", "report.html"}
    assert len(names) > 16


def test_a_result_that_is_too_long_for_a_termination_message_is_stored(
    fitted: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = fitted.artifacts("models")
    digest = own.describe("graph.json").sha256
    many = [Artifact(name=f"model/{i}", bytes=1, sha256=digest) for i in range(200)]
    whole = TaskResult(outcome="Succeeded", reason="Fitted", artefacts=many)
    monkeypatch.setattr(entry, "_task", lambda _name: lambda _context: whole)
    code, result = fitted.run("fit", "models")
    assert (code, result.artefacts) == (ExitCode.OK, [])
    assert result.stored is not None
    assert own.describe(result.stored.name) == result.stored
    assert own.load(result.stored.name, TaskResult) == whole


def beyond(_context: object) -> TaskResult:
    return TaskResult(outcome="Succeeded", reason="zq_gold" * 40)


def not_a_number(_context: object) -> TaskResult:
    return TaskResult(outcome="Succeeded", reason="Fitted", figures={"share": float("nan")})


def interrupted(_context: object) -> TaskResult:
    raise OSError(5, "zq_gold")


def too_large(_context: object) -> TaskResult:
    raise MemoryError


@pytest.mark.parametrize(
    ("task", "code", "reason", "said"),
    [
        (beyond, ExitCode.PERMANENT, "ResultInvalid", "TaskResult: string_too_long, at most 128"),
        (not_a_number, ExitCode.PERMANENT, "ResultInvalid", "TaskResult"),
        (interrupted, ExitCode.INTERNAL, "Internal", "support id"),
        (too_large, ExitCode.PERMANENT, "OutOfMemory", "more memory"),
    ],
)
def test_only_what_may_pass_is_tried_again(
    pod: Pod,
    monkeypatch: pytest.MonkeyPatch,
    task: entry.Task,
    code: ExitCode,
    reason: str,
    said: str,
) -> None:
    monkeypatch.setattr(entry, "_task", lambda _name: task)
    found, result = pod.run("fit", "models")
    assert (found, result.reason) == (code, reason)
    assert said in result.message
    assert "zq_" not in result.message
    assert "Internal error" not in result.message or reason == "Internal"


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timeout"
        time.sleep(0.05)


def ticks(pid: int) -> int:
    """Return the CPU time of a process, in ticks of 10 ms."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def test_sigterm_ends_a_pod_that_is_in_native_code(pod: Pod, tmp_path: Path) -> None:
    """A pod that is killed after its grace period counts as one that ran out of memory."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    program = (
        "import hashlib, sys\n"
        "from simulacra_trainer.tasks import entry\n"
        "def native(context):\n"
        "    print('native', flush=True)\n"
        "    hashlib.pbkdf2_hmac('sha256', b'a', b'b', 2**31 - 1)\n"
        "entry._task = lambda name: native\n"
        "sys.exit(entry.run_task())\n"
    )
    env = {**os.environ, **pod.environment("prepare", "datasets"), "TMPDIR": str(scratch)}
    command = [sys.executable, "-c", program]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"native\n"
        begun = ticks(process.pid)
        wait_for(lambda: ticks(process.pid) > begun + 20, 60)  # it is in native code
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()
        process.communicate()
    assert not any(scratch.iterdir())


def test_sigterm_ends_the_pod_at_once_and_removes_its_files(pod: Pod, tmp_path: Path) -> None:
    pod.artifacts("datasets").store(UPLOAD, upload_bytes(60_000))
    pod.artifacts("datasets").store_model(REQUEST, PrepareRequest(format="csv"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    env = {**os.environ, **pod.environment("prepare", "datasets"), "TMPDIR": str(scratch)}
    process = subprocess.Popen(
        [sys.executable, "-m", "simulacra_trainer", "run"], env=env, stderr=subprocess.PIPE
    )
    try:
        wait_for(lambda: any(scratch.glob("simulacra-*/upload")), 60)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    finally:
        process.kill()
        _, log = process.communicate()
    assert not any(scratch.iterdir())
    assert b"zq_" not in log


def test_logs_of_a_whole_run_hold_no_customer_data(fitted: Pod) -> None:
    own = fitted.artifacts("generationjobs")
    own.erase(part_name(0))
    conditions = {"categorical": {"zq_shopper": {"zq_gold": 1}}}
    own.store_model(REQUEST, GenerateRequest(row_count=20, conditions=conditions))
    env = {**os.environ, **fitted.environment("generate", "generationjobs")}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "simulacra_trainer", "run"],
        env=env,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"lightgbm" not in done.stderr, "which generating rows does not need"
    said = done.stdout + done.stderr + (fitted.root / "termination").read_bytes()
    assert b"zq_" not in said
    assert json.loads((fitted.root / "termination").read_bytes())["attainment"]["status"] == "exact"


def test_reading_a_table_does_not_import_the_engine() -> None:
    code = "import sys\nfrom simulacra_trainer.tasks import entry, prepare\n"
    code += "sys.exit(bool({'numba', 'lightgbm', 'scipy'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_part_under_a_customers_key_is_written_again() -> None:
    """It cannot be read, so nothing is known of one that is there."""

    class LoadedError(Exception):
        pass

    def load_model(*, linked: bool) -> None:
        raise LoadedError

    own = SimpleNamespace(load=lambda *_: GenerateRequest(row_count=5), exists=lambda _: True)
    spec = SimpleNamespace(customer_key="arn:aws:kms:eu-west-1:1:key/a", shards=1)
    context: Any = SimpleNamespace(
        own=own, spec=spec, shard=0, load_model=load_model, report_progress=lambda _: None
    )
    with pytest.raises(LoadedError):
        generate_task.generate(context)
