"""Pairs that nobody answered together: bounds, verdicts, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.optimize import linprog

from simulacra_intake.errors import InputError
from simulacra_schema.completion import CompletionReport, GivenOptions, PairAnswer
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.completion import complete, read_given
from simulacra_trainer.completion.bounds import Stated, bounds
from simulacra_trainer.completion.groups import of_levels, of_numbers
from simulacra_trainer.trained_model import TrainedModel

COMMON = ("age", "region")
Columns = dict[str, np.ndarray]


def people(rows: int, seed: int, beyond: float = 0.0) -> Columns:
    """Return answers of which age moves x and y; beyond: what else connects them."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    more = rng.normal(size=rows)
    x = (age - 50) / 18 + rng.normal(size=rows) + beyond * more
    y = (age - 50) / 18 + rng.normal(size=rows) + beyond * more
    return {
        "age": age,
        "region": rng.choice(["North", "South", "East"], rows),
        "y": np.where(y > 0, "yes", "no"),
        "x": np.array(["low", "mid", "high"])[np.digitize(x, [-0.7, 0.7])],
        "spend": np.round(np.exp(x), 2),
    }


def report(donors: Columns, given: dict[str, Any], **options: Any) -> CompletionReport:
    """Return the report of a completion of y."""
    own = {name: donors[name].tolist() for name in (*COMMON, "y")}
    clean = clean_table(pa.table(own))
    trained = TrainedModel(None, "forest", clean.table, clean.schema, None)  # type: ignore[arg-type]
    asked = GivenOptions.model_validate({"implicates": 2, "columns": ["y"], **options})
    rows = read_given(pa.table(given), clean.schema, "refuse", asked.in_pairs)
    return complete(trained, rows, asked, seed=1).report


def without(given: Columns, known: int = 0) -> dict[str, Any]:
    """Return given rows of which the first have an answer to y."""
    rows = {name: given[name].tolist() for name in (*COMMON, "x", "spend")}
    return {**rows, "y": [*given["y"][:known], *[None] * (given["y"].size - known)]}


def shares(of: Columns, one: PairAnswer) -> np.ndarray:
    """Return the true shares of the cells of x by y."""
    return np.array([np.mean((of["x"] == c.first) & (of["y"] == c.second)) for c in one.cells])


PAIR = [{"first": "x", "second": "y"}]
DONORS, GIVEN = people(500, 1, 1.0), people(400, 2, 1.0)
TRUTH = people(200_000, 3, 1.0)


def test_an_open_pair_has_bounds_and_no_figure_and_a_sign_narrows_them() -> None:
    found = report(DONORS, without(GIVEN), pairs=[{"first": "spend", "second": "y"}, *PAIR])
    spend, one = found.pairs
    assert (spend.verdict, one.verdict) == ("open", "open")
    assert all(c.figure is c.low is c.high is None for c in [*spend.cells, *one.cells])
    assert one.through == ["age", "region"]
    assert one.width < 0.9 * one.plain
    truth = shares(TRUTH, one)
    assert all(c.least <= share <= c.most for c, share in zip(one.cells, truth, strict=True))
    assert found.summary.pairs == {"open": 2}
    assert [c.first for c in spend.cells[::2]] == ["below 0.5", "0.5 to 1.9", "1.9 and above"] or (
        spend.cells[0].first.startswith("below")
    )
    sign = [{"first": "y", "second": "x", "sign": "positive", "levels": ["yes", "high"]}]
    never = [{"first": "x", "second": "y", "levels": ["low", "yes"]}]
    signed, cut = (
        report(DONORS, without(GIVEN), **stated).pairs[0]
        for stated in ({"sign": sign}, {"impossible": never})
    )
    assert signed.width < 0.85 * one.width
    at = {(c.second, c.first): (c.least, c.most) for c in signed.cells}
    for c, share in zip(one.cells, truth, strict=True):
        least, most = at[c.first, c.second]
        assert least <= share <= most
    low = next(c for c in cut.cells if (c.first, c.second) == ("low", "yes"))
    assert (low.least, low.most) == (0, 0)


