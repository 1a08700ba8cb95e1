"""Corrections of what is read, as flags of a command: --subject, --cluster, --drop, --missing."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from simulacra import corrections
from simulacra.signatures import with_optional

FLAGS: dict[str, Any] = {
    "subject": Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column of the persons that several rows belong to."),
    ],
    "key_column": Annotated[
        str | None,
        typer.Option(
            metavar="COL", help="Column that numbers the rows; generated rows get fresh ones."
        ),
    ],
    "order": Annotated[
        str | None, typer.Option(metavar="COL", help="Column that orders the rows of a person.")
    ],
    "wave": Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column of the waves of a survey of new people each."),
    ],
    "cluster": Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column of sampling points; generated rows lack it."),
    ],
    "stratum": Annotated[
        list[str] | None,
        typer.Option(metavar="COL", help="A column that the sample was stratified by. Repeatable."),
    ],
    "replicates": Annotated[
        str | None,
        typer.Option(
            metavar="PATTERN=METHOD",
            help="Columns of replicate weights, and how they were made: brr (brr:0.5 with Fay's "
            "coefficient), jk1, jk2 or bootstrap. Generated rows lack them.",
        ),
    ],
    "targets": Annotated[
        str | None,
        typer.Option(
            metavar="FILE|JSON",
            help="Shares of the population that rows are weighted to (raking): JSON such as "
            '{"region": {"north": 0.3, "south": 0.7}}, or a sheet of cells, .csv or .xlsx.',
        ),
    ],
    "trim": Annotated[
        float | None,
        typer.Option(
            metavar="TIMES", help="Largest raked weight, as a multiple of the mean. With --targets."
        ),
    ],
    "drop": Annotated[
        list[str] | None,
        typer.Option(metavar="COL", help="Leave a column out of everything. Repeatable."),
    ],
    "missing": Annotated[
        list[str] | None,
        typer.Option(
            metavar="[COL=]VALUE",
            help="A cell that means no answer, of one column or of all. Repeatable.",
        ),
    ],
    "publish": Annotated[
        list[str] | None,
        typer.Option(
            metavar="COL[=LEVEL]",
            help="A column whose levels are public (countries, brands): rare ones come out, "
            "unlinked. With all levels listed, rows do not tell which the table has. Repeatable.",
        ),
    ],
    "renamed": Annotated[
        list[str] | None,
        typer.Option(
            metavar="COL=EARLIER",
            help="What a question was called in an earlier wave, so that both are compared; "
            "COL= says that it is none of them. Repeatable.",
        ),
    ],
    "rule": Annotated[
        list[str] | None,
        typer.Option(
            metavar="RULE",
            help="What holds in every row: 'education + 5 <= age', 'if paid=no then wage=missing', "
            "'a + b = total', 'never sex=m, births=1..', 'unique a, b', or JSON. Repeatable.",
        ),
    ],
    "no_rule": Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="Remove a rule, stated or found, by its text in `describe`. Repeatable.",
        ),
    ],
}
with_flags = with_optional(FLAGS, "describe")
"""Decorator: the command has the flags, and takes them together as `**changes`."""


class Corrections(corrections.Corrections):
    """The corrections of one command."""

    @staticmethod
    def named(name: str, value: object) -> str:
        """Return the flag with its value."""
        return f"--{name.replace('_', '-')} {value}"
