"""The golden record: what users see of one commit, as files that `diff -r` compares.

`make golden OUT=DIR` writes it. A commit that only moves code leaves every file as it was, byte for
byte; one that changes something says which file and why. Nothing of it is committed: rows and
figures depend on the versions of the libraries. Times, ids, keys and hashes are masked.

The tables are those of the sweep, the survey of the examples, and the corpus of messy files in
../shared where it is there. All runs in this process, except the last folder: the life of a
dataset in `simulacra up`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

# Before numpy: sums of more threads round differently.
os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / one) for one in ("scripts", "tests/sweep", "tests/support")]

import docs_reference
import pyarrow.csv
from sweep_tables import TABLES

import simulacra
from installation import SURVEY, Installation
from simulacra import tables
from simulacra_api.app import create_app
from simulacra_api.docs.openapi import document
from simulacra_api.settings import Settings
from simulacra_intake.errors import InputError
from simulacra_schema.description import Description, load_description
from simulacra_trainer.in_process import read_described

CORPUS = ROOT.parent / "shared" / "bench" / "corpus" / "dev"
EDUCATION = {"treatment": "education_years", "value": 16, "baseline": 12, "outcome": "tv_hours"}
TIERS = {"before": ["year", "female", "black", "region_at_16"], "after": ["tv_hours"]}
LEVERS = ["education_years", "babies"]
PRICE = {"treatment": "price", "value": 1.99, "baseline": 1.69, "outcome": "sale_price"}
ROWS: Mapping[str, list[dict[str, Any]]] = {
    "german": [{"ranges": {"Alter": (25, 50)}}],
    "orders": [{"do": "region=north", "counterfactual": True}, {"persons": 40}],
    "interviews": [{"do": "group=old"}],
    "retail": [{"do": "price=1.99", "counterfactual": True}, {"shares": {"purchase": {"CH": 0.5}}}],
    "codes": [{"shares": {"sex": {"female": 0.7}}, "ranges": {"age": (25, 50)}}],
    "forty": [],
}
"""Tables of the sweep that are fit, and the requests for rows besides plain ones."""
MASKS = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)", "TIME"),
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"\b(ds|mdl|gen|eff|sht|seg|job|req|cert|evt)[-_][0-9a-z]{8,}\b", r"\1-ID"),
    (r"(?<![\w.])(?=[0-9]*[a-f])[0-9a-f]{16,}\b", "HEX"),  # not the digits of a number
    (r"[A-Za-z0-9+/_-]{40,}={0,2}", "BASE64"),
    (r"127\.0\.0\.1:\d+", "HOST"),
)


def main() -> None:
    """Write the parts of the record that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path, help="folder to write, which is made if missing")
    parser.add_argument("--only", choices=sorted(PARTS), nargs="+", default=list(PARTS))
    args = parser.parse_args()
    # The noise of counts and the keys of real values follow from secrets of the table.
    secrets.token_bytes = lambda size=None: bytes(size or 32)
    for name in args.only:
        (folder := args.directory / name).mkdir(parents=True, exist_ok=True)
        print(f"{name} ...", flush=True)
        PARTS[name](folder)


def write_documents(folder: Path) -> None:
    """Write the OpenAPI document, the generated reference with every help text, and the CRDs."""
    settings = Settings("https://simulacra.example")
    found = document(create_app(settings), settings.public_url, settings.audience)
    _write(folder / "openapi.json", found)
    for name, text in docs_reference.pages().items():
        _write(folder / Path(name).name, text)
    for chart in ([], ["--chart"]):
        below = str(folder / f"crds{''.join(chart)}")
        command = [sys.executable, "-m", "simulacra_crds.crd_yaml", below, *chart]
        subprocess.run(command, check=True)


def write_tables(folder: Path) -> None:
    """Write how each table is read: its schema and its completed description."""
    with tempfile.TemporaryDirectory() as made:
        for path in _tables(Path(made)):
            _read(path, folder / path.name)
            if (stated := path.with_name(f"{path.name}.describe.json")).is_file():
                _read(
                    path, folder / f"{path.name}.described", load_description(stated.read_bytes())
                )


def _tables(made: Path) -> Iterator[Path]:
    yield SURVEY
    yield from (one.write(made) for one in TABLES)
    if not CORPUS.is_dir():
        print(f"skipped: the corpus of messy files, {CORPUS} is missing", flush=True)
        return
    expected = sorted(CORPUS.glob("*.expect.json"))
    yield from (path.with_name(path.name.removesuffix(".expect.json")) for path in expected)


def _read(path: Path, to: Path, stated: Description | None = None) -> None:
    try:
        found = read_described(path, stated)
    except InputError as error:
        _write(Path(f"{to}.error.json"), [error.detail, *map(str, error.errors)])
        return
    _write(Path(f"{to}.schema.json"), found.clean.schema.model_dump(mode="json", exclude_none=True))
    _write(Path(f"{to}.description.json"), found.document)