def test_assumed_measured_and_contradicted() -> None:
    assumed = report(DONORS, without(GIVEN), independent=PAIR).pairs[0]
    assert assumed.verdict == "assumed"
    assert "you stated" in assumed.text
    for c in assumed.cells:
        assert c.low is not None
        assert c.high is not None
        assert c.figure is not None
        assert c.least <= c.low <= c.figure <= c.high <= c.most
    few = report(DONORS, without(GIVEN, 99), pairs=PAIR).pairs[0]
    assert (few.verdict, few.together) == ("open", 99.0)
    measured = report(DONORS, without(GIVEN, 150), pairs=PAIR).pairs[0]
    assert (measured.verdict, measured.together) == ("measured", 150.0)
    truth = shares(TRUTH, measured)
    held = [c.low <= share <= c.high for c, share in zip(measured.cells, truth, strict=True)]  # type: ignore[operator]
    assert all(held)
    off = [
        sum(abs((c.figure or 0.03) - share) for c, share in zip(one.cells, truth, strict=True))
        for one in (measured, assumed)
    ]
    assert off[0] < off[1]
    wrong = report(DONORS, without(GIVEN, 250), independent=PAIR).pairs[0]
    assert wrong.verdict == "contradicted"
    donors, given = people(500, 1), people(400, 2)
    right = report(donors, without(given, 250), independent=PAIR).pairs[0]
    assert right.verdict == "measured"
    assert "do not contradict" in right.text


@pytest.mark.parametrize(
    ("stated", "fails"),
    [
        ({"impossible": [{**PAIR[0], "levels": ["high", "yes"]}]}, "impossible cell"),
        ({"sign": [{**PAIR[0], "levels": ["high", "yes"], "sign": "negative"}]}, "sign"),
    ],
)
def test_respondents_refute_a_statement(stated: dict[str, Any], fails: str) -> None:
    """60 of 250 gave both answers; a share of 0, or one on the wrong side, was called measured."""
    given = without(people(400, 2, 3.0), 250)
    plain, one = (report(DONORS, given, **of).pairs[0] for of in ({"pairs": PAIR}, stated))
    assert (plain.verdict, one.verdict) == ("measured", "contradicted")
    assert f"The stated {fails} fails" in one.text
    assert one.cells == plain.cells


def test_no_cell_tells_a_count_under_five() -> None:
    """One person more or less in a rare cell changes nothing in what is said of it."""
    told = []
    for count in (1, 4):
        given = without(GIVEN, 250)
        known = [i for i in range(250) if (given["x"][i], given["y"][i]) == ("high", "no")]
        for i in known[count:]:
            given["x"][i] = "mid"
        one = report(DONORS, given, pairs=PAIR).pairs[0]
        told.append(next(c for c in one.cells if (c.first, c.second) == ("high", "no")))
        # All shares make 1: a second cell is hidden so that this one does not follow.
        hidden = [c for c in one.cells if c.figure is None]
        assert [c.low is None for c in hidden if (c.first, c.second) != ("high", "no")] == [True]
    assert [c.figure for c in told] == [None, None]
    assert [c.low for c in told] == [c.least for c in told]
    assert all(c.high is not None and c.high > 5 / 250 for c in told)
    alone = report(DONORS, without(GIVEN, 3), pairs=PAIR).pairs[0]
    assert alone.together is None
    rare = np.array([0.0] * 300 + [1.0] * 6 + [2.0] * 3 + [3.0] * 2)
    assert of_levels("q", rare, ["a", "b", "c", "d"], ordered=True).levels == (
        "a",
        "b",
        "other answers",
    )
    assert of_levels("q", rare[:309], ["a", "b", "c"], ordered=True).levels == (
        "a",
        "other answers",
    )
    number = of_numbers("n", np.append(np.zeros(200), np.arange(1.234, 61.234)), dates=False)
    assert np.bincount(number.values.astype(int)).min() >= 5
    assert all(len(level.split()[-1]) < 6 or "above" in level for level in number.levels)


