"""The model that a command uses: of a table on a service, or saved on this machine (--model)."""

import shlex
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import typer

from simulacra.client import Client
from simulacra.commands.naming import called, resource_of
from simulacra.commands.options import argument, option
from simulacra.commands.output import engine_bar, wait_with_progress
from simulacra.commands.session import connected, continue_with, errors_reported
from simulacra.engine.errors import NO_OTHERS
from simulacra.engine.fit import load
from simulacra.engine.model import Model
from simulacra.models import Schema
from simulacra.operations.resources import NOUNS, key_header
from simulacra.sheet import Sheet

TableOrModel = Annotated[
    str | None,
    argument("Name of the uploaded file, or dataset_id, or its beginning.", metavar="TABLE"),
]
SavedModel = Annotated[
    Path | None,
    option(
        "Instead of TABLE: folder of a model that `simulacra fit` wrote. No service is used.",
        "--model",
        exists=True,
        file_okay=False,
    ),
]
SavedSeed = Annotated[
    int | None, option("With --model: of the random numbers; 0 if absent.", "--seed")
]


class ServedModel:
    """The model of a table on a service; an answer is waited for."""

    def __init__(
        self, client: Client, named: str, prefixes: tuple[str, ...], key: str, as_json: bool
    ) -> None:
        self.client = client
        self.key = key_header(key)["Idempotency-Key"]
        self._named = named
        self._prefixes = prefixes
        self._as_json = as_json

    @cached_property
    def resource_id(self) -> str:
        """The dataset, or for a report the generation, that the command names."""
        return resource_of(self.client, self._named, self._prefixes)

    @cached_property
    def schema(self) -> Schema:
        """The cleaned schema."""
        return self.client.schema(self.resource_id)

    def ask(self, noun: str, **question: Any) -> Any:
        """Ask for an effect, a sheet or a segment, wait, and return the answer."""
        started = getattr(self.client, NOUNS[noun].ask)(self.resource_id, key=self.key, **question)
        wait_with_progress(self.client, started.job_id, self._as_json)
        return getattr(self.client, noun)(started[f"{noun}_id"])

    def sheet_file(self, found: Sheet, kind: str) -> bytes:
        """Return the appendix (html), the workbook (xlsx) or the program (py) of a sheet."""
        if kind == "xlsx":
            return self.client.sheet_workbook(found.sheet_id)
        as_text = self.client.sheet_page if kind == "html" else self.client.sheet_program
        return as_text(found.sheet_id).encode()

    def read(self, what: str) -> Any:
        """Return the report (of a generation, too), report_page, summary, knowledge or usual_order.

        They are those of `Client`.
        """
        return getattr(self.client, what)(self.resource_id)

    def verdicts(self) -> list[str]:
        """Return the verdicts on the model's rows, or on those of a generation, a line each."""
        if self.resource_id.startswith("ds-"):
            return self.client.dataset(self.resource_id).verdicts
        return self.client.generation(self.resource_id).quality_lines

    def shown(self) -> str:
        """Return how a command names it."""
        is_dataset = self.resource_id.startswith("ds-")
        return called(self.client, self.resource_id) if is_dataset else self.resource_id


class LocalModel:
    """A saved model, which this process asks."""

    def __init__(self, folder: Path, seed: int, as_json: bool) -> None:
        self.folder = folder
        self.seed = seed
        self._as_json = as_json

    @cached_property
    def model(self) -> Model:
        """The loaded model."""
        return load(self.folder)

    @cached_property
    def schema(self) -> Schema:
        """The cleaned schema."""
        return self.model.schema

    def ask(self, noun: str, **question: Any) -> Any:
        """Ask for an effect, a sheet or a segment, and return the answer."""
        asked = {name: value for name, value in question.items() if value is not None}
        if noun != "segment":
            asked["seed"] = self.seed
        with engine_bar(self._as_json) as show:
            progress = {"on_progress": show} if noun == "sheet" else {}
            return getattr(self.model, NOUNS[noun].ask.removeprefix("ask_"))(**asked, **progress)

    def sheet_file(self, found: Any, kind: str) -> bytes:
        """Return the appendix (html), the workbook (xlsx) or the program (py) of a sheet."""
        return bytes(found.files[kind])

    def read(self, what: str) -> Any:
        """Return the report, report_page, summary, knowledge or usual_order, as `Model` does."""
        return getattr(self.model, what)()

    def verdicts(self) -> list[str]:
        """Return the verdicts on the model's rows, a line each."""
        return self.model.verdicts

    def shown(self) -> str:
        """Return how a command names it."""
        return f"--model {shlex.quote(str(self.folder))}"


@contextmanager
def used_model(
    table: str | None,
    saved: Path | None,
    connection: Path | None,
    as_json: bool,
    *,
    key: str | None = "",
    seed: int | None = None,
    prefixes: tuple[str, ...] = ("ds-",),
    metavar: str = "TABLE",
    of_service: Mapping[str, object] = NO_OTHERS,
) -> Iterator[ServedModel | LocalModel]:
    """Yield the model that a command names.

    `key` is None for a new one, empty for a command that only reads. `prefixes` are those of the
    ids that `table` may be. `of_service` are other options that only a service knows.

    Raises:
        typer.BadParameter: neither or both are named, or an option is of the other one.
    """
    if (table is None) == (saved is None):
        raise typer.BadParameter(f"give either {metavar} or --model", param_hint=metavar)
    if saved is None:
        if seed is not None:
            raise typer.BadParameter("only a saved model has it (--model)", param_hint="--seed")
        only_reads = key == ""
        key = key or uuid.uuid4().hex
        with connected(connection, "" if only_reads else continue_with(key)) as client:
            yield ServedModel(client, str(table), prefixes, key, as_json)
        return
    without_service(connection=connection, key=key, **of_service)
    with errors_reported():
        yield LocalModel(saved, seed or 0, as_json)


def without_service(**options: object) -> None:
    """Refuse options that only a service knows."""
    for name, value in options.items():
        if value:
            flag = f"--{name.replace('_', '-')}"
            raise typer.BadParameter("only a service has it. Leave it out.", param_hint=flag)
