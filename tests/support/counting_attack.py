"""Reading a respondent out of counts: attacks through every figure that could count persons.

The attacker knows age, sex and ward of a person who is alone with them, and guesses the illness.
Illness depends on nothing, so of people who are not in the table he reads what chance gives. Half
of those whom he attacks are sick.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa

from simulacra_crds.tasks import (
    BoostRequest,
    EstimateRequest,
    FitRequest,
    GenerateRequest,
    SheetRequest,
)
from simulacra_intake.errors import InputError
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_schema.questions.segments import SegmentColumn
from simulacra_schema.questions.sheet import SheetLever
from simulacra_schema.quotas import Quota
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.effects.estimate import answer_effect, plain_difference
from simulacra_trainer.effects.models.contrast import read_contrast
from simulacra_trainer.pipeline import row_plan
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.generation_report import report_generation
from simulacra_trainer.segments.estimate import certify_segments
from simulacra_trainer.sheet.estimate import answer_sheet

SHARES = {"none": 0.7, "asthma": 0.15, "diabetes": 0.12, "hiv": 0.03}
ILLNESSES = tuple(SHARES)
WARDS = tuple(f"ward {number:02}" for number in range(60))
PERSON = ("age", "sex", "ward")
REACHES = (800, 1_500, 2_500, 4_000, 6_000)
"""Distances of the numbers that are compared from an income."""
AGES = (16, 8, 4, 2, 1, 0)
"""Years on either side of an age that are asked for, until a probe is refused."""
Json = Mapping[str, Any]


def people(seed: int, rows: int = 700) -> pd.DataFrame:
    """Return persons whose illness depends on nothing: whatever is read of one is his own."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, rows),
            "sex": rng.choice(["f", "m"], rows),
            "ward": rng.choice(WARDS, rows),
            "illness": rng.choice(ILLNESSES, rows, p=[*SHARES.values()]),
            "income": np.round(rng.lognormal(10.4, 0.5, rows)).astype(int),
        }
    )


