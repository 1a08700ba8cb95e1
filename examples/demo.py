"""The main job, as a customer does it: `make demo`.

Starts `simulacra up` in a temporary directory and then uses only HTTP: upload a survey, wait for
its model, generate 2,000 rows of which half are "very happy" and all watch 1 to 4 hours of
television, download, compare, ask how education changes television hours before and after saying
what came first, delete, and prove that nothing is left. Exits non-zero if any of this fails.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from simulacra import Client
from simulacra.certificates import verify_certificate
from simulacra.commands.output import wait_with_progress

ROWS = 2_000
CONDITIONS = {
    "categorical": {"happiness": {"very happy": 0.50}},
    "numeric": {"tv_hours": {"min": 1, "max": 4}},
}
QUESTION: dict[str, Any] = {
    "treatment": "education_years",
    "value": 16,
    "baseline": 12,
    "outcome": "tv_hours",
}
BACKGROUND = ["year", "female", "black", "region_at_16", "both_parents_at_16"]
"""Columns that were already so before education was settled; all others came later."""
SURVEY = Path(__file__).with_name("gss_survey.csv")
KINDS = "datasets,models,generationjobs,effectestimates,segmentestimates,answersheets"
console = Console(width=110)
timings: list[tuple[str, float]] = []


@contextmanager
def step(name: str) -> Iterator[None]:
    """Announce a step and record its duration."""
    console.print(f"[bold]-> {name}")
    start = time.perf_counter()
    yield
    timings.append((name, time.perf_counter() - start))


@contextmanager
def service(data_dir: Path) -> Iterator[dict[str, Any]]:
    """Run `simulacra up` and yield the JSON line that it prints when ready."""
    command = [str(Path(sys.executable).with_name("simulacra")), "up", "--data-dir", str(data_dir)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"simulacra up ended with exit code {process.wait()}; see above")
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


def kubectl(kubeconfig: str, *arguments: str) -> str:
    """Run the real kubectl against the embedded control plane."""
    program = str(Path(sys.executable).with_name("kubectl"))
    command = [program, "--kubeconfig", kubeconfig, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return (done.stdout + done.stderr).rstrip()


def compare(parquet: Path, csv: Path) -> bool:
    """Return whether the downloaded files meet the request exactly, and print the comparison."""
    rows = pq.read_table(parquet)
    happy = sum(value == "very happy" for value in rows["happiness"].to_pylist()) / rows.num_rows
    hours = [value for value in rows["tv_hours"].to_pylist() if value is not None]
    inside = sum(1 <= value <= 4 for value in hours) / rows.num_rows
    csv_rows = pacsv.read_csv(csv).num_rows
    checks = [
        ("rows (Parquet)", f"{ROWS:,}", f"{rows.num_rows:,}", rows.num_rows == ROWS),
        ("rows (CSV)", f"{ROWS:,}", f"{csv_rows:,}", csv_rows == ROWS),
        ('happiness = "very happy"', "50.00 %", f"{100 * happy:.2f} %", abs(happy - 0.5) < 1e-9),
        ("tv_hours in 1..4", "100.00 %", f"{100 * inside:.2f} %", inside == 1.0),
    ]
    table = Table("", "requested", "achieved", "", title="Request and result")
    for name, asked, achieved, good in checks:
        table.add_row(name, asked, achieved, "[green]met" if good else "[red]missed")
    console.print(table)
    return all(good for *_, good in checks)


def show_figures(figures: dict[str, float]) -> None:
    """Print the fidelity and privacy figures of the model's report."""
    table = Table("figure", "value", title="Fidelity and privacy, from the model's report")
    for name, value in figures.items():
        table.add_row(name, f"{value:,.4g}")
    console.print(table)


def use(client: Client, family: str, output: Path) -> tuple[str, bool]:
    """Do the main job up to the comparison; return the dataset's id and whether it was met."""
    with step("upload the survey and fit its model"):
        uploaded = client.upload(SURVEY, family=family)
        wait_with_progress(client, uploaded["job_id"], as_json=False)
    dataset_id = uploaded["dataset_id"]
    with step("read the schema"):
        schema = client.schema(dataset_id)
    kinds = [column["kind"] for column in schema["columns"]]
    summary = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    console.print(f"   {schema['rows']:,} rows, {len(kinds)} columns: {summary}")
    with step(f"generate {ROWS:,} rows under two conditions"):
        asked = client.generate(dataset_id, ROWS, conditions=CONDITIONS, seed=1)
        wait_with_progress(client, asked["job_id"], as_json=False)
    with step("download Parquet and CSV"):
        files = output / "synthetic.parquet", output / "synthetic.csv"
        client.download(asked["generation_id"], files[0], "parquet")
        client.download(asked["generation_id"], files[1], "csv")
    met = compare(*files)
    dataset = client.dataset(dataset_id)
    console.print("\n".join(dataset.verdicts), markup=False, highlight=False)
    show_figures(dataset["model"]["figures"])
    return dataset_id, met


