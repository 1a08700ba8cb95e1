"""Verdicts: which rule fires, and what can never raise a verdict: wider intervals, an open column
more, a statement less.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effect_results import ANSWERED, WHOM, WHY, effect_result, partly_answered
from simulacra_crds.tasks import EstimateRequest, GenerateRequest
from simulacra_intake.errors import InputError
from simulacra_schema.answers import (
    VERDICT_KINDS,
    AdjustmentEffect,
    Answered,
    EffectResult,
    Sensitivity,
    Span,
    Yardstick,
)
from simulacra_schema.background import bind_background
from simulacra_schema.claims import POINTED, SPANNED, mask_unclaimed
from simulacra_schema.questions.knowledge import Edge, Knowledge, KnowledgeRecord
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema
from simulacra_trainer.effects.checks import checked
from simulacra_trainer.effects.column_timing import ColumnTiming, read_timing
from simulacra_trainer.effects.findings import Findings
from simulacra_trainer.effects.overlap.support import Support
from simulacra_trainer.effects.verdict import Evidence, judge, precision, union
from simulacra_trainer.graph import CausalGraph
from simulacra_trainer.graph.constraints import read_knowledge
from simulacra_trainer.pipeline.identification import identify

Vote = tuple[bool, str]
PRECISIONS = ("very thin", "not significant", "thin support", "clear")
VOTES = ("suggested", "weak", "undirected")
FAILED = [checked("placebo", "failed", "The check failed.", forbids=True)]
FORBIDDEN = ("settles", "identified", "proves")
SENSITIVITY = Sensitivity(
    robustness=0.1,
    robustness_near=0.07,
    yardsticks=[
        Yardstick(
            column="year", shift=0.06, strength=0.01, of_outcome=0.28, of_weights=0.08, move=0.3
        )
    ],
    unseen=Span(low=-1.48, high=-0.336),
)


def _timing(order: str = "stated", unknown: tuple[str, ...] = ()) -> ColumnTiming:
    before = [name for name in ("age", "sex") if name not in unknown]
    return ColumnTiming(before, ["after"], list(unknown), order, [])


def _effect(effect: float, error: float, *columns: str, reverses: bool = False) -> AdjustmentEffect:
    half = 1.96 * error
    return AdjustmentEffect(
        adjustment=list(columns),
        effect=effect,
        low=effect - half,
        high=effect + half,
        support=1.0,
        effective_rows=100.0,
        reverses=reverses,
    )


def _evidence(timing: ColumnTiming, *effects: AdjustmentEffect, **found: Any) -> Evidence:
    findings = Findings(effects=[*effects], sensitivity=SENSITIVITY, **found)
    return Evidence("t", "y", timing, findings)


def test_assumed_repeats_what_was_said_and_how_strong_an_unseen_cause_must_be() -> None:
    verdict = judge(_evidence(_timing(), _effect(-0.91, 0.14, "age", "sex")))
    assert verdict.kind == "assumed"
    assert verdict.text == (
        "If t comes before y, as you said, and nothing unseen moves both: -0.91 [-1.18, -0.636]."
        " Before t came, you said: age, sex. An unseen cause that explains 10 % of what is left of"
        " both would bring this to 0. Even with an unseen cause as strong as year (28 % of what is"
        " left of the outcome, 8 % of the weights): [-1.48, -0.336]."
    )


def test_assumed_without_columns_before_says_so() -> None:
    bare = Sensitivity(robustness=0.1, robustness_near=0.07)
    timing = replace(_timing(), before=[])
    found = Findings(effects=[_effect(-0.91, 0.14)], sensitivity=bare)
    verdict = judge(Evidence("t", "y", timing, found))
    assert "You said that no column came before t." in verdict.text
    assert verdict.text.endswith("would bring this to 0.")


@pytest.mark.parametrize(
    ("timing", "start"),
    [
        (_timing(), "If t comes before y, as you said, and nothing unseen moves both, for {}: "),
        (_timing("unstated"), "For {} the data suggest less, between "),
        (_timing("unstated", ("a", "b", "c", "d")), "Open: for {} between "),
    ],
)
def test_every_verdict_names_whom_it_is_for(timing: ColumnTiming, start: str) -> None:
    whom = Answered.model_validate(ANSWERED)
    effect = _effect(-0.9, 0.1, "age", "sex")
    text = judge(_evidence(timing, effect, answered=whom)).text
    assert text.startswith(start.format(WHOM))
    assert f". {WHY}" in text
    assert WHOM not in judge(_evidence(timing, effect, answered=whom, checked=FAILED)).text


def test_zero_is_never_claimed() -> None:
    verdict = judge(_evidence(_timing(), _effect(0.1, 0.2)))
    assert verdict.kind == "assumed"
    assert "no effect beyond 0.492 either way" in verdict.text
    assert "bring this to 0" not in verdict.text


def test_open_column_makes_a_suggestion_and_asks_for_it() -> None:
    evidence = _evidence(
        _timing(unknown=("sex",)), _effect(1.0, 0.1, "age"), _effect(0.8, 0.1, "age", "sex")
    )
    verdict = judge(evidence)
    assert (verdict.kind, verdict.asks) == ("suggested", "sex")
    assert "You left open what comes before t: sex." in verdict.text


def test_sign_of_a_suggestion_is_three_standard_errors_from_zero_under_each_set() -> None:
    timing, near = _timing(unknown=("sex",)), _effect(0.8, 0.3, "age", "sex")
    verdict = judge(_evidence(timing, _effect(1.0, 0.1, "age"), near))
    assert (verdict.kind, verdict.asks) == ("open", "sex")
    assert near.low > 0
    opposite = [_effect(1.0, 0.1, "age"), _effect(-0.8, 0.1, "age", "sex")]
    assert judge(_evidence(timing, *opposite)).kind == "open"
    assert judge(_evidence(_timing(), near)).kind == "assumed"


def test_order_that_nobody_stated_is_a_suggestion_with_its_record() -> None:
    verdict = judge(_evidence(_timing("unstated"), _effect(1.0, 0.1)))
    assert verdict.kind == "suggested"
    assert "one in three such directions was wrong" in verdict.text


def test_outcome_that_may_cause_the_treatment_leaves_the_answer_open() -> None:
    reversing = _effect(0.0, 0.0, "y", reverses=True)
    verdict = judge(_evidence(_timing("unstated"), _effect(1.0, 0.1), reversing))
    assert (verdict.kind, verdict.asks) == ("open", "y")
    assert "or none, if y causes t" in verdict.text
    assert verdict.text.endswith("does y come before or after t?")


def test_question_is_the_one_that_narrows_most() -> None:
    timing = _timing("unstated", ("age", "sex"))
    effects = [
        _effect(center, 0.01, *columns)
        for center, columns in (
            (0.0, ()),
            (0.1, ("age",)),
            (2.0, ("sex",)),
            (2.1, ("age", "sex")),
        )
    ]
    assert judge(_evidence(timing, *effects)).asks == "sex"


def test_no_answer_and_failed_checks_come_before_everything_else() -> None:
    effect = _effect(1.0, 0.1)
    verdict = judge(_evidence(_timing(), effect, checked=FAILED))
    assert verdict.text == "Do not use. The check failed."
    missing = _evidence(_timing(), effect, checked=FAILED, missing="too few people.")
    assert judge(missing).kind == "unanswerable"
    assert judge(_evidence(_timing("reversed"), _effect(1.0, 0.1))).kind == "contradicted"


def test_wider_intervals_never_raise_a_verdict_or_a_precision() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        timing = _timing(
            str(rng.choice(["stated", "unstated", "reversed"])),
            ("sex", "a", "b", "c")[: int(rng.integers(0, 5))],
        )
        share = float(rng.random())
        sets = [(rng.normal(), rng.random()) for _ in range(int(rng.integers(1, 4)))]
        reversing = [_effect(0.0, 0.0, "y", reverses=True)] if rng.random() < 0.2 else []
        kinds, words = [], []
        for factor in (1.0, 3.0):
            effects = [_effect(center, factor * error) for center, error in sets] + reversing
            kinds.append(VERDICT_KINDS.index(judge(_evidence(timing, *effects)).kind))
            words.append(PRECISIONS.index(precision(union(effects), share)))
        assert kinds[1] <= kinds[0]
        assert words[1] <= words[0]


def test_open_column_or_dropped_order_never_raises_a_verdict() -> None:
    rng = np.random.default_rng(1)
    for _ in range(300):
        fewer = [_effect(rng.normal(), rng.random(), "age", "sex")]
        more = [*fewer, _effect(rng.normal(), rng.random(), "age")]
        kinds = [
            VERDICT_KINDS.index(judge(_evidence(timing, *effects)).kind)
            for timing, effects in (
                (_timing(), fewer),
                (_timing(unknown=("sex",)), more),
                (_timing("unstated", ("sex",)), more),
            )
        ]
        assert kinds == sorted(kinds, reverse=True)


def test_more_open_columns_than_can_be_tried_suggest_nothing() -> None:
    few, many = ("a", "b", "c"), ("a", "b", "c", "d")
    effects = [_effect(1.0, 0.1), _effect(0.8, 0.1, "a")]
    assert judge(_evidence(_timing(unknown=few), *effects)).kind == "suggested"
    verdict = judge(_evidence(_timing(unknown=many), *effects))
    assert verdict.kind == "open"
    assert "Nobody placed 4 columns; not every choice among them was tried." in verdict.text


def test_nothing_is_suggested_where_one_set_would_have_no_answer() -> None:
    """With every column stated that set is the only one, and too few people are like the others."""
    timing, few = _timing(unknown=("sex",)), _effect(0.8, 0.1, "age", "sex")
    effects = [_effect(1.0, 0.1, "age"), few.model_copy(update={"effective_rows": 29.0})]
    verdict = judge(_evidence(timing, *effects))
    assert (verdict.kind, verdict.asks) == ("open", "sex")
    assert judge(_evidence(timing, effects[0], few)).kind == "suggested"


def test_no_text_claims_more_than_it_may() -> None:
    reversing = _effect(0.0, 0.0, "y", reverses=True)
    texts = [
        judge(_evidence(_timing(order, unknown), *effects)).text
        for order in ("stated", "unstated", "reversed")
        for unknown in ((), ("sex",))
        for effects in ([_effect(1, 0.1)], [_effect(0, 1)], [_effect(1, 0.1), reversing])
    ]
    assert not [text for text in texts if any(word in text for word in FORBIDDEN)]


@pytest.mark.parametrize(
    ("share", "span", "word"),
    [
        (0.9, (1.0, 2.0), "clear"),
        (0.9, (-1.0, 2.0), "not significant"),
        (0.4, (1.0, 2.0), "thin support"),
        (0.1, (1.0, 2.0), "very thin"),
    ],
)
def test_precision_is_the_worst_of_its_words(
    share: float, span: tuple[float, float], word: str
) -> None:
    low, high = span
    middle = (low + high) / 2
    found = union([_effect(middle, (high - low) / 3.92)])
    assert precision(found, share) == word
    left_out = {"clear": "thin support"}
    assert precision(found, share, support=0.98) == left_out.get(word, word)


SCHEMA = TableSchema(
    rows=10,
    columns=[
        *(ColumnSchema(name=n, kind="numeric", storage="x") for n in ("age", "sex", "t", "m", "y")),
        ColumnSchema(name="id", kind="identifier", storage="string", learned=False),
        ColumnSchema(
            name="media", kind="multi", storage="string", levels=[LevelSchema(value="TV", share=1)]
        ),
    ],
)
TIERS = Knowledge(tiers=[["age"], ["t", "m"], ["y"]])


def _read(knowledge: Knowledge = TIERS, **lists: object) -> ColumnTiming:
    request = EstimateRequest(treatment="t", value=1, baseline=0, outcome="y", **lists)
    return read_timing(knowledge, SCHEMA, request, "y")


def test_tiers_say_nothing_of_columns_outside_them_or_of_the_treatments_own() -> None:
    timing = _read()
    assert (timing.before, timing.after, timing.unknown) == (
        ["age"],
        [],
        ["sex", "m", "media: TV"],
    )
    assert timing.order == "stated"
    assert [s.origin for s in timing.statements] == ["tiers", "tiers"]


def test_lists_of_the_question_count_before_tiers_and_name_their_author() -> None:
    timing = _read(before=["sex"], after=["m"], dont_know=["age", "y"], author="ada")
    assert (timing.before, timing.after) == (["sex"], ["m"])
    assert timing.unknown == ["age", "media: TV"]
    assert timing.order == "unstated"
    assert {s.author for s in timing.statements} == {"ada"}


def test_required_edges_place_columns_and_can_reverse_the_question() -> None:
    required = Knowledge(required=[Edge(source="y", target="t"), Edge(source="sex", target="y")])
    timing = _read(required)
    assert (timing.before, timing.order) == (["sex"], "reversed")
    assert timing.statements[0].origin == "required"


@pytest.mark.parametrize(
    ("lists", "pointer"),
    [
        ({"before": ["age", "nobody"]}, "/before/1"),
        ({"before": ["id"]}, "/before/0"),
        ({"after": ["t"]}, "/after/0"),
        ({"before": ["age"], "dont_know": ["age"]}, "/dont_know/0"),
        ({"before": ["y"]}, "/before/0"),
        ({"before": ["media: TV", "media"]}, "/before/1"),
        ({"negative_controls": ["media"]}, "/negative_controls/0"),
    ],
)
def test_invalid_list_is_rejected_with_a_pointer(lists: dict[str, object], pointer: str) -> None:
    with pytest.raises(InputError) as caught:
        _read(**lists)
    assert caught.value.pointer == pointer
    assert "nobody" not in caught.value.message


def test_figures_of_a_status_are_short() -> None:
    """Kubectl prints a number with all its digits."""
    result = effect_result()
    result.estimate.effect = -0.9144836293847561
    assert (result.summary.effect, result.summary.rows) == (-0.9145, 100)
    assert result.estimate.effect == -0.9144836293847561


@pytest.mark.parametrize("kind", VERDICT_KINDS)
def test_an_answer_without_figures_has_none_for_everybody(kind: str) -> None:
    found = mask_unclaimed(partly_answered(kind))
    is_shown = kind in SPANNED
    assert (found.answered is not None) is is_shown
    assert (found.summary.everybody_low, found.summary.everybody_high) == (
        (-0.8, 0.3) if is_shown else (None, None)
    )


@pytest.mark.parametrize("kind", VERDICT_KINDS)
def test_an_answer_holds_only_what_its_verdict_claims(kind: str) -> None:
    raw = effect_result(kind)
    found = mask_unclaimed(raw)
    is_pointed, is_spanned = kind in POINTED, kind in SPANNED
    assert (found.estimate.effect, found.summary.robustness) == (
        (-0.4, 0.1) if is_pointed else (None, None)
    )
    assert (found.sensitivity is not None) is is_pointed
    assert (found.estimate.low, found.estimate.high) == (
        (-0.6, -0.2) if is_spanned else (None, None)
    )
    assert (found.union is not None) is is_spanned
    assert (len(found.alternatives), len(found.segments)) == ((2, 2) if is_spanned else (0, 0))
    assert found.unshown_segments == (["new"] if is_spanned else [])
    for one in found.segments:
        assert (one.effect, one.low, one.high) == (-0.4 if is_pointed else None, -0.6, -0.2)
    for gap in [one.difference for one in found.segments[1:]]:
        assert gap is not None
        assert (gap.effect, gap.low, gap.high) == (0.5 if is_pointed else None, 0.1, 0.9)
    assert ("-0.4" in found.to_json().partition('"estimate"')[2]) is is_pointed
    assert (found.naive, found.verdict) == (raw.naive, raw.verdict)
    assert EffectResult.model_validate_json(found.to_json()) == found
    assert raw == effect_result(kind), "the raw answer stays"


def test_confirmed_background_places_columns_and_names_who_confirmed_it() -> None:
    time = datetime(2026, 11, 27, tzinfo=UTC)
    knowledge = Knowledge(confirmed=[["sex"], ["age"]])
    stated = [KnowledgeRecord(part="confirmed", author="ada", time=time)]
    request = EstimateRequest(treatment="t", value=1, baseline=0, outcome="y")
    timing = read_timing(knowledge, SCHEMA, request, "y", stated)
    assert (timing.before, timing.order) == (["age", "sex"], "unstated")
    (said,) = timing.statements
    assert (said.origin, said.author, said.time, said.author_kind) == (
        "proposed",
        "ada",
        time,
        "client",
    )
    automatic = [KnowledgeRecord(part="background", author="ada", time=time)]
    (said,) = read_timing(knowledge, SCHEMA, request, "y", automatic).statements
    assert (said.author, said.author_kind) == ("ada", "automatic")


@st.composite
def _stated(draw: st.DrawFn) -> tuple[Knowledge, dict[str, list[str]]]:
    """Consistent knowledge and lists: a random order, of which each part says something."""
    order = ["sex", "age", *draw(st.permutations(["t", "m", "y"]))]
    tiers = [[name] for name in order if draw(st.booleans())]
    confirmed = [["sex"]] if ["sex"] not in tiers and draw(st.booleans()) else []
    pairs = draw(st.sets(st.sampled_from([*itertools.combinations(order, 2)]), max_size=2))
    required = [Edge(source=a, target=b) for a, b in sorted(pairs)]
    others = [name for name in order if name != "t"]
    lists: dict[str, list[str]] = {"before": [], "after": []}
    for name in others:
        if draw(st.booleans()):
            lists["before" if order.index(name) < order.index("t") else "after"].append(name)
    lists["before"] = [name for name in lists["before"] if name != "y"]
    return Knowledge(tiers=tiers, confirmed=confirmed, required=required), lists


@settings(max_examples=60, deadline=None)
@given(_stated(), st.data())
def test_dropping_a_piece_of_knowledge_never_places_a_column_or_the_order(
    said: tuple[Knowledge, dict[str, list[str]]], data: st.DataObject
) -> None:
    """So no verdict rises: it needs fewer unplaced columns, or a stated order."""
    knowledge, lists = said
    full = _read(knowledge, **lists)
    part = data.draw(st.sampled_from(["tiers", "confirmed", "required", "before", "after"]))
    source = lists[part] if part in lists else getattr(knowledge, part)
    if not source:
        return
    at = data.draw(st.integers(0, len(source) - 1))
    kept = [one for i, one in enumerate(source) if i != at]
    if part in lists:
        less = _read(knowledge, **(lists | {part: kept}))
    else:
        less = _read(knowledge.model_copy(update={part: kept}), **lists)
    assert set(less.before) <= set(full.before)
    assert set(less.after) <= set(full.after)
    assert less.order in ("unstated", full.order)


def test_background_that_is_only_proposed_places_no_column() -> None:
    """Asking for `auto` is a statement; without it, the same proposals raise no verdict."""
    columns = [ColumnSchema(name="female", kind="boolean", storage="x"), *SCHEMA.columns]
    schema = TableSchema(rows=10, columns=columns)
    request = EstimateRequest(treatment="t", value=1, baseline=0, outcome="y", after=["y", "m"])
    asked, bound = (
        read_timing(bind_background(Knowledge(background=mode), schema), schema, request, "y")
        for mode in ("ask", "auto")
    )
    assert (asked.before, "female" in asked.unknown) == ([], True)
    assert bound.before == ["female"]
    assert set(bound.unknown) < set(asked.unknown)


@pytest.mark.parametrize("counterfactual", [False, True])
@settings(max_examples=60, deadline=None)
@given(
    said=_stated(),
    part=st.sampled_from(["tiers", "confirmed", "required"]),
    votes=st.lists(st.tuples(st.booleans(), st.sampled_from(VOTES)), min_size=3, max_size=3),
    data=st.data(),
)
def test_dropping_knowledge_never_raises_the_verdict_of_rows_under_do(
    counterfactual: bool,
    said: tuple[Knowledge, dict[str, list[str]]],
    part: str,
    votes: list[Vote],
    data: st.DataObject,
) -> None:
    """Nor of pairs, though the votes of the half-samples then turn arrows that were stated."""
    knowledge = said[0]
    source = getattr(knowledge, part)
    if not source:
        return
    at = data.draw(st.integers(0, len(source) - 1))
    kept = [one for i, one in enumerate(source) if i != at]
    ranks = [
        _rank_of_rows(known, votes, counterfactual)
        for known in (knowledge, knowledge.model_copy(update={part: kept}))
    ]
    assert ranks[1] <= ranks[0]


def test_mechanism_of_a_column_that_nobody_placed_is_open() -> None:
    """Votes have m before t, so the graph alone would not have m change."""
    votes = [(True, "suggested"), (False, "suggested"), (True, "undirected")]
    tiers = [["sex"], ["age"], ["t"], ["y"]]
    said = Knowledge(tiers=tiers, required=[Edge(source="t", target="m")])
    is_open = VERDICT_KINDS.index("open")
    for knowledge in (said, Knowledge(tiers=tiers)):
        assert _rank_of_rows(knowledge, votes, counterfactual=True) == is_open
    assert _rank_of_rows(Knowledge(tiers=tiers), votes, counterfactual=False) > is_open


@pytest.mark.parametrize(
    ("vote", "kind"), [("suggested", "suggested"), ("weak", "open"), ("undirected", "open")]
)
def test_pairs_are_assumed_only_where_the_order_of_what_follows_was_stated(
    vote: str, kind: str
) -> None:
    """Rows need no more than the timing relative to the fixed column."""
    tiers = Knowledge(tiers=[["sex", "age"], ["t"], ["m", "y"]])
    votes = [(True, "suggested"), (True, "suggested"), (True, vote)]
    assumed, found = VERDICT_KINDS.index("assumed"), VERDICT_KINDS.index(kind)
    assert _rank_of_rows(tiers, votes, counterfactual=False) == assumed
    assert _rank_of_rows(tiers, votes, counterfactual=True) == found
    every = Knowledge(tiers=[["sex", "age"], ["t"], ["m"], ["y"]])
    assert _rank_of_rows(every, votes, counterfactual=True) == assumed


def test_direction_that_only_a_path_of_votes_gives_is_no_statement() -> None:
    """The edge of m and y is not drawn; half-samples lead from m over age to y."""
    schema = TableSchema(rows=10, columns=SCHEMA.columns[:5])
    order = ["sex", "t", "m", "age", "y"]
    drawn = [("t", "m", "stated"), ("m", "age", "suggested"), ("age", "y", "suggested")]
    edges = [
        {"source": a, "target": b, "strength": 1.0, "state": "directed", "basis": basis}
        for a, b, basis in drawn
    ]
    parents = {"sex": [], "t": [], "m": ["t"], "age": [], "y": ["m"]}
    knowledge = Knowledge(tiers=[["sex"], ["t"], ["m", "age", "y"]])
    graph = CausalGraph.model_validate(
        {
            "order": order,
            "parent_lists": parents,
            "edges": edges,
            "suggestions": "computed",
            "knowledge": knowledge,
        }
    )
    assert _verdict_of_rows(schema, graph) == "assumed"
    assert _verdict_of_rows(schema, graph, counterfactual=True) == "suggested"


def _rank_of_rows(knowledge: Knowledge, votes: list[Vote], counterfactual: bool) -> int:
    """Return the rank of the verdict of rows under do(t = 1), or of pairs."""
    schema = TableSchema(rows=10, columns=SCHEMA.columns[:5])
    graph = _chain(schema, knowledge, votes)
    return VERDICT_KINDS.index(_verdict_of_rows(schema, graph, counterfactual=counterfactual))


def _chain(schema: TableSchema, knowledge: Knowledge, votes: list[Vote]) -> CausalGraph:
    """Return age - t - m - y, each edge as stated, else as voted: forward or not, and its basis."""
    names = [column.name for column in schema.columns]
    before = read_knowledge(knowledge, schema, names).before
    graph: dict[str, Any] = {"parent_lists": {name: [] for name in names}, "edges": []}
    graph["undecided"] = []
    for (a, b), (forward, vote) in zip(
        itertools.pairwise(["age", "t", "m", "y"]), votes, strict=True
    ):
        i, j = names.index(a), names.index(b)
        basis = "stated" if before[i, j] or before[j, i] else vote
        is_forward = bool(before[i, j]) if basis == "stated" else forward
        source, target = (a, b) if is_forward else (b, a)
        graph["parent_lists"][target].append(source)
        edge = {"source": source, "target": target, "strength": 1.0, "state": "directed"}
        graph["edges"].append(edge | {"basis": basis})
        if basis == "undirected":
            graph["undecided"].append((source, target))
    order = [*TopologicalSorter(graph["parent_lists"]).static_order()]
    return CausalGraph(order=order, knowledge=knowledge, suggestions="computed", **graph)


def _verdict_of_rows(
    schema: TableSchema, graph: CausalGraph, *, counterfactual: bool = False
) -> str:
    trained = SimpleNamespace(schema=schema, graph=graph)
    asked = GenerateRequest(row_count=2, interventions={"t": 1.0}, counterfactual=counterfactual)
    found = identify(trained, asked, Support(respondents=100.0))
    assert found is not None
    assert found.verdict is not None
    assert found.identified == (found.verdict.kind == "assumed")
    return found.verdict.kind


@pytest.mark.parametrize(
    ("basis", "suggestions", "kind"),
    [
        ("suggested", "computed", "suggested"),
        ("undirected", "computed", "open"),
        ("suggested", None, "open"),
    ],
)
def test_rows_are_open_where_half_samples_do_not_agree(
    basis: str, suggestions: str | None, kind: str
) -> None:
    """The last graph is of before half-samples, so its suggestion is a coin flip."""
    names = ["t", "y"]
    schema = TableSchema(rows=10, columns=[c for c in SCHEMA.columns if c.name in names])
    edge = {"source": "t", "target": "y", "strength": 1.0, "state": "directed", "basis": basis}
    graph = CausalGraph(
        order=names, parent_lists={"t": [], "y": ["t"]}, edges=[edge], suggestions=suggestions
    )
    assert _verdict_of_rows(schema, graph) == kind
