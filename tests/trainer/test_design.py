"""Clusters and strata: what they do to worth, segments and effects, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from simulacra_crds.tasks import EstimateRequest, FitRequest, GenerateRequest
from simulacra_intake.description.statements import state
from simulacra_intake.errors import InputError
from simulacra_intake.survey_design import clusters_in
from simulacra_schema.answers import EffectResult
from simulacra_schema.description import DescriptionInvalid, parse_description
from simulacra_schema.questions.fit import DifferentialPrivacy
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.design import (
    clusters_treated,
    design_of,
    few_clusters,
    influences,
    intraclass,
    units_in,
    variance_of_totals,
)
from simulacra_trainer.effects.estimate import estimate_effect
from simulacra_trainer.evidence import basis_of, drawn_apart, persons_behind, respondents
from simulacra_trainer.in_process import read_described
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.training_table import private_rows
from simulacra_trainer.report.worth import design_report
from simulacra_trainer.segments.cells import segmentation

OF_SVY = {
    ("a", 1): (0.408983451536643, 0.03201816415374984),
    ("c", 0): (0.3877068557919622, 0.10706307537931405),
    ("c", 1): (0.3404255319148936, 0.07654934703707571),
    ("c", 2): (0.2718676122931442, 0.08567422161757944),
}
"""Shares and standard errors of svy 0.35 for `answers` (Taylor, with replacement)."""


def answers() -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Return two questions of 60 persons, and their weights, clusters and strata."""
    at = np.arange(60)
    cluster = at // 5
    a = ((at * 7 + cluster * 3) % 11 < 4 + cluster % 3).astype(int)
    return {"a": a, "c": (at * at + cluster) % 3}, 1 + ((at * 13) % 7) / 4, cluster, cluster // 4


def places(clusters: int = 40, size: int = 20, seed: int = 3) -> pa.Table:
    """Return a survey at sampling points, whose persons are alike in what they own and spend."""
    rng = np.random.default_rng(seed)
    rows = clusters * size
    of = np.repeat(np.arange(clusters), size)
    alike = rng.standard_normal(clusters)[of]
    owns = alike + rng.standard_normal(rows) > 0.3
    treated = (rng.random(clusters) < 0.5)[of]
    return pa.table(
        {
            "psu": [f"P{one:03d}" for one in of],
            "region": of // 8 + 1,
            "age": rng.integers(18, 80, rows),
            "owns": np.where(owns, "yes", "no"),
            "sex": rng.choice(["m", "f"], rows),
            "campaign": np.where(treated, "seen", "not seen"),
            "spend": np.round(20 + 8 * alike + 5 * rng.standard_normal(rows) + 4 * treated, 1),
        }
    )


def read(table: pa.Table, folder: Path, nest: bool = False, **roles: str) -> Any:
    path = folder / "survey.csv"
    pyarrow.csv.write_csv(table, path)
    fields = [{"name": name, "x-simulacra": {"role": role}} for name, role in roles.items()]
    more = {"x-simulacra": {"version": 1, "design": {"nest": True}}} if nest else {}
    return read_described(path, parse_description({"fields": fields, **more}), None)


def test_variance_is_that_of_svy() -> None:
    asked, weights, cluster, stratum = answers()
    of_cluster = stratum[::5]
    for (name, level), (share, error) in OF_SVY.items():
        hit = asked[name] == level
        found = float(np.average(hit, weights=weights))
        totals = np.bincount(cluster, weights * (hit - found)) / weights.sum()
        assert found == pytest.approx(share, rel=1e-12)
        assert variance_of_totals(totals, of_cluster) ** 0.5 == pytest.approx(error, rel=1e-12)


