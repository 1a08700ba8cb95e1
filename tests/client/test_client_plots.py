"""Pictures in notebooks: shares, histograms and intervals; nothing from data is unescaped."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pyarrow as pa
import pytest

from simulacra.plots import BINS, LEVELS, NAME, intervals, marginals
from simulacra.rows import Rows

CITIES = ["Oslo"] * 6 + ["<b>&"] * 3 + [None]
AGES = [20.0, 22, 30, 40, 50, 60, 70, None, 75, 80]
SURVEY = pa.table({"city": CITIES, "age": AGES})


def drawn(html: str) -> list[ElementTree.Element]:
    """Return the figures; each is well-formed XML, so that no cell was left unescaped."""
    return list(ElementTree.fromstring(f"<body>{html}</body>"))


def texts(figure: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in figure.iter("text")]


def test_rows_show_shares_of_levels_and_of_missing_cells() -> None:
    [city, age] = drawn(marginals(SURVEY, SURVEY.column_names))
    assert texts(city) == ["Oslo", "60 %", "<b>&", "30 %", "missing", "10 %"]
    assert texts(age) == ["20", "80"]
    widths = [float(one.attrib["width"]) for one in city.iter("rect")]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.1)
    shown = Rows(SURVEY)._repr_html_()
    assert shown.count("<svg") == 2
    assert "<b>&" not in shown


def test_histogram_has_equal_bins_and_the_highest_value_is_in_the_last() -> None:
    even = pa.table({"x": list(range(BINS * 10)), "one": [5] * (BINS * 10)})
    [spread, constant] = drawn(marginals(even, even.column_names))
    heights = [float(bar.attrib["height"]) for bar in spread.iter("rect")]
    assert (len(heights), len(set(heights))) == (BINS, 1)
    assert texts(constant) == ["5", "100 %"]


def test_many_levels_end_in_one_bar_and_empty_columns_have_none() -> None:
    codes = [f"c{at}" for at in range(LEVELS + 5)] * 2
    table = pa.table({"code": codes, "void": pa.nulls(len(codes))})
    empty = {"x": pa.array([], pa.float64()), "y": pa.array([], pa.string()), "id": ["a", "b"]}
    [code, void] = drawn(marginals(table, table.column_names))
    assert texts(code)[-2:] == ["others (5)", "38 %"]
    assert texts(void) == ["missing", "100 %"]
    for cells in empty.values():
        assert marginals(pa.table({"x": cells}), ["x"]) == ""


def test_large_whole_numbers_are_drawn_and_lists_are_not() -> None:
    large = [2**53 + step for step in range(LEVELS + 1)] * 2
    cells = pa.table({"count": large, "brands": [["a"], ["a", "b"]] * (LEVELS + 1)})
    shown = Rows(cells)._repr_html_()
    assert shown.count("<svg") == 1
    assert marginals(cells, ["brands"]) == ""


def test_intervals_share_one_scale_with_a_mark_at_no_effect() -> None:
    html = intervals([("all", 1.0, 0.5, 1.5, (0.7, 1.3)), ("a < b", None, -1.0, 1.5, None)])
    [figure] = drawn(html)
    assert texts(figure) == ["all", "a < b", "no effect"]
    assert len(list(figure.iter("circle"))) == 1, "no center, no mark"
    ends = [tuple(map(float, one)) for one in re.findall(r"M([\d.]+) [\d.]+H([\d.]+)", html)]
    whole, within, other = ends
    assert whole[1] == other[1]
    assert other[0] < whole[0] < within[0] < within[1] < whole[1]


def test_a_long_name_of_an_interval_lacks_its_middle_and_tells_it_on_a_touch() -> None:
    name = "answer: " + "word & " * 60 + "north"
    [figure] = drawn(intervals([(name, None, -1.0, 1.5, None)]))
    shown = texts(figure)[0]
    assert len(shown) <= NAME
    assert (shown[:7], shown[-5:]) == ("answer:", "north")
    assert name in [one.text for one in figure.iter("title")]
    assert float(figure.find("svg").get("width")) < 800