def singled_out(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return persons who are alone with their age, sex and ward, half of them sick."""
    alone = table[~table.duplicated(list(PERSON), keep=False)]
    is_sick = alone.illness != "none"
    parts = (alone[is_sick], alone[~is_sick])
    return pd.concat([part.sample(count // 2, random_state=1) for part in parts])


class Answers(Protocol):
    """What the attacker may ask."""

    asked: int

    def probe(self, conditions: Json, do: Json | None = None) -> Json:
        """Return attainment, evidence and report of some rows; empty if they were refused."""

    def segments(self, columns: Mapping[str, list[str]], question: str) -> list[Json]:
        """Return the certified shares."""

    def effect(self, **asked: Any) -> Json:
        """Return the answer to a question of effect."""

    def plain(self, **asked: Any) -> float | None:
        """Return the plain difference of the arms of an effect; None if it is not said."""

    def sheet(self, levers: list[Json], level: str) -> Json:
        """Return the answer sheet of an illness; empty if it was refused."""


@dataclass
class OfModel:
    """The answers of the trainer's own functions."""

    trained: Any
    rows: int = 2
    asked: int = 0

    def probe(self, conditions: Json, do: Json | None = None) -> Json:
        """Return attainment, evidence and report of some rows; empty if they were refused."""
        self.asked += 1
        request = GenerateRequest(
            row_count=self.rows,
            conditions=_conditions(conditions),
            interventions=dict(do or {}),
            seed=1,
        )
        try:
            plan = plan_generation(self.trained, request)
        except InputError:
            return {}
        found = plan.attainment.model_dump() if plan.attainment else {}
        evidence = plan.evidence.model_dump() if plan.evidence else {}
        rests = plan.identification.model_dump() if plan.identification else {}
        return {**found, "evidence": evidence, "identification": rests}

    def report(self, conditions: Json, rows: int = 400) -> Json:
        """Return the report of a generation."""
        self.asked += 1
        request = GenerateRequest(row_count=rows, conditions=_conditions(conditions), seed=1)
        try:
            plan = plan_generation(self.trained, request)
        except InputError:
            return {}
        drawn: list[pa.Table] = []
        list(generate_rows(self.trained, plan, on_first=drawn.append))
        return report_generation(self.trained, request, plan, pa.concat_tables(drawn))

    def segments(self, columns: Mapping[str, list[str]], question: str) -> list[Json]:
        """Return the certified shares."""
        self.asked += 1
        parts = [SegmentColumn(column=name, levels=levels) for name, levels in columns.items()]
        found = certify_segments(self.trained, BoostRequest(segment=parts, questions=[question]))
        return [one.model_dump() for one in found.shares]

    def effect(self, **asked: Any) -> Json:
        """Return the answer to a question of effect."""
        self.asked += 1
        of = self.trained
        try:
            found = answer_effect(of.table, of.schema, of.graph, EstimateRequest(**asked), seed=0)
        except InputError:
            return {}
        return found.model_dump()

    def plain(self, **asked: Any) -> float | None:
        """Return the plain difference of an effect's answer alone, for speed."""
        self.asked += 1
        of = self.trained
        return plain_difference(read_contrast(of.table, of.schema, EstimateRequest(**asked)))

    def sheet(self, levers: list[Json], level: str) -> Json:
        """Return the answer sheet of an illness; empty if it was refused."""
        self.asked += 1
        asked = [SheetLever.model_validate(lever) for lever in levers]
        request = SheetRequest(outcome=f"illness={level}", levers=asked)
        try:
            return answer_sheet(self.trained, request, seed=0).model_dump()
        except InputError:
            return {}


def _conditions(of: Json) -> ConditionSet:
    of = dict(of)
    quotas = [Quota.model_validate(one) for one in of.pop("quotas", ())]
    return ConditionSet(
        quotas=quotas,
        categorical={name: dict(one) for name, one in of.items() if not isinstance(one, tuple)},
        numeric={
            name: NumericRange(min=one[0], max=one[1])
            for name, one in of.items()
            if isinstance(one, tuple)
        },
    )


@dataclass
class Counting:
    """The answers of a product that counts the respondents of a quota, which each attack reads."""

    table: pd.DataFrame
    asked: int = 0

    def probe(self, conditions: Json, do: Json | None = None) -> Json:
        """Return the respondents in each quota; one that nobody is in is not met."""
        self.asked += 1
        found = []
        for quota in conditions["quotas"]:
            inside = np.ones(len(self.table), bool)
            for name, part in quota["where"].items():
                if isinstance(part, dict):
                    inside &= self.table[name].between(part.get("min", 0), part["max"])
                else:
                    inside &= self.table[name] == part
            share = quota.get("share", 0.0) if inside.any() else 0.0
            found.append({"backing": int(inside.sum()), "attained": share})
        return {"quotas": found}


def count(answers: Answers, conditions: Json) -> float:
    """Return the respondents that an answer says are behind conditions."""
    found = answers.probe(conditions)
    return float(found.get("backing") or 0.0)


def readout(answers: Answers, person: Any) -> dict[str, float]:
    """Return how many there are like the person with each illness."""
    known = {"sex": {person.sex: 1.0}, "ward": {person.ward: 1.0}}
    age = (int(person.age), int(person.age))
    return {
        level: count(answers, {**known, "age": age, "illness": {level: 1.0}}) / SHARES[level]
        for level in ILLNESSES
    }


def diff(answers: Answers, person: Any) -> dict[str, float]:
    """Return how many more there are up to the person's age than below it, by illness."""
    known = {"sex": {person.sex: 1.0}, "ward": {person.ward: 1.0}}

    def up_to(age: int, level: str) -> float:
        return count(answers, {**known, "age": (18, age), "illness": {level: 1.0}})

    age = int(person.age)
    return {
        level: (up_to(age, level) - (up_to(age - 1, level) if age > 18 else 0)) / SHARES[level]
        for level in ILLNESSES
    }


def diff2(answers: Answers, person: Any) -> dict[str, float]:
    """Return the same by inclusion and exclusion of larger sets: all wards less all others."""
    age = int(person.age)

    def inside(ages: tuple[int, int], level: str, wards: Json | None) -> float:
        conditions: dict[str, Any] = {"sex": {person.sex: 1.0}, "illness": {level: 1.0}}
        conditions |= {"age": ages} | ({"ward": wards} if wards else {})
        return count(answers, conditions)

    without = dict.fromkeys([person.ward], 0.0)
    found = {}
    for level in ILLNESSES:
        upper, lower = (18, age), (18, max(age - 1, 18))
        all_of, rest = (
            [inside(ages, level, w) for ages in (upper, lower)] for w in (None, without)
        )
        found[level] = ((all_of[0] - all_of[1]) - (rest[0] - rest[1])) / SHARES[level]
    return found


def quota_diff(answers: Answers, person: Any) -> dict[str, float]:
    """Return how many more a quota up to the person's age has than one below it, by illness.

    All cells are quotas of one probe that ask for nothing, so that each row follows the model.
    """
    known, age = {"sex": person.sex, "ward": person.ward}, int(person.age)
    cells = [
        {**known, "illness": level, "age": {"max": top}}
        for level in ILLNESSES
        for top in (age, age - 1)
    ]
    told = answers.probe({"quotas": [{"where": cell, "min": 0.0} for cell in cells]})
    behind = [float(one.get("backing") or 0.0) for one in told.get("quotas") or ()]
    behind = behind or [0.0] * len(cells)
    return {
        level: (behind[2 * at] - behind[2 * at + 1]) / SHARES[level]
        for at, level in enumerate(ILLNESSES)
    }


def quota_misses(answers: Answers, person: Any) -> dict[str, float]:
    """Return how far a quota on people like the person is met, by illness; refused is 0."""
    found = {}
    for level in ILLNESSES:
        age = {"min": int(person.age), "max": int(person.age)}
        cell = {"sex": person.sex, "ward": person.ward, "age": age, "illness": level}
        told = answers.probe({"quotas": [{"where": cell, "share": 0.5}]}).get("quotas")
        found[level] = float(told[0]["attained"]) if told else 0.0
    return found


def windows(answers: Answers, person: Any) -> dict[str, float]:
    """Return how likely the person has each illness, by moving him from one arm to the other.

    The attacker knows his income. Two numbers around it have arms that meet in the middle; with the
    middle just above and just below the income, the difference of the answers is the person's.
    """
    found = {}
    for level in ILLNESSES:
        moved = [
            [
                answers.plain(
                    treatment="income",
                    value=person.income + reach + beside,
                    baseline=person.income - reach + beside,
                    outcome=f"illness={level}",
                )
                for beside in (-0.25, 0.25)
            ]
            for reach in REACHES
        ]
        steps = [a - b for a, b in moved if a is not None and b is not None]
        found[level] = float(np.mean(steps)) if steps else 0.0
    return found


def refusals(answers: Answers, person: Any) -> dict[str, float]:
    """Return how narrow ages around the person's may get before a probe is refused, by illness."""
    known = {"sex": {person.sex: 1.0}, "ward": {person.ward: 1.0}}
    found = {}
    for level in ILLNESSES:
        found[level] = 0.0
        for reach in AGES:
            age = (int(person.age) - reach, int(person.age) + reach)
            if not answers.probe({**known, "age": age, "illness": {level: 1.0}}):
                break
            found[level] += 1.0
    return found


def sheets(answers: Answers, person: Any) -> dict[str, float]:
    """Return what two sheets of windows say of the person: their sums, one less the other.

    As `windows`, for being healthy alone; all windows are the levers of one sheet.
    """
    sums = []
    for beside in (-0.25, 0.25):
        levers = [
            {
                "column": "income",
                "value": person.income + reach + beside,
                "baseline": person.income - reach + beside,
            }
            for reach in REACHES
        ]
        found = answers.sheet(levers, "none")
        sums.append(sum(one["answer"]["naive"] or 0.0 for one in found.get("levers", [])))
    step = sums[0] - sums[1]
    return {level: step if level == "none" else -step for level in ILLNESSES}


@dataclass
class Segments:
    """Reads the person's cell in the shares of sex and ward: what is left of each ward's total."""

    answers: Answers
    totals: dict[tuple[str, str], float] = field(default_factory=dict)
    cells: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.answers.segments({"ward": []}, "illness"):
            self.totals[one["segment"][0]["level"], one["answer"]] = _told(one)
        # A ward of fewer than five persons is no level of the table.
        known = [ward for ward in WARDS if any(ward == of for of, _ in self.totals)]
        for start in range(0, len(known), 30):
            wards = known[start : start + 30]
            for one in self.answers.segments({"sex": [], "ward": wards}, "illness"):
                levels = {part["column"]: part["level"] for part in one["segment"]}
                self.cells[levels["sex"], levels["ward"], one["answer"]] = _told(one)

    def __call__(self, answers: Answers, person: Any) -> dict[str, float]:
        """Return how many of each illness are in the cell, by subtraction of the other sex."""
        other = "f" if person.sex == "m" else "m"
        return {
            level: self.totals.get((person.ward, level), 0.0)
            - self.cells.get((other, person.ward, level), 0.0)
            + self.cells.get((person.sex, person.ward, level), 0.0) / 1e3
            for level in ILLNESSES
        }


@dataclass
class Permuted:
    """Reads the person's cell in the shares of a ward in segments of sex and illness."""

    answers: Answers
    cells: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.answers.segments({"sex": [], "illness": []}, "ward"):
            levels = {part["column"]: part["level"] for part in one["segment"]}
            self.cells[levels["sex"], levels["illness"], one["answer"]] = _told(one)

    def __call__(self, answers: Answers, person: Any) -> dict[str, float]:
        """Return how many of each illness are of the person's sex and ward, beside chance."""
        return {
            level: self.cells.get((person.sex, level, person.ward), 0.0) / np.sqrt(SHARES[level])
            for level in ILLNESSES
        }


def _told(share: Json) -> float:
    own = share["own"] or share
    return float(own["share"]) * float(share["respondents"])


Attack = Callable[[Answers, Any], Mapping[str, float]]


def hits(
    answers: Answers, persons: pd.DataFrame, attack: Attack, each: Callable[..., Any] = map
) -> int:
    """Return of how many persons the illness with the largest figure is the right one.

    each: like `map`, perhaps for several persons at once.
    """
    rows = [*persons.itertuples()]
    right = 0
    for person, found in zip(rows, each(partial(attack, answers), rows), strict=True):
        values = np.array([found[level] for level in ILLNESSES], np.float64)
        if values.max() > values.min():  # else he knows nothing, and guesses
            right += ILLNESSES[int(np.argmax(values))] == person.illness
        else:
            right += person.illness == "none"
    return right


def fitted(seed: int = 4) -> tuple[Any, pd.DataFrame]:
    """Return a model of people and the table that it learned from."""
    table = people(seed)
    clean = clean_table(pa.Table.from_pandas(table, preserve_index=False))
    return fit_model(clean.table, clean.schema, FitRequest(seed=1)), table


def main() -> None:
    """Run all attacks on many persons and print how often each reads members and others."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--persons", type=int, default=200, help="of each kind")
    parser.add_argument("--seconds", type=float, default=3600.0, help="stop after")
    parser.add_argument("--pool", type=int, default=row_plan.MIN_POOL, help="rows of a pool")
    parser.add_argument("--attacks", nargs="+", help="by name; all without")
    asked = parser.parse_args()
    began = time.monotonic()
    row_plan.MIN_POOL = asked.pool
    trained, table = fitted()
    answers = OfModel(trained)
    groups = [
        ("members", singled_out(table, asked.persons)),
        ("others", singled_out(people(5), asked.persons)),
    ]
    attacks: dict[str, Attack] = {
        "windows": windows,
        "segments": Segments(answers),
        "permuted": Permuted(answers),
        "readout": readout,
        "diff": diff,
        "diff2": diff2,
        "refusals": refusals,
        "sheets": sheets,
        "quota_diff": quota_diff,
        "quota_misses": quota_misses,
    }
    chosen = asked.attacks or [*attacks]
    for name, (kind, persons) in itertools.product(chosen, groups):
        if time.monotonic() - began > asked.seconds:
            break
        found = hits(answers, persons, attacks[name])
        line = {"attack": name, "of": kind, "read": found, "persons": len(persons)}
        print(json.dumps(line | {"requests": answers.asked}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
