"""Corrections of what is read, as flags of a command: --subject, --cluster, --drop, --missing."""

from typing import Annotated, Any

from simulacra import corrections
from simulacra.commands.options import option
from simulacra.signatures import with_optional


def _column(help: str, metavar: str = "COL") -> Any:  # noqa: A002
    """Return a flag that is given once."""
    return Annotated[str | None, option(help, metavar=metavar)]


def _several(help: str, metavar: str = "COL") -> Any:  # noqa: A002
    """Return a flag that is given once for each."""
    return Annotated[list[str] | None, option(f"{help} Repeatable.", metavar=metavar)]


FLAGS: dict[str, Any] = {
    "subject": _column("Column of the persons that several rows belong to."),
    "key_column": _column("Column that numbers the rows; generated rows get fresh ones."),
    "order": _column("Column that orders the rows of a person."),
    "wave": _column("Column of the waves of a survey of new people each."),
    "cluster": _column("Column of sampling points; generated rows lack it."),
    "stratum": _several("A column that the sample was stratified by."),
    "replicates": _column(
        "Columns of replicate weights, and how they were made: brr (brr:0.5 with Fay's "
        "coefficient), jk1, jk2 or bootstrap. Generated rows lack them.",
        "PATTERN=METHOD",
    ),
    "targets": _column(
        "Shares of the population that rows are weighted to (raking): JSON such as "
        '{"region": {"north": 0.3, "south": 0.7}}, or a sheet of cells, .csv or .xlsx.',
        "FILE|JSON",
    ),
    "trim": Annotated[
        float | None,
        option("Largest raked weight, as a multiple of the mean. With --targets.", metavar="TIMES"),
    ],
    "drop": _several("Leave a column out of everything."),
    "missing": _several("A cell that means no answer, of one column or of all.", "[COL=]VALUE"),
    "publish": _several(
        "A column whose levels are public (countries, brands): rare ones come out, unlinked. With "
        "all levels listed, rows do not tell which the table has.",
        "COL[=LEVEL]",
    ),
    "renamed": _several(
        "What a question was called in an earlier wave, so that both are compared; COL= says that "
        "it is none of them.",
        "COL=EARLIER",
    ),
    "rule": _several(
        "What holds in every row: 'education + 5 <= age', 'if paid=no then wage=missing', "
        "'a + b = total', 'never sex=m, births=1..', 'unique a, b', or JSON.",
        "RULE",
    ),
    "no_rule": _several("Remove a rule, stated or found, by its text in `describe`.", "TEXT"),
}
with_flags = with_optional(FLAGS, "describe")
"""Decorator: the command has the flags, and takes them together as `**changes`."""


class Corrections(corrections.Corrections):
    """The corrections of one command."""

    @staticmethod
    def named(name: str, value: object) -> str:
        """Return the flag with its value."""
        return f"--{name.replace('_', '-')} {value}"
