"""An SPSS file comes back with its dictionary: labels, codes, missing values, formats, sets."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.output.files import write_tables
from simulacra_intake.output.invented import RowSpan
from simulacra_intake.output.restore import restore
from simulacra_intake.read import open_table, read_table
from simulacra_schema.formats.file_labels import AnswerSet, Declared, declared_of, with_sets
from simulacra_schema.formats.sav import SavWriter
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.in_process import generate_table
from simulacra_trainer.pipeline.fit import fit_model

ROWS = 60
DICTIONARY = (
    "column_names",
    "column_labels",
    "variable_value_labels",
    "missing_ranges",
    "variable_measure",
    "original_variable_types",
    "variable_alignment",
    "variable_display_width",
    "variable_storage_width",
    "mr_sets",
)


def rows_of(clean: CleanTable) -> pa.Table:
    return restore(clean.table, clean.schema, rng=np.random.default_rng(0))


def dictionary(path: Path) -> dict[str, Any]:
    _, meta = pyreadstat.read_sav(path, output_format="dict", user_missing=True)
    return {name: getattr(meta, name) for name in DICTIONARY}


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    """Return a file with all that a dictionary has; sets are added by our own writer."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "sex": rng.integers(1, 3, ROWS).astype(float),
            "sat": rng.choice([1.0, 2.0, 3.0, 8.0, 9.0], ROWS),
            "Income_of_household": rng.choice([1200.5, 800.25, 2400.75, 9998.0], ROWS),
            "region": rng.choice(["N", "S", "E"], ROWS),
            "place": rng.choice(["Zürich-Oerlikon", "Genève", "Lugano"], ROWS),
            "day": [dt.date(2024, 1 + i % 12, 1 + i % 28) for i in range(ROWS)],
        }
    )
    path = tmp_path / "upload.sav"
    pyreadstat.write_sav(
        frame,
        path,
        column_labels=["Geschlecht", "Zufriedenheit", "Einkommen", "Region", "Ort", "Tag"],
        variable_value_labels={
            "sex": {1.0: "männlich", 2.0: "weiblich"},
            "sat": {1.0: "gar nicht", 2.0: "etwas", 3.0: "sehr", 8.0: "w. n.", 9.0: "k. A."},
            "Income_of_household": {9998.0: "verweigert"},
            "region": {"N": "Nord", "S": "Süd", "E": "Ost"},
            "place": {"Genève": "Genf"},
        },
        missing_ranges={"sat": [{"lo": 8.0, "hi": 9.0}], "Income_of_household": [9998.0]},
        variable_measure={"sex": "nominal", "sat": "ordinal", "Income_of_household": "scale"},
        variable_display_width={"sat": 12},
        variable_format={"Income_of_household": "F10.1"},
    )
    return path


def test_the_dictionary_of_an_spss_file_comes_back(upload: Path, tmp_path: Path) -> None:
    clean = clean_table(open_table(upload))
    out = tmp_path / "rows.sav"
    write_tables([rows_of(clean)], out)
    assert dictionary(out) == dictionary(upload)
    assert pyreadstat.read_sav(out, metadataonly=True)[1].number_rows == ROWS


def test_codes_stand_for_words_again(upload: Path, tmp_path: Path) -> None:
    clean = clean_table(open_table(upload))
    assert clean.schema.find("sex").level_values() == ["männlich", "weiblich"]  # type: ignore[union-attr]
    out = tmp_path / "rows.sav"
    write_tables([rows_of(clean)], out)
    before, _ = pyreadstat.read_sav(upload, output_format="dict")
    after, _ = pyreadstat.read_sav(out, output_format="dict")
    for name in before:
        cells = pd.Series(before[name]), pd.Series(after[name])
        pd.testing.assert_series_equal(*cells)


