"""Verdicts: their limits, their words, and that missing figures never make one better."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from simulacra_crds.contract import verdicts as module
from simulacra_crds.contract.verdicts import levels as words
from simulacra_crds.contract.verdicts import verdicts, verdicts_of_rows, worth_verdict

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "verdicts.md"
GOOD = {
    "c2st_auc": 0.55,
    "kept_ratio": 0.9,
    "respondents": 1000.0,
    "exact_copies": 0.01,
    "exact_base": 0.01,
    "dcr_share": 0.52,
    "attacks_pass": 1.0,
}
RANK = {"unknown": 0, "poor": 0, "fair": 1, "good": 2}


def levels(**changed: float | None) -> dict[str, str]:
    figures = {name: value for name, value in (GOOD | changed).items() if value is not None}
    return {one.code: one.level for one in verdicts(figures)}


@pytest.mark.parametrize(
    ("name", "value", "code", "level"),
    [
        ("c2st_auc", 0.604, "likeness", "good"),
        ("c2st_auc", 0.606, "likeness", "fair"),
        ("c2st_auc", 0.754, "likeness", "fair"),
        ("c2st_auc", 0.756, "likeness", "poor"),
        ("kept_ratio", 0.796, "likeness", "good"),
        ("kept_ratio", 0.794, "likeness", "fair"),
        ("kept_ratio", 0.39, "worth", "poor"),
        ("exact_copies", 0.02, "privacy", "good"),
        ("exact_copies", 0.025, "privacy", "fair"),
        ("exact_copies", 0.04, "privacy", "poor"),
        ("attacks_pass", 0.0, "privacy", "poor"),
        ("c2st_auc", None, "likeness", "unknown"),
        ("exact_base", None, "privacy", "unknown"),
        ("respondents", None, "worth", "unknown"),
    ],
)
def test_a_figure_meets_its_limit_as_it_is_shown(
    name: str, value: float | None, code: str, level: str
) -> None:
    assert levels()[code] == "good"
    assert levels(**{name: value})[code] == level


@pytest.mark.parametrize(
    ("share", "level"), [(0.534, "good"), (0.536, "fair"), (0.554, "fair"), (0.556, "poor")]
)
def test_the_share_decides_where_attackers_were_not_measured(share: float, level: str) -> None:
    assert levels(dcr_share=share)["privacy"] == "good"
    assert levels(dcr_share=share, attacks_pass=None)["privacy"] == level
    strict = levels(dcr_share=share, strict=1.0)["privacy"]
    assert (strict == "good") == (level == "good")


def test_a_missing_figure_never_makes_a_verdict_better() -> None:
    steps = {
        "c2st_auc": (0.5, 0.7, 0.98),
        "kept_ratio": (0.9, 0.5, 0.1),
        "exact_copies": (0.01, 0.025, 0.5),
        "dcr_share": (0.5, 0.54, 0.7),
    }
    for values in itertools.product(*steps.values()):
        figures = GOOD | dict(zip(steps, values, strict=True)) | {"attacks_pass": None}
        known = levels(**figures)
        for name in GOOD:
            less = levels(**(figures | {name: None}))
            for code in known:
                assert RANK[less[code]] <= RANK[known[code]], (figures, name, code)


def test_copies_are_told_in_words_that_stop_a_publication() -> None:
    figures = GOOD | {"exact_copies": 0.5, "attacks_pass": 1.0}
    private = verdicts(figures)[1]
    assert private.sentence == (
        "Rows of the table come back: 50.0 % of generated rows equal a real row, where 1.0 % of"
        " unseen real rows do. Do not publish them."
    )
    assert private.remedy


def test_worth_is_that_of_the_respondents_behind_the_rows() -> None:
    assert "10,000 rows are worth 826 respondents" in verdicts(GOOD)[2].sentence
    assert "500 rows are worth 100 respondents" in worth_verdict(100.0, 500, 0.9).sentence
    assert worth_verdict(None, 500, 0.9).level == "unknown"


def test_rows_have_the_verdicts_of_their_model_and_a_worth_of_their_own() -> None:
    found = verdicts_of_rows(GOOD, 100.0, 500)
    assert found[:2] == verdicts(GOOD)[:2]
    assert found[2] == worth_verdict(100.0, 500, GOOD["kept_ratio"])
    assert words(found).to_wire() == dict.fromkeys(("likeness", "privacy", "worth"), "good")
    for figures, worth in (({}, 100.0), ({}, None), (GOOD, None)):
        assert words(verdicts_of_rows(figures, worth, 500)).worth == "unknown"
    assert {one.level for one in verdicts_of_rows({}, 100.0, 500)} == {"unknown"}
    assert "250 rows" in verdicts_of_rows(GOOD, 100.0, 500, in_pairs=True)[2].sentence


def test_the_page_names_every_limit() -> None:
    page = PAGE.read_text()
    for name in ("AUC_GOOD", "AUC_FAIR", "KEPT_GOOD", "KEPT_FAIR", "DCR_GOOD", "DCR_FAIR"):
        assert f"{getattr(module, name):.2f} |" in page, name
    for factor, beyond in (module.COPIES_GOOD, module.COPIES_FAIR):
        assert f"at most {factor:g} times, or {beyond} more" in page
