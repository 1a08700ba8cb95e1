"""One running service and the three programs by which customers use it: SDK, command line, MCP."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow.parquet
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from simulacra import Client, Connection
from simulacra.certificates import verify_certificate

PROGRAM = str(Path(sys.executable).with_name("simulacra"))
KUBECTL = str(Path(sys.executable).with_name("kubectl"))
WAIT_SECONDS = 400.0
PODS = (
    r"jsonpath={.metadata.labels.simulacra\.dev/dataset} {.metadata.labels.job-name}"
    r" {.metadata.labels.batch\.kubernetes\.io/job-completion-index}"
    r' {.metadata.name} {.status.phase}{"\n"}'
)
Json = dict[str, Any]


class Made(NamedTuple):
    """A generation, and what the program that asked for it said of the rows."""

    id: str
    said: str


class Program(Protocol):
    """What a customer does with any of the three programs."""

    def upload(self, path: Path, **options: Any) -> str: ...
    def generate(self, dataset: str, **request: Any) -> Made: ...
    def complete(
        self, dataset: str, given: Path, output: Path, column: str, beside: str
    ) -> Json: ...
    def show(self, resource: str) -> Json: ...
    def schema(self, dataset: str) -> Json: ...
    def moved(self, dataset: str) -> list[str]: ...
    def estimate(self, dataset: str, **question: Any) -> Json: ...
    def sheet(self, dataset: str, **question: Any) -> Json: ...
    def download(self, generation: str, path: Path) -> str: ...
    def delete(self, resource: str) -> Json: ...


class Sdk:
    """The Python client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def upload(self, path: Path, **options: Any) -> str:
        return self._client.fit(path, **options).dataset_id

    def generate(self, dataset: str, **request: Any) -> Made:
        rows = self._client.load(dataset).generate(request.pop("rows", None), **request)
        return Made(str(rows.generation_id), repr(rows))

    def complete(self, dataset: str, given: Path, output: Path, column: str, beside: str) -> Json:
        pair = {"first": beside, "second": column}
        asked: Json = {"columns": [column], "pairs": [pair], "implicates": 2, "seed": 1}
        done = self._client.complete(dataset, given, **asked)
        pyarrow.parquet.write_table(done.long(), output)
        ids = {"generation_id": done.generation_id, "given_id": done.given_id}
        return {**ids, "pairs": done.pairs}

    def show(self, resource: str) -> Json:
        return dict(self._client.get(resource))

    def schema(self, dataset: str) -> Json:
        return dict(self._client.load(dataset).schema)

    def moved(self, dataset: str) -> list[str]:
        return [*self._client.load(dataset).report().moved()]

    def estimate(self, dataset: str, **question: Any) -> Json:
        return dict(self._client.load(dataset).estimate(**question))

    def sheet(self, dataset: str, **question: Any) -> Json:
        return dict(self._client.load(dataset).sheet(**question))

    def download(self, generation: str, path: Path) -> str:
        self._client.download(generation, path, path.suffix[1:])  # type: ignore[arg-type]
        return "\n".join(self._client.generation(generation).quality_lines)

    def delete(self, resource: str) -> Json:
        self._client.delete(resource)
        certificate = self._client.erasure_certificate(resource)
        return verify_certificate(certificate, self._client.published_keys())


class CommandLine:
    """`simulacra`, a process a call."""

    def __init__(self, connection: Path, folder: Path) -> None:
        self._connection, self._folder = connection, folder

    def run(self, *arguments: str) -> tuple[str, str]:
        """Return what a command of the service printed on stdout and on stderr."""
        return self.run_alone(*arguments, "-c", str(self._connection))

    def run_alone(self, *arguments: str) -> tuple[str, str]:
        """Return the same of a command without the service; conditions may be met in part."""
        environment = os.environ | {"XDG_STATE_HOME": str(self._folder), "COLUMNS": "200"}
        done = subprocess.run(
            [PROGRAM, *arguments],
            capture_output=True,
            text=True,
            env=environment,
            timeout=WAIT_SECONDS,
        )
        if done.returncode and not (done.returncode == 3 and done.stdout):
            said = f"simulacra {arguments[0]}: exit {done.returncode}: {done.stderr.strip()[-300:]}"
            raise RuntimeError(said)
        return done.stdout, done.stderr

    def _json(self, *arguments: str) -> Json:
        return dict(json.loads(self.run(*arguments, "--json")[0]))

    def upload(self, path: Path, **options: Any) -> str:
        return str(self._json("upload", str(path), *flags_of(options))["dataset_id"])

    def generate(self, dataset: str, **request: Any) -> Made:
        out, err = self.run("generate", dataset, *rows_flags(request), "--json")
        return Made(str(json.loads(out)["generation_id"]), err)

    def complete(self, dataset: str, given: Path, output: Path, column: str, beside: str) -> Json:
        quoted = '"' + column.replace('"', '""') + '"'
        flags = ("--given", str(given), "--columns", quoted, "-m", "2", "-o", str(output))
        pair = ("--pair", f"{beside}*{quoted}")
        found = self._json("complete", dataset, *flags, *pair, "--seed", "1")
        return {**found, "pairs": found["completion"]["pairs"]}

    def show(self, resource: str) -> Json:
        return self._json("show", resource)

    def schema(self, dataset: str) -> Json:
        return self._json("schema", dataset)

    def moved(self, dataset: str) -> list[str]:
        found = self._json("waves", dataset)
        return [found["sentence"], *(one["sentence"] for one in moved_in(found))]

    def estimate(self, dataset: str, **question: Any) -> Json:
        return self._json("effect", dataset, *flags_of(question))

    def sheet(self, dataset: str, **question: Any) -> Json:
        levers = [
            f"--lever={one['column']}={one['value']}:{one['baseline']}"
            for one in question.pop("levers")
        ]
        return self._json("sheet", dataset, *levers, *flags_of(question))

    def download(self, generation: str, path: Path) -> str:
        out, err = self.run("download", generation, str(path))
        return out + err

    def delete(self, resource: str) -> Json:
        found = self._json("delete", resource, "--yes")
        file = self._folder / f"{resource}.json"
        file.write_text(json.dumps(found))
        return self._json("verify-certificate", str(file))


