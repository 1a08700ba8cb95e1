"""The tables of the sweep: a short maker each, the requests to it, and what holds in its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import openpyxl  # noqa: F401 # pandas imports it late; two threads at once get half of it
import pandas as pd
import sweep_holds as holds
from sweep_holds import Hold

Rng = np.random.Generator
Maker = Callable[[Rng], pd.DataFrame]
FRUITS = np.array(["apple", "banana", "cherry", "date"])
REGIONS = np.array(["north", "east", "south", "west"])


class Ask(NamedTuple):
    """The requests to a table: share, range, lever and outcome of an effect, question.

    The lever's first value is that of do(), the question is asked in the segment of the share, and
    the columns of share and range come before the lever.
    """

    share: tuple[str, str, float]
    between: tuple[str, float, float]
    lever: tuple[str, Any, Any]
    outcome: str
    question: str


@dataclass(frozen=True)
class Table:
    """A table, how it is uploaded, the requests to it, and what must hold in its rows."""

    name: str
    make: Maker
    holds: tuple[Hold, ...] = ()
    """What the upload and its generated rows have in common."""
    ask: Ask | None = None
    suffix: str = ".csv"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the upload."""
    subject: str | None = None
    """Column of the persons; None where rows are no one's."""
    refused: str | None = None
    """What every program says of a table that cannot be learned, in part."""
    rows: int = 300
    """Rows to generate."""
    real: bool = False
    """Part of the run on a real control plane."""

    def frame(self) -> pd.DataFrame:
        """Return the table; the same each time."""
        return self.make(np.random.default_rng(sum(self.name.encode())))

    def write(self, folder: Path) -> Path:
        """Write the table as a customer has it."""
        path = folder / f"{self.name}{self.suffix}"
        frame = self.frame()
        if self.suffix == ".xlsx":
            frame.to_excel(path, index=False)
        elif self.suffix == ".sav":
            import pyreadstat

            labels = {"trust": {1.0: "not at all", 5.0: "completely", 9.0: "refused"}}
            labels["sex"] = {1.0: "male", 2.0: "female"}
            pyreadstat.write_sav(frame, str(path), variable_value_labels=labels)
        elif self.name == "german":
            frame.to_csv(path, index=False, sep=";", decimal=",")
        else:
            frame.to_csv(path, index=False)
        return path


def _repeat(rng: Rng, persons: int, low: int, high: int) -> np.ndarray:
    """Return the person of each row, low to high rows a person."""
    return np.repeat(np.arange(persons), rng.integers(low, high + 1, persons))


def _numbers(rng: Rng, count: int) -> np.ndarray:
    """Return numbers of persons as a customer has them, without order."""
    return 10_000 + rng.permutation(count * 7)[:count]


def _answers(rng: Rng, rows: int) -> dict[str, np.ndarray]:
    """Return four columns of a survey: age, sex, years of education, satisfaction (1 to 5)."""
    age = rng.integers(18, 80, rows)
    sex = rng.choice(["female", "male"], rows)
    school = np.clip(np.round(13 - 0.03 * (age - 45) + rng.normal(0, 2.5, rows)), 6, 20)
    happy = np.clip(np.round(3 + 0.25 * (school - 13) + rng.normal(0, 0.9, rows)), 1, 5)
    return {"age": age, "sex": sex, "school_years": school.astype(int), "happy": happy.astype(int)}


def _orders(rng: Rng) -> pd.DataFrame:
    who = _repeat(rng, 90, 1, 6)
    numbers, region = _numbers(rng, 90), rng.choice(REGIONS, 90)
    level = rng.normal(4, 0.6, 90)
    amount = np.round(np.exp(level[who] + rng.normal(0, 0.3, who.size)), 2)
    day = pd.Timestamp("2025-01-01") + pd.to_timedelta(rng.integers(0, 365, who.size), "D")
    frame = pd.DataFrame({"customer_id": numbers[who], "region": region[who], "day": day})
    frame = frame.assign(product=rng.choice(FRUITS, who.size), amount=amount)
    return frame.sort_values(["customer_id", "day"], ignore_index=True)