def write_forest(folder: Path) -> None:
    """Write rows of the forest family, with their plan and report, and answers of a survey."""
    by_name = {one.name: one for one in TABLES}
    with tempfile.TemporaryDirectory() as made:
        for name, requests in ROWS.items():
            table = by_name[name]
            model = simulacra.fit(table.write(Path(made)), seed=5, **table.options)
            _rows(folder, name, model, [{}, *requests])
            if name == "retail":
                _write(folder / "retail.effect.json", model.estimate(**PRICE, seed=4))
        survey = simulacra.fit(SURVEY, seed=5)
        survey.save(Path(made) / "model")
        survey = simulacra.load(Path(made) / "model")
        files = [path for path in (Path(made) / "model").rglob("*") if path.is_file()]
        _write(folder / "survey.files.json", sorted(path.name for path in files))
    shares = {"happiness": {"very happy": 0.5}}
    asked = [{"shares": shares, "ranges": {"tv_hours": (1, 4)}}, {"do": "education_years=16"}]
    _rows(folder, "survey", survey, [{}, *asked, {**asked[1], "counterfactual": True}])
    _answers(folder, survey)


def write_neural(folder: Path) -> None:
    """Write rows of the neural family."""
    made = next(one for one in TABLES if one.name == "forty").frame()
    model = simulacra.fit(made, family="neural", seed=5)
    asked: list[dict[str, Any]] = [{}, {"shares": {"sex": {"female": 0.7}}}]
    _rows(folder, "forty", model, [*asked, {"do": "school_years=16"}])


def _rows(folder: Path, name: str, model: Any, requests: list[dict[str, Any]]) -> None:
    report = model.report()
    _write(folder / f"{name}.report.json", {**report, "timings": list(report["timings"])})
    for number, request in enumerate(requests):
        size = {} if "persons" in request else {"row_count": 200}
        path = folder / f"{name}.{number}.csv"
        try:
            rows = model.generate(**size, **request, seed=3)
        except ValueError as error:
            _write(path.with_suffix(".error.json"), [request, str(error)])
            continue
        # All digits, as the model drew them: plain=True would round as a file for people.
        pyarrow.csv.write_csv(tables.to_arrow(rows.table), path)
        rows.save(path.with_suffix(".own.csv"))
        said = {one: getattr(rows, one) for one in ("evidence", "attainment", "identification")}
        _write(path.with_suffix(".json"), {**said, "verdicts": rows.verdicts})
        _write(path.with_suffix(".report.json"), rows.report())


def _answers(folder: Path, survey: Any) -> None:
    _write(folder / "survey.effect.json", survey.estimate(**EDUCATION, **TIERS, seed=4))
    sheet = survey.sheet(outcome="tv_hours", levers=LEVERS, seed=4, **TIERS)
    _write(folder / "survey.sheet.json", sheet)
    sheet.save(folder / "survey.sheet.html")
    page = survey.report_page()
    for step in survey.report()["timings"]:
        page = re.sub(rf"(<td>{step}</td><td>)[\d.]+", r"\1SECONDS", page)
    _write(folder / "survey.report.html", page)


def write_life(folder: Path) -> None:
    """Write what `simulacra up` answers in the life of a dataset, to certificate and audit log."""
    with (
        tempfile.TemporaryDirectory() as made,
        Installation(Path(made) / "data").serving() as client,
    ):
        for number, (step, found) in enumerate(_life(client)):
            # Without numbers: they have the noise of the table's secret, which a pod draws.
            text = re.sub(r"\d+(\.\d+)?", "N", _masked(found))
            (folder / f"{number:02}.{step}.json").write_text(text)


def _life(client: simulacra.Client) -> Iterator[tuple[str, Any]]:
    uploaded = client.upload(SURVEY, family="forest")
    yield "fit", client.wait(uploaded["job_id"], timeout=600)
    made, dataset = [], str(uploaded["dataset_id"])
    made.append(client.generate(dataset, row_count=100, seed=3))
    made.append(client.estimate(dataset, **EDUCATION, **TIERS))
    made.append(client.boost(dataset, {"female": ["1"]}, ["happiness"]))
    made.append(client.ask_sheet(dataset, outcome="tv_hours", levers=LEVERS, **TIERS))
    for one in made:
        job = client.wait(one["job_id"], timeout=600)
        yield "job", job
        yield "answer", client.get(one["job_id"].removeprefix("job-"))
    yield "dataset", client.dataset(dataset)
    yield "description", client.describe(dataset)
    client.delete_dataset(dataset)
    yield "certificates", sorted(map(json.dumps, client.erasure_certificates()))
    yield "audit", client.audit_events()
    yield "usage", client.usage()


def _write(path: Path, found: Any) -> None:
    path.write_text(_masked(found))


def _masked(found: Any) -> str:
    """Return text, or anything else as JSON in its own order, with masks."""
    text = found if isinstance(found, str) else json.dumps(found, indent=1, ensure_ascii=False)
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text)
    return f"{text.rstrip()}\n"


PARTS: Mapping[str, Callable[[Path], None]] = {
    "documents": write_documents,
    "tables": write_tables,
    "forest": write_forest,
    "neural": write_neural,
    "life": write_life,
}

if __name__ == "__main__":
    main()
