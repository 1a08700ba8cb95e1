"""Descriptions of tables: what is stated is applied, and what was found comes back completed."""

from __future__ import annotations

import csv
import json
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyreadstat
import pytest

from simulacra_crds.reasons import Reason
from simulacra_intake.description.finish import DROPPED
from simulacra_intake.errors import InputError
from simulacra_intake.output.restore import restore
from simulacra_schema.description import parse_description
from simulacra_schema.table import ColumnSchema
from simulacra_trainer.cleaning.described import DescribedTable, clean_described
from simulacra_trainer.in_process import read_described

pytestmark = pytest.mark.usefixtures("exact_counts")

ROWS = 120
Columns = Mapping[str, Sequence[object]]
rng = random.Random(3)
PLAIN: Columns = {
    "amount": [round(rng.random() * 90, 2) for _ in range(ROWS)],
    "answer": [rng.choice(["yes", "no", "maybe"]) for _ in range(ROWS)],
}
SCALE = [str(rng.choice([1, 2, 3, 3, 3, 4, 4, 5, 8])) for _ in range(ROWS)]


def upload(tmp_path: Path, columns: Columns, delimiter: str = ",", encoding: str = "utf-8") -> Path:
    path = tmp_path / "upload"
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def read(path: Path, document: object = None, weights: str | None = None) -> DescribedTable:
    description = None if document is None else parse_description(document)
    return read_described(path, description, weights)


def described(
    tmp_path: Path,
    columns: Columns,
    *fields: dict[str, Any],
    weights: str | None = None,
    **more: Any,
) -> DescribedTable:
    return read(upload(tmp_path, {**columns, **PLAIN}), {"fields": [*fields], **more}, weights)


def column(result: DescribedTable, name: str) -> ColumnSchema:
    found = result.clean.schema.find(name)
    assert found is not None
    return found


