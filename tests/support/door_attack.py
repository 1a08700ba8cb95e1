"""Every door of a running service, asked about many people at once: who was in the table?

    python tests/support/door_attack.py [--persons 200] [--requests 10000] [--seconds 2400]

Starts a service in a temporary folder, uploads 700 people, and attacks 200 who are alone with age,
sex and ward, half of them sick, beside 200 such people who are not in the table. Requests answer as
many questions as they can: a probe has a share for each ward, a sheet the windows of four people,
a segment all wards, and a request that is refused before a Job costs milliseconds. Later requests
follow from earlier answers. For each door a line says how many requests, Jobs and questions there
were, the CPU seconds of the service, and the AUC of the figures of members against those of others:
how much more they point at the true illness, or at a person's presence. Without a leak it is 0.5,
with an error of 0.03. The door without Jobs comes last, and fills up the requests.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import counting_attack as attacks
from installation import Installation, descendants
from service_attack import OfService
from simulacra import ApiError, Client, JobFailed

Json = Mapping[str, Any]
HEALTHY = "none"
BANDS, BAND_ROWS = 20, 20_000
REPORT_ROWS = 400
LEVERS = 8
REACH = 2_500
FORMS: tuple[Callable[[str], str], ...] = (str, str.upper, str.strip, lambda word: word + " ")
EXACT = (0.0, 0.25, 0.5, 1.0, 2.5, 5.0, 20.0, 50.0, 100.0, 500.0)
"""Distances around a person's income within which a refused request asks for rows."""


def people(seed: int) -> pd.DataFrame:
    """Return the people of `counting_attack` with employers, of which many have one person."""
    table = attacks.people(seed)
    rng = np.random.default_rng([seed, 1])
    place = np.minimum(rng.zipf(1.5, len(table)), 10**6)
    small = place > 30
    place[small] = 10**6 * (1 + seed) + np.arange(int(small.sum()))
    table.insert(4, "employer", [f"works {number}" for number in place])
    return table


