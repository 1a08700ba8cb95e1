"""Tools of the MCP server: what they take is what SDK and command line take, and what they tell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mcp.server.mcpserver.exceptions import ToolError

from simulacra.errors import JobFailed
from simulacra.mcp_server import Tools
from simulacra.models import Dataset, Description, Document, Generation, Job, Json, Report, Upload
from simulacra.rows import generated
from simulacra.segment import Segment

VERDICTS = [
    {"code": "likeness", "level": "good", "sentence": "Hard to tell apart.", "remedy": ""},
    {"code": "privacy", "level": "poor", "sentence": "Rows come back.", "remedy": "Keep them."},
    {"code": "worth", "level": "fair", "sentence": "Worth less.", "remedy": ""},
]
MADE = Generation(
    generation_id="gen-1",
    status="ready",
    rows=20,
    verdicts=VERDICTS,
    evidence={"sentence": "These 20 rows are worth 9 respondents."},
)
FIT = Dataset(dataset_id="ds-1", status="ready", model={"verdicts": VERDICTS})
POOR = "privacy: poor. Rows come back. Keep them."
SEGMENT = Segment(segment_id="seg-1", status="ready", shares=[{"text": "Boosted: 30 %."}])


class Service:
    """Answers as an AsyncClient does, and records what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Json]] = []
        self.wrong: Json | None = None

    async def upload(self, _: Path, **options: Any) -> Upload:
        self.asked.append(("upload", options))
        return Upload(dataset_id="ds-1", job_id="job-ds-1", status="queued")

    async def wait(self, job_id: str, timeout: float) -> Job:
        if self.wrong:
            raise JobFailed({"job_id": job_id, "error": self.wrong})
        kind = "generation" if "gen" in job_id else "dataset"
        made = job_id.removeprefix("job-")
        return Job({"job_id": job_id, "kind": kind, "status": "ready", f"{kind}_id": made})

    async def get(self, found: str) -> Any:
        return {"ds": FIT, "gen": MADE, "seg": SEGMENT}[found.partition("-")[0]]

    async def generation(self, _: str) -> Generation:
        return MADE

    async def dataset(self, _: str) -> Dataset:
        return FIT

    async def graph(self, _: str) -> Json:
        return {}

    async def download(self, _: str, target: Path, file_format: str, *, plain: bool) -> int:
        return target.write_bytes(b"rows")

    async def schema(self, _: str) -> Json:
        return {"columns": [], "dialect": {"delimiter": ";", "decimal": ","}}

    async def describe(self, _: str) -> Description:
        return Description(name="t", schema={"fields": [{"name": "score", "type": "integer"}]})

    async def refit(self, dataset_id: str, knowledge: Json | None, **options: Any) -> Job:
        self.asked.append(("refit", {"knowledge": knowledge, **options}))
        return Job(job_id="job-ds-1", status="queued")

    async def kept_options(self, dataset_id: str, earlier: str | None) -> Json:
        self.asked.append(("kept", {"dataset_id": dataset_id, "earlier": earlier}))
        return {"retention_seconds": 7200, "knowledge": {"tiers": [["a"]]}, "earlier": earlier}

    async def boost(self, _: str, segment: Any, questions: Any, **more: Any) -> Segment:
        self.asked.append(("boost", {"segment": segment, "questions": questions, **more}))
        return Segment(segment_id="seg-1", job_id="job-seg-1", status="queued")

    async def report(self, _: str) -> Report:
        return Report(fidelity={"univariate": {"error": 1.23, "floor": 1.0}}, privacy={})

    async def report_page(self, _: str) -> str:
        return "<h1>Quality report</h1>"

    async def usual_order(self, _: str) -> Document:
        return Document({"blocks": [["age"], ["churn"]], "question": "Is this the order?"})


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def tools(service: Service, tmp_path: Path) -> Tools:
    (tmp_path / "t.csv").write_text("a\n1\n")
    return Tools(service, tmp_path)  # type: ignore[arg-type]


async def test_verdicts_go_with_the_rows_in_the_words_of_the_sdk(tools: Tools) -> None:
    wanted = [*generated(MADE)]
    assert POOR in wanted
    saved = await tools.download("gen-1", "rows.csv")
    assert "sep=';'" in saved["read_csv"]
    plain = await tools.download("gen-1", "rows.csv", plain=True)
    assert "sep=';'" not in plain["read_csv"]
    waited = await tools.wait("job-gen-1")
    state = await tools.status("gen-1")
    reported = await tools.report("gen-1")
    for answer in (saved, waited, state, reported):
        assert answer["tell"] == wanted
    assert next(iter(state)) == "tell"
    for answer in (await tools.wait("job-ds-1"), await tools.status("ds-1")):
        assert answer["tell"] == FIT.verdicts
        assert POOR in answer["tell"]
    assert answer["usual_order"]["question"] == "Is this the order?"


