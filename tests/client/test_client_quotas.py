"""Quotas as people write them: lines, Python, sheets, and what a command says of them."""

from pathlib import Path
from typing import Any

import openpyxl
import pytest

from simulacra.commands.flag_errors import flag_of
from simulacra.models import Generation, Schema
from simulacra.quota_cells import quotas_of
from simulacra.rows import asked_of, conditions_of, generated

LEVELS = [{"value": one} for one in ("switcher", "loyal", "new, or none")]
SCHEMA = Schema(
    {
        "columns": [
            {"name": "age", "kind": "integer"},
            {"name": "sex", "kind": "integer", "levels": [{"value": "0"}, {"value": "1"}]},
            {"name": "segment", "kind": "categorical", "levels": LEVELS},
            {"name": "visited", "kind": "datetime"},
        ]
    }
)
YOUNG = {"age": {"min": 18, "max": 27}}


@pytest.mark.parametrize(
    ("line", "quota"),
    [
        (
            "age=18..27,segment=switcher:30%",
            {"where": {**YOUNG, "segment": {"levels": ["switcher"]}}, "share": 0.3},
        ),
        ("age=65+:0.2", {"where": {"age": {"min": 65}}, "share": 0.2}),
        ("age=<=17:>=5%", {"where": {"age": {"max": 17}}, "min": 0.05}),
        ("age=40:10..20%", {"where": {"age": {"min": 40, "max": 40}}, "min": 0.1, "max": 0.2}),
        ("sex=0|1:<=50%", {"where": {"sex": {"levels": ["0", "1"]}}, "max": 0.5}),
        ("sex=1:<=50%", {"where": {"sex": {"levels": ["1"]}}, "max": 0.5}),
        (
            "segment=switcher|loyal,age=18-27:1",
            {"where": {"segment": {"levels": ["switcher", "loyal"]}, **YOUNG}, "share": 1},
        ),
        (
            "segment=new, or none:10%",
            {"where": {"segment": {"levels": ["new, or none"]}}, "share": 0.1},
        ),
        (
            "visited=2024-01-01..2024-03-31:0.4",
            {
                "where": {"visited": {"earliest": "2024-01-01", "latest": "2024-03-31"}},
                "share": 0.4,
            },
        ),
    ],
)
def test_a_line_is_a_quota(line: str, quota: dict[str, Any]) -> None:
    assert quotas_of(line, SCHEMA) == [quota]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("agee=18..27:30%", "Did you mean age?"),
        ("segment=switchr:30%", "Did you mean switcher?"),
        ("age=18..27", "write COL=VALUE"),
        ("age=18..27:130%", "from 0% to 100%, not 130%"),
        ("age=young:30%", "write a number, or LOW..HIGH"),
        ("visited=May:30%", "write dates as"),
    ],
)
def test_a_wrong_line_says_what_to_write(line: str, says: str) -> None:
    with pytest.raises(ValueError, match="--quota") as caught:
        quotas_of(line, SCHEMA, "--quota")
    assert says in str(caught.value)


def test_sheets_of_both_formats_are_the_same_quotas(tmp_path: Path) -> None:
    expected = [
        {"where": {**YOUNG, "sex": {"levels": ["1"]}}, "share": 0.3},
        {"where": {"age": {"min": 28}}, "share": 0.125},
    ]
    text = "age;sex;percent\n18-27;1;30\n28+;;12,5 %\n;;\n"
    (tmp_path / "quotas.csv").write_text(text, encoding="utf-8-sig")
    assert quotas_of(tmp_path / "quotas.csv", SCHEMA) == expected
    book = openpyxl.Workbook()
    for row in (["age", "sex", "share"], ["18..27", 1, 0.3], [">=28", None, 0.125]):
        book.active.append(row)
    book.save(tmp_path / "quotas.xlsx")
    assert quotas_of(tmp_path / "quotas.xlsx", SCHEMA) == expected


def test_counts_are_shares_of_the_rows_and_ends_have_columns(tmp_path: Path) -> None:
    sheet = tmp_path / "q.csv"
    sheet.write_text("sex,count\n1,120\n0,80\n")
    assert [one["share"] for one in quotas_of(sheet, SCHEMA, rows=200)] == [0.6, 0.4]
    with pytest.raises(ValueError, match="needs the number of rows"):
        quotas_of(sheet, SCHEMA)
    sheet.write_text("sex,min,max\n1,40%,0.6\n0,,50%\n")
    assert quotas_of(sheet, SCHEMA) == [
        {"where": {"sex": {"levels": ["1"]}}, "min": 0.4, "max": 0.6},
        {"where": {"sex": {"levels": ["0"]}}, "max": 0.5},
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sex,age\n1,20\n", "name a column share"),
        ("sex,share\n", "no row below"),
        ("sex,share\n,0.3\n", "row 2: the row names no cell"),
        ("sexx,share\n1,0.3\n", "Did you mean sex?"),
    ],
)
def test_a_wrong_sheet_says_where(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "q.csv").write_text(text)
    with pytest.raises(ValueError, match=r"q\.csv|--quota") as caught:
        quotas_of(tmp_path / "q.csv", SCHEMA, "--quota")
    assert says in str(caught.value)


def test_python_takes_tuples_and_dates() -> None:
    found = quotas_of([{"where": {"age": (18, 27), "segment": "loyal"}, "min": 0.1}], SCHEMA)
    assert found == [{"where": {**YOUNG, "segment": "loyal"}, "min": 0.1}]
    assert conditions_of(None, None, {"visited": ("2024-01-01", None)}, found) == {
        "numeric": {"visited": {"earliest": "2024-01-01"}},
        "quotas": found,
    }


def test_a_cell_of_few_respondents_warns_in_words() -> None:
    cell = {"where": {**YOUNG, "segment": {"levels": ["switcher"]}}, "share": 0.3, "attained": 0.3}
    quotas = [
        {**cell, "met": True, "rows": 30, "backing": 1.0},
        {**cell, "met": True, "rows": 30, "backing": 400.0},
        {**cell, "met": False, "rows": 0, "backing": 12.0, "why": "Nobody."},
    ]
    said = [*generated(Generation(attainment={"conditions": [], "quotas": quotas}))]
    words = "age 18 to 27 and segment switcher"
    assert said == [
        f"{words}: asked 30 % of the rows, attained 30 %",
        f"{words}: asked 30 % of the rows, attained 30 %",
        f"{words}: asked 30 % of the rows, attained 30 % (not met: Nobody.)",
        f"Only about 1 real row is in the cell {words}: its rows say little.",
        f"Only about 12 real rows are in the cell {words}: its rows say little.",
    ]
    made = {"conditions": {"quotas": [{"where": YOUNG, "max": 0.2}]}}
    assert asked_of(made) == "age 18 to 27 at most 20 %"


def test_errors_name_the_flag_of_a_quota() -> None:
    assert flag_of("/conditions/quotas/1") == "--quota 2"
    assert flag_of("/conditions/quotas/0/where/a~1b/levels/0") == "--quota 1 (a/b)"