class SavedModels(CommandLine):
    """The commands without the service: a model is a folder that `fit` wrote."""

    def run(self, *arguments: str) -> tuple[str, str]:
        """Return what a command printed of the model that stands in the place of a dataset."""
        command, model, *flags = arguments
        return self.run_alone(command, "--model", model, *flags)

    def fit(self, path: Path, model: str, **options: Any) -> str:
        """Fit a model into a folder; return what the command says of it."""
        return self.run_alone("fit", str(path), "-o", model, *flags_of(options), "--json")[1]

    def report(self, model: str) -> Json:
        """Return the report of a model."""
        return self._json("report", model)

    def write(self, model: str, path: Path, report: Path, **request: Any) -> tuple[Json, str]:
        """Write rows and their report; return what the command prints and says of them."""
        files = ("-o", str(path), "--report", str(report))
        out, err = self.run("generate", model, *files, *rows_flags(request), "--json")
        return dict(json.loads(out)), err

    def boost(self, model: str, **question: Any) -> Json:
        """Return the shares of answers in a segment."""
        return self._json("boost", model, *flags_of(question))


class Agent:
    """`simulacra mcp`, one process, used by many tables at once."""

    def __init__(self, connection: Path, folder: Path) -> None:
        self._folder = folder
        self._asked = StdioServerParameters(
            command=PROGRAM, args=["mcp", "-c", str(connection), "--directory", str(folder)]
        )
        self._loop = asyncio.new_event_loop()
        self._session: ClientSession | None = None
        self._ready, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server and its session."""
        self._thread.start()
        self._ready.wait(60)
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(30)

    async def _serve(self) -> None:
        with (self._folder / "mcp.log").open("w") as log:
            async with (
                stdio_client(self._asked, errlog=log) as (read, write),
                ClientSession(read, write) as one,
            ):
                await one.initialize()
                self._session = one
                self._ready.set()
                await self._end.wait()

    def call(self, tool: str, **arguments: Any) -> Json:
        """Return a tool's answer, or raise its error as an agent reads it."""
        assert self._session is not None, "the MCP server did not start"
        known = {name: value for name, value in arguments.items() if value is not None}
        answer = asyncio.run_coroutine_threadsafe(
            self._session.call_tool(tool, known), self._loop
        ).result(WAIT_SECONDS)
        text = "".join(getattr(part, "text", "") for part in answer.content)
        if answer.is_error:
            raise RuntimeError(f"MCP {tool}: {text[-300:]}")
        return dict(json.loads(text))

    def _wait(self, job: str) -> None:
        while (found := self.call("wait", job_id=job))["status"] in ("queued", "running"):
            pass
        if found["status"] not in ("ready", "partial"):
            raise RuntimeError(f"MCP wait: {found.get('error')}")

    def upload(self, path: Path, **options: Any) -> str:
        found = self.call("upload", path=str(path), **options)
        self._wait(found["job_id"])
        return str(found["dataset_id"])

    def generate(self, dataset: str, **request: Any) -> Made:
        shares, ranges = request.pop("shares", None), request.pop("ranges", None) or {}
        numeric = {name: {"min": low, "max": high} for name, (low, high) in ranges.items()}
        quotas = request.pop("quotas", None) or []
        if shares or ranges or quotas:
            request["conditions"] = {"categorical": shares or {}, "numeric": numeric}
        if quotas:
            request["conditions"]["quotas"] = quotas
        do = request.pop("interventions", None)
        found = self.call("generate", dataset_id=dataset, do=do, **request)
        self._wait(found["job_id"])
        return Made(str(found["generation_id"]), "")

    def complete(self, dataset: str, given: Path, output: Path, column: str, beside: str) -> Json:
        files = {"path": str(given), "output": str(output)}
        pair = beside + '*"' + column.replace('"', '""') + '"'
        asked = {"columns": [column], "pairs": [pair], "implicates": 2, "seed": 1}
        return self.call("complete", dataset_id=dataset, **files, **asked)

    def show(self, resource: str) -> Json:
        return self.call("status", id=resource)

    def schema(self, dataset: str) -> Json:
        return self.call("schema", dataset_id=dataset)

    def moved(self, dataset: str) -> list[str]:
        return list(self.call("report", id=dataset)["moved"])

    def estimate(self, dataset: str, **question: Any) -> Json:
        found = self.call("estimate", dataset_id=dataset, **question)
        self._wait(found["job_id"])
        return self.show(found["effect_id"])

    def sheet(self, dataset: str, **question: Any) -> Json:
        found = self.call("sheet", dataset_id=dataset, **question)
        self._wait(found["job_id"])
        return self.show(found["sheet_id"])

    def download(self, generation: str, path: Path) -> str:
        return json.dumps(self.call("download", generation_id=generation, path=str(path)))

    def delete(self, resource: str) -> Json:
        found = self.call("delete", id=resource)
        if found["signature"] != "holds":
            raise RuntimeError(f"MCP delete: signature {found['signature']}")
        return dict(found["certificate"])