def ask(
    client: Client, dataset_id: str, before: Sequence[str] = (), after: Sequence[str] = ()
) -> str:
    """Ask for the effect, print the answer, and return the kind of its verdict."""
    asked = client.estimate(dataset_id, **QUESTION, before=before, after=after)
    wait_with_progress(client, asked.job_id, as_json=False)
    effect = client.effect(asked.effect_id)
    console.print(str(effect), markup=False, highlight=False)
    return str(effect.verdict.kind) if effect.verdict else "none"


def ask_twice(client: Client, dataset_id: str) -> bool:
    """Ask before and after saying what came first; return whether the answer then rests on it."""
    with step("ask how 16 years of school, not 12, change hours of TV; say nothing about order"):
        before = ask(client, dataset_id)
    names = [column["name"] for column in client.schema(dataset_id)["columns"]]
    later = [name for name in names if name not in (*BACKGROUND, QUESTION["treatment"])]
    with step("say which columns were already so before education was settled, and ask again"):
        after = ask(client, dataset_id, before=BACKGROUND, after=later)
    return before != "assumed" and after == "assumed"


def prove_gone(kubeconfig: str, data_dir: Path) -> bool:
    """Return whether no resource and no object is left, and print the counts."""
    left = kubectl(kubeconfig, "get", f"{KINDS},jobs,pods", "--all-namespaces", "-o", "name")
    names = [line for line in left.splitlines() if "/" in line]
    objects = [path for path in (data_dir / "objects" / "tenants").rglob("*") if path.is_file()]
    console.print(f"   resources left: {len(names)}; objects left in the store: {len(objects)}")
    return not names and not objects


def show_certificate(certificate: dict[str, Any], keys: dict[str, Any]) -> bool:
    """Return whether a valid certificate states the erasure, and print it."""
    stated = verify_certificate(certificate, keys)
    table = Table("", "", title="Erasure certificate (Ed25519 signature holds)", show_header=False)
    for name in ("id", "cause", "objects", "key_shredded_at", "verified_absent_at"):
        table.add_row(name, str(stated[name]))
    artifacts = ", ".join(f"{one['name']} {one['sha256'][:12]}" for one in stated["artefacts"])
    table.add_row("artifacts", artifacts)
    audit = stated["audit"]
    table.add_row("audit record", f"number {audit['index']} under root {audit['root'][:16]}")
    console.print(table)
    return stated["key_shredded_at"] is not None and stated["objects"] > 0


def end(*_: object) -> None:
    """End as Ctrl-C does, so that the service ends too."""
    sys.exit(143)


def main() -> int:
    """Run the demo; return 0 if every promise was kept."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--family", choices=("auto", "forest", "neural"), default="auto")
    parser.add_argument("--output", type=Path, default=Path("demo-output"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, end)
    with tempfile.TemporaryDirectory(prefix="simulacra-demo-") as directory:
        data_dir = Path(directory)
        start = time.perf_counter()
        with service(data_dir) as ready:
            timings.append(("start simulacra up", time.perf_counter() - start))
            console.print(f"simulacra is up at {ready['api_url']}")
            with Client.from_connection(data_dir / "connection.json") as client:
                with step("get a token"):
                    client.datasets()
                dataset_id, met = use(client, arguments.family, arguments.output)
                answered = ask_twice(client, dataset_id)
                console.print(f"[bold]$ kubectl get {KINDS} -A -o wide", highlight=False)
                print(kubectl(ready["kubeconfig"], "get", KINDS, "-A", "-o", "wide"))
                with step("delete the dataset and everything made from it"):
                    client.delete_dataset(dataset_id)
                certificate = client.erasure_certificate(dataset_id)
                certified = show_certificate(certificate, client.published_keys())
            gone = prove_gone(ready["kubeconfig"], data_dir)
    table = Table("step", "seconds", title="Time")
    for name, seconds in timings:
        table.add_row(name, f"{seconds:.2f}")
    console.print(table)
    console.print(f"The two files are in {arguments.output}/.")
    is_kept = met and answered and gone and certified
    if not is_kept:
        console.print("[red]A promise was not kept; see above.")
    return 0 if is_kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
