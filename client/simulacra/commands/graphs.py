"""Commands for the causal graph of a dataset and for what is known about it."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from simulacra.commands.naming import called, dataset_of
from simulacra.commands.options import AsJson, Connect, DatasetId, option
from simulacra.commands.output import note, print_result
from simulacra.commands.session import connected
from simulacra.commands.used_model import SavedModel, TableOrModel, used_model

app = typer.Typer()
MAX_PROPOSALS = 30
"""Columns that look like background which are shown."""


@app.command(epilog="Example: simulacra graph survey")
def graph(dataset_id: DatasetId, connection: Connect = None, as_json: AsJson = False) -> None:
    """Print the causal graph of the dataset's model, and which columns look like background."""
    with connected(connection) as client:
        dataset_id = dataset_of(client, dataset_id)
        found = client.graph(dataset_id)
        print_result(found, as_json)
        for line in (*claims(found), *proposed(found, called(client, dataset_id))):
            note(line)


@app.command(epilog="Example: simulacra knowledge survey")
def knowledge(
    dataset_id: TableOrModel = None,
    usual_order: Annotated[
        bool,
        option(
            "Print instead which order of the columns is usual, by words and waves, and how to"
            " confirm or correct it.",
            "--usual-order",
        ),
    ] = False,
    model: SavedModel = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Print the causal knowledge given for the dataset."""
    with used_model(dataset_id, model, connection, as_json) as used:
        if not usual_order:
            print_result(used.read("knowledge"), as_json)
            return
        found = used.read("usual_order")
        print_result(found, as_json)
        fit = f"refit {used.shown()}" if model is None else "fit FILE -o MODEL"
        for line in confirming(found, fit):
            note(line)


def confirming(usual: Mapping[str, Any], fit: str) -> Iterator[str]:
    """Yield the question about a usual order, and the flag that confirms or corrects it."""
    yield usual["question"]
    if len(usual["blocks"]) > 1:  # one block tells no order
        blocks = ";".join(",".join(cell(name) for name in block) for block in usual["blocks"])
        yield f"  for one answer: add --blocks {shlex.quote(blocks)} to effect or sheet"
        yield f"  for the model: simulacra {fit} --blocks {shlex.quote(blocks)}"
    if usual["unplaced"]:
        yield f"  no word or wave places: {', '.join(usual['unplaced'])}"


def cell(name: str) -> str:
    """Return a name as `--blocks` has it: quoted where it holds a comma, as in CSV."""
    return '"' + name.replace('"', '""') + '"' if {*name} & {*',;"'} else name


def claims(graph: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the edges of a graph rest on."""
    yield "Stated arrows are what you said. Suggested ones: nobody said what comes first."
    if (audit := graph.get("audit")) and audit["arrows"]:
        wrong, arrows = audit["wrong"], audit["arrows"]
        yield f"Without your knowledge, {wrong} of {arrows} known arrows pointed the wrong way."
    yield from (one["text"] for one in graph.get("questioned") or ())
    for skip in graph.get("skips") or ():
        pair = f"{skip['source']} and {skip['target']}"
        yield f"Not drawn: {pair} go together only in who was asked or answered."


def proposed(graph: Mapping[str, Any], table: str) -> Iterator[str]:
    """Yield the columns that look like background, each with its reason, and how to bind them."""
    proposals = graph.get("proposals") or []
    if not proposals:
        return
    yield "These columns look like background, which no other column causes:"
    for one in proposals[:MAX_PROPOSALS]:
        yield f"  {one['reason']}"
    if len(proposals) > MAX_PROPOSALS:
        yield f"  {len(proposals) - MAX_PROPOSALS} more are in the graph"
    yield f"  bind them all: simulacra refit {table} --background auto"
    yield '  or some: --knowledge with {"confirmed": [[COLUMN]]}. Until then nothing rests on them.'
