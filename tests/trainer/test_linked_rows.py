"""Linked rows: synthetic persons with their histories."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from simulacra_crds.tasks import (
    MODEL_PREFIX,
    REQUEST,
    ExitCode,
    FitRequest,
    GenerateRequest,
    part_name,
)
from simulacra_intake.arrow_values import as_floats
from simulacra_intake.errors import InputError
from simulacra_schema.description import parse_description
from simulacra_schema.table import ColumnSchema, RelationSchema, TableSchema
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.cleaning.described import clean_described
from simulacra_trainer.families.forest import PENALTY, SCALE
from simulacra_trainer.linked.history import History, Running, last_name
from simulacra_trainer.linked.model import fit_linked
from simulacra_trainer.linked.privacy import person_schema, person_table
from simulacra_trainer.linked.smoothing import with_smooth_numbers
from simulacra_trainer.linked.tables import MAX_ROWS_A_PERSON, POSITION, STEP, linked_tables
from simulacra_trainer.linked.time_axis import find_axis
from simulacra_trainer.pipeline import linked_rows
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.generation_report import report_generation
from simulacra_trainer.report import render_html
from simulacra_trainer.trained_model import TrainedModel, load_model, save_model
from trainer_pod import Pod
from trainer_tables import clean, numbers_column

PERSONS = 120
OF_PERSON = ("customer_id", "email", "region", "sex")


def purchases(seed: int = 3) -> pa.Table:
    """Return purchases in mixed order: habits of persons, growing dates, and a product."""
    rng = np.random.default_rng(seed)
    count = rng.integers(2, 8, PERSONS)
    who = np.repeat(np.arange(PERSONS), count)
    nth = np.arange(who.size) - np.repeat(np.cumsum(count) - count, count)
    likes_web = rng.random(PERSONS) < 0.5
    spends = rng.normal(3, 0.8, PERSONS)
    on_web = rng.random(who.size) < np.where(likes_web, 0.95, 0.05)[who]
    day = [date(2024, 1, 1) + timedelta(int(20 * n + rng.integers(0, 15))) for n in nth]
    quantity = rng.integers(1, 6, who.size)
    price = np.round(np.exp(spends[who] + rng.normal(0, 0.2, who.size)), 2)
    table = pa.table(
        {
            "order": [f"T{i:06d}" for i in range(who.size)],
            "customer_id": [f"C{p:04d}" for p in who],
            "email": [f"person{p}@mail.example.com" for p in who],
            "region": [["north", "south", "east"][p % 3] for p in who],
            "sex": [["f", "m"][p % 2] for p in who],
            "date": pa.array(day),
            "quantity": quantity,
            "price": price,
            "total": np.round(price * quantity, 2),
            "channel": np.where(on_web, "web", "shop"),
        }
    )  # fmt: skip
    return table.take(pa.array(rng.permutation(who.size)))


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    clean = clean_table(purchases())
    request = FitRequest.model_validate({"family": "forest", "seed": 1})
    return fit_model(clean.table, clean.schema, request)


def drawn(model: TrainedModel, shards: int = 1, **request: object) -> pd.DataFrame:
    asked = GenerateRequest.model_validate({"persons": 100, "seed": 2, **request})
    plan = plan_generation(model, asked)
    parts = [rows for shard in range(shards) for rows in generate_rows(model, plan, shard, shards)]
    return pa.concat_tables(parts).to_pandas()


def test_a_person_has_one_set_of_values_and_its_dates_in_order(model: TrainedModel) -> None:
    rows = drawn(model)
    persons = rows.groupby("customer_id", sort=False)
    assert persons.ngroups == 100
    assert (persons[list(OF_PERSON)].nunique() == 1).all(axis=None)
    assert persons["date"].apply(lambda dates: dates.is_monotonic_increasing).all()
    assert (rows["customer_id"] != rows["customer_id"].shift()).sum() == 100
    assert rows["order"].is_unique
    moments = model.schema.find("date")
    assert moments is not None
    last = date(1970, 1, 1) + timedelta(seconds=moments.maximum or 0)
    assert rows["date"].max() <= last <= date(2024, 5, 31)  # where the curve ends
    assert [one.kind for one in model.schema.relations] == ["product"]
    assert np.allclose(rows["price"] * rows["quantity"], rows["total"], atol=0.006)


def test_habits_of_persons_persist(model: TrainedModel) -> None:
    real = purchases().to_pandas().sort_values(["customer_id", "date"])
    for rows in (real, drawn(model)):
        before = rows.groupby("customer_id")["channel"].shift()
        assert (rows["channel"] == before)[before.notna()].mean() > 0.8
        earlier = np.log(rows.groupby("customer_id")["price"].shift())
        assert np.log(rows["price"]).corr(earlier) > 0.5


def test_no_real_identifier_is_in_linked_rows(model: TrainedModel) -> None:
    real, rows = purchases(), drawn(model)
    for name in ("order", "customer_id", "email"):
        assert not set(real.column(name).to_pylist()) & set(rows[name])


def test_rows_do_not_depend_on_the_shards_and_persons_stay_whole(
    model: TrainedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(linked_rows, "CHUNK_ROWS", 60)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path, linked=True)
    plan = plan_generation(model, GenerateRequest(persons=40, seed=2))
    assert len(plan.chunks) > 2
    parts = [pa.concat_tables(generate_rows(loaded, plan, shard, 3)) for shard in range(3)]
    assert pa.concat_tables(parts).equals(pa.concat_tables(generate_rows(model, plan)))
    people = [set(part.column("customer_id").to_pylist()) for part in parts]
    assert sum(map(len, people)) == len(set().union(*people)) == 40


def test_pods_write_the_persons_of_their_shard(model: TrainedModel, tmp_path: Path) -> None:
    pod = Pod(tmp_path)
    own = pod.artifacts("generationjobs")
    save_model(model, tmp_path / "model")
    for file in (tmp_path / "model").iterdir():
        pod.artifacts("models").upload(MODEL_PREFIX + file.name, file)
    own.store_model(REQUEST, GenerateRequest(persons=30, seed=2))
    plan = plan_generation(model, GenerateRequest(persons=30, seed=2))
    expected = pa.concat_tables(generate_rows(model, plan))
    for _ in range(2):  # a pod that is started again writes the same part
        results = [pod.run("generate", "generationjobs", shard, 2) for shard in range(2)]
        assert [code for code, _ in results] == [ExitCode.OK] * 2
        assert sum(result.rows or 0 for _, result in results) == plan.rows
    parts = [
        pq.read_table(own.download(part_name(shard), tmp_path / f"{shard}")) for shard in range(2)
    ]
    assert pa.concat_tables(parts).equals(expected)


def test_rows_of_a_person_follow_the_stated_order() -> None:
    table = purchases()
    frame = table.to_pandas().sort_values(["customer_id", "date"])
    nth = frame.groupby("customer_id").cumcount()
    frame["visit"] = 3 * nth + np.random.default_rng(0).integers(1, 3, len(frame))
    frame = frame.drop(columns="date").sample(frac=1, random_state=1)
    stated = parse_description({"fields": [], "x-simulacra": {"order": "visit"}})
    clean = clean_described(pa.Table.from_pandas(frame, preserve_index=False), stated).clean
    tables = linked_tables(clean.table, clean.schema)
    assert tables is not None
    rng = np.random.default_rng(1)
    options = {PENALTY: 2.0, SCALE: 1.0}
    linked = fit_linked(tables, [c.name for c in clean.schema.learned()], options, None)
    rows, who = linked.histories(linked.subjects.sample(50, rng), rng)
    visits = rows.column("visit").to_numpy()
    same = np.diff(who) == 0
    assert (np.diff(visits)[same] > 0).all()
    assert visits.min() >= 1
    assert visits.max() <= frame["visit"].max()


def test_groups_of_persons_differ_where_persons_differ_more() -> None:
    rng = np.random.default_rng(4)
    north = rng.random(300) < 0.4
    who = np.repeat(np.arange(300), 8)
    level = rng.normal(0, 0.6, 300) + 0.5 * north
    spent = np.round(np.exp(3 + level[who] + rng.normal(0, 0.3, who.size)), 2)
    table = pa.table(
        {
            "customer_id": [f"C{p:04d}" for p in who],
            "region": np.where(north, "north", "south")[who],
            "spent": spent,
        }
    )
    clean = clean_table(table)
    tables = linked_tables(clean.table, clean.schema)
    assert tables is not None
    options = {PENALTY: 5.0, SCALE: 0.7}
    linked = fit_linked(tables, ["region", "spent"], options, None)
    subjects = linked.subjects.sample(1_000, rng)
    rows, owner = linked.histories(subjects, rng)
    of_north = np.array(subjects.column("region").to_pylist())[owner] == "north"
    drawn_spent = np.log(rows.column("spent").to_numpy())
    gap = drawn_spent[of_north].mean() - drawn_spent[~of_north].mean()
    real = np.log(spent)[north[who]].mean() - np.log(spent)[~north[who]].mean()
    assert 0.65 * real < gap < 1.4 * real


def test_conditions_are_shares_of_persons(model: TrainedModel) -> None:
    rows = drawn(model, conditions={"categorical": {"region": {"north": 0.8}}})
    assert (rows.groupby("customer_id")["region"].first() == "north").mean() == 0.8


def test_intervention_on_an_attribute_holds_in_every_row(model: TrainedModel) -> None:
    assert set(drawn(model, interventions={"region": "south"})["region"]) == {"south"}


@pytest.mark.parametrize(
    ("request_body", "where"),
    [
        (
            {"conditions": {"categorical": {"channel": {"web": 1}}}},
            "/conditions/categorical/channel",
        ),
        ({"conditions": {"numeric": {"price": {"min": 9}}}}, "/conditions/numeric/price"),
        ({"interventions": {"quantity": 2}}, "/interventions/quantity"),
        ({"interventions": {"sex": "f"}, "counterfactual": True}, "/counterfactual"),
    ],
)
def test_what_linked_rows_cannot_do_is_refused_by_its_pointer(
    model: TrainedModel, request_body: dict[str, object], where: str
) -> None:
    with pytest.raises(InputError) as refused:
        drawn(model, **request_body)
    assert refused.value.pointer == where


def test_model_of_an_earlier_version_refuses_persons(model: TrainedModel) -> None:
    with pytest.raises(InputError, match="Fit it again") as refused:
        drawn(replace(model, linked=None))
    assert refused.value.pointer == "/persons"


def test_a_model_without_linked_rows_says_why(model: TrainedModel) -> None:
    same = [c.model_copy(update={"per_person": True}) for c in model.schema.columns]
    alike = replace(model, linked=None, schema=model.schema.model_copy(update={"columns": same}))
    with pytest.raises(InputError, match="the same in all rows of a person"):
        drawn(alike)
    subject = model.schema.subject()
    assert subject is not None
    first = model.table.column(subject.name)[0]
    few = model.table.filter(pc.equal(model.table.column(subject.name), first))
    with pytest.raises(InputError, match="fewer than 10 persons"):
        drawn(replace(model, linked=None, table=few))


def test_reports_tell_the_test_of_persons_and_how_many_were_drawn(model: TrainedModel) -> None:
    assert 0 <= model.report["linked"]["dcr_share"] <= 1
    assert "Linked rows</h2>" in render_html(model.report)
    asked = GenerateRequest(persons=50, seed=2)
    plan, first = plan_generation(model, asked), []
    list(generate_rows(model, plan, on_first=first.append))
    report = report_generation(model, asked, plan, first[0])
    assert (report["asked"]["persons"], report["asked"]["rows"]) == (50, plan.rows)
    assert "50</b> synthetic persons" in render_html(report)


def test_evidence_of_linked_rows_is_said_to_be_unmeasured(model: TrainedModel) -> None:
    plan = plan_generation(model, GenerateRequest(persons=20))
    assert plan.evidence is not None
    assert (plan.evidence.worth, plan.evidence.rows) == (None, plan.rows)
    assert "evidence_weight" not in drawn(model, evidence=False)


def test_history_of_the_table_equals_that_of_rows_as_they_are_drawn() -> None:
    clean = clean_table(purchases())
    tables = linked_tables(clean.table, clean.schema)
    assert tables is not None
    history: History = tables.history
    running = Running(history, tables.subjects.num_rows)
    position = tables.events.column(POSITION).to_numpy()
    for nth in range(int(position.max()) + 1):
        now = np.flatnonzero(position == nth)
        rows, who = tables.events.take(pa.array(now)), tables.who[now]
        for name, column in running.columns(who).items():
            expected = rows.column(name).combine_chunks()
            if name == last_name("channel"):
                assert column.to_pylist() == expected.to_pylist()
            else:
                assert np.allclose(
                    pd.to_numeric(pd.Series(column.to_pylist())),
                    pd.to_numeric(pd.Series(expected.to_pylist())), equal_nan=True)  # fmt: skip
        running.add(rows, who)
    assert (tables.events.column(STEP).is_null().to_numpy() == (position == 0)).all()


def test_wave_panel_keeps_each_wave_once_and_long_histories_end() -> None:
    rng = np.random.default_rng(1)
    who = np.concatenate([np.repeat(np.arange(60), 4), np.full(1_200, 60)])
    table = pa.table({
        "person_id": [f"P{p:04d}" for p in who], "value": rng.normal(size=who.size).round(2),
        "other": rng.integers(0, 9, who.size),
    })  # fmt: skip
    clean = clean_table(table)
    tables = linked_tables(clean.table, clean.schema)
    assert tables is not None
    assert np.bincount(tables.who).max() == MAX_ROWS_A_PERSON
    assert tables.axis is None
    waves = np.tile(np.arange(2001, 2005), 60)
    panel = table.slice(0, 240).append_column("year", pa.array(waves))
    clean = clean_table(panel)
    tables = linked_tables(clean.table, clean.schema)
    assert tables is not None
    assert tables.axis is not None
    left = np.array([3.0, 0.0])
    # A start too late for the rows that follow is moved, a step beyond the last wave too.
    assert tables.axis.fitting(np.array([2.0, 9.0]), np.array([2.0, 2.0]), left).tolist() == [0, 3]


def of_persons(**columns: np.ndarray) -> tuple[pa.Table, TableSchema]:
    table = pa.table(columns)
    kinds = [(name, "integer" if np.issubdtype(v.dtype, np.integer) else "numeric")
             for name, v in columns.items()]  # fmt: skip
    schemas = [
        ColumnSchema(name=name, kind=kind, storage=str(table.schema.field(name).type))
        for name, kind in kinds
    ]
    return table, TableSchema(rows=table.num_rows, columns=schemas)


def test_neighboring_ages_are_as_frequent_in_what_is_learned() -> None:
    rng = np.random.default_rng(4)
    age = rng.integers(18, 80, 400)
    table, schema = of_persons(age=age)
    smooth = with_smooth_numbers(table, schema)
    assert smooth.equals(with_smooth_numbers(table, schema))
    learned = smooth.column("age").to_numpy()
    assert (learned.min(), learned.max()) == (age.min(), age.max())
    assert abs(learned - age).max() < 5
    assert np.corrcoef(learned, age)[0, 1] > 0.995
    assert abs(learned.mean() - age.mean()) < 0.5
    before, after = (np.bincount(of, minlength=80)[18:] for of in (age, learned))
    assert after.std() < before.std() / 1.8


def test_round_amounts_and_columns_that_decide_others_stay_as_they_are() -> None:
    rng = np.random.default_rng(4)
    born = rng.integers(1940, 2005, 400)
    income = np.where(rng.random(400) < 0.8, 500 * rng.integers(2, 9, 400), 0) * 1.0
    income[:9] += rng.random(9)
    table, schema = of_persons(born=born, half=born // 2, income=income)
    assert with_smooth_numbers(table, schema).equals(table)
    bound = RelationSchema(kind="not_above", column="age", of=["born"])
    table, schema = of_persons(born=born, age=rng.integers(18, 80, 400))
    free, bounded = schema, schema.model_copy(update={"relations": [bound]})
    assert not with_smooth_numbers(table, free).equals(table)
    assert with_smooth_numbers(table, bounded).equals(table)


def test_copied_persons_are_found_by_their_summaries() -> None:
    clean = clean_table(purchases())
    tables = linked_tables(clean.table, clean.schema)
    assert tables is not None
    people = person_table(tables, tables.subjects, tables.events, tables.who)
    shuffled = np.random.default_rng(1).permutation(tables.who.size)
    again = person_table(
        tables, tables.subjects, tables.events.take(pa.array(shuffled)), tables.who[shuffled]
    )
    assert people.equals(again)
    assert {c.name for c in person_schema(tables, people).learned()} == set(people.column_names)


def test_times_of_linked_rows_are_no_persons() -> None:
    rng = np.random.default_rng(4)
    time = np.round(np.sort(rng.lognormal(2, 0.8, (80, 4)), axis=1), 3).ravel()
    who, size = np.repeat(np.arange(80), 4), numbers_column("size", rng.random(320).round(2), 2)
    table, schema = clean(numbers_column("time", time, 3), size)
    subject = ColumnSchema(
        name="who", kind="identifier", storage="int64", learned=False, role="subject"
    )
    schema = schema.model_copy(update={"columns": [*schema.columns, subject], "order": "time"})
    axis = find_axis(table.append_column("who", pa.array(who)), schema)
    assert axis is not None
    drawn = as_floats(axis.column(np.arange(axis.last + 1)))
    assert (np.diff(drawn) >= 0).all()
    assert np.isin(drawn, time).mean() < 0.1  # all were of the table
    assert drawn.max() != time.max()
    assert np.abs(drawn - np.unique(time)[: drawn.size]).mean() < 0.05 * time.std()