def _household(rng: Rng) -> pd.DataFrame:
    home = _repeat(rng, 60, 1, 3)
    person = _repeat(rng, home.size, 2, 4)
    wave = pd.Series(person).groupby(person).cumcount().to_numpy() + 1
    tenure, sex = rng.choice(["owner", "tenant"], 60), rng.choice(["female", "male"], home.size)
    level = rng.normal(0, 1, home.size) + 0.8 * (tenure[home] == "owner")
    income = np.round(2000 + 400 * level[person] + rng.normal(0, 120, person.size), -1)
    numbers = _numbers(rng, home.size)
    return pd.DataFrame(
        {
            "household_id": (500 + home)[person],
            "person_id": numbers[person],
            "wave": wave,
            "tenure": tenure[home][person],
            "sex": sex[person],
            "income": income.astype(int),
        }
    )


def _journeys(rng: Rng) -> pd.DataFrame:
    trip = _repeat(rng, 70, 1, 3)
    stage = _repeat(rng, trip.size, 1, 3)
    numbers, licence = _numbers(rng, 70), rng.choice(["yes", "no"], 70, p=[0.7, 0.3])
    purpose = rng.choice(["work", "shopping", "leisure"], trip.size)
    order = pd.Series(trip).groupby(trip).cumcount().to_numpy() + 1
    by_car = (licence[trip][stage] == "yes") & (rng.random(stage.size) < 0.6)
    mode = np.where(by_car, "car", rng.choice(["walk", "bus", "train"], stage.size))
    km = np.round(rng.lognormal(1 + (mode == "car"), 0.5), 1)
    return pd.DataFrame(
        {
            "respondent": numbers[trip][stage],
            "licence": licence[trip][stage],
            "trip": order[stage],
            "purpose": purpose[stage],
            "mode": mode,
            "km": km,
        }
    )


def _diary(rng: Rng) -> pd.DataFrame:
    who = _repeat(rng, 50, 4, 8)
    step = pd.Series(rng.integers(20, 150, who.size)).groupby(who).cumsum()
    start = pd.Timestamp("2025-03-03 06:00") + pd.to_timedelta(step + 1440 * (who % 7), "min")
    activity = rng.choice(["work", "eat", "rest", "travel"], who.size, p=[0.4, 0.2, 0.25, 0.15])
    mood = np.clip(np.round(3 + (activity == "rest") + rng.normal(0, 0.8, who.size)), 1, 5)
    frame = pd.DataFrame({"diarist_id": _numbers(rng, 50)[who], "time": start})
    return frame.assign(activity=activity, mood=mood.astype(int), employed=(who % 3 > 0) * 1)


def _panel(rng: Rng) -> pd.DataFrame:
    who, year = np.repeat(np.arange(80), 4), np.tile(np.arange(2020, 2024), 80)
    school = rng.integers(8, 18, 80)
    union = rng.random(320) < 0.25
    level = rng.normal(0, 0.3, 80) + 0.08 * school
    wage = np.round(
        1 + level[who] + 0.05 * (year - 2020) + 0.18 * union + rng.normal(0, 0.1, 320), 3
    )
    numbers, industry = _numbers(rng, 80), rng.choice(3, 80)
    dummies = {f"ind_{k}": (industry[who] == k) * 1 for k in range(3)}
    frame = pd.DataFrame({"nr": numbers[who], "year": year, "educ": school[who]})
    return frame.assign(union=union * 1, lwage=wage, **dummies)


def _tracker(rng: Rng) -> pd.DataFrame:
    wave, number = np.repeat(np.arange(1, 5), 80), np.tile(np.arange(1, 81), 4)
    frame = pd.DataFrame({"wave": wave, "respondent_id": number, **_answers(rng, 320)})
    return frame.assign(aware=np.where(rng.random(320) < 0.3 + 0.1 * wave, "yes", "no"))


def _trend(rng: Rng) -> pd.DataFrame:
    wave = np.repeat(np.arange(1, 5), 400)
    frame = pd.DataFrame({"wave": wave, **_answers(rng, 1600)})
    older = (wave == 4) & (rng.random(1600) < 0.5)
    frame["age"] = np.where(older, rng.integers(50, 80, 1600), frame["age"])
    frame["aware"] = np.where(rng.random(1600) < 0.3 + 0.25 * (wave == 4), "yes", "no")
    tried = pd.Series(np.where(rng.random(1600) < 0.4, "often", "seldom"), dtype=object)
    return frame.assign(tried_q7=tried.where(wave < 3), tried_q9=tried.where(wave > 2))


