"""The main job by an agent over MCP, and pandas and polars tables in the SDK."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow.parquet as pq
import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from installation import SURVEY, Installation
from simulacra import AsyncClient
from simulacra.inference import worth
from simulacra.rows import generated

pytestmark = pytest.mark.e2e


async def _call(session: ClientSession, tool: str, **arguments: Any) -> Any:
    answer = await session.call_tool(tool, arguments)
    text = "".join(getattr(part, "text", "") for part in answer.content)
    assert not answer.is_error, text
    assert len(text) < 100_000
    return json.loads(text)


async def _finished(session: ClientSession, job_id: str) -> None:
    """Wait as the tool says: call it again while the job runs."""
    for _ in range(5):
        job = await _call(session, "wait", job_id=job_id)
        if job["status"] not in ("queued", "running"):
            break
    assert job["status"] == "ready"


async def test_agent_does_the_main_job_over_mcp(
    shared_installation: Installation, tmp_path: Path
) -> None:
    polars.read_csv(SURVEY).head(1000).write_csv(tmp_path / "survey.csv")
    program = str(Path(sys.executable).with_name("simulacra"))
    connection = str(shared_installation.data_dir / "connection.json")
    asked = StdioServerParameters(
        command=program, args=["mcp", "-c", connection, "--directory", str(tmp_path)]
    )
    async with stdio_client(asked) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        tools = {tool.name for tool in (await session.list_tools()).tools}
        assert tools == {
            "upload",
            "datasets",
            "schema",
            "describe",
            "refit",
            "generate",
            "draft",
            "complete",
            "estimate",
            "sheet",
            "segments",
            "wait",
            "status",
            "report",
            "download",
            "delete",
        }
        uploaded = await _call(session, "upload", path="survey.csv")
        dataset = uploaded["dataset_id"]
        await _finished(session, uploaded["job_id"])
        assert "happiness" in {
            column["name"]
            for column in (await _call(session, "schema", dataset_id=dataset))["columns"]
        }
        conditions = {"categorical": {"happiness": {"very happy": 0.5}}}
        made = await _call(
            session,
            "generate",
            dataset_id=dataset,
            rows=200,
            conditions=conditions,
            do={"education_years": 16},
        )
        await _finished(session, made["job_id"])
        assert (await _call(session, "status", id=made["generation_id"]))["attainment"]
        saved = await _call(
            session, "download", generation_id=made["generation_id"], path="rows.parquet"
        )
        rows = pq.read_table(saved["path"])
        assert rows.num_rows == 200
        assert rows["happiness"].to_pylist().count("very happy") == 100
        assert "was not measured" in saved["worth"]  # conditions together with do()
        async with AsyncClient.from_connection(Path(connection)) as client:
            found = await client.generation(made["generation_id"])
        assert saved["tell"] == [*generated(found)]
        assert [one for one in saved["tell"] if one.startswith("privacy: ")]
        reported = await _call(session, "report", id=dataset, path="report.html")
        assert "<h1>Quality report</h1>" in Path(reported["path"]).read_text()
        assert (await _call(session, "describe", dataset_id=dataset))["schema"]["fields"]
        question = {
            "treatment": "education_years",
            "value": 16,
            "baseline": 12,
            "outcome": "tv_hours",
        }
        effect = await _call(session, "estimate", dataset_id=dataset, **question)
        await _finished(session, effect["job_id"])
        answer = await _call(session, "status", id=effect["effect_id"])
        assert answer["ace"]["low"] < answer["ace"]["high"]

        wrong = await session.call_tool(
            "generate", {"dataset_id": dataset, "rows": 5, "do": {"happines": "x"}}
        )
        assert wrong.is_error
        assert "do: the table has no column happines. Did you mean happiness?" in str(wrong.content)
        outside = await session.call_tool(
            "download", {"generation_id": made["generation_id"], "path": "../rows.csv"}
        )
        assert outside.is_error
        assert "outside" in str(outside.content)

        gone = await _call(session, "delete", id=dataset, certificate_path="certificate.json")
        assert gone["signature"] == "holds"
        assert (tmp_path / "certificate.json").exists()
        assert (await session.call_tool("schema", {"dataset_id": dataset})).is_error


async def test_sdk_uploads_and_returns_pandas_and_polars_tables(
    shared_installation: Installation,
) -> None:
    survey = polars.read_csv(SURVEY)
    async with AsyncClient.from_connection(
        shared_installation.data_dir / "connection.json"
    ) as client:
        uploaded = await client.upload(survey.head(800))
        await client.wait(uploaded.job_id, timeout=120)
        made = await client.generate(uploaded.dataset_id, 50)
        await client.wait(made.job_id, timeout=60)
        assert (await client.to_polars(made.generation_id)).shape == (50, survey.width + 1)
        found = await client.to_pandas(made.generation_id)
        assert isinstance(found, pandas.DataFrame)
        assert [*found.columns] == [*survey.columns, "evidence_weight"]
        sentence = (await client.generation(made.generation_id)).sentence
        assert f"worth {worth(found):,.0f} respondents" in sentence
        again = await client.upload(found)
        assert again.status in ("queued", "running", "ready")
        await client.delete(again.dataset_id)
        await client.delete(uploaded.dataset_id)
