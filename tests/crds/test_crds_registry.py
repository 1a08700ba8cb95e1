"""The registry of kinds: no other list of them, and what a new kind costs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from simulacra.operations.resources import KINDS as CLIENT_KINDS
from simulacra_crds.registry import BY_KIND, RESULTS, WITH_JOB, WORK, KindInfo

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = (
    "api",
    "charts",
    "client",
    "crds",
    "custody",
    "embedded",
    "intake",
    "operator",
    "schema",
    "trainer",
)
SUFFIXES = (".py", ".js", ".json", ".toml", ".tpl", ".yaml", ".html")
CONSOLE = ROOT / "api/simulacra_api/pages/static/console"
KNOWN = {
    "api/simulacra_api/docs/examples.json": "an example of each operation and answer",
    "api/simulacra_api/pages/custody_steps.toml": "a drawing of the store's folders",
    "api/simulacra_api/pages/static/kinds.js": "the table of the pages; compared below",
    "client/simulacra/mcp_tools/questions.py": "one tool a question",
    "client/simulacra/models.py": "types of the fields of a job's answer",
    "client/simulacra/operations/one_call.py": "rows and effects in one call",
    "client/simulacra/operations/questions.py": "one operation a question",
    "client/simulacra/operations/resources.py": "the client's table; compared below",
    "crds/simulacra_crds/kube/client.py": "short names of API paths",
    "crds/simulacra_crds/registry.py": "the registry",
}
"""Files that name several kinds of results, and why."""
NEW = Path(__file__).parent / "new_kind"
NEW_FILES = {
    "poll.py": "crds/simulacra_crds/kinds/poll.py",
    "poll_reconciler.py": "operator/simulacra_operator/kinds/poll.py",
}
EDITS = (
    (
        "crds/simulacra_crds/registry.py",
        "from simulacra_crds.kinds.result import Result\n",
        "from simulacra_crds.kinds.poll import Poll\n",
    ),
    (
        "crds/simulacra_crds/registry.py",
        'title="an answer sheet"),\n',
        '    KindInfo(Poll, task="poll", noun="poll", prefix="pol", title="a poll"),\n',
    ),
    (
        "crds/simulacra_crds/tasks.py",
        "    sheet: SheetSummary | None = None\n",
        "    poll: Figures | None = None\n",
    ),
)
"""Of existing files in `crds`, `operator` and `api`: the file, a line of it, and what follows."""


def _names(info: KindInfo) -> str:
    """Return the pattern of everything that names a kind: class, plural, ids, paths."""
    constant = re.sub(r"(?<!^)(?=[A-Z])", "_", info.kind).upper() + "S"
    words = (info.kind, info.resource.PLURAL, constant, info.id_field, f"{info.noun}_not_found")
    ids = rf"[\"'|(]{info.prefix}[-\"'|)]|\b{info.prefix}: |/v1/{info.collection}\b"
    return rf"\b({'|'.join(words)})\b|{ids}"


def test_no_other_file_lists_kinds() -> None:
    """A file that names two results knows of kinds what the registry should tell it."""
    patterns = [_names(BY_KIND[kind]) for kind in RESULTS]
    tracked = subprocess.run(
        ["git", "ls-files", *PRODUCT], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    code = [one for one in tracked if Path(one).suffix in SUFFIXES]
    texts = {one: (ROOT / one).read_text() for one in code if not one.endswith("_kinds.tpl")}
    lists = {
        one for one, text in texts.items() if sum(bool(re.search(p, text)) for p in patterns) > 1
    }
    assert len(texts) > 500
    assert lists == set(KNOWN), "derive the list from the registry, or say here why it is one"


def test_client_and_console_know_every_kind_with_a_job() -> None:
    """The client imports no other package and the console is no Python: both have own tables."""
    known = {prefix: kind.collection for prefix, kind in CLIENT_KINDS.items()}
    assert known == {f"{info.prefix}-": info.collection for info in WITH_JOB} | {"job-": "jobs"}
    pages = (CONSOLE.parent / "kinds.js").read_text()
    shown = re.findall(r'prefix: "(\w+)", collection: "(\w+)"', pages)
    asked = [info for info in WITH_JOB if info.is_result and info.noun != "generation"]
    assert set(shown) == {(info.prefix, info.collection) for info in asked}
    views = (CONSOLE / "answers.js").read_text()
    assert all(re.search(rf"\b{collection}: \[", views) for _, collection in shown)


def test_values_of_the_chart_know_every_task() -> None:
    text = (ROOT / "charts/simulacra/values.schema.json").read_text()
    assert f'"^({"|".join(info.task for info in WORK)})$"' in text


def test_a_new_kind_needs_its_own_modules_and_few_edits(tmp_path: Path) -> None:
    """A made-up kind in a copy gets its CRD, names, rights, reconciler, list and cancellation."""
    for package in ("api", "crds", "operator"):
        shutil.copytree(ROOT / package, tmp_path / package)
    for path, anchor, text in EDITS:
        before = (tmp_path / path).read_text()
        assert before.count(anchor) == 1, path
        (tmp_path / path).write_text(before.replace(anchor, anchor + text))
    for name, path in NEW_FILES.items():
        shutil.copy(NEW / name, tmp_path / path)
    paths = [*(tmp_path / one for one in ("api", "crds", "operator")), ROOT / "tests/support"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    done = subprocess.run(
        [sys.executable, str(NEW / "checks.py")],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "all checked"