def _points(rng: Rng) -> pd.DataFrame:
    point = np.repeat(np.arange(1, 31), 10)
    region = rng.choice(REGIONS, 30)[point - 1]
    return pd.DataFrame({"point": point, "region": region, **_answers(rng, 300)})


def _places(rng: Rng) -> pd.DataFrame:
    point = np.repeat(np.arange(1, 31), 12)
    region, alike = np.repeat(REGIONS[:3], 10)[point - 1], rng.normal(0, 1, 30)[point - 1]
    garden = np.where(alike + rng.normal(0, 1, 360) > 0, "garden", "none")
    answers = _answers(rng, 360)
    return pd.DataFrame({"point": point, "region": region, **answers, "garden": garden})


def _ruled(rng: Rng) -> pd.DataFrame:
    frame = pd.DataFrame(_answers(rng, 320))
    return frame.assign(school_years=np.minimum(frame.school_years, frame.age - 5))


def _weighted(rng: Rng) -> pd.DataFrame:
    frame = pd.DataFrame(_answers(rng, 320))
    weight = np.where(frame["sex"] == "female", 0.8, 1.25) * rng.uniform(0.7, 1.3, 320)
    weight = np.round(weight / weight.mean(), 4)
    copies = {f"repwt{k}": np.round(weight * rng.choice([0, 2], 320), 4) for k in range(1, 7)}
    return frame.assign(weight=weight, **copies)


def _raked(rng: Rng) -> pd.DataFrame:
    frame = pd.DataFrame(_answers(rng, 320))
    weight = np.round(rng.uniform(0.7, 1.3, 320), 4)
    halves = rng.permuted(np.tile([[0.5], [1.5]], (160, 12)), axis=0)
    copies = {f"repwt{k + 1}": np.round(weight * halves[:, k], 4) for k in range(12)}
    return frame.assign(weight=weight, **copies)


def _choice(rng: Rng) -> pd.DataFrame:
    modes = np.array(["beach", "pier", "boat", "charter"])
    prices = {m: np.round(rng.lognormal(3 + 0.3 * k, 0.5, 320), 2) for k, m in enumerate(modes)}
    income = np.round(rng.lognormal(8, 0.5, 320), 0).astype(int)
    cost = np.column_stack([*prices.values()])
    taste = -0.05 * cost + rng.gumbel(0, 1, cost.shape) + np.array([0, 0.2, 0.8, 1.0])
    chosen = taste.argmax(1)
    frame = pd.DataFrame({"mode": modes[chosen], "price": cost[np.arange(320), chosen]})
    frame = frame.assign(income=income, party=rng.integers(1, 5, 320))
    return frame.assign(**{f"price_{mode}": prices[mode] for mode in modes})


def _wide(rng: Rng) -> pd.DataFrame:
    common = rng.normal(0, 1, (150, 6))
    noise = rng.normal(0, 1, (150, 300))
    values = np.clip(np.round(3 + common[:, np.arange(300) % 6] * 0.8 + noise * 0.7), 1, 5)
    return pd.DataFrame(values.astype(int), columns=[f"q{k:03}" for k in range(300)])


def _forty(rng: Rng) -> pd.DataFrame:
    return pd.DataFrame(_answers(rng, 40)).assign(region=rng.choice(REGIONS, 40))


def _large(rng: Rng) -> pd.DataFrame:
    return pd.DataFrame(_answers(rng, 100_000)).assign(region=rng.choice(REGIONS, 100_000))


def _verbatims(rng: Rng) -> pd.DataFrame:
    words = [
        "the",
        "staff",
        "were",
        "very",
        "kind",
        "but",
        "waiting",
        "took",
        "long",
        "and",
        "rooms",
        "felt",
        "cold",
        "yet",
        "clean",
    ]
    said = pd.Series([" ".join(rng.choice(words, rng.integers(4, 12))) for _ in range(300)])
    return pd.DataFrame(_answers(rng, 300)).assign(comment=said.where(rng.random(300) < 0.7))


