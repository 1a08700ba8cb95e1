"""Verdicts: their limits, their words, and that missing figures never make one better."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from simulacra_schema import privacy_verdict
from simulacra_schema import verdicts as module
from simulacra_schema.verdicts import levels as words
from simulacra_schema.verdicts import verdicts, verdicts_of_rows, worth_verdict
from simulacra_schema.worth import (
    LINKED,
    NOTHING_SEEN,
    PRIVATE,
    TOO_FEW_ROWS,
    UNMEASURED,
    stated_worth,
    worth_of_model,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "verdicts.md"
GOOD = {
    "c2st_auc": 0.55,
    "kept_ratio": 0.9,
    "respondents": 1000.0,
    "exact_copies": 0.01,
    "exact_base": 0.01,
    "dcr_share": 0.52,
    "attacks_pass": 1.0,
    "attacks_measured": 1.0,
    "membership_pass": 1.0,
    "membership_measured": 1.0,
    "membership_gain": 0.012,
    "membership_chance": 0.021,
    "rare_numbers_pass": 1.0,
    "pairs_pass": 1.0,
    "pairs_kept": 72.0,
    "pairs_weakened": 14.0,
    "pairs_lost": 4.0,
    "pairs_unmeasured": 0.0,
    "rare_word_columns": 0.0,
    "rare_word_rows": 0.0,
    "single_word_columns": 0.0,
    "single_word_rows": 0.0,
}
SAID = ("membership_gain", "membership_chance", "rare_word_rows", "single_word_rows")
"""Figures that sentences quote, and that decide nothing."""
PERSONS = {
    f"linked_{name}": value
    for name, value in (GOOD | {"passes": 1.0}).items()
    if name != "respondents" and not name.startswith(("attacks", "single", "rare_word"))
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
        ("attacks_measured", 0.0, "privacy", "fair"),
        ("attacks_measured", None, "privacy", "unknown"),
        ("membership_pass", 0.0, "privacy", "poor"),
        ("membership_pass", None, "privacy", "unknown"),
        ("membership_measured", 0.0, "privacy", "fair"),
        ("membership_measured", None, "privacy", "unknown"),
        ("rare_numbers_pass", 0.0, "privacy", "fair"),
        ("rare_numbers_pass", None, "privacy", "unknown"),
        ("pairs_pass", 0.0, "privacy", "fair"),
        ("pairs_pass", None, "privacy", "unknown"),
        ("rare_word_columns", 1.0, "privacy", "poor"),
        ("rare_word_columns", None, "privacy", "unknown"),
        ("pairs_lost", 5.0, "likeness", "good"),
        ("pairs_lost", 6.0, "likeness", "fair"),
        ("pairs_lost", 60.0, "likeness", "poor"),
        ("pairs_kept", None, "likeness", "unknown"),
        ("c2st_auc", None, "likeness", "unknown"),
        ("exact_base", None, "privacy", "unknown"),
        ("respondents", None, "worth", "unknown"),
        ("single_word_columns", 1.0, "privacy", "fair"),
        ("single_word_columns", None, "privacy", "unknown"),
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
        "pairs_lost": (0.0, 20.0, 500.0),
    }
    passed = ("membership_pass", "membership_measured", "rare_numbers_pass", "attacks_measured")
    passed += ("pairs_pass",)
    for failed in ("", *passed, "rare_word_columns", "single_word_columns"):
        value = 0.0 if failed in passed else 1.0
        figures = GOOD | ({failed: value} if failed else {})
        known = levels(**figures)["privacy"]
        for name in set(GOOD) - set(SAID):
            less = levels(**(figures | {name: None}))["privacy"]
            assert RANK[less] <= RANK[known], (failed, name)
    for values in itertools.product(*steps.values()):
        figures = GOOD | dict(zip(steps, values, strict=True)) | {"attacks_pass": None}
        known = levels(**figures)
        for name in set(GOOD) - set(SAID):
            less = levels(**(figures | {name: None}))
            for code in known:
                assert RANK[less[code]] <= RANK[known[code]], (figures, name, code)


def test_likeness_quotes_the_relations_that_are_lost() -> None:
    found = verdicts(GOOD)[0]
    quoted = "72 of 90 relations between questions kept, 14 weakened, 4 lost"
    assert f"{quoted} (90 % of their evidence)." in found.sentence
    assert found.remedy is not None
    assert "names the relations that are lost" in found.remedy
    partly = verdicts(GOOD | {"pairs_unmeasured": 10.0})[0]
    assert "72 of 100 relations" in partly.sentence
    assert "4 lost, 10 not measured" in partly.sentence
    none = GOOD | dict.fromkeys(("pairs_kept", "pairs_weakened", "pairs_lost"), 0.0)
    assert "No questions are seen to depend on one another." in verdicts(none)[0].sentence
    assert verdicts(none)[0].remedy is None


def test_linked_rows_have_verdicts_of_their_own_figures() -> None:
    own = stated_worth(None, None, 500, reason=LINKED)

    def judged(**changed: float | None) -> dict[str, str]:
        figures = {**GOOD, **PERSONS, **{f"linked_{name}": of for name, of in changed.items()}}
        known = {name: of for name, of in figures.items() if of is not None}
        return {one.code: one.level for one in verdicts_of_rows(known, own, linked=True)}

    assert judged() == {"likeness": "good", "privacy": "good", "worth": "unknown"}
    assert judged(dcr_share=0.57, passes=0.0)["privacy"] == "poor"
    assert judged(dcr_share=0.547, passes=0.0)["privacy"] == "fair"
    assert judged(passes=0.0)["privacy"] == "fair"
    assert judged(c2st_auc=0.9)["likeness"] == "poor"
    assert judged(pairs_lost=40.0)["likeness"] == "poor"
    for name in PERSONS:
        less = judged(**{name.removeprefix("linked_"): None})
        assert all(RANK[less[code]] <= RANK[of] for code, of in judged().items()), name
        if name.removeprefix("linked_") not in SAID:
            assert "unknown" in (less["likeness"], less["privacy"]), name
    of_rows = verdicts_of_rows(GOOD, own, linked=True)
    assert {one.level for one in of_rows} == {"unknown"}
    near = verdicts_of_rows(GOOD | PERSONS | {"linked_dcr_share": 0.57}, own, linked=True)[1]
    assert "57 % are nearer; 50 % is chance" in near.sentence


def test_words_of_few_respondents_that_come_back_are_poor() -> None:
    words = {"rare_word_columns": 3.0, "rare_word_rows": 0.3}
    found = verdicts(GOOD | words)[1]
    assert found.level == "poor"
    told = "3 columns hold words of fewer than five respondents: 30.0 % of the generated rows carry"
    assert told in found.sentence
    assert found.sentence.endswith("carry one. Do not publish them.")
    assert found.remedy is not None
    assert "The report names these columns" in found.remedy
    linked = verdicts_of_rows(GOOD | PERSONS | words, stated_worth(None, None, 5), linked=True)
    assert linked[1].level == "poor"


def test_public_words_of_one_respondent_are_told() -> None:
    found = verdicts(GOOD | {"single_word_columns": 1.0, "single_word_rows": 0.1})[1]
    assert found.level == "fair"
    assert "Public words that only one respondent gave" in found.sentence
    before = {name: of for name, of in GOOD.items() if not name.startswith("rare_word")}
    assert verdicts(before | {"single_word_columns": 1.0})[1].level == "poor"


def test_the_strongest_attacker_decides() -> None:
    told = verdicts(GOOD)[1]
    assert told.sentence == (
        "No sign of copying: attackers gain hardly more on people in the table than on others."
        " People in the table cannot be told from others by their own values (gain 0.01, chance"
        " 0.02)."
    )
    assert told.remedy is None
    failed = verdicts(GOOD | {"membership_pass": 0.0, "membership_gain": 0.26})[1]
    assert failed.level == "poor"
    assert failed.sentence == (
        "People in the table can be told from others by their own values (gain 0.26, limit 0.04)."
        " Do not publish them."
    ), "not that there is no sign of copying"
    few = verdicts(GOOD | {"membership_measured": 0.0})[1]
    assert "was not measured: there are fewer than 120." in few.sentence
    assert few.remedy is not None
    seen = verdicts(GOOD | {"membership_measured": 0.0, "membership_pass": 0.0})[1]
    assert seen.level == "poor", "a gain that is no chance counts in few rows too"
    wide = verdicts(GOOD | {"attacks_measured": 0.0})[1]
    assert "second survey of the population was not tested" in wide.sentence
    numbers = verdicts(GOOD | {"rare_numbers_pass": 0.0})[1]
    assert "Numbers of one to four people come back" in numbers.sentence
    by_share = levels(attacks_pass=None, attacks_measured=None)
    assert by_share["privacy"] == "good", "where the share of near rows is the bar"


def test_attackers_that_were_not_measured_do_not_make_privacy_better() -> None:
    small = GOOD | {"scale": 1.5}
    assert verdicts(small)[1].level == "good"
    del small["attacks_pass"]
    assert verdicts(small)[1].level == "unknown"


def test_copies_are_told_in_words_that_stop_a_publication() -> None:
    figures = GOOD | {"exact_copies": 0.5, "attacks_pass": 1.0}
    private = verdicts(figures)[1]
    assert private.sentence.startswith(
        "Rows of the table come back: 50.0 % of generated rows equal a real row, where 1.0 % of"
        " unseen real rows do."
    )
    assert private.sentence.endswith("Do not publish them.")
    assert private.remedy


def test_worth_is_that_of_the_respondents_behind_the_rows() -> None:
    assert "10,000 rows are worth 826 respondents" in verdicts(GOOD)[2].sentence
    assert "500 rows are worth 100 respondents" in stated_worth(100.0, 0.9, 500).sentence
    assert worth_verdict(stated_worth(None, 0.9, 500)).level == "unknown"


@pytest.mark.parametrize("worth", [None, 0.0, 37.0])
@pytest.mark.parametrize("ratio", [None, 0.1, 0.5, 1.0])
def test_ratio_weight_and_sentence_say_the_same(worth: float | None, ratio: float | None) -> None:
    found = stated_worth(worth, ratio, 500)
    verdict = worth_verdict(found)
    is_known = bool(worth) and ratio is not None
    assert (verdict.level == "unknown") == (not is_known)
    assert [one is None for one in (found.worth, found.weight, found.ratio)] == [not is_known] * 3
    assert (found.for_inference is None) == (not is_known)
    assert (found.reason is None) == is_known
    assert ("was not measured" in found.sentence) == (not is_known)
    assert verdict.sentence.startswith(found.sentence)
    if found.weight is not None:
        assert found.weight * 500 == pytest.approx(worth)


def test_an_unknown_worth_says_why() -> None:
    few = {"respondents": 40.0}
    reasons = {
        UNMEASURED: {},
        NOTHING_SEEN: few,
        TOO_FEW_ROWS: few | {"pairs_unmeasured": 3.0},
        PRIVATE: few | {"epsilon": 1.0},
    }
    for reason, figures in reasons.items():
        assert worth_of_model(figures).reason == reason
        assert verdicts(figures)[2].sentence.endswith(reason)
    assert LINKED in worth_verdict(stated_worth(None, 0.9, 500, reason=LINKED)).sentence


def test_rows_have_the_verdicts_of_their_model_and_a_worth_of_their_own() -> None:
    own = stated_worth(100.0, GOOD["kept_ratio"], 500)
    found = verdicts_of_rows(GOOD, own)
    assert found[:2] == verdicts(GOOD)[:2]
    assert found[2] == worth_verdict(own)
    assert words(found).to_wire() == dict.fromkeys(("likeness", "privacy", "worth"), "good")
    unknown = verdicts_of_rows({}, stated_worth(100.0, None, 500))
    assert {one.level for one in unknown} == {"unknown"}
    pairs = stated_worth(100.0, 0.9, 250, in_pairs=True)
    assert "250 pairs are worth 100 respondents" in worth_verdict(pairs).sentence


def test_rows_under_do_without_support_are_like_nobody() -> None:
    worth = worth_of_model(GOOD)
    without = verdicts_of_rows(GOOD, worth, of_do="unanswerable")
    assert [one.level for one in without[:2]] == ["unknown", "good"]
    assert words(verdicts_of_rows(GOOD, worth, of_do="open")).likeness == "good"


def test_the_page_names_every_limit() -> None:
    page, lost = PAGE.read_text(), ("LOST_GOOD", "LOST_FAIR")
    for name in ("AUC_GOOD", "AUC_FAIR", "KEPT_GOOD", "KEPT_FAIR", *lost):
        assert f"{getattr(module, name):.2f} |" in page, name
    for name in ("DCR_GOOD", "DCR_FAIR"):
        assert f"{getattr(privacy_verdict, name):.2f} |" in page, name
    assert f"a gain of at most {privacy_verdict.MEMBERSHIP_LIMIT:.2f}, or within chance" in page
    assert f"fewer than {privacy_verdict.MEMBERSHIP_PEOPLE} people" in page
    for factor, beyond in (privacy_verdict.COPIES_GOOD, privacy_verdict.COPIES_FAIR):
        assert f"at most {factor:g} times, or {beyond} more" in page