@pytest.mark.parametrize("stated", ["clusters", "targets", "replicates"])
def test_influence_of_units_has_the_variance_of_the_design(stated: str) -> None:
    table = places()
    rng = np.random.default_rng(2)
    roles, more = {"region": "stratum", "psu": "cluster"}, {}
    if stated == "targets":
        more = {"targets": {"categorical": {"sex": {"m": 0.6, "f": 0.4}}}}
    if stated == "replicates":
        points = np.array([rng.multinomial(40, np.full(40, 1 / 40)) for _ in range(80)])
        for at, draws in enumerate(points):
            table = table.append_column(f"rep{at + 1}", pa.array(np.repeat(draws, 20) * 1.0))
        table = table.append_column("w", pa.array(np.ones(table.num_rows)))
        roles = {"w": "weight"}
        more = {"design": {"replicateWeights": "rep*", "replicates": "bootstrap"}}
    fields = [{"name": name, "x-simulacra": {"role": role}} for name, role in roles.items()]
    document = {"fields": fields, "x-simulacra": {"version": 1, **more}}
    statements = state(parse_description(document), table.column_names, None)
    clean = clean_table(table, statements=statements)
    design = design_of(clean.table, clean.schema)
    assert design is not None
    owns = np.array([one == "yes" for one in clean.table.column("owns").to_pylist()])
    share = float(np.average(owns, weights=design.weights))
    away = (owns - share)[None]
    influence, free = influences(away, float(design.weights.sum()), clean.table, clean.schema)
    (raw,) = (one for one in design._answers_to(clean.schema.column("owns")) if one.level == 1)
    expected = raw.effect * share * (1 - share) / owns.size
    assert float(np.sum(influence**2)) == pytest.approx(expected, rel=0.02)
    assert (free, raw.effect > 3) == (design.degrees_of_freedom, True)


def test_stratum_of_one_cluster_counts_by_its_distance_to_all() -> None:
    totals = np.array([1.0, 3.0, 8.0])
    assert variance_of_totals(totals, np.array([0, 0, 1])) == pytest.approx(2 * 2.0 + (8 - 4) ** 2)


def test_few_clusters_raise_the_design_effect() -> None:
    assert [few_clusters(n) for n in (40, 10)] == [1.0, 1.0]
    assert 30 < few_clusters(1) < 35
    assert few_clusters(5) > few_clusters(6) > 1.0


@pytest.mark.parametrize(
    ("hits", "expected"),
    [([1, 1, 1, 0, 0, 0, 1, 1, 1], 1.0), ([1, 0, 1, 0, 1, 0, 1, 0, 1], -2 / 7)],
)
def test_intraclass_correlation(hits: list[int], expected: float) -> None:
    clusters = np.repeat(np.arange(3), 3)
    assert intraclass(clusters, np.array(hits) == 1) == pytest.approx(expected)


def test_clusters_enter_the_worth_and_not_the_rows(tmp_path: Path) -> None:
    clean = read(places(), tmp_path, psu="cluster", region="stratum").clean
    table, schema = clean.table, clean.schema
    cluster = schema.find("psu")
    assert cluster is not None
    assert (cluster.role, cluster.learned) == ("cluster", False)
    assert [one.name for one in schema.strata()] == ["region"]
    assert basis_of(schema) == "design"
    part = design_report(table, schema)
    assert part is not None
    assert (part["clusters"], part["strata"], part["degrees_of_freedom"]) == (40, 5, 35)
    effects = {one["column"]: one["design_effect"] for one in part["questions"]}
    assert effects["owns"] > 3 > 1.5 > effects["sex"]
    assert respondents(table, schema) == pytest.approx(800 / part["design_effect"])
    assert persons_behind(table, schema) == 800
    assert drawn_apart(table, schema) == pytest.approx(part["design_effect"])


def test_table_without_design_is_as_before(tmp_path: Path) -> None:
    clean = read(places(), tmp_path).clean
    assert design_of(clean.table, clean.schema) is None
    assert respondents(clean.table, clean.schema) == 800.0
    assert drawn_apart(clean.table, clean.schema) == 1.0
    assert units_in(clean.table, clean.schema) is None