def field(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(f for f in document["schema"]["fields"] if f["name"] == name)
    return found


def faults(
    tmp_path: Path, columns: Columns, *fields: dict[str, Any], **more: Any
) -> dict[str, str]:
    with pytest.raises(InputError) as caught:
        described(tmp_path, columns, *fields, **more)
    assert caught.value.reason == Reason.DESCRIPTION_MISMATCH
    return {one.pointer: one.detail for one in caught.value.errors}


def names() -> list[str]:
    first, last = ["Ada", "Bo", "Cleo", "Dan", "Eve", "Finn"], ["Berg", "Costa", "Dahl", "Egli"]
    return [f"{first[i % 6]} {last[i // 6 % 4]} {'ABCDE'[i // 24 % 5]}erg" for i in range(ROWS)]


MONEY = [f"{1 + i % 9}.{100 + i}" for i in range(ROWS)]
READINGS: list[tuple[str, Sequence[object], dict[str, Any], dict[str, Any]]] = [
    ("thousands", MONEY, {"groupChar": "."}, {"kind": "integer", "decimals": 0}),
    ("commas", [f"{1 + i % 9},{100 + i}" for i in range(ROWS)], {"decimalChar": ","},
     {"kind": "numeric", "decimals": 3}),
    ("codes", [f"{i % 50:03d}" for i in range(ROWS)], {"type": "integer"}, {"kind": "integer"}),
    ("words", SCALE, {"type": "string"}, {"kind": "categorical", "storage": "string"}),
    ("order", SCALE, {"categoriesOrdered": True}, {"kind": "ordinal"}),
    ("days", [f"0{1 + i % 9}/0{1 + i % 8}/2024" for i in range(ROWS)],
     {"type": "date", "format": "%m/%d/%Y"}, {"kind": "datetime"}),
    ("span", [f"{i % 9}:{i % 6}5" for i in range(ROWS)],
     {"x-simulacra": {"kind": "duration"}}, {"kind": "integer", "storage": "duration[s]"}),
    ("years", [2000 + i % 20 for i in range(ROWS)], {"type": "year"}, {"kind": "ordinal"}),
    ("flag", [i % 2 + 1 for i in range(ROWS)], {"type": "boolean"}, {"kind": "boolean"}),
    ("area", [f"A{i % 2}B{i % 40:02d}" for i in range(ROWS)],
     {"x-simulacra": {"kind": "postcode"}}, {"kind": "categorical", "prefix": 2}),
    ("price", [i % 30 / 4 for i in range(ROWS)], {"x-simulacra": {"unit": "EUR"}}, {"unit": "EUR"}),
    ("label", [i % 7 for i in range(ROWS)], {"title": "Visits"}, {"label": "Visits"}),
    ("remark", [f"w{i % 6}" for i in range(ROWS)], {"x-simulacra": {"role": "text"}},
     {"kind": "text", "learned": False}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "cells", "stated", "wanted"), READINGS)
def test_a_stated_property_decides_how_cells_are_read(
    tmp_path: Path,
    name: str,
    cells: Sequence[object],
    stated: dict[str, Any],
    wanted: dict[str, Any],
) -> None:
    result = described(tmp_path, {name: cells}, {"name": name, **stated})
    found = column(result, name).model_dump()
    assert {key: found[key] for key in wanted} == wanted
    plain = read(upload(tmp_path, {name: cells, **PLAIN})).clean.schema.find(name)
    assert plain is None or {key: plain.model_dump()[key] for key in wanted} != wanted


def test_listed_categories_and_missing_codes_keep_their_order_and_labels(tmp_path: Path) -> None:
    result = described(
        tmp_path,
        {"F12": SCALE},
        {
            "name": "F12",
            "type": "integer",
            "categories": [{"value": v, "label": f"grade {v}"} for v in (5, 4, 3, 2, 1)],
            "categoriesOrdered": True,
            "missingValues": [{"value": "", "label": "none"}, {"value": "8", "label": "unsure"}],
        },
    )
    found = column(result, "F12")
    assert [(one.value, one.label, one.special) for one in found.levels] == [
        *((str(v), f"grade {v}", False) for v in (5, 4, 3, 2, 1)),
        ("8", None, True),
    ]
    assert (found.kind, found.missing_share, found.storage) == ("ordinal", 0.0, "int64")
    assert sum(one.share for one in found.levels) == pytest.approx(1)


def test_a_stated_missing_code_is_no_number(tmp_path: Path) -> None:
    cells = [str(v) if i % 10 else "42" for i, v in enumerate(range(ROWS))]
    result = described(tmp_path, {"age": cells}, {"name": "age", "missingValues": ["", "42"]})
    found = column(result, "age")
    assert [one.value for one in found.specials] == ["42"]
    assert found.missing_share == pytest.approx(13 / ROWS)
    assert 42 not in result.clean.table.column("age").to_pylist()


def test_a_stated_category_wins_over_a_word_for_missing(tmp_path: Path) -> None:
    cells = [["NA", "RM", "MI"][i % 3] for i in range(ROWS)]
    assert column(described(tmp_path, {"prov": cells}), "prov").missing_share > 0.3
    stated = {"name": "prov", "categories": ["NA", "RM", "MI"]}
    assert column(described(tmp_path, {"prov": cells}, stated), "prov").missing_share == 0


def test_errors_of_the_data_come_all_at_once_and_name_the_nearest_word(tmp_path: Path) -> None:
    columns = {
        "mood": [["happy", "neutral", "sad"][i % 3] for i in range(ROWS)],
        "wage": ["x1"] * 5 + [str(i) for i in range(ROWS - 5)],
        "when": [f"0{1 + i % 9}/0{1 + i % 8}/2024" for i in range(ROWS)],
        "who": ["", *(f"P{i % 40}" for i in range(ROWS - 1))],
        "nr": [i // 2 for i in range(ROWS)],
        "place": [["north", "south"][i % 2] for i in range(ROWS)],
        "note": [f"note {'abcdefghij'[i % 10]} {'klmnopqrst'[i // 10 % 10]}" for i in range(ROWS)],
    }
    found = faults(
        tmp_path,
        columns,
        {"name": "amuont", "type": "number"},
        {"name": "mood", "categories": ["happy", "neutral", "sadd"]},
        {"name": "wage", "type": "number"},
        {"name": "when", "type": "date"},
        {"name": "who", "x-simulacra": {"role": "subject"}},
        {"name": "place", "x-simulacra": {"role": "coordinate"}},
        {"name": "note", "x-simulacra": {"kind": "coordinate"}},
        primaryKey="nr",
    )
    assert found["/fields/0/name"] == 'The table has no such column. Did you mean "amount"?'
    assert found["/fields/1/categories/2"] == 'No cell holds this level. Did you mean "sad"?'
    assert "1 %" in found["/fields/2/type"]
    assert "Day or month first" in found["/fields/3/type"]
    assert "1 rows have no person" in found["/fields/4/x-simulacra/role"]
    assert "60 rows have the key" in found["/primaryKey"]
    assert "no decimal degrees" in found["/fields/5/x-simulacra/role"]
    assert "no decimal degrees" in found["/fields/6/x-simulacra/kind"]
    assert len(found) == 8


def test_cells_outside_the_list_of_categories_are_an_error_above_one_percent(
    tmp_path: Path,
) -> None:
    few = ["rare", *(["often", "never"][i % 2] for i in range(ROWS - 1))]
    stated = {"name": "a", "categories": ["often", "never"]}
    assert column(described(tmp_path, {"a": few}, stated), "a").missing_share == 1 / ROWS
    found = faults(tmp_path, {"a": ["rare", *few[:-1]]}, stated)
    assert "2 % of the cells" in found["/fields/0/categories"]


def test_roles_are_stated_and_taken_back(tmp_path: Path) -> None:
    columns = {
        "contact": names(),
        "badge": [f"B-{i % 20:03d}" for i in range(ROWS)],
        "house": [i % 30 for i in range(ROWS)],
    }
    found = read(upload(tmp_path, {**columns, **PLAIN}))
    assert found.clean.schema.subject() is None
    result = described(
        tmp_path,
        columns,
        {"name": "contact", "x-simulacra": {"pii": "name", "replace": "empty"}},
        {"name": "badge", "x-simulacra": {"role": "subject"}},
        {"name": "house", "x-simulacra": {"role": "foreign_key"}},
    )
    assert result.clean.schema.persons == 20
    contact = column(result, "contact")
    assert (contact.role, contact.personal_data, contact.kind) == ("personal_data", "name", "text")
    assert column(result, "house").role == "foreign_key"
    back = {"name": "badge", "x-simulacra": {"role": "none"}}
    assert column(described(tmp_path, columns, back), "badge").learned


def test_a_dropped_column_is_in_the_description_alone(tmp_path: Path) -> None:
    columns = {"note": [i % 9 for i in range(ROWS)]}
    result = described(tmp_path, columns, {"name": "note", "x-simulacra": {"use": "drop"}})
    assert result.clean.schema.find("note") is None
    assert "note" not in result.clean.table.column_names
    assert field(result.document, "note")["x-simulacra"]["use"] == "drop"
    assert ("note", DROPPED) in [(one.column, one.action) for one in result.clean.schema.cleaning]


def test_the_column_of_the_persons_cannot_be_dropped(tmp_path: Path) -> None:
    columns = {"customer_id": [f"C{i % 40:04d}" for i in range(ROWS)]}
    drop = {"name": "customer_id", "x-simulacra": {"use": "drop"}}
    assert "protects the persons" in faults(tmp_path, columns, drop)["/fields/0/x-simulacra/use"]


def test_weights_of_the_upload_and_of_the_description_agree(tmp_path: Path) -> None:
    columns = {"w": [0.5 + i % 4 / 2 for i in range(ROWS)]}
    stated = {"name": "w", "x-simulacra": {"role": "weight"}}
    assert column(described(tmp_path, columns, stated), "w").kind == "weight"
    assert column(described(tmp_path, columns, stated, weights="w"), "w").kind == "weight"
    found = faults(tmp_path, columns, stated, weights="amount")
    assert "another column" in found["/fields/0/x-simulacra/role"]
    found = faults(tmp_path, {"w": ["a", "b"] * 60}, **{"x-simulacra": {"weights": "w"}})
    assert "numeric" in found["/x-simulacra/weights"]


def test_a_completed_description_changes_nothing_and_each_change_counts(tmp_path: Path) -> None:
    columns = {
        "customer": names(),
        "mail": [f"p{i}@mail.example" for i in range(ROWS)],
        "grade": SCALE,
        "paid": [f"{i},50 €" for i in range(ROWS)],
        "day": [f"{1 + i % 28:02d}.03.2024" for i in range(ROWS)],
    }
    path = upload(tmp_path, {**columns, **PLAIN}, ";", "cp1252")
    stated = {
        "fields": [{"name": "grade", "categoriesOrdered": True}],
        "x-simulacra": {"version": 1},
    }
    first = read(path, stated)
    again = read(path, first.document)
    assert again.document == first.document
    assert again.clean.table == first.clean.table
    assert first.document["encoding"] == "cp1252"
    assert first.document["dialect"] == {"delimiter": ";", "headerRows": [1]}
    grade = field(first.document, "grade")
    assert grade["x-simulacra"]["source"]["categoriesOrdered"] == "user"
    assert field(first.document, "mail")["x-simulacra"]["source"]["role"] == "detected"

    del grade["categoriesOrdered"]  # goes back to detection
    field(first.document, "day")["type"] = "string"  # is marked as detected, and changed
    field(first.document, "day").pop("format")
    changed = read(path, first.document)
    assert column(changed, "grade").kind == "integer"
    assert column(changed, "day").kind in ("categorical", "ordinal")
    assert field(changed.document, "day")["x-simulacra"]["source"]["type"] == "user"
    assert read(path, changed.document).document == changed.document


def test_evidence_quotes_no_cell_of_personal_data(tmp_path: Path) -> None:
    columns = {"contact": names(), "mail": [f"p{i}@mail.example" for i in range(ROWS)]}
    text = json.dumps(described(tmp_path, columns).document)
    assert not any(cell in text for cells in columns.values() for cell in cells)


@pytest.mark.parametrize("encoding", ["cp1252", "iso8859-15"])
def test_a_stated_encoding_is_used(tmp_path: Path, encoding: str) -> None:
    path = upload(tmp_path, {"preis": ["5 €", "7 €"] * 60, **PLAIN}, encoding=encoding)
    result = read(path, {"encoding": encoding, "schema": {"fields": []}})
    assert result.document["encoding"] == encoding
    assert column(result, "preis").unit == "€"


def test_stated_lines_and_delimiter_are_used(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    rows = "\n".join(f"{i % 7};{i % 3},{i % 2}" for i in range(60))
    path.write_text(f"a;b\nfirst;second\n{rows}\n")
    document: dict[str, Any] = {
        "dialect": {"delimiter": ";", "headerRows": [1, 2]},
        "schema": {"fields": [{"name": "b", "type": "string"}]},
    }
    result = read(path, document)
    assert column(result, "a").label == "first"
    assert result.document["schema"]["x-simulacra"]["source"]["headerRows"] == "user"
    document["dialect"]["headerRows"] = [90, 91]
    document = {"resources": [document]}
    with pytest.raises(InputError) as caught:
        read(path, document)
    assert caught.value.pointer == "/resources/0/dialect/headerRows"
    with pytest.raises(InputError) as caught:
        read(path, {"encoding": "utf-16", "schema": {"fields": []}})
    assert caught.value.pointer == "/encoding"


def test_what_a_file_declares_is_marked_and_yields_to_the_user(tmp_path: Path) -> None:
    path = tmp_path / "study.sav"
    frame = pa.table(
        {"q": [float(1 + i % 3) for i in range(60)], "n": [float(i % 9) for i in range(60)]}
    )
    labels = {"q": {1.0: "low", 2.0: "mid", 3.0: "high"}}
    pyreadstat.write_sav(
        frame.to_pandas(),
        str(path),
        column_labels={"q": "Question"},
        variable_value_labels=labels,
    )
    found = field(read(path).document, "q")
    assert found["title"] == "Question"
    assert found["x-simulacra"]["source"]["categories"] == "file"
    stated = {"fields": [{"name": "q", "type": "integer", "title": "Own"}]}
    result = read(path, stated)
    assert column(result, "q").kind == "integer"
    assert column(result, "q").label == "Own"
    assert read(path, read(path).document).document == read(path).document


def test_typed_columns_are_described_like_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "q": pa.array([1.0, 2.0, None, 4.0] * 30),
            "z": [i % 20 for i in range(120)],
            "b": [True, False] * 60,
        }
    )
    document = {
        "fields": [
            {"name": "q", "categories": [1, 2, 4], "categoriesOrdered": True},
            {"name": "z", "missingValues": ["7"]},
        ]
    }
    result = clean_described(table, parse_description(document))
    q = column(result, "q")
    assert (q.kind, q.level_values(), q.storage) == ("ordinal", ["1", "2", "4"], "double")
    assert column(result, "z").specials[0].value == "7"
    again = clean_described(table, parse_description(result.document))
    assert again.document == result.document


MEDIA = [";".join(["TV"] * (i % 2) + ["Web"] * (i % 3 > 0)) for i in range(ROWS)]


def test_two_options_in_a_cell_are_read_where_they_are_listed(tmp_path: Path) -> None:
    columns = {"media": MEDIA}
    assert column(read(upload(tmp_path, {**columns, **PLAIN})), "media").kind == "categorical"
    stated = {
        "name": "media",
        "type": "list",
        "delimiter": ";",
        "x-simulacra": {"options": ["TV", "Web"]},
    }
    result = described(tmp_path, columns, stated)
    assert (column(result, "media").kind, column(result, "media").separator) == ("multi", ";")
    assert result.clean.table.column("media: TV").to_pylist().count("yes") == MEDIA.count(
        "TV"
    ) + MEDIA.count("TV;Web")
    path = upload(tmp_path, {**columns, **PLAIN})
    assert read(path, result.document).document == result.document
    stated["x-simulacra"] = {"options": ["TV", "Wib"]}
    found = faults(tmp_path, columns, stated)
    assert "Web" in found["/fields/0/x-simulacra/options/1"]


def test_of_two_separators_in_every_cell_the_surer_one_separates(tmp_path: Path) -> None:
    cells = [["Ads, TV; Web", "Web; Ads, TV"][i % 2] for i in range(ROWS)]
    found = column(
        described(tmp_path, {"media": cells}, {"name": "media", "type": "list"}), "media"
    )
    assert (found.level_values(), found.separator) == (["Ads, TV", "Web"], "; ")


def test_stated_sets_and_grids_replace_found_ones(tmp_path: Path) -> None:
    items = {name: [1 + (i * (k + 2)) % 5 for i in range(ROWS)] for k, name in enumerate("xyz")}
    grid = {"name": "block", "fields": ["x", "z"]}
    result = described(tmp_path, items, **{"x-simulacra": {"grids": [grid]}})
    assert [one.columns for one in result.clean.schema.grids] == [["x", "z"]]
    extension = result.document["schema"]["x-simulacra"]
    assert extension["grids"] == [grid]
    assert extension["source"]["grids"] == "user"
    path = upload(tmp_path, {**items, **PLAIN})
    assert read(path, result.document).document == result.document
    none = described(tmp_path, items, **{"x-simulacra": {"grids": []}})
    assert none.clean.schema.grids == []
    assert read(path, none.document).document == none.document
    wrong = {"name": "block", "fields": ["x", "answer", "w"]}
    found = faults(tmp_path, items, **{"x-simulacra": {"grids": [wrong]}})
    assert set(found) == {"/x-simulacra/grids/0/fields/1", "/x-simulacra/grids/0/fields/2"}


def test_relation_that_the_list_leaves_out_is_not_kept(tmp_path: Path) -> None:
    parts: dict[str, list[object]] = {
        "net": [100 + i * 7 % 83 for i in range(ROWS)],
        "tax": [1 + i * i % 31 for i in range(ROWS)],
    }
    parts["gross"] = [a + b for a, b in zip(parts["net"], parts["tax"], strict=True)]  # type: ignore[operator]
    found = described(tmp_path, parts)
    extension = found.document["schema"]["x-simulacra"]
    total = {"kind": "linear", "column": "gross", "of": ["net", "tax"]}
    assert total in extension["relations"]
    path = upload(tmp_path, {**parts, **PLAIN})
    assert read(path, found.document).document == found.document
    none = described(tmp_path, parts, **{"x-simulacra": {"relations": []}})
    assert none.clean.schema.relations == []
    assert read(path, none.document).document == none.document
    wrong = {"relations": [total, {"kind": "product", "column": "gross", "of": ["net", "tax"]}]}
    assert set(faults(tmp_path, parts, **{"x-simulacra": wrong})) == {"/x-simulacra/relations/1"}


def test_masked_personal_data_have_codes_of_the_same_form(tmp_path: Path) -> None:
    plates: Columns = {"owner": [f"K-{'ABCD'[i % 4]}X {1000 + i * 17}" for i in range(ROWS)]}
    own = {"role": "pii", "pii": "name", "replace": "mask"}
    result = described(tmp_path, plates, {"name": "owner", "x-simulacra": own})
    found = column(result, "owner")
    assert (found.personal_data, found.masks[0].form) == ("name", "K-[ABCD]X ####")
    assert field(result.document, "owner")["x-simulacra"]["replace"] == "mask"
    clean = result.clean
    cells = restore(clean.table, clean.schema, rng=np.random.default_rng(0))["owner"].to_pylist()
    assert all(re.fullmatch(r"K-[ABCD]X \d{4,}", cell) for cell in cells)


def test_missing_values_of_the_table_hold_for_fields_without_their_own(tmp_path: Path) -> None:
    columns = {
        "a": [["x", "y", "gone"][i % 3] for i in range(ROWS)],
        "b": [["gone", "n/a", "z"][i % 3] for i in range(ROWS)],
    }
    own = {"name": "b", "missingValues": [""]}
    result = described(tmp_path, columns, own, missingValues=["", "gone"])
    special = {one.value for one in column(result, "a").levels if one.special}
    assert special == {"gone"}
    assert set(column(result, "b").level_values()) == {"gone", "n/a", "z"}
    path = upload(tmp_path, {**columns, **PLAIN})
    assert read(path, result.document).document == result.document


def test_typed_numbers_without_missing_values_have_no_codes(tmp_path: Path) -> None:
    whole = [99 if i % 10 == 0 else 1 + i % 7 for i in range(ROWS)]
    cells = {"whole": whole, "half": [one if one == 99 else one + 0.5 for one in whole]}
    path = tmp_path / "upload"
    pq.write_table(pa.table({**cells, **PLAIN}), path)
    detected = read(path)
    stated = read(path, {"fields": [{"name": name, "missingValues": [""]} for name in cells]})
    for name in cells:
        assert [one.value for one in column(detected, name).specials] == ["99"]
        assert column(stated, name).specials == []
        assert column(stated, name).kind == column(detected, name).kind
        assert column(stated, name).storage == column(detected, name).storage
    assert read(path, stated.document).document == stated.document


def test_cells_stated_as_missing_join_those_that_are_detected(tmp_path: Path) -> None:
    columns = {
        "income": [
            ["n/a", "Refused", "4711", str(900 + i), str(950 + i)][i % 5] for i in range(ROWS)
        ],
        "word": [["n/a", "x", "y"][i % 3] for i in range(ROWS)],
        "code": [["4711", "a", "b"][i % 3] for i in range(ROWS)],
    }
    stated = {"x-simulacra": {"missing": ["4711"]}}
    one = described(tmp_path, columns, {"name": "income", **stated})
    assert column(one, "income").kind == "integer"
    assert [each.value for each in column(one, "income").specials] == ["Refused", "4711"]
    assert column(one, "income").missing_share == pytest.approx(3 / 5)
    assert set(column(one, "code").level_values()) == {"4711", "a", "b"}
    all_columns = described(tmp_path, columns, **stated)
    assert column(all_columns, "income") == column(one, "income")
    assert column(all_columns, "word").level_values() == column(one, "word").level_values()
    assert [each.special for each in column(all_columns, "code").levels] == [False, False, True]
    path = upload(tmp_path, {**columns, **PLAIN})
    for result in (one, all_columns):
        assert read(path, result.document).document == result.document


VISITS: Columns = {
    "customer_id": [f"C{i // 4:04d}" for i in range(ROWS)],
    "city": [["ada", "bor", "cel"][i // 4 % 3] for i in range(ROWS)],
    "day": [f"2024-0{1 + i % 4}-1{(i // 4) % 9}" for i in range(ROWS)],
    "visit": [(1, 4, 5, 9)[i % 4] + i // 4 % 2 for i in range(ROWS)],
}


def test_order_of_rows_is_found_stated_and_given_back(tmp_path: Path) -> None:
    found = described(tmp_path, VISITS)
    own = found.document["schema"]["x-simulacra"]
    assert (own["order"], own["source"]["order"]) == ("day", "detected")
    assert "date" in own["evidence"]["order"]
    stated = described(tmp_path, VISITS, **{"x-simulacra": {"order": "visit"}})
    assert stated.clean.schema.order == "visit"
    assert stated.document["schema"]["x-simulacra"]["source"]["order"] == "user"
    path = upload(tmp_path, {**VISITS, **PLAIN})
    for result in (found, stated):
        assert read(path, result.document).document == result.document
    changed = json.loads(json.dumps(found.document))
    changed["schema"]["x-simulacra"]["order"] = "visit"
    assert read(path, changed).clean.schema.order == "visit"
    assert described(tmp_path, PLAIN).clean.schema.order is None


def test_a_whole_number_that_rises_within_every_person_orders_rows(tmp_path: Path) -> None:
    rising = {name: VISITS[name] for name in ("customer_id", "city", "visit")}
    own = described(tmp_path, rising).document["schema"]["x-simulacra"]
    assert (own["order"], own["source"]["order"]) == ("visit", "detected")
    assert "rises" in own["evidence"]["order"]
    falls = [*rising["visit"][:-1], 1]  # in one of the persons
    assert described(tmp_path, {**rising, "visit": falls}).clean.schema.order is None


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("dya", 'Did you mean "day"?'),
        ("customer_id", "Generated rows cannot follow it"),
        ("answer", "an ordered scale"),
        ("city", "an ordered scale"),
        ("gaps", "20 of 120 rows have no value"),
        ("born", "the same in all rows of a person"),
    ],
)
def test_a_column_that_cannot_order_rows_is_an_error(
    tmp_path: Path, name: str, detail: str
) -> None:
    gaps = ["" if i % 6 == 0 else i % 60 for i in range(ROWS)]
    columns = {**VISITS, "gaps": gaps, "born": [1950 + i // 4 for i in range(ROWS)]}
    errors = faults(tmp_path, columns, **{"x-simulacra": {"order": name}})
    assert detail in errors["/x-simulacra/order"]


def test_rows_without_persons_have_no_order(tmp_path: Path) -> None:
    plain = {"day": VISITS["day"]}
    errors = faults(tmp_path, plain, **{"x-simulacra": {"order": "day"}})
    assert "name a subject" in errors["/x-simulacra/order"]


def test_the_example_in_the_documentation_is_valid() -> None:
    page = (Path(__file__).parents[2] / "docs/howto/describe.md").read_text()
    example = page.partition("```json\n")[2].partition("```")[0]
    assert len(parse_description(json.loads(example)).fields) == 2
