"""Command that draws rows from a description, before there is data."""

from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands.asked import Asked, Conditions, QuotaFlags, Ranges, Shares
from simulacra.commands.generations import Plain
from simulacra.commands.options import AsJson, Seed, argument, format_of, load, option
from simulacra.commands.output import print_result
from simulacra.commands.session import errors_reported
from simulacra.engine.draft import draft as draw
from simulacra.engine.draft import draft_schema

app = typer.Typer()


@app.command(
    epilog="Example: simulacra draft questionnaire.json --rows 500 --quota region=north:30%"
    " -o rows.csv"
)
def draft(
    description: Annotated[
        Path,
        argument("JSON file: what the columns are (see `describe`).", exists=True, dir_okay=False),
    ],
    output: Annotated[
        Path, option("File of the rows; its suffix is the format.", "--output", "-o")
    ],
    rows: Annotated[int, option("Rows, 10,000 at most.", min=1)] = 500,
    share: Shares = None,
    range_: Ranges = None,
    quota: QuotaFlags = None,
    conditions: Conditions = None,
    seed: Seed = None,
    plain: Plain = False,
    as_json: AsJson = False,
) -> None:
    """Draw rows from a description alone, to test a script before there are answers.

    No service, no model and no data: the column `draft` says so in each row.
    """
    with errors_reported():
        format_of(output)
        document = load(description) or {}
        asked = Asked(conditions, share, range_, quotas=quota, rows=rows)
        wanted, _ = asked.resolve(lambda: draft_schema(document))
        made = draw(document, rows, conditions=wanted, seed=seed or 0)
        made.save(output, plain=plain)
        found = {"draft": str(output), "rows": rows, "columns": made.table.column_names}
        print_result(found, as_json, [repr(made)])
