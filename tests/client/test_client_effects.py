"""Effect estimates in the SDK, the command and the MCP server: the verdict before any number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from effect_results import (
    FIGURES,
    PARTLY,
    TEXTS,
    WHOM,
    effect_result,
    partly_answered,
    sheet_result,
)
from simulacra.commands.options import columns
from simulacra.commands.output import print_result
from simulacra.effect import MADE_BEFORE, Effect
from simulacra.mcp_server import Tools
from simulacra.operations.questions import estimate
from simulacra.sheet import _figures
from simulacra_api.tenancy.repository import snake_case
from simulacra_schema.answers import EffectResult
from simulacra_schema.claims import mask_unclaimed

FIRST = {"level": "loyal", **FIGURES, "effective_rows": 60.0}
PLAIN = {"treatment": "price", "value": 9, "baseline": 5, "outcome": "loyalty"}


def effect(kind: str = "open", result: EffectResult | None = None, **changes: Any) -> Effect:
    """Return an answer of the service."""
    found = snake_case(mask_unclaimed(result or effect_result(kind)).to_wire())
    figures = found.pop("estimate")
    head = {"effect_id": "eff-1", "status": "ready", "population": "all", "ace": figures}
    return Effect(head | found | changes)


def test_print_begins_with_the_verdict_then_precision_then_figures() -> None:
    lines = str(effect()).splitlines()
    assert lines[0] == TEXTS["open"]
    assert lines[1] == "Precision: clear, 42 effective rows in the smaller arm."
    assert lines[2] == (
        "What to state next: region in `before` if it came before price, else in `after`."
        " Then ask again."
    )
    head = next(at for at, line in enumerate(lines) if line.split()[:1] == ["effect"])
    assert [line.split()[0] for line in lines[head + 1 : head + 5]] == [
        "all",
        "adjusted",
        "adjusted",
        "segment:",
    ]
    assert "adjusted for no column" in str(effect())
    assert lines[-1] == "few rows"


@pytest.mark.parametrize("kind", ["assumed", "open"])
def test_people_whom_the_answer_is_for_stand_beside_everybody(kind: str) -> None:
    found = effect(result=partly_answered(kind))
    assert found.answered["text"] == WHOM
    lines = str(found).splitlines()
    assert lines[0] == PARTLY[kind]
    (everybody,) = [line for line in lines if line.startswith("all, by an assumption")]
    assert everybody.split()[-2:] == ["-0.8", "0.3"]
    assert list(found.verdict_first())[:3] == ["verdict", "precision", "answered"]
    sheet = snake_case(sheet_result(kind, partly_answered(kind)).to_wire())
    lever = sheet["levers"][0] | sheet["levers"][0]["answer"]
    told = _figures(lever | {"ace": lever["estimate"]})
    assert told.endswith(f", for {WHOM}.")
    unsaid = effect(result=partly_answered("contradicted"))
    assert unsaid.answered is None
    assert "by an assumption" not in str(unsaid)


def test_adjustment_sets_have_names_of_their_own() -> None:
    first, last = ["wave", "year", "age"], [f"column {at}" for at in range(5)]
    sets = [["region", "female"], ["region", "income"], ["income", "plan"], list("abcd")]
    base = effect()["alternatives"][0]
    found = [base | {"adjustment": [*first, *one, *last]} for one in sets]
    lines = str(effect(alternatives=found, segments=[])).splitlines()
    names = [line.partition("  ")[0] for line in lines if line.startswith("adjusted for")]
    assert names == [
        "adjusted for region, female, 8 that all have",
        "adjusted for region, income, 8 that all have",
        "adjusted for income, plan, 8 that all have",
        "adjusted for a, b, c, d, 8 that all have",
    ]


def test_segments_say_which_differ_which_are_thin_and_which_are_not_shown() -> None:
    shown = str(effect())
    assert "segment: loyal (thin support)" in shown
    assert "segment: switcher  " in shown
    assert "The effect differs from that of segment: loyal in: switcher." in shown
    assert "Not shown, too small or beyond the 50 largest: new." in shown
    same = [one | {"difference": {"effect": 0.5, "low": -0.1, "high": 0.9}} for one in [FIRST] * 2]
    assert "No segment's effect differs from the first one's" in str(effect(segments=same))
    former = {"level": "loyal", **FIGURES}
    told = str(effect(segments=[former, former], unshown_segments=None, groups_differ=None))
    assert "differs" not in told
    assert "beyond chance" not in told


def test_groups_say_whether_they_differ_and_both_intervals_in_table_and_picture() -> None:
    found = effect("assumed", by=["region", "sex"])
    shown = str(found)
    assert "The effect differs between groups (p = 0.02)." in shown
    heads, loyal = (
        next(line for line in shown.splitlines() if line.split()[:1] == [word])
        for word in ("effect", "region,")
    )
    assert heads.endswith("alone")
    assert loyal.endswith("-0.55 to -0.25")
    assert "region, sex: loyal (thin support)" in shown
    assert "for 1 % more price): -0.71, between -0.95 and -0.31." in shown
    assert "price): between -0.95" in str(effect())
    why = effect(elasticity={"text": "No elasticity: value and baseline must be positive."})
    assert "No elasticity: value and baseline must be positive." in str(why)
    picture = ElementTree.fromstring(found.picture())
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert found.picture().count('stroke-width="6"') == 1
    assert effect("contradicted", ace=None).picture() == ""


def test_long_adjustment_sets_are_named_by_what_they_lack() -> None:
    names = list("abcdefgh")
    sets = [names, names[1:], [], names[:4], ["loyalty"]]
    alternatives = [{"adjustment": one, "effect": 1.0, "low": 0, "high": 2} for one in sets]
    alternatives[-1]["reverses"] = True
    shown = str(effect(alternatives=alternatives))
    for name in (
        "all that is left open",
        "adjusted for all ",
        "adjusted for all but a ",
        "adjusted for no column",
        "adjusted for a, b, c, d",
        "if segment comes first",
    ):
        assert f"\n{name}" in shown
    assert max(map(len, shown.splitlines())) < 100


def test_unanswerable_question_prints_no_figure() -> None:
    gone = dict.fromkeys(("ace", "union", "alternatives", "segments"))
    text = str(effect("unanswerable", **gone, naive=None))
    assert text.startswith(TEXTS["unanswerable"])
    assert "effect  " not in text
    assert (
        TEXTS["unanswerable"].replace("'", "&#x27;") in effect("unanswerable", **gone)._repr_html_()
    )
    assert "<table>" not in effect("unanswerable", **gone)._repr_html_()


def test_estimate_made_before_verdicts_says_so() -> None:
    old = effect(verdict=None, precision=None, union=None, alternatives=None)
    assert old.verdict is None
    assert str(old).splitlines()[0] == MADE_BEFORE
    assert old.verdict_first()["verdict"] == MADE_BEFORE


@pytest.mark.parametrize("kind", ["assumed", "suggested", "open"])
def test_only_an_assumed_effect_is_printed_and_drawn_with_a_point(kind: str) -> None:
    shown = effect(kind)
    text, html = (page.replace(TEXTS[kind], "") for page in (str(shown), shown._repr_html_()))
    assert ("-0.4  " in text) is (kind == "assumed")
    assert ("<circle" in html) is (kind == "assumed")
    assert text.count("-0.6") == html.count("<td>-0.6</td>") == 5


def test_contradicted_effect_prints_words_only() -> None:
    gone = dict.fromkeys(("ace", "union", "alternatives", "segments"))
    shown = effect("contradicted", **gone)
    lines = str(shown).splitlines()
    assert lines[0] == TEXTS["contradicted"]
    assert not [line for line in lines if "Precision" in line or "effect  " in line]
    assert "<svg" not in shown._repr_html_()


def test_failed_check_is_printed() -> None:
    failed = [{"name": "placebo", "outcome": "failed", "detail": "still finds 0.4"}]
    assert "Check failed: still finds 0.4" in str(effect("contradicted", checks=failed))


def test_unfinished_and_failed_estimates_print_their_state() -> None:
    assert str(Effect(effect_id="eff-1", status="queued", ace=None)) == "eff-1: queued"
    failed = Effect(effect_id="eff-1", status="failed", error={"detail": "nobody paid 9"})
    assert str(failed).splitlines() == ["eff-1: failed", "nobody paid 9"]
    assert failed.verdict_first() == dict(failed)


def test_attributes_give_verdict_union_and_alternatives() -> None:
    found = effect()
    assert found.verdict is not None
    assert (found.verdict.kind, found.verdict.text, found.verdict.asks) == (
        "open",
        TEXTS["open"],
        "region",
    )
    assert found.union == {"low": -0.6, "high": -0.2}
    assert [one["adjustment"] for one in found.alternatives or []] == [["region"], []]
    assert json.loads(json.dumps(found)) == found


def test_command_prints_words_on_a_terminal_and_json_with_the_option(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = effect(treatment="[bold]price :smile:")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_result(shown, as_json=False)
    text = capsys.readouterr().out
    assert text.startswith("Open: between")
    assert "before [bold]price :smile:," in text.replace("\n", " ")
    print_result(shown, as_json=True)
    assert json.loads(capsys.readouterr().out)["verdict"]["kind"] == "open"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (None, []),
        ("", []),
        ("age", ["age"]),
        ("age, sex ,race", ["age", "sex", "race"]),
        ('"income, net",age', ["income, net", "age"]),
    ],
)
def test_columns_are_separated_by_commas(text: str | None, names: list[str]) -> None:
    assert columns(text) == names


def test_request_has_only_the_stated_lists() -> None:
    assert next(estimate("ds-1", **PLAIN)).json == PLAIN
    stated = estimate("ds-1", **PLAIN, before=("a",), dont_know=["b"], population="treated")
    assert next(stated).json == PLAIN | {
        "before": ["a"],
        "dont_know": ["b"],
        "population": "treated",
    }


@pytest.mark.parametrize(
    ("kind", "design", "whom"),
    [
        ("instrument", {"instrument": "region"}, "whom the instrument moves"),
        ("parallel trends", {"parallel_trends": {"wave": 2021}}, "the group, since then"),
    ],
)
def test_a_stated_design_is_sent_and_says_whom_the_effect_is_for(
    kind: str, design: dict[str, Any], whom: str
) -> None:
    assert next(estimate("ds-1", **PLAIN, **design)).json == PLAIN | design
    result = effect_result(kind)
    result.alternatives = result.alternatives[:1]
    shown = str(effect(kind, result, segments=[]))
    assert shown.startswith(TEXTS[kind])
    assert f"{whom}  " in shown
    assert "-0.4" in shown.partition(whom)[2]


async def test_agent_reads_the_verdict_before_any_number(tmp_path: Path) -> None:
    class Service:
        async def get(self, _: str) -> Effect:
            return effect()

    status = await Tools(Service(), tmp_path).status("eff-1")  # type: ignore[arg-type]
    assert next(iter(status)) == "verdict"
    assert json.dumps(status).startswith('{"verdict": {"kind": "open", "text": "Open: between')
    assert set(status) == set(effect())
