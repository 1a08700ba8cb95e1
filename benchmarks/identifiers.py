"""Real identifiers in 100,000 generated rows: a search of the bytes of finished files.

    python benchmarks/identifiers.py [--rows 100000] [--persons 400] [--real-rows 5000] [--seed 1]

A table of transactions (`tests/support/real_identifiers.py`) is fit once. Rows and linked rows are
generated plainly, under conditions and under do(), and rows as counterfactual pairs; each is
written in every format of the API. The files, unpacked, are searched for order numbers, customer
numbers, e-mails, names and phones of the table. The same search of a file of the real rows tells
whether it would find them. Reports are searched, too. Printed as lines of Markdown.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from simulacra_api.generations.render import Format, render
from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_trainer.cleaning.clean import clean_table
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.pipeline.generation_report import report_generation
from simulacra_trainer.report import render_html
from simulacra_trainer.trained_model import TrainedModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from real_identifiers import REQUESTS, Search, identifiers, transactions, unpacked

FORMATS: tuple[Format, ...] = get_args(Format)


def files(parts: list[bytes]) -> Iterator[tuple[Format, bytes]]:
    """Yield the rows of Parquet parts as a file of each format."""
    for file_format in FORMATS:
        yield file_format, b"".join(render(parts, file_format))


def as_part(table: pa.Table) -> bytes:
    """Return a table as a stored part."""
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def requests(rows: int, persons: int) -> Iterator[tuple[str, GenerateRequest]]:
    """Yield the requests by name."""
    for name, request in REQUESTS.items():
        yield f"rows, {name}", GenerateRequest.model_validate({"row_count": rows, **request})
    twins = {**REQUESTS["do()"], "row_count": rows, "counterfactual": True}
    yield "rows, pairs under do()", GenerateRequest.model_validate(twins)
    for name, request in REQUESTS.items():
        yield f"persons, {name}", GenerateRequest.model_validate({"persons": persons, **request})


def fitted(raw: pa.Table) -> TrainedModel:
    """Return a model of the table."""
    clean = clean_table(raw)
    request = FitRequest.model_validate({"family": "forest", "seed": 1})
    return fit_model(clean.table, clean.schema, request)


def as_text(report: dict[str, Any]) -> str:
    """Return a report as JSON and as a page."""
    return json.dumps(report, ensure_ascii=False) + render_html(report)


def line(name: str, rows: int, counts: dict[str, int]) -> None:
    """Print the identifiers found in each format."""
    cells = " | ".join(str(counts.get(each, "-")) for each in (*FORMATS, "report"))
    print(f"| {name} | {rows:,} | {cells} |", flush=True)


def main() -> None:
    """Fit, generate, search, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--persons", type=int, default=400)
    parser.add_argument("--real-rows", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began = time.process_time()
    raw = transactions(asked.persons, asked.real_rows, asked.seed)
    real = identifiers(raw)
    search = Search(real)
    print(f"{len(real):,} identifiers of {asked.persons} persons in {raw.num_rows:,} rows\n")
    print(f"| request | rows | {' | '.join(FORMATS)} | report |")
    print(f"|{'---|' * (len(FORMATS) + 3)}")
    control = {f: len(search.found(unpacked(data, f))) for f, data in files([as_part(raw)])}
    line("the real rows", raw.num_rows, control)
    model = fitted(raw)
    # Linked rows have as many rows as their persons: ask for some more persons than needed.
    persons = round(1.1 * asked.rows * asked.persons / asked.real_rows)
    for name, request in requests(asked.rows, persons):
        plan = plan_generation(model, request)
        seen: list[pa.Table] = []
        parts = [as_part(part) for part in generate_rows(model, plan, on_first=seen.append)]
        counts = {f: len(search.found(unpacked(data, f))) for f, data in files(parts)}
        report = report_generation(model, request, plan, seen[0])
        told = (
            json.dumps([report, model.report], ensure_ascii=False)
            + render_html(report)
            + render_html(model.report)
        )
        line(name, plan.rows, {**counts, "report": len(search.found(told.encode()))})
    print(f"\n{time.process_time() - began:.0f} CPU s")


if __name__ == "__main__":
    main()