def _codes(rng: Rng) -> pd.DataFrame:
    at = rng.choice(4, 300, p=[0.4, 0.3, 0.2, 0.1])
    frame = pd.DataFrame({"region_code": np.array([11, 12, 21, 22])[at], "region": REGIONS[at]})
    frame = frame.assign(east=np.where(at == 1, "yes", "no"), **_answers(rng, 300))
    town = pd.Series(REGIONS[at]) + " " + FRUITS[rng.choice(4, 300, p=[0.5, 0.4, 0.08, 0.02])]
    return frame.assign(town=town.where(rng.random(300) > 0.03))


def _onehot(rng: Rng) -> pd.DataFrame:
    frame = pd.DataFrame(_answers(rng, 320))
    party = (frame["happy"].to_numpy() + rng.integers(0, 3, 320)) % 4
    return frame.assign(**{f"party_{k}": (party == k) * 1 for k in range(4)})


def _interviews(rng: Rng) -> pd.DataFrame:
    is_old, sent = rng.random(300) < 0.3, rng.integers(0, 60 * 500, 300)
    minutes = rng.integers(30, 120, 300) + 10 * is_old
    start = pd.Timestamp("2025-05-05 09:00") + pd.to_timedelta(sent, "min")
    frame = pd.DataFrame({"start": start, "end": start + pd.to_timedelta(minutes, "min")})
    return frame.assign(group=np.where(is_old, "old", "young"), happy=rng.integers(1, 6, 300))


def _retail(rng: Rng) -> pd.DataFrame:
    store = rng.integers(1, 6, 400)
    price = rng.choice([1.69, 1.75, 1.79, 1.86, 1.99, 2.09, 2.13, 2.18], 400)
    discount = np.where(rng.random(400) < 0.25, rng.choice([0.1, 0.2, 0.24, 0.4], 400), 0.0)
    other = rng.choice([1.86, 1.89, 2.09, 2.18, 2.29], 400)
    sale = np.round(price - discount, 2)
    likes = 1 / (1 + np.exp(3 * (sale - other + 0.15)))
    frame = pd.DataFrame({"purchase": np.where(rng.random(400) < likes, "CH", "MM")})
    frame = frame.assign(store=store, price=price, discount=discount, other_price=other)
    frame = frame.assign(sale_price=sale, price_diff=np.round(other - sale, 2))
    return frame.assign(discount_share=np.round(discount / price, 6), is_store_7=(store == 3) * 1)


def _german(rng: Rng) -> pd.DataFrame:
    known = _answers(rng, 320)
    spend = np.round(rng.lognormal(3, 0.4, 320) + 2 * known["school_years"], 2)
    frame = pd.DataFrame({"Alter": known["age"], "Geschlecht": known["sex"]})
    frame = frame.assign(Schuljahre=known["school_years"], Zufrieden=known["happy"], Ausgaben=spend)
    return frame.assign(Gewicht=np.round(rng.uniform(0.4, 1.6, 320), 3))


def _labeled(rng: Rng) -> pd.DataFrame:
    known = _answers(rng, 300)
    trust = np.where(rng.random(300) < 0.05, 9, known["happy"]).astype(float)
    sex = np.where(known["sex"] == "male", 1.0, 2.0)
    return pd.DataFrame({"age": known["age"] * 1.0, "sex": sex, "trust": trust}).assign(
        school_years=known["school_years"] * 1.0
    )


def _money(rng: Rng) -> pd.DataFrame:
    known = _answers(rng, 320)
    income = 1000.0 * np.round(
        np.exp(3 + 0.08 * (known["school_years"] - 13) + rng.normal(0, 0.4, 320))
    )
    income = np.where(rng.random(320) < 0.12, income + rng.integers(1, 999, 320), income)
    income[rng.choice(320, 3, replace=False)] += 0.37
    joined = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, 320), "D")
    return pd.DataFrame({"joined": joined, **known, "income": income})


def _gaps(rng: Rng) -> pd.DataFrame:
    frame = pd.DataFrame(_answers(rng, 300)).assign(country="AT", notes=np.nan)
    return frame.assign(income=np.where(rng.random(300) < 0.3, np.nan, rng.integers(10, 90, 300)))