def cpu_seconds(service: int) -> float:
    """Return the CPU seconds of a process, of those below it, and of those that have ended."""
    ticks = 0
    for pid in (service, *descendants(service)):
        with suppress(OSError):  # it has ended meanwhile, and counts for its parent
            of = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, of[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


class Doors:
    """A service, the people whom it is asked about, and the requests so far."""

    def __init__(
        self,
        client: Client,
        dataset: str,
        asked: argparse.Namespace,
        pool: Any,
        until: float,
        most: int,
    ) -> None:
        table, others = people(4), people(5)
        self.client, self.dataset, self.until, self.pool = client, dataset, until, pool
        self.seed, self.most, persons = asked.seed, most, asked.persons
        self.groups = {
            "members": attacks.singled_out(table, persons),
            "others": attacks.singled_out(others, persons),
        }
        self.everybody = pd.concat(self.groups.values())
        levels = {one["name"]: one for one in client.schema(dataset)["columns"]}["ward"]["levels"]
        self.wards = [str(one["value"]) for one in levels]
        self.asked: Counter[str] = Counter()
        self.lock = threading.Lock()

    def count(self, **kinds: int) -> None:
        """Count requests, Jobs and questions."""
        with self.lock:
            self.asked.update(kinds)

    def each(self, ask: Callable[[Any], Any], questions: Iterable[Any]) -> dict[Any, Any]:
        """Ask several questions at once until time or requests are over; return their answers."""

        def one(question: Any) -> Any:
            if time.monotonic() > self.until or self.asked["requests"] >= self.most:
                return None
            with suppress(ApiError, JobFailed, TimeoutError):
                return ask(question)
            return None

        asked = [*questions]
        return {
            question: answer
            for question, answer in zip(asked, self.pool.map(one, asked), strict=True)
            if answer is not None
        }

    def rows(self, conditions: Json, rows: int) -> str:
        """Generate rows and return the name of the generation."""
        self.count(requests=1, jobs=1)
        made = self.client.generate(self.dataset, rows, conditions=conditions, seed=1)
        self.client.wait(made["job_id"])
        return str(made["generation_id"])


Scores = dict[str, Callable[[Any], float | None]]


def towards(truth: str, healthy: float, sick: float) -> float:
    """Return how much figures of a person point at the true answer."""
    return healthy - sick if truth == HEALTHY else sick - healthy


def probes(doors: Doors) -> Scores:
    """Shares of each ward in 100 rows of an age and sex, for the healthy and for the sick."""
    wards = {ward: 1.0 / len(doors.wards) for ward in doors.wards}

    def ask(key: tuple[int, str, bool]) -> dict[str, float]:
        age, sex, healthy = key
        doors.count(requests=1, jobs=1, questions=len(wards))
        found = doors.client.probe(
            doors.dataset,
            100,
            conditions={
                "categorical": {
                    "sex": {sex: 1.0},
                    "illness": {HEALTHY: float(healthy)},
                    "ward": wards,
                },
                "numeric": {"age": {"min": age, "max": age}},
            },
            seed=1,
        )
        told = found["attainment"]["conditions"]
        return {one["level"]: one["attained"] for one in told if one["column"] == "ward"}

    keys = {(int(one.age), str(one.sex)) for one in doors.everybody.itertuples()}
    found = doors.each(ask, ((*key, healthy) for key in sorted(keys) for healthy in (True, False)))

    def score(person: Any) -> float | None:
        both = [found.get((int(person.age), person.sex, healthy)) for healthy in (True, False)]
        if None in both:
            return None
        return towards(person.illness, *(of.get(person.ward, 0.0) for of in both))

    return {"illness": score}


def ranges(doors: Doors) -> Scores:
    """Rows in twenty ranges of income: how many near a person have the illness, and are there."""
    ends = np.quantile(doors.everybody.income, np.linspace(0, 1, BANDS + 1)).astype(int)
    ends[0], ends[-1] = ends[1] // 2, 2 * ends[-2]

    def ask(band: int) -> pd.DataFrame:
        inside = {"min": int(ends[band]), "max": int(ends[band + 1])}
        name = doors.rows({"numeric": {"income": inside}}, BAND_ROWS)
        doors.count(requests=1, questions=len(doors.everybody) // BANDS)
        return doors.client.to_pandas(name)

    drawn = doors.each(ask, range(BANDS))

    def near(person: Any) -> tuple[pd.DataFrame, pd.DataFrame] | None:
        rows = drawn.get(int(np.clip(np.searchsorted(ends, person.income) - 1, 0, BANDS - 1)))
        if rows is None:
            return None
        wide = rows[rows.sex == person.sex]
        close = (wide.ward == person.ward) & ((wide.age - person.age).abs() <= 2)
        return wide, wide[close]

    def illness(person: Any) -> float | None:
        if (both := near(person)) is None:
            return None
        healthy = (both[1].illness == HEALTHY).sum() + 7.0
        return towards(
            person.illness,
            float(np.log(healthy / 7)),
            float(np.log((len(both[1]) - healthy + 10.0) / 3)),
        )

    def presence(person: Any) -> float | None:
        if (both := near(person)) is None:
            return None
        wide, close = both
        of_ward = wide[wide.ward == person.ward]  # shares of it, since large wards have more rows
        income = ((of_ward.income - person.income).abs() <= 0.02 * person.income).sum()
        usual = len(of_ward) * ((wide.income - person.income).abs() <= 0.02 * person.income).mean()
        age, among = (close.age == person.age).sum(), len(close) / 5
        return float((income - usual) / np.sqrt(usual + 1) + (age - among) / np.sqrt(among + 1))

    return {"illness": illness, "presence": presence}


def segments(doors: Doors) -> Scores:
    """Certified shares: wards by sex and illness, and totals of wards less the other sex."""
    answers = OfService(doors.client, doors.dataset)
    parts: list[attacks.Attack] = []
    for attack in (attacks.Permuted, attacks.Segments):
        if time.monotonic() < doors.until:
            parts.append(attack(answers))
            doors.count(questions=len(parts[-1].cells))  # type: ignore[attr-defined]
    doors.count(requests=answers.asked, jobs=answers.asked)

    def score(attack: attacks.Attack) -> Callable[[Any], float]:
        def one(person: Any) -> float:
            found = attack(answers, person)
            own = found[person.illness]
            return float(own - np.mean([found[of] for of in found if of != person.illness]))

        return one

    names = ("wards by sex and illness", "totals less the other sex")
    return {name: score(of) for name, of in zip(names, parts, strict=False)}


def sheets(doors: Doors) -> Scores:
    """Sheets of windows just above and just below the incomes of four people."""
    answers = OfService(doors.client, doors.dataset)

    def ask(incomes: tuple[int, ...]) -> dict[int, float]:
        levers = [
            {
                "column": "income",
                "value": income + REACH + beside,
                "baseline": income - REACH + beside,
            }
            for income in incomes
            for beside in (-0.25, 0.25)
        ]
        doors.count(requests=1, jobs=1, questions=len(levers))
        told = answers.sheet(levers, HEALTHY)["levers"]
        naive = {one["value"]: one["answer"]["naive"] or 0.0 for one in told}
        return {
            income: naive.get(income + REACH - 0.25, 0.0) - naive.get(income + REACH + 0.25, 0.0)
            for income in incomes
        }

    incomes = sorted({int(one) for one in doors.everybody.income})
    half = LEVERS // 2
    found = doors.each(ask, (tuple(incomes[at : at + half]) for at in range(0, len(incomes), half)))
    steps = {income: step for of in found.values() for income, step in of.items()}

    def score(person: Any) -> float | None:
        step = steps.get(int(person.income))
        return None if step is None else towards(person.illness, step, -step)

    return {"illness": score}


def effects(doors: Doors) -> Scores:
    """The plain difference of two windows of effects, one question a Job."""
    answers = OfService(doors.client, doors.dataset)

    def ask(key: tuple[int, float]) -> float:
        income, beside = key
        doors.count(requests=1, jobs=1, questions=1)
        found = answers.plain(
            treatment="income",
            value=income + REACH + beside,
            baseline=income - REACH + beside,
            outcome=f"illness={HEALTHY}",
        )
        return found or 0.0

    turns = zip(*(of.itertuples() for of in doors.groups.values()), strict=False)
    keys = [(int(one.income), beside) for pair in turns for one in pair for beside in (-0.25, 0.25)]
    found = doors.each(ask, dict.fromkeys(keys))

    def score(person: Any) -> float | None:
        both = [found.get((int(person.income), beside)) for beside in (-0.25, 0.25)]
        return None if None in both else towards(person.illness, both[0] - both[1], 0.0)

    return {"illness": score}


def reports(doors: Doors) -> Scores:
    """Rows that a report compares, with and without a ward, of a sex and of its healthy."""

    def ask(key: tuple[str, bool, str]) -> tuple[float, float]:
        sex, healthy, ward = key
        of: dict[str, Json] = {"sex": {sex: 1.0}}
        of |= {"illness": {HEALTHY: 1.0}} if healthy else {}
        of |= {"ward": {ward: 0.0}} if ward else {}
        name = doors.rows({"categorical": of}, REPORT_ROWS)
        told = doors.client.report(name)["fidelity"]
        doors.count(requests=1, questions=2 + 2 * len(told["columns"]))
        return float(told["rows_compared"]), float(told["univariate"]["floor"])

    settings = itertools.product("fm", (False, True), ["", *doors.wards])
    found = doors.each(ask, sorted(settings, key=lambda one: one[2]))

    def score(person: Any) -> float | None:
        counts = []
        for healthy in (True, False):
            both = [found.get((person.sex, healthy, ward)) for ward in ("", person.ward)]
            if None in both:
                return None
            counts.append(both[0][0] - both[1][0])
        return towards(person.illness, counts[0], 0.7 * counts[1])

    return {"illness": score}


def refusals(doors: Doors) -> Scores:
    """Values of a person beside a column that does not exist: which of the two is refused?"""
    nowhere = {"no such column": {"x": 1.0}}

    def refused(**asked: Any) -> str:
        doors.count(requests=1, questions=1)
        try:
            doors.client.probe(doors.dataset, 1, **asked)
        except ApiError as error:
            return "; ".join(one.get("pointer", "") for one in error.errors) or error.code
        doors.count(jobs=1)
        return ""

    def ask(at: int) -> float:
        person = rows[at]
        points = 0
        for form in FORMS:
            word = {form(str(person.employer)): 1.0}
            told = refused(conditions={"categorical": {"employer": word, **nowhere}})
            points += "employer" not in told
        for column in ("income", "age"):
            of = float(getattr(person, column))
            for away in EXACT:
                inside = {column: {"min": of - away, "max": of + away}}
                told = refused(conditions={"numeric": inside, "categorical": nowhere})
                points += column not in told
            told = refused(interventions={column: of, "no such column": 1})
            points += column not in told
        for column in ("employer", "ward"):
            told = refused(interventions={column: getattr(person, column), "no such column": 1})
            points += column not in told
        return float(points)

    rows = [*doors.everybody.itertuples()]
    chosen = np.random.default_rng(doors.seed).permutation(len(rows)).tolist()
    found = doors.each(ask, chosen)
    place = {(one.age, one.sex, one.ward, one.income): at for at, one in enumerate(rows)}
    return {"presence": lambda p: found.get(place[p.age, p.sex, p.ward, p.income])}


DOORS = (segments, ranges, reports, sheets, probes, effects, refusals)


def measured(doors: Doors, score: Callable[[Any], float | None]) -> Json:
    """Return the AUC of members against others, its error, and how many were scored."""
    found = [
        np.array([value for one in of.itertuples() if (value := score(one)) is not None])
        for of in doors.groups.values()
    ]
    sizes = [of.size for of in found]
    if not all(sizes):
        return {"persons": sizes}
    higher = (found[0][:, None] > found[1]).mean() + 0.5 * (found[0][:, None] == found[1]).mean()
    error = np.sqrt((sum(sizes) + 1) / (12 * sizes[0] * sizes[1]))
    right = [[int((of > 0).sum()), int((of == 0).sum())] for of in found]
    return {
        "auc": round(float(higher), 3),
        "error": round(float(error), 3),
        "persons": sizes,
        "above, at 0": right,
    }


def main() -> None:
    """Start a service, go through its doors and print what each tells."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--persons", type=int, default=200, help="of each kind, an even number")
    parser.add_argument("--seconds", type=float, default=2_400.0, help="of the doors with Jobs")
    parser.add_argument("--refusals", type=float, default=1_200.0, help="seconds of refusals")
    parser.add_argument("--requests", type=int, default=10_000, help="of all doors, at most")
    parser.add_argument("--threads", type=int, default=4, help="requests at once")
    parser.add_argument("--doors", nargs="+", choices=[one.__name__ for one in DOORS])
    parser.add_argument("--seed", type=int, default=0, help="of the order of the people")
    asked = parser.parse_args()
    by_name = {one.__name__: one for one in DOORS}
    chosen = [by_name[name] for name in by_name if name in (asked.doors or by_name)]
    totals: Counter[str] = Counter()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        service = Installation(Path(folder) / "data")
        client = stack.enter_context(service.serving())
        pool = stack.enter_context(ThreadPoolExecutor(asked.threads))
        dataset = client.fit(people(4)).dataset_id
        assert service.process
        pid, end = service.process.pid, time.monotonic() + asked.seconds
        with_jobs = sum(door is not refusals for door in chosen)
        for left, door in zip(range(with_jobs, -1, -1), chosen, strict=False):
            began, used = time.monotonic(), cpu_seconds(pid)
            share = max(end - began, 0.0) / max(left, 1)
            until = began + (asked.refusals if door is refusals else share)
            doors = Doors(client, dataset, asked, pool, until, asked.requests - totals["requests"])
            scores = door(doors)
            used = cpu_seconds(pid) - used
            totals += doors.asked
            for of, score in scores.items():
                line = {"door": door.__name__, "reads": of, **measured(doors, score)}
                line |= doors.asked | {"cpu_s": round(used, 1)}
                line |= {"seconds": round(time.monotonic() - began)}
                print(json.dumps(line), flush=True)  # noqa: T201
    print(json.dumps({"door": "all", **totals}))  # noqa: T201


if __name__ == "__main__":
    main()
