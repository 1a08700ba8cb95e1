"""Every code block in the docs: run as written, parsed, or listed with the file that runs it."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from installation import SURVEY, survey_part
from simulacra_crds.kinds.tenant import Encryption
from simulacra_crds.registry import KINDS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RUN_ELSEWHERE = {
    ("tutorial.md", "make .venv/.demo-forest"): "tests/e2e/test_e2e_demo.py",
    ("tutorial.md", "simulacra up --data-dir data"): "tests/docs/conftest.py",
    ("tutorial.md", "export SIMULACRA_CONNECTION=data/connection.json"): "tests/docs/conftest.py",
    (
        "howto/migrate-hosted.md",
        "python examples/quickstart.py",
    ): "tests/e2e/test_e2e_quickstart.py",
    ("howto/waves.md", "simulacra summary q3 -o"): "tests/e2e/test_e2e_wave_summary.py",
    ("howto/waves.md", "simulacra boost tracker --segment"): "tests/docs/test_docs_tutorial.py",
    ("howto/describe.md", '{\n  "fields"'): "tests/e2e/test_e2e_description.py",
    ("howto/describe.md", "uploaded = client.upload("): "tests/e2e/test_e2e_description.py",
    ("howto/describe.md", "model = simulacra.fit("): "tests/client/test_client_engine.py",
    ("howto/operations.md", "helm install simulacra charts/simulacra"): "scripts/e2e.py",
    (
        "howto/operations.md",
        "kubectl create namespace simulacra-system-keys",
    ): "tests/e2e/test_controlplane_namespaced.py",
    ("howto/operations.md", "kubectl delete tenants --all"): "scripts/e2e.py",
    (
        "howto/operations.md",
        "kubectl annotate tenant acme simulacra.dev/key-lost=true",
    ): "tests/node/test_node_product.py",
    (
        "howto/operations.md",
        "kubectl get secrets -n simulacra-system-clients",
    ): "tests/chart/test_controlplane_chart.py",
    (
        "howto/operations.md",
        "$ python -m simulacra_custody.verify",
    ): "tests/custody/test_custody_pruning.py",
    ("howto/siem.md", "sources:"): "tests/client/test_client_cli.py",
    ("howto/siem.md", "filebeat.inputs:"): "tests/api/test_api_limits.py",
    ("howto/siem.md", "SIMULACRA_AUDIT=s3://"): "tests/custody/test_custody_ocsf.py",
    ("howto/images.md", ".venv/bin/python images/build.py"): "images/build.py",
    ("howto/images.md", "cosign verify REGISTRY"): ".github/workflows/release.yml",
    (
        "howto/support-access.md",
        "simulacra admin support open",
    ): "tests/operator/test_operator_support.py",
    ("howto/support-access.md", "curl -H"): "tests/api/test_api_support.py",
    ("explanation/security.md", "$ curl -s $API/.well-known"): "tests/e2e/test_e2e_proof.py",
    (
        "howto/trust-package.md",
        "$ simulacra admin trust-package",
    ): "tests/api/test_api_trust_routes.py",
    (
        "howto/trust-package.md",
        "$ SIMULACRA_RELEASE_KEY=",
    ): "tests/api/test_api_trust_claims.py",
    ("howto/trust-package.md", '[items."CC6.5"]'): "tests/api/test_api_trust_package.py",
    (
        "howto/customer-keys.md",
        "SIMULACRA_POD_EGRESS=[",
    ): "tests/operator/test_operator_pod_access.py",
    (
        "howto/customer-keys.md",
        'path "transit/keys/simulacra-*"',
    ): "tests/custody/test_custody_vault.py",
    (
        "howto/customer-keys.md",
        "pip install aws-encryption-sdk-cli",
    ): "tests/custody/test_custody_customer_kms.py",
    ("howto/survey-design.md", '{"categorical"'): "tests/trainer/test_raking.py",
}
"""Page and first words of a block that cannot run here, and the file that does the same."""


def blocks() -> Iterator[tuple[str, str, str]]:
    """Yield page, language and text of every block; decision records have none to copy."""
    for path in sorted(DOCS.rglob("*.md")):
        if "adr" not in path.parts:
            for language, text in BLOCK.findall(path.read_text()):
                yield str(path.relative_to(DOCS)), language, text


def code_blocks(page: str, language: str) -> list[str]:
    return [text for name, kind, text in blocks() if (name, kind) == (page, language)]


def test_every_block_is_run_parsed_or_named() -> None:
    here = {"bash": RUN_HERE, "python": RUN_HERE, "json": PARSED_HERE, "yaml": PARSED_HERE}
    here |= {"r": {"inference.md"}, "spss": {"inference.md"}}
    left = [(page, text) for page, kind, text in blocks() if page not in here.get(kind, ())]
    named = {
        (page, text): key
        for page, text in left
        for key in RUN_ELSEWHERE
        if key[0] == page and text.startswith(key[1])
    }
    unknown = [(page, text[:80]) for page, text in left if (page, text) not in named]
    assert unknown == [], (
        "add the page to RUN_HERE, or name in RUN_ELSEWHERE the file that does the same"
    )
    assert set(named.values()) == set(RUN_ELSEWHERE)
    assert {path for path in RUN_ELSEWHERE.values() if not (ROOT / path).exists()} == set()


RUN_HERE = {
    "tutorial.md",
    "tutorial-tracker.md",
    "inference.md",
    "explanation/engine.md",
    "howto/customer-keys.md",
    *(
        f"howto/{name}.md"
        for name in (
            "kubectl",
            "self-host",
            "migrate-hosted",
            "migrate-libraries",
            "python",
            "quotas",
            "drafts",
            "rules",
            "complete-given-rows",
        )
    ),
}
PARSED_HERE = {
    "howto/agents.md",
    "howto/kubectl.md",
    "howto/customer-keys.md",
    "howto/operations.md",
}


@pytest.mark.e2e
def test_kubectl_howto_runs(workspace: Any) -> None:
    with workspace.installation.client() as client:
        small = workspace.folder / "small.csv"
        write_part(small, "howto/kubectl.md", rows=300)
        client.wait(client.upload(small).job_id)
        output = workspace.bash("".join(code_blocks("howto/kubectl.md", "bash")))
        assert '"status":"exact"' in output
        assert client.datasets() == []


@pytest.mark.e2e
def test_self_host_and_customer_key_howtos_run(workspace: Any) -> None:
    output = workspace.bash(
        "".join(
            code_blocks("howto/self-host.md", "bash")
            + code_blocks("howto/customer-keys.md", "bash")
        )
    )
    assert "deleted" in output
    assert (workspace.folder / "initech.json").stat().st_mode & 0o077 == 0


@pytest.mark.e2e
def test_migration_from_the_hosted_api_runs(workspace: Any) -> None:
    output = workspace.bash("".join(code_blocks("howto/migrate-hosted.md", "bash")))
    assert output.split() == ["ready", "21", "ready", "true"]
    assert (workspace.folder / "rows.parquet").read_bytes()[:4] == b"PAR1"


@pytest.mark.e2e
def test_migration_from_other_libraries_runs(workspace: Any) -> None:
    folder = with_page(workspace, "migrated", "howto/migrate-libraries.md")
    survey_part(folder / "examples" / SURVEY.name)
    (folder / "data").symlink_to(workspace.folder / "data")
    assert "'floor'" in workspace.bash("cd migrated\npython page.py")


def write_part(path: Path, page: str, rows: int = 600) -> None:
    """Write the first rows of the survey with the columns that a page names.

    An effect tries more sets the more columns it knows no place of: with all 21 columns the blocks
    of one page take minutes.
    """
    survey_part(path, re.findall(r"\w+", (DOCS / page).read_text()), rows)


def with_page(workspace: Any, name: str, page: str) -> Path:
    """Return a folder with a part of the survey and the Python of a page as page.py."""
    folder: Path = workspace.folder / name
    (folder / "examples").mkdir(parents=True)
    write_part(folder / "examples" / SURVEY.name, page)
    (folder / "page.py").write_text("".join(code_blocks(page, "python")))
    return folder


@pytest.mark.e2e
def test_python_and_prompt_page_runs(workspace: Any) -> None:
    """With the first 600 rows of the survey: the page is about the calls, not about the model."""
    folder = with_page(workspace, "small", "howto/python.md")
    prompt = "".join(code_blocks("howto/python.md", "bash"))
    connection = "export SIMULACRA_CONNECTION=../data/connection.json"
    output = workspace.bash(f"cd small\n{connection}\npython page.py\n{prompt}")
    assert 'happiness "very happy": asked 50 % of the rows, attained 50 %' in output
    assert (folder / "quality.html").read_text().startswith("<!")
    assert (folder / "rows.csv").read_text().count("very happy") == 100
    assert workspace.installation.client().datasets() == []


@pytest.mark.e2e
def test_quotas_page_runs_without_a_server(workspace: Any) -> None:
    folder = with_page(workspace, "few", "howto/quotas.md")
    prompt = "".join(code_blocks("howto/quotas.md", "bash"))
    output = workspace.bash(f"cd few\n{prompt}\npython page.py")
    assert '"feasible": true' in output
    drawn = [*csv.DictReader((folder / "quota-rows.csv").open())]
    prestige = [(float(row["job_prestige"] or 0), row["happiness"]) for row in drawn]
    assert sum(20 <= p <= 40 and h == "very happy" for p, h in prestige) == 300
    assert sum(p >= 41 for p, _ in prestige) == 450


def test_drafts_page_runs_without_a_server(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text("".join(code_blocks("howto/drafts.md", "python")))
    prompt = "".join(code_blocks("howto/drafts.md", "bash"))
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    script = f"set -e\n{prompt}\npython page.py"
    subprocess.run(["bash", "-c", script], cwd=tmp_path, env={"PATH": path}, check=True)
    drawn = [*csv.DictReader((tmp_path / "draft.csv").open())]
    assert sum(row["works"] == "1" for row in drawn) == 300
    assert sum(int(row["age"]) <= 29 and row["region"] == "north" for row in drawn) == 100
    assert (tmp_path / "draft.xlsx").read_bytes()[:2] == b"PK"


@pytest.mark.e2e
def test_rules_page_runs_without_a_server(workspace: Any) -> None:
    folder = with_page(workspace, "ruled", "howto/rules.md")
    prompt = "".join(code_blocks("howto/rules.md", "bash"))
    workspace.bash(f"cd ruled\n{prompt}\npython page.py")
    stated = json.loads((folder / "rules.json").read_text())["schema"]["x-simulacra"]["rules"]
    assert stated[0]["text"] == "education_years between 0 and 18"
    drawn = [*csv.DictReader((folder / "ruled.csv").open())]
    assert not any(float(r["babies"] or 0) >= 1 and float(r["teens"] or 0) >= 1 for r in drawn)


@pytest.mark.e2e
def test_page_of_completions_runs(workspace: Any) -> None:
    folder = with_page(workspace, "given", "howto/complete-given-rows.md")
    own, erased = code_blocks("howto/complete-given-rows.md", "bash")
    connection = "export SIMULACRA_CONNECTION=../data/connection.json"
    output = workspace.bash(f"cd given\n{connection}\n{own}\npython page.py\n{erased}")
    assert "hours, from" in output
    assert re.search(r"^open 0\.\d+ 0\.\d+$", output, re.MULTILINE)
    completed = pq.read_table(folder / "completed.parquet")
    assert completed.num_rows == 6 * 600
    given = completed.filter(pc.equal(completed["implicate"], 0))
    filled = completed.filter(pc.equal(completed["implicate"], 1))
    assert filled["owns_gun"].null_count < given["owns_gun"].null_count
    assert workspace.installation.client().datasets() == []


@pytest.mark.e2e
def test_engine_page_runs_without_a_server(workspace: Any) -> None:
    folder = with_page(workspace, "engine", "explanation/engine.md")
    prompt = "".join(code_blocks("explanation/engine.md", "bash"))
    output = workspace.bash(f"cd engine\n{prompt}")
    assert '"treatment": "education_years"' in output
    assert "Report of a generation" in (folder / "rows.html").read_text()


@pytest.mark.e2e
def test_inference_page_runs_without_a_server(workspace: Any) -> None:
    pytest.importorskip("statsmodels")
    (workspace.folder / "analyze.py").write_text("".join(code_blocks("inference.md", "python")))
    script = "".join(code_blocks("inference.md", "bash"))
    workspace.bash(script)
    output = workspace.bash("python analyze.py")
    said = r"rows are worth \d+ respondents|very happy: .* points"
    figures = re.findall(said, output)
    assert len(figures) == 2
    assert "education_years" in output
    # Where the machine has the other interpreters, their examples say the same.
    if shutil.which("Rscript"):
        (workspace.folder / "analyze.R").write_text("".join(code_blocks("inference.md", "r")))
        assert re.findall(said, workspace.bash("Rscript analyze.R")) == figures
    if shutil.which("pspp"):
        (workspace.folder / "analyze.sps").write_text("".join(code_blocks("inference.md", "spss")))
        assert "N of Valid Cases" in workspace.bash("pspp analyze.sps")


@pytest.mark.e2e
async def test_mcp_server_starts_as_the_agents_howto_configures_it(workspace: Any) -> None:
    page = (DOCS / "howto" / "agents.md").read_text()
    known = json.loads(code_blocks("howto/agents.md", "json")[0])["mcpServers"]["simulacra"]
    (workspace.folder / "work").mkdir()
    parameters = StdioServerParameters(
        command=known["command"], args=known["args"], env=workspace.env, cwd=workspace.folder
    )
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        tools = {tool.name for tool in (await session.list_tools()).tools}
    rows = re.findall(r"^\| (`.*?`) \|", page, re.MULTILINE)
    assert tools == {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_manifests_are_valid_for_their_kinds() -> None:
    kinds = {kind.__name__: kind for kind in KINDS}
    manifests = [
        one for text in code_blocks("howto/kubectl.md", "yaml") for one in yaml.safe_load_all(text)
    ]
    shown = ["Dataset", "Tenant", "Dataset", "Model", "GenerationJob"]
    assert [one["kind"] for one in manifests] == shown
    wide, queues = (
        list(yaml.safe_load_all(text)) for text in code_blocks("howto/operations.md", "yaml")
    )
    for one in [*manifests, *wide]:
        kinds[one["kind"]].model_validate(one)
    assert [one["kind"] for one in queues] == ["ClusterQueue", "LocalQueue"]
    assert queues[1]["metadata"]["namespace"] == wide[0]["metadata"]["namespace"]


def test_customer_key_howto_shows_a_valid_spec_and_policy() -> None:
    spec = Encryption.model_validate(
        yaml.safe_load(code_blocks("howto/customer-keys.md", "yaml")[0])["spec"]["encryption"]
    )
    assert spec.mode == "Customer"
    # tests/custody/test_custody_customer_kms.py checks what the policy allows.
    policy = json.loads(code_blocks("howto/customer-keys.md", "json")[0])
    assert [statement["Effect"] for statement in policy["Statement"]] == ["Allow", "Allow", "Deny"]