def _ranked(rng: Rng) -> pd.DataFrame:
    frame = pd.DataFrame(_answers(rng, 320))
    spent = np.round(np.exp(3 + 0.05 * frame["school_years"] + rng.normal(0, 0.5, 320)), 2)
    frame = frame.assign(spent=spent, log_spent=np.round(np.log(spent), 4))
    frame["born"] = 2025 - frame["age"] - (rng.random(320) < 0.6)
    parts = np.floor(100 * rng.dirichlet([4, 3, 2], 320)[:, :2]).astype(int)
    frame = frame.assign(tv=parts[:, 0], web=parts[:, 1], radio=100 - parts.sum(axis=1))
    moved = 0.4 * (frame["happy"].to_numpy()[:, None] - 3) * [1, 0, 0, -1]
    order = (rng.gumbel(0, 1, (320, 4)) - moved).argsort(axis=1).argsort(axis=1) + 1
    return frame.assign(**{f"rank_{fruit}": order[:, k] for k, fruit in enumerate(FRUITS)})


def _one_column(rng: Rng) -> pd.DataFrame:
    return pd.DataFrame({"fruit": rng.choice(FRUITS, 250, p=[0.5, 0.25, 0.15, 0.1])})


def _ids(rng: Rng) -> pd.DataFrame:
    frame = pd.DataFrame({"order_id": np.arange(10_001, 10_251)})
    return frame.assign(code=[f"K-{n:06}" for n in rng.permutation(10**6)[:250]])


def _many_levels(rng: Rng) -> pd.DataFrame:
    towns = np.array(
        [f"Municipality of Upper {chr(65 + k % 26)}{k:03} on the River" for k in range(300)]
    )
    at = np.concatenate([np.repeat(np.arange(300), 3), rng.integers(0, 300, 300)])
    frame = pd.DataFrame({"town": towns[rng.permutation(at)], **_answers(rng, 1200)})
    return frame.assign(region=REGIONS[frame["town"].str[22].map(ord) % 4])


ANSWERS = Ask(("sex", "female", 0.7), ("age", 25, 50), ("school_years", 16, 12), "happy", "happy")
"""The requests to tables with the columns of `_answers`."""
GERMAN = Ask(
    ("Geschlecht", "female", 0.7),
    ("Alter", 25, 50),
    ("Schuljahre", 16, 12),
    "Zufrieden",
    "Zufrieden",
)
ORDERS = Ask(
    ("region", "north", 0.5), ("amount", 20, 100), ("region", "north", "south"), "amount", "product"
)
HOUSEHOLD = Ask(
    ("sex", "female", 0.6),
    ("income", 1500, 2600),
    ("tenure", "owner", "tenant"),
    "income",
    "tenure",
)
JOURNEYS = Ask(("purpose", "work", 0.5), ("km", 1, 20), ("licence", "yes", "no"), "km", "mode")
DIARY = Ask(("activity", "work", 0.5), ("mood", 2, 4), ("activity", "rest", "work"), "mood", "mood")
PANEL = Ask(("union", "1", 0.5), ("educ", 10, 16), ("union", "1", "0"), "lwage", "year")
CHOICE = Ask(
    ("mode", "beach", 0.4), ("income", 2000, 5000), ("mode", "pier", "beach"), "income", "party"
)
WIDE = Ask(("q001", "5", 0.3), ("q002", 2, 4), ("q003", 5, 1), "q009", "q007")
TIMES = Ask(("group", "old", 0.5), ("happy", 2, 4), ("group", "old", "young"), "happy", "happy")
RETAIL = Ask(
    ("purchase", "CH", 0.5), ("price", 1.7, 2.0), ("price", 1.99, 1.69), "sale_price", "store"
)
LABELED = Ask(("sex", "female", 0.7), ("age", 25, 50), ("school_years", 16, 12), "age", "trust")
H = holds
SCALES = (H.whole("age"), H.whole("school_years"), H.within("happy", 1, 5))
CLOSE = (*SCALES, H.correlation("school_years", "happy", 0.2))
IDENTITIES = (
    H.sums("sale_price", {"price": 1, "discount": -1}),
    H.sums("price_diff", {"other_price": 1, "sale_price": -1}),
    H.ratio("discount_share", "discount", "price"),
    *(H.few_values(name) for name in ("price", "discount", "other_price")),
)
MONEY = (H.date("joined"), H.share_of_multiples("income", 1000), H.share_of_decimals("income"))
GAPS = (H.constant("country"), H.empty("notes"), H.missing_share("income"))
CODED = (
    H.decides("region_code", "region"),
    H.decides("region", "east"),
    H.decides("town", "region"),
)
RANKED = (
    H.logarithm("log_spent", "spent", 4),
    H.shares("tv", "web", "radio"),
    H.ranks(*(f"rank_{fruit}" for fruit in FRUITS)),
    H.years("age", "born", 2025),
)
PARTY = H.one_hot(*(f"party_{k}" for k in range(4)))
SHOPPED = (H.date("day"), H.whole("customer_id"), H.decimals("amount", 2))
WORKED = (H.one_hot("ind_0", "ind_1", "ind_2"), H.few_values("year"), H.decimals("lwage", 3))
MET = (H.date("start"), H.duration("start", "end", 30, 130))
# Three standard errors of the difference of .6 in 150 rows and .5 in 200 are .23.
WITHIN = (H.within("q000", 1, 5), H.correlation("q000", "q006", 0.2))
PICKED = (H.picked("price", "mode", "price_{}"),)
MOODS = (H.date("time"), H.within("mood", 1, 5))
SPENT = (H.whole("Alter"), H.whole("Schuljahre"), H.decimals("Ausgaben", 2))
RIDES = (H.decimals("km", 1),)
PERSON, RIDER = {"subject": "person_id"}, {"subject": "respondent"}
PLACES = {"cluster": "point", "stratum": "region"}
WAVES = {"wave": "wave", "renamed": "tried_q9=tried_q7"}
RULE = {"rule": "school_years + 5 <= age"}
RAKED = {
    "weights": "weight",
    "replicates": "repwt*=brr:0.5",
    "targets": '{"sex": {"female": 0.4, "male": 0.6}}',
}
WEIGHT, GEWICHT = {"weights": "weight"}, {"weights": "Gewicht"}