async def test_upload_takes_what_the_command_takes(tools: Tools, service: Service) -> None:
    await tools.upload(
        "t.csv",
        name="orders",
        subject="customer",
        key_column="id",
        order="day",
        drop=["note"],
        missing=["k.A.", "age=99"],
        hold=True,
    )
    ((_, options),) = service.asked
    assert (options["name"], options["hold"]) == ("orders", True)
    description = options["description"]
    assert description["primaryKey"] == ["id"]
    assert description["x-simulacra"] == {
        "version": 1,
        "subject": "customer",
        "order": "day",
        "missing": ["k.A."],
    }
    own = {one["name"]: one["x-simulacra"] for one in description["fields"]}
    assert own == {"note": {"use": "drop"}, "age": {"missing": ["99"]}}


async def test_errors_of_a_fit_name_the_argument(tools: Tools, service: Service) -> None:
    await tools.upload("t.csv", order="dya")
    wrong = {"pointer": "/x-simulacra/order", "detail": "The table has no such column."}
    service.wrong = {"code": "DescriptionMismatch", "detail": "Wrong.", "errors": [wrong]}
    with pytest.raises(ToolError, match="order='dya': The table has no such column"):
        await tools.wait("job-ds-1")


async def test_description_is_read_corrected_and_confirmed(
    tools: Tools, service: Service, tmp_path: Path
) -> None:
    found = await tools.describe("ds-1")
    assert found["schema"]["fields"][0]["name"] == "score"
    written = await tools.describe("ds-1", "d.json")
    assert json.loads((tmp_path / "d.json").read_text()) == found
    assert written == {"path": str(tmp_path / "d.json")}
    await tools.refit("ds-1", missing=["score=98"])
    await tools.refit("ds-1", confirm=True)
    await tools.refit("ds-1", background="auto")
    corrected, confirmed, background = (options for _, options in service.asked)
    assert corrected["description"]["schema"]["fields"] == [
        {"name": "score", "type": "integer", "x-simulacra": {"missing": ["98"]}}
    ]
    assert confirmed["description"] == found
    assert background == {"knowledge": None, "background": "auto", "description": None}


async def test_refit_with_the_source_uploads_again(
    tools: Tools, service: Service, tmp_path: Path
) -> None:
    done = await tools.refit("ds-1", source="t.csv", earlier="q2.json", missing=["score=98"])
    assert done["job_id"] == "job-ds-1"
    (_, kept), (_, options) = service.asked
    assert kept == {"dataset_id": "ds-1", "earlier": str(tmp_path / "q2.json")}
    assert (options["retention_seconds"], options["earlier"]) == (7200, kept["earlier"])
    assert options["knowledge"] == {"tiers": [["a"]]}
    (field,) = options["description"]["schema"]["fields"]
    assert field["x-simulacra"] == {"missing": ["98"]}
    await tools.refit("ds-1", source="t.csv", drop=["score"], knowledge={"tiers": [["b"]]})
    assert service.asked[-1][1]["knowledge"] == {"tiers": [["b"]]}
    with pytest.raises(ToolError, match="source: goes with a description"):
        await tools.refit("ds-1", source="t.csv")
    with pytest.raises(ToolError, match="earlier: goes with source"):
        await tools.refit("ds-1", earlier="q2.json", confirm=True)
    with pytest.raises(ToolError, match="outside the folder"):
        await tools.refit("ds-1", source="../t.csv", drop=["score"])


async def test_report_has_verdicts_errors_and_a_page(tools: Tools, tmp_path: Path) -> None:
    found = await tools.report("ds-1", "report.html")
    assert POOR in found["tell"]
    assert found["errors"] == ["error of columns: 1.2 % (best attainable 1.0 %)"]
    assert (tmp_path / "report.html").read_text() == "<h1>Quality report</h1>"
    with pytest.raises(ToolError, match="outside the folder"):
        await tools.report("ds-1", "../report.html")


async def test_report_says_what_moved_where_there_are_waves(
    tools: Tools, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "moved" not in await tools.report("ds-1")
    answer = {"verdict": "moved", "sentence": "aware: yes rose."}
    waves = {"sentence": "Wave 4 beside wave 3.", "answers": [answer]}

    async def report(_: str) -> Report:
        return Report(waves=waves)

    monkeypatch.setattr(service, "report", report)
    found = await tools.report("ds-1")
    assert found["moved"] == ["Wave 4 beside wave 3.", "aware: yes rose."]


async def test_segments_are_certified_and_told(tools: Tools, service: Service) -> None:
    targets = {"age": {"50+": 0.5}}
    await tools.segments("ds-1", {"wave": ["next"]}, ["mood"], targets)
    asked = {"segment": {"wave": ["next"]}, "questions": ["mood"], "targets": targets}
    await tools.segments("ds-1", prices={"method": "van_westendorp"})
    none = {"segment": None, "questions": (), "targets": None}
    prices = none | {"prices": {"method": "van_westendorp"}}
    assert service.asked == [("boost", asked | {"prices": None}), ("boost", prices)]
    assert (await tools.status("seg-1"))["tell"][0] == "Boosted: 30 %."
