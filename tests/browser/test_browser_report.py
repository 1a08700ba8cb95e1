"""The report in a browser: at both widths, light and dark, and on paper."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import Browser

from browser import Tab, assert_accessible
from console_answers import waves
from effect_results import sheet_result
from simulacra_schema.conditions import ConditionSet, NumericRange
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_schema.verdicts import verdicts
from simulacra_trainer.conditions import plan_rows
from simulacra_trainer.report import build_report, render_html
from simulacra_trainer.report.left_out import left_out
from simulacra_trainer.sheet.page import render_sheet

COLUMNS = 32
ROWS = 120

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report of long names, of which most columns are behind a summary."""
    rng = np.random.default_rng(0)
    names = [f"how_much_do_you_agree_with_statement_number_{at}" for at in range(COLUMNS)]
    levels = ["agree_" * 12, "no"]
    columns = [
        pa.array(rng.choice(levels, ROWS)).dictionary_encode() if at % 2 else rng.normal(size=ROWS)
        for at in range(COLUMNS)
    ]
    table = pa.table(columns, names=names)
    schema = TableSchema(
        rows=ROWS,
        columns=[
            ColumnSchema(name=name, kind=kind, storage="string")
            for name, kind in zip(names, ("numeric", "categorical") * (COLUMNS // 2), strict=True)
        ],
    )
    asked = ConditionSet(
        categorical={names[1]: {levels[0]: 0.25}}, numeric={names[0]: NumericRange(min=-1, max=2.5)}
    )
    plan = plan_rows(table, asked, ROWS, rng, behind=table.num_rows)
    edges = [
        {"source": a, "target": b, "strength": 0.9, "state": "weak"} for a, b in pairwise(names)
    ]
    report = build_report(
        table,
        table.slice(0, 60),
        table.slice(60),
        schema,
        graph_json={"edges": edges, "order": names},
        conditions=plan.attainment,
        timings={"fit": 1.0},
    )
    report["verdicts"] = [one.model_dump() for one in verdicts({"c2st_auc": 0.98})]
    report["cleaning"] = [{"column": name, "action": "trimmed", "count": 3} for name in names]
    report["left_out"] = left_out(table, table, schema, report["read"], report["marginals"])
    for one in report["left_out"]["columns"]:
        one |= {"rare_levels": 12, "single_levels": 5, "rare_rows": 0.1, "single_rows": 0.05}
    report["waves"] = waves()
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(report))
    return path


def test_report_is_accessible_and_fits_a_phone(browser: Browser, page: Path) -> None:
    tab = Tab(browser, "file://")
    tab.page.goto(page.as_uri())
    assert_accessible(tab, "report")
    assert tab.wrong == []
    for summary in tab.page.locator("summary").all():
        summary.click()
    assert_accessible(tab, "report, all open")
    tab.close()


def test_answer_sheet_is_accessible_and_fits_a_phone(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "sheet.html"
    path.write_text(render_sheet(sheet_result("open")))
    tab = Tab(browser, "file://")
    tab.page.goto(path.as_uri())
    assert_accessible(tab, "sheet")
    tab.close()


def test_every_column_is_reached_from_the_list(browser: Browser, page: Path) -> None:
    tab = Tab(browser, "file://")
    tab.page.goto(page.as_uri())
    assert tab.page.locator("figure[id]").count() == COLUMNS
    assert tab.page.locator("#waves figure").count() == 31
    assert tab.page.locator("#waves figure:visible").count() == 1
    last = tab.page.locator(f"#c{COLUMNS - 1}")
    assert not last.is_visible()
    tab.page.goto(f"{page.as_uri()}#c{COLUMNS - 1}")
    last.wait_for(state="visible")
    tab.page.emulate_media(media="print")
    assert tab.overflow() <= 0
    tab.close()