TABLES = (
    Table("orders", _orders, SHOPPED, ORDERS, subject="customer_id", real=True),
    Table("household", _household, (), HOUSEHOLD, options=PERSON, subject="person_id"),
    Table("journeys", _journeys, RIDES, JOURNEYS, options=RIDER, subject="respondent"),
    Table("diary", _diary, MOODS, DIARY, subject="diarist_id", real=True),
    Table("panel", _panel, WORKED, PANEL, subject="nr"),
    Table("tracker", _tracker, CLOSE, ANSWERS, real=True),
    Table("points", _points, CLOSE, ANSWERS),
    Table("weighted", _weighted, CLOSE, ANSWERS, options=WEIGHT, real=True),
    Table("choice", _choice, PICKED, CHOICE),
    Table("wide", _wide, WITHIN, WIDE, rows=200),
    Table("forty", _forty, SCALES, ANSWERS),
    Table("large", _large, CLOSE, ANSWERS, rows=1000),
    Table("verbatims", _verbatims, (*CLOSE, H.no_text_of_upload("comment")), ANSWERS),
    Table("codes", _codes, (*CLOSE, *CODED), ANSWERS),
    Table("onehot", _onehot, (*SCALES, PARTY), ANSWERS),
    Table("interviews", _interviews, MET, TIMES),
    Table("retail", _retail, IDENTITIES, RETAIL, real=True),
    Table("german", _german, SPENT, GERMAN, options=GEWICHT, real=True),
    Table("labeled", _labeled, (H.whole("age"),), LABELED, suffix=".sav", real=True),
    Table("money", _money, (*CLOSE, *MONEY), ANSWERS, suffix=".xlsx", real=True),
    Table("gaps", _gaps, (*CLOSE, *GAPS), ANSWERS),
    Table("one_column", _one_column, refused="at least 2 are needed"),
    Table("ids", _ids, refused="at least 2 are needed"),
    Table("many_levels", _many_levels, CLOSE, ANSWERS, rows=600),
    Table("places", _places, CLOSE, ANSWERS, options=PLACES, real=True),
    Table("raked", _raked, CLOSE, ANSWERS, options=RAKED),
    Table("trend", _trend, CLOSE, ANSWERS, options=WAVES, real=True),
    Table("ruled", _ruled, (*SCALES, H.below("school_years", "age", 5)), ANSWERS, options=RULE),
    Table("ranked", _ranked, (*SCALES, *RANKED), ANSWERS),
)
SMALL = ("diary", "weighted", "forty")
"""The tables of `make test`."""
