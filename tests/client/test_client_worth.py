"""The sentence that says what rows are worth, wherever the SDK and the command hand out rows."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from simulacra.cli import app
from simulacra.commands import generations, used_model
from simulacra.models import Generation, Report
from simulacra.operations.generations import generate

SENTENCE = "These 10,000 rows are worth 476 respondents; use evidence_weight as frequency weights."
TABLE, ROWS = f"ds-{'1' * 24}", f"gen-{'2' * 24}"
DONE = Generation(generation_id="gen-1", status="ready", evidence={"sentence": SENTENCE})


def test_a_generation_prints_what_its_rows_are_worth() -> None:
    assert str(DONE).endswith(SENTENCE)
    assert DONE._repr_html_().startswith(f"<p>{SENTENCE}</p><table>")
    running = Generation(generation_id="gen-1", status="running")
    assert running.sentence is None
    assert running._repr_html_().startswith("<table>")


def test_a_report_says_what_the_sampling_points_leave_of_the_rows() -> None:
    questions = [{"column": f"q{i}", "design_effect": 6.04 - i} for i in range(6)]
    design = {"rows": 1800, "respondents": 214.3, "clusters": 40, "questions": questions}
    most = "largest design effects: q0 6.0, q1 5.0, q2 4.0, q3 3.0, q4 2.0"
    worth = "are worth 214 respondents"
    assert [*Report(design=design).drawn()] == [f"1,800 rows of 40 points {worth}", most]
    strata_alone = Report(design={**design, "clusters": None})
    assert next(strata_alone.drawn()) == f"1,800 rows {worth}"
    assert [*Report(design=None).drawn()] == [*Report().drawn()] == []


def test_the_request_leaves_out_the_weight_only_when_told() -> None:
    plain, without = (next(generate("ds-1", 5, **more)) for more in ({}, {"evidence": False}))
    assert "evidence" not in plain.json
    assert without.json["evidence"] is False


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the command asks of a client that answers at once."""
    seen: list[dict[str, Any]] = []

    def answer(*_: Any, **request: Any) -> Generation:
        seen.append(request)
        return Generation(generation_id="gen-1", job_id="job-1")

    @contextlib.contextmanager
    def connected(*_: Any) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(
            generate=answer,
            generation=lambda _: DONE,
            download=lambda *_, **__: 12,
            schema=lambda _: {"columns": [{"name": "age", "kind": "integer"}]},
        )

    for module in (generations, used_model):
        monkeypatch.setattr(module, "connected", connected)
    return seen


def test_commands_say_what_rows_are_worth_on_stderr(
    asked: list[dict[str, Any]], tmp_path: Path
) -> None:
    command = CliRunner()
    made = command.invoke(app, ["generate", TABLE, "--rows", "5", "--no-wait", "--no-evidence"])
    saved = command.invoke(app, ["download", ROWS, "-o", str(tmp_path / "rows.csv")])
    assert (made.exit_code, saved.exit_code) == (0, 0)
    assert asked[0]["evidence"] is False
    assert SENTENCE in made.stderr
    assert SENTENCE in saved.stderr
    assert SENTENCE not in saved.stdout
