"""Price questions: columns that names tell, crossings, demand, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from simulacra_crds.tasks import BoostRequest
from simulacra_intake.description.statements import state
from simulacra_intake.errors import InputError
from simulacra_schema.description import DescriptionInvalid, parse_description
from simulacra_schema.segment_shares import SegmentResult
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.segments.estimate import certify_segments

FOUR = ["Q5a_zu billig (EUR)", "Q5b günstig", "Q5cTEUER", "Q5d zu_teuer"]
ASKED = (7.99, 9.99, 12.99, 14.99)
BUYS = [f"Kaufen Ja/Nein {price:.2f} €".replace(".", ",") for price in ASKED]


def survey(rows: int = 400, odd: int = 20) -> pa.Table:
    """Return four prices, who buys at four prices, the most they pay, and an opinion."""
    rng = np.random.default_rng(3)
    level = 12.0 * np.exp(rng.normal(0.0, 0.35, rows))
    prices = level[:, None] * np.sort(rng.lognormal(0.0, 0.1, (rows, 4)) * (0.6, 0.8, 1.2, 1.5), 1)
    prices[:odd] = prices[:odd, ::-1]
    columns: dict[str, Any] = dict(zip(FOUR, np.round(prices, 1).T, strict=True))
    columns |= {
        name: np.where(level >= price, "ja", "nein")
        for name, price in zip(BUYS, ASKED, strict=True)
    }
    columns["max price"] = np.round(level, 1)
    return pa.table(columns | {"sex": rng.choice(["m", "f"], rows)})


def read(table: pa.Table, **extension: Any) -> Any:
    """Return a table as a model has it."""
    fields = extension.pop("fields", [])
    document = {"fields": fields, "x-simulacra": {"version": 1, **extension}}
    statements = state(parse_description(document), table.column_names, None)
    clean = clean_table(table, statements=statements)
    return SimpleNamespace(table=clean.table, schema=clean.schema, report={})


@pytest.fixture(scope="module")
def model() -> Any:
    return read(survey())


def ask(model: Any, **prices: Any) -> SegmentResult:
    return certify_segments(model, BoostRequest.model_validate({"prices": prices}))


def refused(model: Any, **prices: Any) -> tuple[str, ...]:
    with pytest.raises(InputError) as error:
        ask(model, **prices)
    return error.value.pointer or "", error.value.detail


def test_names_in_two_languages_tell_the_price_questions(model: Any) -> None:
    found = [(one.method, one.columns, one.prices) for one in model.schema.prices]
    assert found == [
        ("van_westendorp", FOUR, []),
        ("gabor_granger", BUYS, [*ASKED]),
        ("gabor_granger", ["max price"], []),
    ]
    assert any("van Westendorp" in note.action for note in model.schema.cleaning)
    brands = {f"buys brand {at}": ["yes", "no"] * 50 for at in (1, 2, 3)}
    assert read(pa.table(brands | {"price": range(100)})).schema.prices == []


def test_labels_and_two_products_are_told_apart() -> None:
    prices = survey().select(FOUR).to_pydict()
    names = ("too cheap", "bargain", "high side", "so expensive")
    two = {f"{p} {name}": of for p in "AB" for name, of in zip(names, prices.values(), strict=True)}
    assert [one.columns[0][0] for one in read(pa.table(two)).schema.prices] == ["A", "B"]
    labels = [{"name": f"v{at}", "title": name} for at, name in enumerate(names)]
    labeled = pa.table({f"v{at}": of for at, of in enumerate(prices.values())})
    assert read(labeled, fields=labels).schema.prices[0].columns == ["v0", "v1", "v2", "v3"]


def test_crossings_are_medians_of_two_columns(model: Any) -> None:
    found = ask(model, method="van_westendorp")
    answer = found.price_answer
    assert answer is not None
    assert found.summary.intervals == 4
    kept = np.array([*survey().select(FOUR).to_pydict().values()])[:, 20:]
    for point, (a, b) in zip(answer.points, [(0, 1), (0, 3), (1, 2), (2, 3)], strict=True):
        assert point.low is not None
        assert point.price is not None
        assert point.high is not None
        assert point.low < point.price < point.high
        assert point.price == pytest.approx(np.median(kept[[a, b]]), abs=0.25)
    assert answer.inconsistent == pytest.approx(20, abs=4)
    assert answer.respondents == pytest.approx(380, abs=8)
    falls = [np.all(np.diff(one.values) <= 0) for one in answer.curves]
    assert falls == [True, True, False, False]
    assert "too cheap = Q5a_zu billig (EUR)" in answer.text
    assert "Acceptable prices: " in answer.text


def test_few_contradictions_are_not_counted_and_curves_have_round_prices() -> None:
    few = ask(read(survey(odd=0)), method="van_westendorp").price_answer
    assert few is not None
    assert few.inconsistent == 0
    assert "Fewer than five gave prices in another order" in few.text
    assert few.respondents == pytest.approx(400, abs=6)
    assert {price % 2 for price in few.prices} == {0}
    assert len(few.prices) > 5


def test_demand_falls_and_the_best_price_has_a_set(model: Any) -> None:
    answer = ask(model, method="gabor_granger", columns=BUYS[::-1]).price_answer
    assert answer is not None
    assert answer.prices == [*ASKED]
    demand, revenue = answer.curves
    level = np.array(survey().column("max price"))
    for at, price in enumerate(ASKED):
        assert demand.low[at] < np.mean(level >= price) < demand.high[at]
        assert revenue.values[at] == pytest.approx(price * demand.values[at])
    (best,) = answer.points
    assert best.low is not None
    assert best.price is not None
    assert best.high is not None
    assert best.low <= best.price <= best.high
    assert best.price in ASKED
    assert all(one.low <= one.elasticity <= one.high <= 0 for one in answer.elasticities)
    assert len(answer.elasticities) == len(ASKED) - 1
    highest = ask(model, method="gabor_granger", columns=["max price"]).price_answer
    assert highest is not None
    assert np.all(np.diff(highest.curves[0].values) <= 0)


def test_prices_that_were_skipped_follow_and_scales_name_what_buys() -> None:
    level = np.array(survey().column("max price"))
    scale = np.array(["1 no", "2 rather not", "3 perhaps", "4 rather", "5 yes"])
    away = (level[:, None] - ASKED) / 2.0
    codes = np.clip(np.round(away) + 2, 0, 4).astype(int)
    columns = {f"buy {price}": scale[codes[:, at]] for at, price in enumerate(ASKED)}
    model = read(pa.table(columns | {"level": level}))
    both = ask(model, method="gabor_granger").price_answer
    assert both is not None
    assert "Counted as buying: 4 rather, 5 yes." in both.text
    dearer = ask(model, prices=[10 * price for price in ASKED]).price_answer
    assert dearer is not None
    assert dearer.prices == [10 * price for price in ASKED]
    assert refused(model, prices=[1.0])[0] == "/prices/prices"
    top = ask(model, method="gabor_granger", buys=["5 yes"]).price_answer
    assert top is not None
    assert top.curves[0].values[0] < both.curves[0].values[0]
    yes = {name: np.where(np.isin(of, scale[3:]), "yes", "no") for name, of in columns.items()}
    plain = ask(read(pa.table(yes | {"level": level}))).price_answer
    asked = {**yes}
    for before, after in zip([*yes], [*yes][1:], strict=False):  # after a no, nobody asks on
        asked[after] = np.where(asked[before] == "yes", yes[after], None)
    skipped = ask(read(pa.table(asked | {"level": level}))).price_answer
    assert plain is not None
    assert skipped is not None
    assert skipped.curves[0].values == pytest.approx(plain.curves[0].values, abs=0.02)
    unsure = np.random.default_rng(4).random(level.size) < 0.25
    apart = {name: np.where(unsure, "don't know", of) for name, of in columns.items()}
    told = ask(read(pa.table(apart | {"level": level}))).price_answer
    assert told is not None
    assert told.curves[0].values == pytest.approx(both.curves[0].values, abs=0.06)  # no refusals
    up = dict(zip(columns, [*columns.values()][::-1], strict=True))
    reason = ask(read(pa.table(up | {"level": level}))).reason
    assert reason is not None
    assert "buys" in reason


def test_alike_people_of_a_sampling_point_widen_intervals() -> None:
    table = survey(odd=0).sort_by("max price")
    alone = ask(read(table), method="van_westendorp").price_answer
    psu = pa.array(np.arange(400) // 10)
    fields = [{"name": "psu", "x-simulacra": {"role": "cluster"}}]
    within = read(table.append_column("psu", psu), fields=fields)
    together = ask(within, method="van_westendorp").price_answer
    assert alone is not None
    assert together is not None
    for one, other in zip(alone.points, together.points, strict=True):
        assert one.low is not None
        assert other.low is not None
        assert one.high is not None
        assert other.high is not None
        assert other.high - other.low > 1.4 * (one.high - one.low)


def test_curves_that_do_not_meet_have_no_point() -> None:
    rng = np.random.default_rng(1)
    starts = dict(zip(FOUR, (1, 7, 20, 27), strict=True))
    apart = {name: rng.uniform(at, at + 5, 200).round(2) for name, at in starts.items()}
    answer = ask(read(pa.table(apart))).price_answer
    assert answer is not None
    missing = {point.name for point in answer.points if point.price is None}
    assert missing == {
        "marginal cheapness",
        "optimal",
        "indifference",
        "marginal expensiveness",
    }
    assert "the curves do not meet" in answer.text


def test_too_few_people_and_another_order_are_said_to_be_so(model: Any) -> None:
    few = ask(read(survey(45, odd=0)), method="van_westendorp")
    assert few.price_answer is None
    assert "Fewer than 50" in str(few.reason)
    assert few.summary.intervals == 0
    reason = ask(model, method="van_westendorp", columns=FOUR[::-1]).reason
    assert "another order" in str(reason)
    rising = {name: np.where(np.arange(100) < 5, 9.0 + at, 9.99) for at, name in enumerate(FOUR)}
    rising[FOUR[3]] = np.maximum(rising[FOUR[3]], 9.99)
    alike = ask(read(pa.table(dict(zip(FOUR, np.sort([*rising.values()], axis=0), strict=True)))))
    assert "different prices" in str(alike.reason)


@pytest.mark.parametrize(
    ("asked", "pointer", "says"),
    [
        ({}, "/prices", "several price questions"),
        ({"columns": FOUR}, "/prices", "which method"),
        ({"method": "van_westendorp", "columns": FOUR[:3]}, "/prices/columns", "four columns"),
        (
            {"method": "van_westendorp", "columns": [*FOUR[:3], "sex"]},
            "/prices/columns/3",
            "number",
        ),
        ({"method": "van_westendorp", "columns": [*FOUR[:3], "no"]}, "/prices/columns/3", "no"),
        ({"method": "van_westendorp", "columns": [FOUR[0]] * 4}, "/prices/columns/1", "twice"),
        ({"method": "van_westendorp", "columns": FOUR, "buys": ["ja"]}, "/prices/buys", "leave"),
        ({"method": "gabor_granger", "columns": BUYS[:2]}, "/prices/columns", "3 prices"),
        ({"method": "gabor_granger", "columns": BUYS, "prices": [1, 2]}, "/prices/prices", "each"),
        ({"method": "gabor_granger", "columns": ["sex"]}, "/prices/columns/0", "prices"),
        ({"method": "gabor_granger", "columns": FOUR}, "/prices/columns/0", "yes/no"),
        (
            {"method": "gabor_granger", "columns": BUYS, "buys": ["often"]},
            "/prices/columns/0",
            "no such level",
        ),
    ],
)
def test_wrong_price_questions_are_refused(
    model: Any, asked: dict[str, Any], pointer: str, says: str
) -> None:
    where, detail = refused(model, **asked)
    assert where == pointer
    assert says in detail


def test_a_description_states_price_questions() -> None:
    stated = [{"method": "gabor_granger", "columns": ["max price"]}]
    model = read(survey(), prices=stated)
    assert [one.columns for one in model.schema.prices] == [["max price"]]
    assert ask(model).price_answer is not None
    assert read(survey(), prices=[]).schema.prices == []
    with pytest.raises(InputError) as error:
        read(survey(), prices=[{"method": "van_westendorp", "columns": FOUR[:2]}])
    assert error.value.errors[0].pointer == "/x-simulacra/prices/0/columns"
    with pytest.raises(DescriptionInvalid):
        read(survey(), prices=[{"method": "conjoint", "columns": FOUR}])


def test_a_price_question_stands_alone(model: Any) -> None:
    body = {"prices": {}, "questions": ["sex"]}
    with pytest.raises(InputError, match="request"):
        certify_segments(model, BoostRequest.model_validate(body))
    with pytest.raises(InputError):
        certify_segments(model, BoostRequest.model_validate({}))
