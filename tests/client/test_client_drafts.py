"""Drafts in Python, on the command line and for agents: files, marks, errors, no engine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import openpyxl
import pyarrow.parquet as pq
import pyreadstat
import pytest
from mcp.server.mcpserver.exceptions import ToolError
from typer.testing import CliRunner

import simulacra
from simulacra.async_client import AsyncClient
from simulacra.cli import app
from simulacra.errors import EngineError
from simulacra.mcp_server import Tools

DESCRIPTION: dict[str, Any] = {
    "fields": [
        {"name": "region", "type": "string", "categories": ["north", "south"]},
        {"name": "age", "type": "integer", "constraints": {"minimum": 18, "maximum": 79}},
    ]
}
LABEL = "Draft: made from a description, no respondent's data"


@pytest.fixture
def questionnaire(tmp_path: Path) -> Path:
    path = tmp_path / "questionnaire.json"
    path.write_text(json.dumps(DESCRIPTION))
    return path


def test_command_writes_each_format_with_its_mark(questionnaire: Path, tmp_path: Path) -> None:
    for suffix in ("csv", "parquet", "sav", "xlsx"):
        asked = ["draft", str(questionnaire), "--rows", "40", "-o", str(tmp_path / f"r.{suffix}")]
        shares = ["--share", "region=north=25%", "--quota", "age=18..29,region=south:30%"]
        done = CliRunner().invoke(app, [*asked, *shares])
        assert done.exit_code == 0, done.output
    assert (tmp_path / "r.csv").read_text().startswith('"region","age","draft"\n')
    rows = pq.read_table(tmp_path / "r.parquet")
    assert rows.schema.metadata[b"simulacra.draft"].decode() == LABEL
    assert rows["region"].to_pylist().count("north") == 10
    young = [one for one in rows.to_pylist() if one["age"] <= 29 and one["region"] == "south"]
    assert len(young) == 12
    _, found = pyreadstat.read_sav(tmp_path / "r.sav")
    assert found.column_names_to_labels["draft"] == LABEL
    sheet = openpyxl.load_workbook(tmp_path / "r.xlsx")["Columns"]
    assert ("draft", LABEL) in {row[:2] for row in sheet.values}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--rows", "10001"],
            "--rows: A draft of these columns, quotas and rules has 1 to 10,000 rows.",
        ),
        (["--share", "region=nord=25%"], "region has no level nord. Did you mean north?"),
        (
            ["--quota", "age=18..29:30%", "--range", "age=30:"],
            "--quota 1: No row of",
        ),
    ],
)
def test_error_names_the_flag(questionnaire: Path, tmp_path: Path, flags: Any, said: str) -> None:
    target = tmp_path / "r.csv"
    done = CliRunner().invoke(app, ["draft", str(questionnaire), "-o", str(target), *flags])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert not target.exists()


def test_error_names_the_field_and_what_to_add(tmp_path: Path) -> None:
    path = tmp_path / "q.json"
    path.write_text('{"fields": [{"name": "brand", "type": "string"}]}')
    done = CliRunner().invoke(app, ["draft", str(path), "-o", str(tmp_path / "r.csv")])
    assert done.exit_code == 2
    said = " ".join(done.stderr.split())
    assert '/fields/0: A draft needs the levels of "brand": add "categories"' in said


def test_python_takes_shares_ranges_and_quotas(questionnaire: Path) -> None:
    rows = simulacra.draft(
        questionnaire,
        100,
        shares={"region": {"north": 0.4}},
        ranges={"age": (20, 60)},
        quotas=[{"where": {"age": (20, 29), "region": "north"}, "share": 0.2}],
    )
    frame = rows.to_pandas()
    assert (frame.region == "north").mean() == 0.4
    assert frame.age.between(20, 60).all()
    assert ((frame.age <= 29) & (frame.region == "north")).mean() == 0.2
    assert "no respondent's data" in repr(rows)
    assert len(simulacra.draft(DESCRIPTION)) == 500


def test_python_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match='levels of "brand"'):
        simulacra.draft({"fields": [{"name": "brand"}]})
    with pytest.raises(EngineError, match="/conditions/categorical/region/north"):
        simulacra.draft(DESCRIPTION, conditions={"categorical": {"region": {"north": 3}}})
    path = tmp_path / "list.json"
    path.write_text("[1]")
    with pytest.raises(EngineError, match="not a JSON object"):
        simulacra.draft(path)


async def test_agent_gets_a_file_and_is_told_what_it_is(tmp_path: Path) -> None:
    tools = Tools(cast(AsyncClient, None), tmp_path)
    found = await tools.draft(DESCRIPTION, "rows.csv", rows=20)
    assert len((tmp_path / "rows.csv").read_text().splitlines()) == 21
    assert "no respondent's data" in found["tell"][0]
    with pytest.raises(ToolError, match="outside the folder"):
        await tools.draft(DESCRIPTION, "../rows.csv")
    with pytest.raises(ToolError, match='levels of "brand"'):
        await tools.draft({"fields": [{"name": "brand"}]}, "rows.csv")


def test_draft_loads_no_engine(tmp_path: Path) -> None:
    code = (
        "import sys, simulacra\n"
        f"simulacra.draft({DESCRIPTION!r}, 5).save(sys.argv[1])\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'simulacra_trainer', 'numba', 'scipy', 'lightgbm'}, loaded\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "rows.csv")], check=True)
