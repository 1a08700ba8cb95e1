"""Sets of options, grids and the waves of a panel are found in neighboring columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulacra_intake.raw_table import ORIGIN
from simulacra_intake.read import open_table
from simulacra_schema.table import TableSchema
from simulacra_trainer.cleaning.clean import clean_table

pytestmark = pytest.mark.usefixtures("exact_counts")

ROWS = 200


def schema_of(columns: dict[str, list[str]]) -> TableSchema:
    table = pa.table(columns).replace_schema_metadata({ORIGIN: b"csv"})
    return clean_table(table).schema


def drawn(levels: list[str], seed: int = 0) -> list[str]:
    return list(np.random.default_rng(seed).choice(levels, ROWS))


@settings(max_examples=15, deadline=None)
@given(
    form=st.sampled_from(["Q5_{}", "q5.{}", "G2Q1[SQ00{}]", "Brands: {}", "item{}"]),
    columns=st.integers(3, 8),
    levels=st.sampled_from(
        [["0", "1"], ["1", "2"], ["No", "Yes"], ["nein", "ja"], ["not mentioned", "mentioned"]]
    ),
    asked=st.booleans(),
)
def test_options_with_the_same_two_levels_are_a_set(
    form: str, columns: int, levels: list[str], asked: bool
) -> None:
    names = [form.format(i + 1) for i in range(columns)]
    table = {"age": [str(20 + i % 60) for i in range(ROWS)]}
    for i, name in enumerate(names):
        cells = drawn(levels, i)
        table[name] = cells if asked else ["" if r % 5 == 0 else c for r, c in enumerate(cells)]
    schema = schema_of(table | {"town": drawn(["north", "south"])})
    assert [each.columns for each in schema.sets] == [names]
    assert schema.sets[0].kind == "dichotomies"
    assert schema.grids == []


def test_options_that_are_blank_where_not_chosen_are_a_set() -> None:
    brands = ["Alpha", "Beta", "Gamma"]
    table = {f"Brand_{i}": drawn(["", brand], i) for i, brand in enumerate(brands)}
    (found,) = schema_of({"age": drawn(["30", "40", "50"]), **table}).sets
    assert found.columns == list(table)
    assert found.counted is None


@pytest.mark.parametrize(
    "form", ["water/source/{}", "G03Q02[SQ00{}]. Media? [{}]", "문항{}", "P6_{} tv"]
)
def test_exports_of_survey_tools_name_the_options_of_a_set(form: str) -> None:
    names = [form.replace("{}", str(i)) for i in range(1, 5)]
    schema = schema_of({name: drawn(["0", "1"], i) for i, name in enumerate(names)})
    assert [each.columns for each in schema.sets] == [names]


def test_options_before_their_question_are_a_set() -> None:
    names = [f"{shop}:Where do you shop?" for shop in ("Alpha", "Beta", "Other - Write In")]
    table = {name: drawn(["", name[:4]], i) for i, name in enumerate(names)}
    (found,) = schema_of({"age": drawn(["30", "40", "50"]), **table}).sets
    assert (found.name, found.columns) == ("Where do you shop?", names)


def test_statements_on_one_scale_side_by_side_are_a_grid() -> None:
    scale = ["Strongly disagree", "Disagree", "Neutral", "Agree", "Strongly agree"]
    names = ["I like my work", "My boss listens", "I would recommend us"]
    table = {name: drawn(scale, i) for i, name in enumerate(names)}
    (found,) = schema_of({"age": drawn(["30", "40", "50"]), **table}).grids
    assert found.columns == names


def test_a_code_of_most_items_of_a_grid_is_one_in_all_of_them() -> None:
    table = {f"Q7_{i}": [*drawn(list("1234567"), i)[:-6], *["98"] * 6] for i in range(4)}
    table["Q7_2"] = [*drawn(list("1234567"), 9)[:-1], "98"]
    found = schema_of({"age": drawn(["30", "40", "50"]), **table})
    for column in found.columns[1:]:
        of_five = [] if column.name == "Q7_2" else ["98"]  # that of one person is a plain gap
        assert [one.value for one in column.specials] == of_five, column.name
        assert column.maximum == 7


def test_a_code_of_few_items_of_a_question_stays_a_number_in_the_others() -> None:
    table = {f"Q7_{i}": drawn(list("1234567"), i) for i in range(6)}
    for name in ("Q7_0", "Q7_1"):
        table[name][-6:] = ["98"] * 6
    table["Q7_2"][-1] = "98"
    columns = schema_of({"age": drawn(["30", "40", "50"]), **table}).columns
    assert [len(column.specials) for column in columns[1:]] == [1, 1, 0, 0, 0, 0]


def test_columns_that_hold_nothing_but_their_own_names_are_a_set() -> None:
    options = ["Vegan", "Gluten-free", "Nut allergy"]
    columns = {option: drawn(["", option], i) for i, option in enumerate(options)}
    (found,) = schema_of({"age": drawn(["30", "40", "50"]), **columns, "n": drawn(["", "x"])}).sets
    assert (found.name, found.columns) == ("Vegan", options)


def test_items_with_the_same_levels_are_a_grid_although_one_level_is_not_used() -> None:
    scale = [str(i) for i in range(1, 6)]
    table = {f"Q7_{i}": drawn(scale[: 4 if i == 2 else 5], i) for i in range(5)}
    schema = schema_of({**table, "Q8_1": drawn([str(i) for i in range(11)])})
    assert [each.columns for each in schema.grids] == [list(table)]
    assert schema.sets == []


@pytest.mark.parametrize(
    "columns",
    [
        {f"Q{i}_1": ["a", "b"] for i in range(4)},  # another stem each
        {"Q5_1": ["0", "1"], "Q5_2": ["0", "1"], "town": ["n", "s"]},  # two columns
        {"Q5_1": ["a", "b"], "Q5_2": ["c", "d"], "Q5_3": ["e", "f"]},  # other levels each
        {"Q5_1": ["1", "2", "3"], "Q5_2": ["1", "2", "3", "4", "5", "6", "7"], "Q5_3": ["1", "2"]},
    ],
)
def test_columns_without_a_question_in_common_are_no_set(columns: dict[str, list[str]]) -> None:
    schema = schema_of({name: drawn(levels, i) for i, (name, levels) in enumerate(columns.items())})
    assert schema.sets == schema.grids == []


def panel(number: list[str], name: str, people: int = 60) -> TableSchema:
    """Return the schema of a table whose people have a number from 1 on in each of their rows."""
    rng = np.random.default_rng(1)
    rows = len(number)
    person = [f"P-{i * people // rows:05d}" for i in range(rows)]
    score = [str(n) for n in rng.integers(0, 90, rows)]
    return schema_of({"person_id": person, name: number, "score": score})


def test_a_number_that_each_person_has_once_is_the_wave() -> None:
    found = panel(["1", "2", "3", "4"] * 60, "interview")
    assert found.subject() is not None
    assert [column.role for column in found.columns] == ["subject", "wave", None]


def test_a_running_number_of_the_people_of_a_household_is_no_wave() -> None:
    sizes = np.random.default_rng(3).integers(1, 6, 80)
    household = [f"H-{i:05d}" for i, size in enumerate(sizes) for _ in range(size)]
    number = [str(i + 1) for size in sizes for i in range(size)]
    age = [str(n) for n in np.random.default_rng(1).integers(0, 90, len(number))]
    found = schema_of({"household_id": household, "member": number, "age": age})
    assert found.subject() is not None
    assert found.columns[1].role is None


def test_a_running_number_of_visits_is_the_wave() -> None:
    visits = np.random.default_rng(3).integers(2, 6, 80)
    patient = [f"P-{i:05d}" for i, count in enumerate(visits) for _ in range(count)]
    number = [str(i + 1) for count in visits for i in range(count)]
    pain = [str(i * 7 % 10) for i in range(len(number))]
    found = schema_of({"patient_id": patient, "VisitNo": number, "pain": pain})
    assert found.columns[1].role == "wave"


def test_a_year_that_each_person_of_a_household_has_once_is_the_wave() -> None:
    rows = [(h, p, y) for h in range(40) for p in range(1, 2 + h % 3) for y in (2019, 2020, 2021)]
    columns = {
        "household_id": [f"H{1000 + 13 * h}" for h, _, _ in rows],
        "person": [str(p) for _, p, _ in rows],
        "year": [str(y) for _, _, y in rows],
        "sex": ["mf"[(h + p) % 2] for h, p, _ in rows],
    }
    found = schema_of(columns).find("year")
    assert found is not None
    assert found.role == "wave"
    once = {name: values[::3] for name, values in columns.items()}
    once["year"] = [str(2019 + i // 40) for i in range(len(once["sex"]))]
    assert all(column.role != "wave" for column in schema_of(once).columns)


def test_a_number_that_comes_twice_a_person_is_no_wave() -> None:
    assert panel(["1", "2", "2", "3"] * 60, "wave").columns[1].role is None


def test_every_format_of_a_table_gives_the_same_schema(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    chosen = [None if i % 7 == 0 else int(n) for i, n in enumerate(rng.integers(0, 2, ROWS))]
    media = [
        "; ".join(w for w, has in zip(["TV", "Radio", "Web"], row, strict=True) if has) or None
        for row in rng.random((ROWS, 3)) < 0.5
    ]
    columns = {
        **{f"Q5_{i}": chosen[i:] + chosen[:i] for i in range(4)},
        "media": media,
        "score": [float(n) for n in rng.normal(50, 9, ROWS).round(1)],
    }
    frame = pd.DataFrame(columns)  # numbers with gaps are doubles
    frame.to_csv(tmp_path / "rows.csv", index=False)
    frame.to_parquet(tmp_path / "pandas.parquet")
    pl.DataFrame(columns, strict=False).write_parquet(tmp_path / "polars.parquet")
    pq.write_table(pa.table(columns), tmp_path / "arrow.parquet")
    schemas = [clean_table(open_table(path)).schema for path in sorted(tmp_path.iterdir())]
    own = {"storage", "form", "declared"}
    plain = [[column.model_dump(exclude=own) for column in each.columns] for each in schemas]
    assert all(each == plain[0] for each in plain)
    assert all(each.sets == schemas[0].sets and len(each.sets) == 1 for each in schemas)
