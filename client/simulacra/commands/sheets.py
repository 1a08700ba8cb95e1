"""Commands for answer sheets: compare all levers of an outcome, list sheets."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands import options as opt
from simulacra.commands.asked import as_number, check_names
from simulacra.commands.lists import add_list
from simulacra.commands.options import blocks_of, option
from simulacra.commands.options import columns as split_columns
from simulacra.commands.output import note, print_result
from simulacra.commands.used_model import SavedModel, SavedSeed, TableOrModel, used_model
from simulacra.models import Json
from simulacra.named_values import NUMERIC, by_name, known_name, level_named, split_name

app = typer.Typer()
FORM = "COL or COL=VALUE:BASELINE"
PLACED = "LEVER=COL,..."


@app.command(
    epilog="Example: simulacra sheet survey --outcome tv_hours --before year,female"
    " --after tv_hours --lever education_years=16:12 --lever income"
    " --lever-before income=education_years --html sheet.html"
)
def sheet(
    *,
    dataset_id: TableOrModel = None,
    model: SavedModel = None,
    outcome: opt.Outcome,
    outcome_level: opt.OutcomeLevel = None,
    lever: Annotated[
        list[str] | None,
        option(
            "A column, or COL=VALUE:BASELINE; repeat it for each. All that may be levers if"
            " not given."
        ),
    ] = None,
    before: Annotated[
        str | None, option("Columns settled before any lever, with commas between them.")
    ] = None,
    after: Annotated[
        str | None, option("Columns that came after every lever; name the outcome too.")
    ] = None,
    lever_before: Annotated[
        list[str] | None,
        option(
            "Columns settled before one lever, which --lever names too; other levers as well."
            " Repeat it for each lever.",
            metavar=PLACED,
        ),
    ] = None,
    lever_after: Annotated[
        list[str] | None, option("Columns that came after one lever; likewise.", metavar=PLACED)
    ] = None,
    dont_know: opt.DontKnow = None,
    blocks: opt.Blocks = None,
    population: opt.Whose = None,
    html: Annotated[
        Path | None, option("Write the appendix to this file: one page, no script.")
    ] = None,
    xlsx: Annotated[Path | None, option("Write the workbook to this file.")] = None,
    program: Annotated[
        Path | None, option("Write a Python program to this file that repeats it on the table.")
    ] = None,
    seed: SavedSeed = None,
    key: opt.Key = None,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
) -> None:
    """Compare all levers of an outcome: what each effect rests on, with joint intervals."""
    with used_model(dataset_id, model, connection, as_json, key=key, seed=seed) as used:
        known = by_name(used.schema)
        lists = {
            "before": split_columns(before),
            "after": split_columns(after),
            "dont_know": split_columns(dont_know),
        }
        placed = blocks_of(blocks)
        check_names(known, outcome=outcome, **lists, blocks=[*chain(*placed)])
        found = used.ask(
            "sheet",
            outcome=outcome,
            outcome_level=outcome_level,
            levers=_levers(known, lever or [], lever_before or [], lever_after or []),
            population=population,
            blocks=placed,
            **lists,
        )
        for path, kind in ((html, "html"), (xlsx, "xlsx"), (program, "py")):
            if path is not None:
                path.write_bytes(used.sheet_file(found, kind))
                note(f"Wrote {path}.")
        print_result(found, as_json)


add_list(app, "sheet", "answer sheets", "No answer sheets yet.")


def _levers(
    columns: Json,
    texts: Sequence[str],
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> list[Json]:
    """Return the levers of COL and COL=VALUE:BASELINE, with what came before and after each.

    A value is a number where the column has numbers.

    `before` and `after` are LEVER=COL,... as in the flags.

    Raises:
        ValueError: no such column, level or lever; the nearest one is named.
    """
    found = _asked(texts, columns)
    for field, stated in (("before", before), ("after", after)):
        for text in stated:
            _place(found, field, text, columns)
    return found


def _place(levers: list[Json], field: str, text: str, columns: Json) -> None:
    """Add the columns of LEVER=COL,... to the list `field` of the lever."""
    flag = f"--lever-{field}"
    name, listed = split_name(text, columns, flag, PLACED)
    names = [known_name(one, columns, flag) for one in split_columns(listed)]
    if not names:
        raise ValueError(f"{flag} {text}: write {PLACED}.")
    own = [lever for lever in levers if lever["column"] == name]
    if not own:
        raise ValueError(f"{flag} {text}: {name} is no lever here. Add --lever {name}.")
    for lever in own:
        lever[field] = [*lever.get(field, []), *names]


def _asked(texts: Sequence[str], columns: Json) -> list[Json]:
    found: list[Json] = []
    for text in texts:
        if text in columns or "=" not in text:
            found.append({"column": known_name(text, columns, "--lever")})
            continue
        column, values = split_name(text, columns, "--lever", FORM)
        value, baseline = _pair(text, values, column, columns)
        found.append({"column": column, "value": value, "baseline": baseline})
    return found


def _pair(text: str, values: str, name: str, columns: Json) -> tuple[float | str, float | str]:
    """Return value and baseline; a level may have a colon itself."""
    column = columns.get(name, {})
    levels = {str(one["value"]) for one in column.get("levels") or ()}
    cuts = [(values[:at], values[at + 1 :]) for at, sign in enumerate(values) if sign == ":"]
    if not cuts:
        raise typer.BadParameter(f"{text}: write {FORM}.")
    value, baseline = next((cut for cut in cuts if set(cut) <= levels), cuts[0])
    if column.get("kind") in NUMERIC:
        return as_number(value, "lever"), as_number(baseline, "lever")
    return (
        level_named(value, name, columns, "--lever"),
        level_named(baseline, name, columns, "--lever"),
    )
