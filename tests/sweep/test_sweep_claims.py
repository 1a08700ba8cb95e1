"""The sweep's own checks: each finds what is not so, and nothing where all is so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sweep_claims as claims

RNG = np.random.default_rng(4)
UPLOAD = pd.DataFrame({"id": np.repeat(np.arange(50), 4), "x": RNG.integers(0, 900, 200)})
UPLOAD["y"] = UPLOAD["x"] + RNG.integers(0, 90, 200)
UPLOAD["sex"] = np.repeat(["f", "m"], 100)
ROWS = UPLOAD.sample(100, random_state=1, ignore_index=True).assign(evidence_weight=0.4)
SENTENCE = "100 rows are worth 40 respondents."
EVIDENCE = {"worth": 40.0, "sentence": SENTENCE, "basis": "n"}
WORTH = [{"code": "worth", "level": "good", "sentence": SENTENCE}]
UNKNOWN = [{"code": "worth", "level": "unknown", "sentence": "It was not measured."}]
GOOD = [{"code": "privacy", "level": "good", "sentence": "No sign of copying."}]
MADE = {"row_count": 100, "rows": 100, "evidence": EVIDENCE, "verdicts": WORTH}
ASKED = {"categorical": {"sex": {"f": 1.0}}, "numeric": {"x": {"min": 0, "max": 900}}}
MET = [
    {"level": "f", "attained": 1.0, "column": "sex"},
    {"column": "x", "attained": 1.0, "met": True},
]
ATTAINED = {"attainment": {"conditions": MET}}
WOMEN = ROWS[ROWS["sex"] == "f"]
CELLS = [{"where": {"sex": {"levels": ["f"]}, "x": {"min": 0, "max": 900}}, "share": 1.0}]
CELLS_MET = {
    "attainment": {"quotas": [{**CELLS[0], "rows": len(WOMEN), "attained": 1.0, "met": True}]}
}
CELLS_OF_PAIR = [
    {"first": x, "second": y, "figure": None, "low": None, "least": 0.1, "most": 0.4}
    for x in ("odd", "even")
    for y in ("f", "m")
]
OPEN = {"first": "x", "second": "y", "verdict": "open", "cells": CELLS_OF_PAIR}
LONG = pd.concat(
    [ROWS[["x"]].assign(sex=None if one == 0 else "f", implicate=one) for one in range(3)],
    ignore_index=True,
)
PAIRS: dict[str, Any] = {"worth": {"pairs": [{"columns": ["x", "y"], "kept": "kept"}]}}
MIXED = ROWS.assign(y=ROWS["y"].sample(frac=1, random_state=2).to_numpy())
RELATION = {"relations": [{"relation": "x <= y", "violations": 0}]}
SCHEMA = {"columns": [{"name": "sex", "per_person": True, "learned": True}]}
COUNT = {"persons": 50}
DATASET = {
    "kind": "Dataset",
    "metadata": {"name": "ds-1", "uid": "u1"},
    "status": {"phase": "Ready"},
}
ASSUMED = {
    "verdict": {"kind": "assumed", "text": "If x comes first: 1."},
    "ace": {"effect": 1.0},
    "union": {"low": 0.5, "high": 2.0},
    "checks": [],
}
WEAK = {
    "verdict": {"kind": "instrument", "text": "Between 0.5 and 2."},
    "ace": {"effect": None},
    "checks": [{"name": "first stage", "outcome": "failed"}],
}
USUAL = ASSUMED | {
    "treatment": "x",
    "ace": {"effect": None},
    "otherwise": {"low": 0.0, "high": 3.0},
    "verdict": {
        "kind": "usual order",
        "text": "This presumes the usual order: y after x. You have not confirmed it.",
        "presumes": [["x"], ["y"]],
    },
}
GROUP = {
    "level": "f", "effect": 1.0, "low": 0.0, "high": 2.0, "rows": 120,
    "alone": {"low": 0.2, "high": 1.8},
}  # fmt: skip
GROUPS = ASSUMED | {
    "segments": [GROUP, GROUP | {"level": "m"}],
    "groups_differ": {"p": 0.02, "text": "The effect differs between groups (p = 0.02)."},
}
NO_ANSWER = {"verdict": {"kind": "unanswerable", "text": "No answer."}}
UNDER_DO = {"identification": {"verdict": {"kind": "assumed"}}}
IN_PAIRS = pd.DataFrame(
    {"pair": [0, 0], "world": ["factual", "counterfactual"], "x": [1, 1], "y": [2, 2]}
)
SHARE = {
    "question": "sex", "answer": "f", "share": 0.5, "low": 0.4, "high": 0.6, "respondents": 4.0,
    "worth": 4.0, "verdict": "no better", "segment": [{"column": "id", "level": "3"}],
}  # fmt: skip
CURVE = {"low": [0.3, 0.1], "high": [0.7, 0.6]}
DEMAND = {"prices": [60.0, 80.0]}
LINKED = {"verdicts": GOOD, "linked": {"passes": False}, "asked": {"persons": 9}}
FEW = pd.DataFrame({"job": ["clerk", "nurse"] * 5 + ["astronaut"] * 4})
SPOTS = pd.DataFrame(
    {
        "spot": np.repeat(np.arange(8), 10),
        "area": np.repeat(["n", "s"], 40),
        "a": np.repeat(["x", "y", "x", "x", "y", "y", "x", "y"], 10),
    }
)
"""All persons of a spot answer alike: eight clusters of ten tell as much as about eight persons."""
DRAWN: dict[str, Any] = {
    "design": {
        "clusters": 8,
        "strata": 2,
        "questions": [{"column": "a", "design_effect": 10.0}],
    },
    "worth": {"basis": "design", "respondents": 8.0},
}
ASKED_TWICE = pd.DataFrame(
    {"wave": np.repeat([1, 2], 400), "aware": np.repeat(["no", "yes", "no", "yes"], [300, 100] * 2)}
)
ASKED_TWICE.loc[400:499, "aware"] = "yes"
AWARE = {"column": "aware", "answer": "yes", "shares": [0.25, 0.5], "low": 0.1, "high": 0.4}
MOVED: dict[str, Any] = {"newest": "2", "before": "1", "answers": [AWARE | {"verdict": "moved"}]}
OF_WAVE: dict[str, Any] = {
    "segment": [{"column": "wave", "level": "2"}],
    "question": "aware",
    "answer": "yes",
    "helped": 400.0,
    "change": {"low": 0.1, "high": 0.4, "verdict": "moved"},
    "text": "400 respondents of earlier waves helped.",
}
NEXT: dict[str, Any] = {
    "question": "aware",
    "answer": "yes",
    "share": 0.5,
    "low": 0.4,
    "high": 0.6,
    "verdict": "better than carrying the last wave forward",
    "next": {"low80": 0.45, "high80": 0.55, "carried": 0.5, "error": 0.02, "carried_error": 0.03},
}
Check = Callable[[Any], Iterator[str]]

CHECKS: dict[str, tuple[Check, Any, Any]] = {
    "shape": (lambda made: claims.shape(UPLOAD, ROWS, made, ()), MADE, MADE | {"rows": 99}),
    "design": (
        lambda design: claims.design(SPOTS, "spot", "area", design),
        DRAWN,
        DRAWN
        | {"design": DRAWN["design"] | {"questions": [{"column": "a", "design_effect": 1.0}]}},
    ),
    "waves": (
        lambda said: claims.waves(ASKED_TWICE, "wave", "aware", said),
        MOVED,
        MOVED | {"answers": [AWARE | {"verdict": "no sign"}]},
    ),
    "segments of a wave": (
        lambda helped: claims.segments_of_a_wave(
            {"shares": [OF_WAVE | {"helped": helped}]}, ASKED_TWICE, "wave", "aware"
        ),
        400.0,
        380.0,
    ),
    "next wave": (
        lambda told: claims.next_wave(
            told, ASKED_TWICE, ASKED_TWICE[ASKED_TWICE["wave"] == 2].assign(wave=None), "wave"
        ),
        {"shares": [NEXT]},
        {"shares": [NEXT | {"verdict": "no better"}]},
    ),
    "kinds": (lambda rows: claims.kinds(UPLOAD, rows), ROWS, ROWS.assign(sex="q")),
    "conditions": (lambda rows: claims.conditions(rows, ASKED, ATTAINED), WOMEN, ROWS),
    "completion": (
        lambda long: claims.completion(ROWS[["x"]], long, "sex", {"f", "m"}),
        LONG,
        LONG.assign(x=LONG["x"].where(LONG["implicate"] != 2, 0)),
    ),
    "open pair": (
        lambda pair: claims.open_pair([pair], "x", "y"),
        OPEN,
        OPEN | {"cells": [cell | {"figure": 0.2} for cell in OPEN["cells"]]},
    ),
    "quotas": (lambda rows: claims.quotas(rows, CELLS, CELLS_MET), WOMEN, ROWS),
    "worth": (lambda rows: claims.worth(UPLOAD, rows, MADE, None, None), ROWS, ROWS.head(50)),
    "unknown": (
        lambda verdicts: claims.worth(UPLOAD, ROWS, MADE | {"verdicts": verdicts}, None, None),
        WORTH,
        UNKNOWN,
    ),
    "copies": (
        lambda rows: claims.copies(UPLOAD, rows, GOOD, ["x", "y"]),
        ROWS.assign(x=-1),
        ROWS,
    ),
    "relations": (
        lambda rows: claims.relations(UPLOAD, rows, PAIRS, ["x", "y"]),
        ROWS,
        MIXED,
    ),
    "stated": (lambda rows: claims.stated_relations(rows, RELATION), ROWS, MIXED),
    "persons": (
        lambda rows: claims.persons(UPLOAD, rows, COUNT, "id", SCHEMA),
        UPLOAD,
        UPLOAD.sample(frac=1, random_state=3),
    ),
    "effect": (lambda found: claims.effect(found, UPLOAD), ASSUMED, ASSUMED | {"union": None}),
    "designs": (
        lambda kind: claims.effect(ASSUMED | {"verdict": {"kind": kind, "text": "1."}}, UPLOAD),
        "parallel trends",
        "suggested",
    ),
    "weak instrument": (
        lambda ace: claims.effect(ASSUMED | WEAK | {"ace": {"effect": ace}}, UPLOAD),
        None,
        1.0,
    ),
    "groups": (claims.groups, GROUPS, GROUPS | {"segments": [GROUP, GROUP | {"rows": 123}]}),
    "usual order": (
        lambda found: claims.effect(found, UPLOAD),
        USUAL,
        USUAL | {"otherwise": {"low": 0.6, "high": 3.0}},
    ),
    "whom": (
        lambda share: claims.effect(
            ASSUMED
            | {
                "verdict": {"kind": "assumed", "text": "For the women: 1. Why."},
                "answered": {
                    "share": share,
                    "text": "the women",
                    "why": "Why.",
                    "left_out": [[{"column": "sex", "test": "=", "value": "m"}]],
                    "everybody": {"low": 0.0, "high": 3.0},
                },
                "adjustment": ["sex"],
                "treatment": "x",
                "outcome": "y",
            },
            UPLOAD,
        ),
        0.5,
        0.9,
    ),
    "pairs": (
        lambda told: claims.pair_changes(told, IN_PAIRS, {"x": 1}),
        {"identification": {"reliability": {}, "verdict": {"kind": "open"}}},
        {
            "identification": {
                "reliability": {"y": 0.5},
                "assumption": "0.50 for 'y'",
                "verdict": {"kind": "open"},
            }
        },
    ),
    "do": (lambda found: claims.do_support(found, UNDER_DO), ASSUMED, NO_ANSWER),
    "segment": (
        lambda worth: claims.segment(
            {"shares": [SHARE | {"respondents": 8.0, "worth": worth}]}, UPLOAD, is_plain=False
        ),
        8.0,
        16.0,
    ),
    "demand": (
        lambda share: claims.demand(
            {"price_answer": DEMAND | {"curves": [CURVE | {"values": [share, 0.2]}]}},
            pd.Series(np.arange(100)),
        ),
        0.4,
        0.6,
    ),
    "demand falls": (
        lambda last: claims.demand(
            {"price_answer": DEMAND | {"curves": [CURVE | {"values": [0.4, last]}]}}, None
        ),
        0.2,
        0.5,
    ),
    "respondents": (
        lambda count: claims.segment(
            {"shares": [SHARE | {"respondents": count}]}, UPLOAD, is_plain=True
        ),
        4.0,
        15.0,
    ),
    "words": (
        lambda word: claims.words_of_few(FEW, pd.DataFrame({"job": ["clerk", word]}), None),
        "nurse",
        "astronaut",
    ),
    "texts": (
        lambda word: claims.few_in_texts(FEW, FEW, {"page": f"a {word} is here"}, None),
        "nurse",
        "astronaut",
    ),
    "reads": (
        lambda artifact: claims.unrecorded(
            [DATASET], [{"uid": "u1", "artefact": artifact}], "ds-1"
        ),
        "schema.json",
        "graph.json",
    ),
    "report": (lambda report: claims.contradictions(report), {"verdicts": GOOD}, LINKED),
}


@pytest.mark.parametrize("name", CHECKS)
def test_check_finds_what_is_not_so_and_nothing_else(name: str) -> None:
    check, right, wrong = CHECKS[name]
    assert not [*check(right)]
    assert [*check(wrong)]
