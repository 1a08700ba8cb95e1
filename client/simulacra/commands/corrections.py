"""Corrections of what is read, as flags of a command: --subject, --drop, --missing, --publish."""

from __future__ import annotations

from typing import Annotated

import typer

from simulacra import corrections

Subject = Annotated[
    str | None,
    typer.Option(metavar="COL", help="Column of the persons that several rows belong to."),
]
KeyColumn = Annotated[
    str | None,
    typer.Option(
        metavar="COL", help="Column that numbers the rows; generated rows get fresh ones."
    ),
]
Order = Annotated[
    str | None, typer.Option(metavar="COL", help="Column that orders the rows of a person.")
]
Drop = Annotated[
    list[str] | None,
    typer.Option("--drop", metavar="COL", help="Leave a column out of everything. Repeatable."),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        "--missing",
        metavar="[COL=]VALUE",
        help="A cell that means no answer, of one column or of all. Repeatable.",
    ),
]
Publish = Annotated[
    list[str] | None,
    typer.Option(
        "--publish",
        metavar="COL[=LEVEL]",
        help="A column whose levels are public (countries, brands): rare ones come out, unlinked. "
        "With all levels listed, rows do not tell which the table has. Repeatable.",
    ),
]


class Corrections(corrections.Corrections):
    """The corrections of one command."""

    @staticmethod
    def named(name: str, value: object) -> str:
        """Return the flag with its value."""
        return f"--{name.replace('_', '-')} {value}"