@pytest.mark.parametrize(
    "stated",
    [
        Stated(),
        Stated(above=[(0, 0)]),
        Stated(below=[(1, 2)]),
        Stated(never=[(0, 2)]),
        Stated(above=[(0, 0), (2, 1)], below=[(0, 1)], never=[(1, 2)]),
    ],
)
def test_bounds_are_sharp(stated: Stated) -> None:
    """They are those of a linear program over all tables with these margins."""
    rng = np.random.default_rng(4)
    px, py = rng.dirichlet([1, 1, 1], 6), rng.dirichlet([1, 1, 1], 6)
    px[:, 1], py[:, 2] = px[:, 1] / 4, py[:, 2] / 4  # impossible cells leave room
    px, py = px / px.sum(axis=1, keepdims=True), py / py.sum(axis=1, keepdims=True)
    least, most = bounds(px, py, stated)
    for n in range(6):
        independent = np.outer(px[n], py[n])
        limits = [[0.0, 1.0] for _ in range(9)]
        for x, y in stated.above:
            limits[3 * x + y][0] = independent[x, y]
        for x, y in stated.below:
            limits[3 * x + y][1] = independent[x, y]
        for x, y in stated.never:
            limits[3 * x + y][1] = 0.0
        sums = np.vstack([np.kron(np.eye(3), np.ones(3)), np.kron(np.ones(3), np.eye(3))])
        margins = np.concatenate([px[n], py[n]])
        for k in range(9):
            aim = np.eye(9)[k]
            ends = [linprog(s * aim, A_eq=sums, b_eq=margins, bounds=limits) for s in (1, -1)]
            if ends[0].success:
                assert least[n].ravel()[k] == pytest.approx(ends[0].fun, abs=1e-7)
                assert most[n].ravel()[k] == pytest.approx(-ends[1].fun, abs=1e-7)


def pointers(given: dict[str, Any], **options: Any) -> dict[str, str]:
    with pytest.raises(InputError) as error:
        report(DONORS, given, **options)
    return {one.pointer: one.detail for one in error.value.errors}


def test_what_cannot_be_asked_is_refused_with_its_pointer() -> None:
    given = without(GIVEN)
    found = pointers(
        given,
        pairs=[{"first": "spent", "second": "y"}, {"first": "y", "second": "y"}],
        independent=[{"first": "x", "second": "z"}],
    )
    assert found.keys() == {
        "/given/pairs/0/first",
        "/given/pairs/1/second",
        "/given/independent/0/second",
    }
    assert 'Did you mean "spend"?' in found["/given/pairs/0/first"]
    found = pointers(
        given,
        pairs=[{"first": "age", "second": "y"}],
        sign=[
            {"first": "x", "second": "y", "sign": "positive"},
            {"first": "x", "second": "y", "sign": "negative", "levels": ["low", "maybe"]},
        ],
    )
    assert found.keys() == {"/given/pairs/0", "/given/sign/0/levels", "/given/sign/1/levels/1"}
    assert "answered together by 500 persons" in found["/given/pairs/0"]
    few = {**given, "x": [*given["x"][:30], *[None] * 370]}
    said = pointers(few, pairs=PAIR)["/given/pairs/0/first"]
    assert said == "Fewer than 50 respondents answered x."  # not how few


def test_common_columns_that_tell_nothing_are_named_first() -> None:
    told = report(DONORS, {"region": GIVEN["region"].tolist()})
    assert told.filled == 400
    assert told.warnings[0].startswith("1 column in common, which tells nothing about y:")
    more = report(DONORS, {"age": GIVEN["age"].tolist()})
    assert more.filled == 400
    assert not any("tells nothing" in one for one in more.warnings)