def moved_in(waves: Json) -> list[Json]:
    """Return the answers of a report's waves that moved or probably did."""
    return [one for one in waves["answers"] if one["verdict"] != "no sign"]


def rows_flags(request: Json) -> list[str]:
    """Return the options of a request for rows."""
    others = dict(request)
    flags = ["--counterfactual"] if others.pop("counterfactual", False) else []
    for name, value in others.pop("interventions", {}).items():
        flags += ["--do", f"{name}={value}"]
    for column, levels in others.pop("shares", {}).items():
        for level, share in levels.items():
            flags += ["--share", f"{column}={level}={share}"]
    for column, (low, high) in others.pop("ranges", {}).items():
        flags += ["--range", f"{column}={low}:{high}"]
    for quota in others.pop("quotas", []):
        parts = [
            f"{name}={'|'.join(part['levels'])}"
            if "levels" in part
            else f"{name}={part['min']}..{part['max']}"
            for name, part in quota["where"].items()
        ]
        share = quota["share"] if "share" in quota else f">={quota['min']}"
        flags += ["--quota", f"{','.join(parts)}:{share}"]
    return flags + flags_of(others)


def flags_of(question: Json) -> list[str]:
    """Return the options of a question; lists have commas between their columns."""
    texts = {
        name: ";".join(",".join(block) for block in value)
        if name == "blocks"
        else ",".join(value)
        if isinstance(value, list | tuple)
        else ",".join(f"{column}={of}" for column, of in value.items())
        if isinstance(value, dict)
        else str(value)
        for name, value in question.items()
        if value not in (None, [], ())
    }
    return [part for name, text in texts.items() for part in (f"--{name.replace('_', '-')}", text)]


class Place:
    """A running service: its client, its programs, kubectl, and every pod that it ever had."""

    def __init__(
        self, client: Client, kubeconfig: Path, folder: Path, *, is_real: bool = False
    ) -> None:
        self.client, self.kubeconfig, self.folder = client, kubeconfig, folder
        self.is_real = is_real
        folder.mkdir(exist_ok=True)
        connection = folder / "connection.json"
        known: Connection = client._connection
        connection.write_text(json.dumps(asdict(known)))
        self.command_line = CommandLine(connection, folder)
        self.saved_models = SavedModels(connection, folder)
        self.agent = Agent(connection, folder)
        self.programs: dict[str, Program] = {
            "SDK": Sdk(client),
            "command line": self.command_line,
            "MCP": self.agent,
        }
        self._pods: dict[str, dict[str, str]] = defaultdict(dict)

    @contextmanager
    def open(self) -> Iterator[Place]:
        """Run the MCP server and watch pods meanwhile."""
        command = [KUBECTL, "--kubeconfig", str(self.kubeconfig), "get", "pods", "-A", "--watch"]
        with (
            subprocess.Popen(
                [*command, "-o", PODS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            ) as watch,
            self.agent.running(),
        ):
            threading.Thread(target=self._count, args=(watch,), daemon=True).start()
            try:
                yield self
            finally:
                watch.terminate()

    def _count(self, watch: subprocess.Popen[str]) -> None:
        assert watch.stdout
        for line in watch.stdout:
            dataset, _, rest = line.strip().partition(" ")
            job, index, name, phase = rest.split()
            self._pods[dataset].setdefault(f"{name} {job} {index}", "")
            self._pods[dataset][f"{name} {job} {index}"] = phase

    def repeated(self, dataset: str) -> list[str]:
        """Return the Jobs of a dataset that needed more than one pod, with the pods' phases."""
        phases: dict[str, list[str]] = defaultdict(list)
        for key, phase in list(self._pods[dataset].items()):
            phases[key.partition(" ")[2]].append(phase)
        return [
            f"{re.sub(r'[0-9a-f]{24}', '...', job)}: {len(of)} pods ({', '.join(of)})"
            for job, of in phases.items()
            if len(of) > 1 or "Failed" in of
        ]

    def kubectl(self, *arguments: str) -> str:
        """Return what kubectl printed."""
        command = [KUBECTL, "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=True
        ).stdout