def test_multiple_response_sets_are_read_and_written_again(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    chosen = Declared(
        labels=[(0.0, "nein"), (1.0, "ja")],
        codes=[("nein", 0.0), ("ja", 1.0)],
        measure="nominal",
        format="F1.0",
    )
    names = [f"media_used_{i}" for i in range(4)] + [f"brand{i}" for i in range(3)]
    words = [["nein", "ja"]] * 4 + [["A", "B", "C", "D"]] * 3
    columns = [pa.array(rng.choice(each, ROWS)) for each in words]
    fields = [chosen.on(pa.field(name, pa.string())) for name in names[:4]]
    fields += [pa.field(name, pa.string()) for name in names[4:]]
    dichotomies = AnswerSet(
        name="media", label="Médias", columns=names[:4], kind="dichotomies", counted="ja"
    )
    categories = AnswerSet(name="brands", label="", columns=names[4:], kind="categories")
    table = pa.table(columns, schema=with_sets(pa.schema(fields), [dichotomies, categories]))
    first, second = tmp_path / "first.sav", tmp_path / "second.sav"
    write_tables([table], first)
    clean = clean_table(open_table(first))
    assert clean.schema.sets == [dichotomies, categories]
    write_tables([rows_of(clean)], second)
    assert dictionary(second) == dictionary(first)
    assert dictionary(first)["mr_sets"]["media"]["counted_value"] == 1


def test_longer_codes_of_large_tables_are_not_cut_to_real_ones(tmp_path: Path) -> None:
    upload = pa.table(
        {
            "order": [f"T{i:06d}" for i in range(ROWS)],
            "answer": ["yes", "no", "perhaps"] * (ROWS // 3),
            "amount": [i / 7 for i in range(ROWS)],
        }
    )
    clean = clean_table(upload)
    rng, span = np.random.default_rng(0), RowSpan(0, 1_000_000, 3)
    rows = restore(clean.table, clean.schema, rng=rng, span=span)
    write_tables([rows], tmp_path / "rows.sav")
    columns, _ = pyreadstat.read_sav(tmp_path / "rows.sav", output_format="dict")
    assert list(columns["order"]) == rows.column("order").to_pylist()
    assert min(map(len, columns["order"])) > len("T000000")


@pytest.mark.parametrize(
    "kind", [pa.int64(), pa.uint64(), pa.decimal128(20), pa.dictionary(pa.int32(), pa.int64())]
)
def test_long_keys_are_texts_where_numbers_would_be_rounded(
    tmp_path: Path, kind: pa.DataType
) -> None:
    rng = np.random.default_rng(4)
    keys = rng.choice(10**6, 500, replace=False) + 1_234_567_890_123_456_789
    answers = {name: rng.choice(["yes", "no"], 500) for name in ("liked", "shared")}
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    ids = pa.array(keys.tolist(), value)
    ids = ids.dictionary_encode() if value != kind else ids
    clean = clean_table(pa.table({"post_id": ids, **answers}))
    rows = rows_of(clean)
    made = {str(key) for key in rows.column("post_id").to_pylist()}
    assert len(made) == 500
    assert not made & set(map(str, keys))
    for name in ("rows.sav", "rows.xlsx"):
        write_tables([rows], tmp_path / name)
        assert set(read_table(tmp_path / name).column("post_id").to_pylist()) == made


def test_names_that_spss_does_not_accept_become_labels(tmp_path: Path) -> None:
    names = ["How old are you?", "how_old_are_you", "2nd", "ALL", "x" * 90]
    path = tmp_path / "rows.sav"
    write_tables([pa.table({name: [1.5, None] for name in names})], path)
    _, meta = pyreadstat.read_sav(path, output_format="dict")
    assert meta.column_labels[0] == "How old are you?"
    lowered = [name.lower() for name in meta.column_names]
    assert len(set(lowered)) == len(names)
    assert all(len(name) <= 64 and name[0].isalpha() for name in meta.column_names)


def test_types_that_spss_lacks_become_numbers_and_texts(tmp_path: Path) -> None:
    table = pa.table(
        {
            "flag": [True, False, None],
            "moment": pa.array([dt.datetime(2024, 2, 29, 13, 30), None, None]),
            "clock": pa.array([3661, None, 0], pa.int32()).cast(pa.time32("s")),
            "word": pa.array(["ä" * 200, None, "b"]).dictionary_encode(),
            "number": [1.5, float("nan"), float("inf")],
        }
    )
    path = tmp_path / "rows.sav"
    with path.open("wb") as file:
        SavWriter(file, table.schema).write_table(table)
    columns, meta = pyreadstat.read_sav(path, output_format="dict")
    assert meta.variable_value_labels["flag"] == {0.0: "false", 1.0: "true"}
    assert columns["moment"][0] == dt.datetime(2024, 2, 29, 13, 30)
    assert columns["clock"][0] == dt.time(1, 1, 1)
    assert columns["word"][0] == "ä" * 32  # cut between characters
    assert all(value is None or np.isnan(value) for value in columns["number"][1:])


def test_a_workbook_has_typed_cells_and_a_sheet_of_labels(upload: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.xlsx"
    write_tables([rows_of(clean_table(open_table(upload)))] * 2, out)
    book = openpyxl.load_workbook(out)
    header, first, *others = book["Rows"].values
    assert header[:2] == ("sex", "sat")
    assert len(others) == 2 * ROWS - 1
    assert first[0] in ("männlich", "weiblich")
    assert isinstance(first[5], dt.datetime)
    labels = list(book["Columns"].values)
    assert labels[1][:3] == ("sex", "Geschlecht", "1 = männlich; 2 = weiblich")
    assert labels[2][3] == "8 to 9"


def test_a_declaration_leaves_the_other_metadata_of_a_field() -> None:
    field = Declared(label="Age").on(pa.field("age", pa.int64(), metadata={"unit": "years"}))
    assert (field.metadata[b"unit"], declared_of(field).label) == (b"years", "Age")


def test_skipped_and_refused_stay_two_codes(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    gap = rng.choice([0.0, 8.0, 9.0], 600, p=[0.6, 0.3, 0.1])
    frame = pd.DataFrame(
        {
            "age": rng.integers(18, 80, 600).astype(float),
            "sat": np.where(gap, gap, rng.integers(1, 4, 600)),
            "income": np.where(gap, 9990 + gap, 800 + 0.25 * rng.integers(0, 900, 600)),
        }
    )
    upload, out = tmp_path / "upload.sav", tmp_path / "rows.sav"
    pyreadstat.write_sav(
        frame,
        upload,
        variable_value_labels={
            "sat": {1.0: "low", 2.0: "middle", 3.0: "high", 8.0: "skipped", 9.0: "refused"},
            "income": {9998.0: "skipped"},
        },
        missing_ranges={"sat": [{"lo": 8.0, "hi": 9.0}], "income": [9998.0, 9999.0]},
    )
    clean = clean_table(open_table(upload))
    specials = {one.name: [code.value for code in one.specials] for one in clean.schema.columns}
    assert {name: set(of) for name, of in specials.items()} == {
        "age": set(),
        "sat": {"skipped", "refused"},
        "income": {"9998", "9999"},
    }
    assert clean.schema.column("sat").level_values() == ["low", "middle", "high"]
    model = fit_model(clean.table, clean.schema, FitRequest())
    asked = GenerateRequest(row_count=600, evidence=False, seed=1)
    write_tables([generate_table(model, asked).rows], out)
    rows, meta = pyreadstat.read_sav(out, user_missing=True)
    assert rows["sat"].isin([1, 2, 3, 8, 9]).all()
    assert (rows["sat"] == 9).mean() == pytest.approx(0.1, abs=0.05)
    assert (rows["sat"] == 8).mean() == pytest.approx(0.3, abs=0.08)
    assert (rows["income"] == 9999).mean() == pytest.approx(0.1, abs=0.05)
    # One person skips, or refuses, both questions.
    assert ((rows["sat"] == 9) == (rows["income"] == 9999)).mean() > 0.95
    assert meta.missing_ranges == dictionary(upload)["missing_ranges"]


def test_codes_within_a_range_of_missing_values_come_back(tmp_path: Path) -> None:
    upload, out = tmp_path / "upload.sav", tmp_path / "rows.sav"
    frame = pd.DataFrame({"q": [1.0, 2.0, -5.0, -9.0] * 25, "age": np.arange(100.0) % 40})
    pyreadstat.write_sav(
        frame,
        upload,
        variable_value_labels={"q": {1.0: "low", 2.0: "high", -9.0: "refused"}},
        missing_ranges={"q": [{"lo": -9.0, "hi": -1.0}]},
    )
    clean = clean_table(open_table(upload))
    write_tables([restore(clean.table, clean.schema, rng=np.random.default_rng(1))], out)
    rows, _ = pyreadstat.read_sav(out, user_missing=True)
    assert set(rows["q"]) == {1.0, 2.0, -5.0, -9.0}
