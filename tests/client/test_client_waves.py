"""What moved between waves, in the SDK, the command line and the flags that state the wave."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import simulacra
from simulacra.cli import app
from simulacra.commands import used_model
from simulacra.commands.reading import flags_of
from simulacra.core import LocalWork, Request
from simulacra.corrections import Corrections
from simulacra.errors import ApiError
from simulacra.models import Document, Report
from simulacra.operations import uploads
from simulacra.operations.datasets import earlier_waves

TABLE = f"ds-{'1' * 24}"
ANSWERS = [
    {"column": f"q{at}", "verdict": verdict, "sentence": f"q{at}: yes {verdict}."}
    for at, verdict in enumerate(("moved", "probably moved", "no sign"))
]
WAVES = {"sentence": "Wave 4 beside wave 3.", "answers": ANSWERS}
MOVED = ["Wave 4 beside wave 3.", "q0: yes moved.", "q1: yes probably moved."]


def test_a_report_says_what_moved_and_nothing_without_waves() -> None:
    assert [*Report(waves=WAVES).moved()] == MOVED
    assert [*Report().moved()] == []
    assert Report().waves is None


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the service answers as the report of the table."""
    found: dict[str, Any] = {"waves": WAVES}

    @contextlib.contextmanager
    def connected(*_: Any) -> Iterator[SimpleNamespace]:
        dataset = SimpleNamespace(dataset_id=TABLE, name="tracker")
        yield SimpleNamespace(
            report=lambda _: Report(found), api_url="", dataset=lambda _: dataset, datasets=list
        )

    monkeypatch.setattr(used_model, "connected", connected)
    return found


def test_waves_prints_the_sentences_on_a_terminal_and_json_elsewhere(
    answered: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = CliRunner().invoke(app, ["waves", TABLE, "--json"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, answered["waves"])
    monkeypatch.setattr("simulacra.commands.output.is_for_people", lambda _: True)
    done = CliRunner().invoke(app, ["waves", TABLE])
    assert done.stdout.splitlines()[:3] == MOVED
    assert "q2" not in done.stdout


def test_waves_without_waves_says_how_to_state_them(answered: dict[str, Any]) -> None:
    answered.clear()
    done = CliRunner().invoke(app, ["waves", TABLE])
    assert done.exit_code == 1
    assert "--wave COL" in done.output


def test_the_wave_is_the_role_of_one_column() -> None:
    document = Corrections(wave="quarter").into(None)
    assert document is not None
    assert document["fields"] == [{"name": "quarter", "x-simulacra": {"role": "wave"}}]
    fields = [{"name": "year", "x-simulacra": {"role": "wave"}}]
    changed = Corrections(wave="quarter").into({"fields": fields}, replacing=True)
    assert changed is not None
    assert [one["x-simulacra"] for one in changed["fields"]] == [{}, {"role": "wave"}]


def test_a_column_that_looks_like_waves_is_followed_by_its_flag(tmp_path: Path) -> None:
    columns = [{"name": "survey year", "learned": True, "to_confirm": "wave"}]
    assert flags_of({"columns": columns}) == {"survey year": ("--wave 'survey year'", "if it is")}


def test_an_earlier_name_is_stated_by_flag_argument_and_proposal() -> None:
    fields = [{"name": "Q9", "x-simulacra": {"earlier": "Q7"}}]
    for renamed in ("Q9=Q7", ["Q9=Q7"], {"Q9": "Q7"}):
        corrections = Corrections(renamed=renamed)
        document = corrections.into(None)
        assert document is not None
        assert document["fields"] == fields
        assert corrections.in_words("/fields/0/x-simulacra/earlier") == "renamed='Q9=Q7'"
        at = "/description/fields/0/x-simulacra/earlier"
        refused = {"detail": f"{at}: No.", "errors": [{"pointer": at, "detail": "No."}]}
        with pytest.raises(ApiError) as caught, corrections.named_in_errors():
            raise ApiError(422, refused)
        assert caught.value.errors[0]["pointer"] == "renamed='Q9=Q7'"
    for none in ("Q9=", {"Q9": False}):
        document = Corrections(renamed=none).into({"fields": fields}, replacing=True)
        assert document is not None
        assert document["fields"] == [{"name": "Q9", "x-simulacra": {"earlier": False}}]
    with pytest.raises(
        ValueError, match="renamed='Q9': write COL=EARLIER, such as renamed='Q9=Q7'"
    ):
        Corrections(renamed="Q9")
    columns = [
        {"name": "Q9", "to_confirm": "earlier", "earlier": {"question": "Q 7", "stated": False}}
    ]
    assert flags_of({"columns": columns}) == {"Q9": ("--renamed 'Q9=Q 7'", "if it is")}


SUMMARY = {"summary": {"version": 1, "waves": [{"label": "2026-Q3"}]}, "signature": "a.b.c"}


def test_summary_writes_a_file_that_upload_and_mcp_send_on(
    answered: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    served = {"summary": Document(SUMMARY)}
    monkeypatch.setattr(used_model.ServedModel, "read", lambda _, what: served[what])
    path = tmp_path / "q3.wave.json"
    done = CliRunner().invoke(app, ["summary", TABLE, "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert "the newest 2026-Q3" in done.stderr
    assert json.loads(done.stdout) == {"file": str(path), "waves": ["2026-Q3"]}
    assert earlier_waves(path) == earlier_waves(SUMMARY) == SUMMARY
    table = tmp_path / "q4.csv"
    table.write_text("a,b\n1,2\n")
    steps = uploads.upload(table, earlier=path)
    step = next(steps)
    while isinstance(step, LocalWork):
        step = steps.send(step.do())
    assert isinstance(step, Request)
    assert json.loads(step.form["earlier"]) == SUMMARY


def test_another_file_is_no_summary(tmp_path: Path) -> None:
    path = tmp_path / "q3.json"
    for text in ("{}", "[", "[1]"):
        path.write_text(text)
        with pytest.raises(ValueError, match="no wave summary"):
            earlier_waves(path)


def test_a_local_fit_takes_the_summary_of_the_one_before(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)

    def wave(share: float, likes: str = "likes") -> pa.Table:
        return pa.table(
            {
                "sex": rng.choice(["f", "m"], 300),
                "aware": np.where(rng.random(300) < share, "yes", "no"),
                likes: rng.choice(["a", "b", "c"], 300, p=[0.2, 0.3, 0.5]),
            }
        )

    first = simulacra.fit(wave(0.3))
    path = tmp_path / "first.wave.json"
    path.write_text(json.dumps(first.summary()))
    later = wave(0.7, "Q2")
    second = simulacra.fit(later, earlier=path)
    told = [*second.report().moved()]
    assert any(line.startswith("aware: ") for line in told[1:])
    assert any(line.startswith("Q2 looks like the question likes of earlier") for line in told[1:])
    assert "Q2" not in {one["column"] for one in second.report().waves["answers"]}
    assert flags_of(second.schema)["Q2"] == ("--renamed Q2=likes", "if it is")
    assert [one["label"] for one in second.summary()["summary"]["waves"]] == ["1", "2"]
    stated = simulacra.fit(later, earlier=path, renamed={"Q2": "likes"}).report()
    assert stated.waves["to_confirm"] == []
    assert "Q2" in {one["column"] for one in stated.waves["answers"]}
    assert second.usual_order()["blocks"][0] == ["sex"]
