"""Answer sheets in the SDK, the command and the MCP server: what may be claimed comes first."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer

from effect_results import TEXTS, sheet_result
from simulacra.commands.sheets import _levers
from simulacra.mcp_server import Tools
from simulacra.mcp_tools.schemas import LeverInput
from simulacra.operations.questions import ask_sheet
from simulacra.operations.resources import path_of
from simulacra.sheet import Sheet
from simulacra_api.sheets.routes import _answer
from simulacra_api.tenancy.repository import snake_case


def sheet(kind: str = "assumed", **changes: Any) -> Sheet:
    """Return an answer of the service."""
    found = snake_case(json.loads(sheet_result(kind).model_dump_json(by_alias=True)))
    levers = [_answer(one) for one in found.pop("levers")]
    head = {"sheet_id": "sht-1", "status": "ready"}
    return Sheet(head | found | {"levers": levers} | changes)


def test_print_says_what_is_ranked_then_each_verdict_before_its_figures() -> None:
    lines = str(sheet()).splitlines()
    assert lines[0] == "Ranked: 1 of 1 contrasts."
    assert lines[2:5] == [
        "1. price: 9, not 5",
        f"   {TEXTS['assumed']}",
        "   Effect -0.4 (-0.6 to -0.2), clear.",
    ]
    assert lines[-1] == "No lever: id. Nearly everybody has the same value."


def test_open_lever_has_no_rank_and_unanswerable_no_figure() -> None:
    text = str(sheet("open"))
    assert "\n- price: 9, not 5\n" in text
    assert "Not ranked: open until somebody says what comes first." in text
    assert "Effect" not in str(sheet("unanswerable"))
    assert "Effect" not in text
    assert "Between -0.6 and -0.2, clear." in text
    assert "<td></td><td>-0.6</td><td>-0.2</td><td>open</td>" in sheet("open")._repr_html_()
    assert "-0.6" not in str(sheet("contradicted")) + sheet("contradicted")._repr_html_()


def test_unfinished_and_failed_sheets_print_their_state() -> None:
    assert str(sheet(status="queued")) == "sht-1: queued"
    assert str(sheet(status="failed", error={"detail": "No lever."})) == "sht-1: failed\nNo lever."
    assert "Ranked" not in sheet(status="queued")._repr_html_().partition("text")[0]


def test_request_has_levers_and_stated_lists_only() -> None:
    step = next(ask_sheet("ds-1", outcome="y", key="k"))
    assert (step.path, step.json) == ("/v1/datasets/ds-1/sheets", {"outcome": "y"})
    lever = {"column": "b", "value": 2, "baseline": 1}
    step = next(ask_sheet("ds-1", outcome="y", levers=["a", lever], after=("y",), key="k"))
    assert step.json == {"outcome": "y", "levers": [{"column": "a"}, lever], "after": ["y"]}
    assert path_of("sht-1", ("sht-",)) == "/v1/sheets/sht-1"


def _by_name(columns: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["name"]: one for one in columns}


def test_command_reads_levers_with_values() -> None:
    columns: list[dict[str, Any]] = [
        {"name": "dose", "kind": "numeric"},
        {"name": "plan", "kind": "categorical"},
    ]
    assert _levers(_by_name(columns), ["dose=2:1", "plan=pro:basic", "plan"]) == [
        {"column": "dose", "value": 2.0, "baseline": 1.0},
        {"column": "plan", "value": "pro", "baseline": "basic"},
        {"column": "plan"},
    ]
    levels = [{"value": one} for one in ("10:00-11:00", "12:00-13:00")]
    columns += [
        {"name": "a=b", "kind": "numeric"},
        {"name": "brands", "kind": "multi"},
        {"name": "hour", "kind": "categorical", "levels": levels},
    ]
    found = _levers(
        _by_name(columns), ["a=b", "a=b=2:1", "brands: Nike", "hour=10:00-11:00:12:00-13:00"]
    )
    assert found == [
        {"column": "a=b"},
        {"column": "a=b", "value": 2.0, "baseline": 1.0},
        {"column": "brands: Nike"},
        {"column": "hour", "value": "10:00-11:00", "baseline": "12:00-13:00"},
    ]
    with pytest.raises(ValueError, match="no level 10"):
        _levers(_by_name(columns), ["hour=10:00-11:00"])
    for wrong in ("dose=2", "dose=a:b"):
        with pytest.raises(typer.BadParameter):
            _levers(_by_name(columns), [wrong])


def test_command_reads_what_came_before_and_after_one_lever() -> None:
    columns = [{"name": name, "kind": "numeric"} for name in ("age", "income", "school, years")]
    before, after = ['income="school, years",age'], ["school, years=income"]
    assert _levers(_by_name(columns), ["income=2:1", "school, years"], before, after) == [
        {"column": "income", "value": 2.0, "baseline": 1.0, "before": ["school, years", "age"]},
        {"column": "school, years", "after": ["income"]},
    ]
    twice = _levers(_by_name(columns), ["income"], ["income=age", 'income="school, years"'])
    assert twice == [{"column": "income", "before": ["age", "school, years"]}]
    for text, wrong in [
        ("income=agee", "--lever-before: the table has no column agee. Did you mean age?"),
        ("incom=age", "Did you mean income?"),
        ("age=income", "age is no lever here. Add --lever age."),
        ("income=", "write LEVER=COL"),
        ("income", "write LEVER=COL"),
    ]:
        with pytest.raises(ValueError, match=re.escape(wrong)):
            _levers(_by_name(columns), ["income"], [text])
    with pytest.raises(ValueError, match="Add --lever age"):
        _levers(_by_name(columns), [], ["age=income"])


async def test_agent_states_the_order_of_one_lever(tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    class Service:
        async def ask_sheet(self, _: str, **question: Any) -> Sheet:
            asked.update(question)
            return sheet(status="queued")

    tools = Tools(Service(), tmp_path)  # type: ignore[arg-type]
    lever = LeverInput(column="income", before=["age"])
    await tools.sheet("ds-1", outcome="y", levers=["plan", lever])
    assert asked["levers"] == ["plan", {"column": "income", "before": ["age"]}]


async def test_agent_reads_what_is_ranked_before_any_number(tmp_path: Path) -> None:
    class Service:
        async def get(self, _: str) -> Sheet:
            return sheet("open")

    status = await Tools(Service(), tmp_path).status("sht-1")  # type: ignore[arg-type]
    assert next(iter(status)) == "text"
    assert next(iter(status["levers"][0])) == "verdict"
    assert set(status) == set(sheet("open"))
