"""The tasks of given rows in a pod: what is stored, and that no given cell is in it."""

from __future__ import annotations

import io
import json
import uuid
from typing import Any

import pyarrow.parquet as pq
import pytest

from simulacra_crds.tasks import (
    COMPLETION,
    FAILURE,
    GIVEN,
    REQUEST,
    TASK_ENV,
    UPLOAD,
    ExitCode,
    FitRequest,
    GenerateRequest,
    KeyedRef,
    PrepareRequest,
    TaskResult,
    TaskSpec,
    part_name,
)
from simulacra_custody.refs import ResourceRef
from simulacra_schema.completion import CompletionReport, GivenOptions
from simulacra_trainer.tasks import entry
from simulacra_trainer.tasks.artifacts import Artifacts
from trainer_pod import Pod

MARKS = ("zqmark", "777.77", "31337")
"""In cells of the given rows, and nowhere else."""
HEADER = "zq_shopper,zq_basket,customer"


class Completions(Pod):
    """A pod with given rows beside the donors' dataset."""

    given: KeyedRef

    def give(self, text: str) -> tuple[int, TaskResult]:
        """Upload given rows and read them."""
        ref = ResourceRef("acme", "datasets", f"uid-given-{uuid.uuid4().hex[:8]}")
        key = self.custody.new_resource_key(ref)
        self.given = KeyedRef(kind="datasets", uid=ref.uid, wrapped_key=key)
        self.rows.store(UPLOAD, text.encode())
        self.rows.store_model(REQUEST, PrepareRequest(format="csv", given=True))
        return self._run(TaskSpec(task="prepare", tenant="acme", resource=self.given))

    @property
    def rows(self) -> Artifacts:
        return Artifacts(self.custody, "acme", self.given)

    def complete(self, *, own: bool = False, **options: Any) -> tuple[int, TaskResult]:
        """Complete the given rows, or the donors' own."""
        request = GenerateRequest(given=GivenOptions(**options), seed=4)
        self.artifacts("generationjobs").store_model(REQUEST, request)
        for name in (COMPLETION, part_name(0), FAILURE):
            self.artifacts("generationjobs").erase(name)
        return self.again(own=own)

    def again(self, *, own: bool = False) -> tuple[int, TaskResult]:
        refs = {"resource": self.refs["generationjobs"], "model": self.refs["models"]}
        given = None if own else self.given
        return self._run(TaskSpec(task="generate", tenant="acme", given=given, **refs))

    def _run(self, spec: TaskSpec) -> tuple[int, TaskResult]:
        env = self.environment("generate", "generationjobs")
        code = entry.run_task({**env, TASK_ENV: spec.model_dump_json(by_alias=True)})
        return code, TaskResult.model_validate_json((self.root / "termination").read_bytes())

    def made(self) -> dict[str, bytes]:
        """Return every artifact of the completion, decrypted."""
        own = self.artifacts("generationjobs")
        return {
            name: b"".join(own._custody.read(own._ref(name), own._key)) for name in own.names("")
        }


def given_csv(rows: int = 40, shopper: str = "zq_gold") -> str:
    lines = [
        f"{shopper if one % 2 else 'zq_silver'},777.77,zqmark-{one}-31337" for one in range(rows)
    ]
    return "\n".join([HEADER, *lines])


@pytest.fixture(scope="module")
def pod(tmp_path_factory: pytest.TempPathFactory) -> Completions:
    one = Completions(tmp_path_factory.mktemp("pod"))
    one.prepare_for(FitRequest())
    code, _ = one.run("fit", "models")
    assert code == ExitCode.OK
    return one


def test_given_rows_are_kept_as_read_and_their_upload_is_erased(pod: Completions) -> None:
    code, result = pod.give(given_csv())
    assert (code, result.rows, result.columns) == (ExitCode.OK, 40, 3)
    assert [one.name for one in result.artefacts] == [GIVEN]
    assert set(pod.rows.names("")) - {REQUEST, "progress.json"} == {GIVEN}
    stored = b"".join(
        path.read_bytes() for path in (pod.root / "store").rglob("*") if path.is_file()
    )
    assert b"zqmark" not in stored, "encrypted"
    again, same = pod._run(TaskSpec(task="prepare", tenant="acme", resource=pod.given))
    assert (again, same.artefacts) == (ExitCode.OK, result.artefacts)


def test_no_given_cell_is_in_an_artifact_a_result_or_a_log(
    pod: Completions, capfd: pytest.CaptureFixture[str]
) -> None:
    pod.give(given_csv())
    code, result = pod.complete(columns=["zq_visits"], implicates=3)
    assert code == ExitCode.OK, result.message
    assert result.given is not None
    assert (result.given.rows, result.given.gaps, result.given.implicates) == (40, 40, 3)
    made = pod.made()
    filled = pq.read_table(io.BytesIO(made[part_name(0)]))
    assert filled.column_names == ["row", "implicate", "zq_visits"]
    assert filled.num_rows == result.rows == 120
    report = CompletionReport.model_validate_json(made[COMPLETION])
    assert report.summary == result.given
    captured = capfd.readouterr()
    places = {**made, "log": (captured.out + captured.err).encode()}
    places["result"] = result.model_dump_json().encode()
    places["rows"] = json.dumps(filled.to_pydict(), default=str).encode()
    for name, content in places.items():
        found = [mark for mark in MARKS if mark.encode() in content]
        assert not found, f"{name} has {found}"


def test_a_completion_that_ran_before_is_not_made_again(pod: Completions) -> None:
    pod.give(given_csv())
    _, first = pod.complete(columns=["zq_visits"], implicates=2)
    before = pod.made()
    code, again = pod.again()
    assert (code, again.given, again.rows) == (ExitCode.OK, first.given, first.rows)
    assert pod.made()[part_name(0)] == before[part_name(0)]


def test_a_pod_that_ended_between_part_and_report_makes_the_same_cells(pod: Completions) -> None:
    pod.give(given_csv())
    pod.complete(columns=["zq_visits"], implicates=2)
    before = pod.made()
    pod.artifacts("generationjobs").erase(COMPLETION)
    code, _ = pod.again()
    assert code == ExitCode.OK
    assert pod.made()[part_name(0)] == before[part_name(0)]
    assert pod.made()[COMPLETION] == before[COMPLETION]


@pytest.mark.parametrize(
    ("text", "options", "pointer"),
    [
        (given_csv(shopper="zqmark_platinum"), {}, "/given"),
        (given_csv(), {"columns": ["zq_nothing"]}, "/given/columns/0"),
        ("customer,name\n" + "zqmark-1,zqmark-2\n" * 30, {}, "/given"),
    ],
)
def test_an_error_names_cells_to_the_customer_only(
    pod: Completions,
    capfd: pytest.CaptureFixture[str],
    text: str,
    options: dict[str, Any],
    pointer: str,
) -> None:
    pod.give(text)
    code, result = pod.complete(implicates=2, **options)
    assert code == ExitCode.USER_ERROR, result.message
    captured = capfd.readouterr()
    for said in (result.message, captured.out, captured.err):
        assert "zqmark" not in said
        assert "zq_" not in said
    failure = json.loads(pod.made()[FAILURE])
    pointers = [one["pointer"] for one in failure["errors"]] or [failure["pointer"]]
    assert all(one.startswith(pointer) for one in pointers)
    assert COMPLETION not in pod.made()
    assert part_name(0) not in pod.made()


def test_the_donors_own_rows_need_no_other_key(pod: Completions) -> None:
    code, result = pod.complete(own=True, implicates=2)
    assert code in (ExitCode.OK, ExitCode.USER_ERROR), result.message
