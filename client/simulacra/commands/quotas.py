"""Command that checks a sheet of quotas before rows are generated."""

from typing import Annotated, Any

import typer

from simulacra.commands.asked import Asked, Conditions, QuotaFlags, Ranges, Shares
from simulacra.commands.options import AsJson, Connect, option
from simulacra.commands.output import is_for_people, note, print_result
from simulacra.commands.session import FAILED
from simulacra.commands.used_model import LocalModel, SavedModel, TableOrModel, used_model
from simulacra.models import Json
from simulacra.rows import cell_words, few_behind, little_behind, quota_shares

CHECKED = 100
"""Rows that a check samples: the most of a probe."""
app = typer.Typer(no_args_is_help=True, help="Quotas of cells: check them before you generate.")


@app.callback()
def quota() -> None:
    """Quotas of cells: check them before you generate."""


@app.command(epilog="Example: simulacra quota check survey --quota quotas.xlsx")
def check(
    dataset_id: TableOrModel = None,
    model: SavedModel = None,
    quota: QuotaFlags = None,
    share: Shares = None,
    range_: Ranges = None,
    conditions: Conditions = None,
    rows: Annotated[
        int | None, option("Rows of the table, for a sheet with counts.", min=1)
    ] = None,
    connection: Connect = None,
    as_json: AsJson = False,
) -> None:
    """Say whether quotas can be met together, and how many respondents stand behind each cell.

    Exits with 3 if one cannot be met. Nothing is stored.
    """
    with used_model(dataset_id, model, connection, as_json) as used:
        asked = Asked(conditions, share, range_, quotas=quota, rows=rows)
        wanted, _ = asked.resolve(lambda: used.schema)
        if not (wanted or {}).get("quotas"):
            raise typer.BadParameter("give at least one quota", param_hint="--quota")
        if isinstance(used, LocalModel):
            made = used.model.generate(CHECKED, conditions=wanted, evidence=False)
            attainment = made.attainment
        else:
            attainment = used.client.probe(used.resource_id, CHECKED, conditions=wanted).attainment
        found = _findings(attainment or {})
        shown = {"feasible": found["feasible"], "quotas": found["quotas"]}
        print_result(shown, as_json, found["lines"])
        if not is_for_people(as_json):
            note(*found["warnings"])
        if not found["feasible"]:
            raise typer.Exit(FAILED)


def _findings(attainment: Json) -> Any:
    quotas = attainment.get("quotas") or []
    lines = []
    for at, one in enumerate(quotas, 1):
        backing = one.get("backing")
        behind = "" if backing is None else f", about {backing:,.0f} respondents"
        said = "can be met" if one["met"] else f"cannot be met: {one.get('why', '')}"
        lines.append(f"{at}. {cell_words(one)} {quota_shares(one)}{behind}: {said}")
    warnings = [*few_behind(attainment), *little_behind(attainment)]
    feasible = all(one["met"] for one in quotas)
    lines += warnings
    return {"feasible": feasible, "quotas": quotas, "lines": lines, "warnings": warnings}