def test_generated_rows_have_no_clusters(tmp_path: Path) -> None:
    clean = read(places(), tmp_path, psu="cluster", region="stratum").clean
    trained = fit_model(clean.table, clean.schema, FitRequest(family="forest", seed=0))
    worth, design = trained.report["worth"], trained.report["design"]
    assert worth["basis"] == "design"
    assert worth["respondents"] == pytest.approx(800 / design["design_effect"])
    margins = {one["column"]: one["margin"] for one in worth["questions"]}
    assert margins["owns"] > 1.5 * margins["sex"]
    plan = plan_generation(trained, GenerateRequest(row_count=200, seed=0))
    rows = pa.concat_tables(generate_rows(trained, plan))
    assert rows.column_names[:-1] == ["region", "age", "owns", "sex", "campaign", "spend"]
    assert set(rows.column("region").to_pylist()) == {1, 2, 3, 4, 5}
    assert plan.evidence is not None
    assert plan.evidence.basis == "design"


@pytest.mark.parametrize(
    ("roles", "nest", "pointer", "said"),
    [
        ({"psu": "cluster", "sex": "stratum"}, False, 0, "40 clusters lie in several strata"),
        ({"psu": "cluster", "spend": "stratum"}, False, 1, "A stratum has levels"),
        ({"one": "cluster"}, False, 0, "All rows are of one cluster"),
        ({"gaps": "cluster"}, False, 0, "3 rows have no cluster"),
    ],
)
def test_design_that_cannot_be_is_refused(
    tmp_path: Path, roles: dict[str, str], nest: bool, pointer: int, said: str
) -> None:
    table = places()
    gaps = pa.array([None] * 3 + table.column("psu").to_pylist()[3:])
    table = table.append_column("one", pa.array(["x"] * 800)).append_column("gaps", gaps)
    with pytest.raises(InputError) as refused:
        read(table, tmp_path, nest, **roles)
    problems = {one.pointer: one.detail for one in refused.value.errors}
    assert said in problems[f"/fields/{pointer}/x-simulacra/role"]


def test_clusters_numbered_within_strata_are_nested_on_request(tmp_path: Path) -> None:
    clean = read(places(), tmp_path, nest=True, psu="cluster", sex="stratum").clean
    found = clusters_in(clean.table, clean.schema)
    assert found is not None
    assert (found[0].max() + 1, found[1].max() + 1) == (80, 2)


def test_stratum_of_numbers_with_gaps_has_their_levels(tmp_path: Path) -> None:
    table = places()
    gaps = pa.array([None if at % 9 == 0 else 30 - at // 80 for at in range(800)])
    clean = read(table.append_column("zone", gaps), tmp_path, zone="stratum").clean
    zone = clean.schema.find("zone")
    assert zone is not None
    assert zone.level_values() == [str(number) for number in range(21, 31)]
    expected = [None if one is None else str(one) for one in gaps.to_pylist()]
    assert clean.table.column("zone").cast(pa.string()).to_pylist() == expected


def test_two_clusters_and_a_dropped_one_are_refused() -> None:
    dropped = {"role": "cluster", "use": "drop"}
    with pytest.raises(DescriptionInvalid):
        parse_description({"fields": [{"name": "psu", "x-simulacra": dropped}]})
    both = [{"name": name, "x-simulacra": {"role": "cluster"}} for name in ("a", "b")]
    with pytest.raises(DescriptionInvalid):
        parse_description({"fields": both})


def test_clusters_and_epsilon_are_refused(tmp_path: Path) -> None:
    clean = read(places(), tmp_path, psu="cluster").clean
    with pytest.raises(InputError, match="clusters"):
        private_rows(clean.table, clean.schema, DifferentialPrivacy(epsilon=1.0, delta=1e-6))


def test_segment_of_one_cluster_tells_less(tmp_path: Path) -> None:
    clean = read(places(), tmp_path, psu="cluster").clean
    cells = segmentation(clean.table, clean.schema, ["sex"])
    found = clusters_in(clean.table, clean.schema)
    assert found is not None
    known = np.ones(800, np.bool_)
    assert cells.apart(known, found[0], 0.0).tolist() == [1.0, 1.0]
    alike = cells.apart(known, found[0], 1.0)
    assert np.all(alike < 0.15)
    assert np.all(alike < cells.apart(known, found[0], 0.2))


def test_treatment_of_whole_clusters_rests_on_them(tmp_path: Path) -> None:
    table = places()
    request = EstimateRequest(
        treatment="campaign", value="seen", baseline="not seen", outcome="spend", before=["age"]
    )
    plain = read(table, tmp_path).clean
    drawn = read(table, tmp_path, psu="cluster", region="stratum").clean
    arm = np.array(table.column("campaign").to_pylist()) == "seen"
    given = clusters_treated(drawn.table, drawn.schema, arm)
    assert given is not None
    assert given[1] == 40
    assert clusters_treated(plain.table, plain.schema, arm) is None
    # As a column that may come first, the place would leave nobody to compare.
    placed = request.model_copy(update={"after": ["psu"]})
    rows, clusters = _effect(plain, placed), _effect(drawn, request)
    assert f"whole clusters, to {given[0]} of 40" in " ".join(clusters.warnings)
    assert not any("whole clusters" in one for one in rows.warnings)
    assert rows.union is not None
    assert clusters.union is not None
    assert clusters.union.high - clusters.union.low > 1.5 * (rows.union.high - rows.union.low)


def _effect(of: CleanTable, request: EstimateRequest) -> EffectResult:
    trained = fit_model(of.table, of.schema, FitRequest(family="forest", seed=0))
    return estimate_effect(of.table, of.schema, trained.graph, request, seed=0)


def test_design_is_proposed_by_name_and_value_and_never_used_unasked() -> None:
    rng = np.random.default_rng(8)
    of = np.repeat(np.arange(40), 15)
    weight = np.round(rng.uniform(0.5, 2.0, of.size), 3)
    halves = rng.permuted(np.tile([[0.5], [1.5]], (20, 12)), axis=0)
    columns = {
        "psu": of + 100,
        "stratum_id": of // 10,
        "owns": rng.choice(["yes", "no"], of.size),
        "age": rng.integers(18, 90, of.size),
        "cluster": rng.integers(1, 6, of.size),  # segments of customers
        "main_weight": weight,
    }
    columns |= {f"W_FSTR{one + 1}": np.round(weight * halves[of, one], 3) for one in range(12)}
    columns |= {f"weight_of_item{one}": rng.uniform(0, 9 * one, of.size) for one in range(1, 13)}
    clean = read_described(pa.table(columns)).clean
    asked = {c.name: c.to_confirm for c in clean.schema.columns if c.to_confirm}
    expected = ("cluster", "stratum", "weights", "replicates")
    assert asked == dict(
        zip(("psu", "stratum_id", "main_weight", "W_FSTR1"), expected, strict=True)
    )
    assert design_of(clean.table, clean.schema) is None
    assert clean.schema.find("W_FSTR7").learned
    fields = [
        {"name": "psu", "x-simulacra": {"role": "cluster"}},
        {"name": "stratum_id", "x-simulacra": {"role": "none"}},
    ]
    own = {"version": 1, "weights": "main_weight"}
    design = {"replicateWeights": "W_FSTR*", "replicates": "brr", "fay": 0.5}
    stated = {"fields": fields, "x-simulacra": own | {"design": design}}
    clean = read_described(pa.table(columns), parse_description(stated)).clean
    assert not any(c.to_confirm for c in clean.schema.columns)


def test_a_person_lies_in_one_cluster() -> None:
    rng = np.random.default_rng(9)
    person = np.repeat(np.arange(100), 4)
    columns = {
        "person": person,
        "point": person // 5,
        "owns": rng.choice(["yes", "no"], person.size),
        "spend": rng.integers(0, 99, person.size),
    }
    fields = [{"name": "point", "x-simulacra": {"role": "cluster"}}]
    stated = parse_description(
        {"fields": fields, "x-simulacra": {"version": 1, "subject": "person"}}
    )
    assert read_described(pa.table(columns), stated).clean.schema.cluster() is not None
    columns["point"] = np.where(np.arange(400) == 399, 3, columns["point"])
    with pytest.raises(InputError) as caught:
        read_described(pa.table(columns), stated)
    (error,) = caught.value.errors
    assert error.pointer == "/fields/0/x-simulacra/role"
    assert error.detail.startswith("A person has rows in several clusters")
