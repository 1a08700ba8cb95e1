"""Arguments that several tools have, with the descriptions that the model reads."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from simulacra.corrections import Cell
from simulacra.models import Json
from simulacra.operations.questions import Population
from simulacra.signatures import with_optional

WAIT_SECONDS = 45.0
"""Longest duration of one call, except a small upload: many clients stop a tool after 60 s."""
Local = Annotated[str, Field(description="Path of a file, relative to the folder of this server.")]
DatasetId = Annotated[str, Field(description="dataset_id from upload.")]

Knowledge = Annotated[
    Json | None,
    Field(
        description='Causal knowledge: {"tiers": [[column]], "required": [{"source", "target"}]};'
        " tiers are blocks, the earliest first."
    ),
]
Description = Annotated[
    Json | None,
    Field(description="What the columns are (Data Package v2), all or some, as `describe` has it."),
]


def _given(kind: Any, description: str) -> Any:
    """Return an argument that may be left out."""
    return Annotated[kind | None, Field(description=description)]


CORRECTIONS: dict[str, Any] = {
    "subject": _given(str, "Column of the persons that several rows belong to."),
    "key_column": _given(str, "Column that numbers the rows; generated rows get fresh ones."),
    "order": _given(str, "Column that orders the rows of a person."),
    "wave": _given(str, "Column of the waves of a tracker that asks new people each time."),
    "cluster": _given(str, "Column of the sampling points (PSU) of a survey; rows lack it."),
    "stratum": _given(list[str], "Columns that the sample was stratified by."),
    "replicates": _given(
        str,
        "Replicate weights as PATTERN=METHOD (brr, brr:FAY, jk1, jk2, bootstrap), such as "
        "repwt*=brr:0.5; rows lack them.",
    ),
    "targets": _given(
        Json | str,
        "Shares of the population to weight rows to (raking): {column: {level: share}}, or "
        '{"categorical": ..., "quotas": [{"where": {column: level}, "share"}]}. Or a file of it. '
        "Only shares that the user gives.",
    ),
    "trim": _given(float, "Largest raked weight, as a multiple of the mean."),
    "drop": _given(list[str], "Columns to leave out of everything."),
    "missing": _given(
        list[Cell] | dict[str, list[Cell]],
        'Cells that mean no answer: ["k.A.", "age=99"] (of all columns, of one), or {column: '
        "[cell]}.",
    ),
    "publish": _given(
        list[str],
        "Columns whose levels are public, such as countries, or COL=LEVEL for each level that "
        "there is. Rare levels then come out, unlinked to other answers. Only if the user says "
        "that they are public.",
    ),
    "renamed": _given(
        dict[str, str] | list[str] | str,
        "Of a tracker: what questions were called in earlier waves, {column: earlier column} or "
        "COL=EARLIER, so that what moved compares them. Confirm a proposal of `describe` only if "
        "the user agrees.",
    ),
    "rule": _given(
        list[str] | str,
        "What holds in every generated row, each in a line: 'education + 5 <= age', 'if paid=no "
        "then wage=missing', 'a + b = total', 'never sex=m, births=1..', 'unique a, b', 'allowed "
        "city, country', 'multiple price of 0.05', or JSON. Confirm a proposal of `describe` only "
        "if the user agrees.",
    ),
    "no_rule": _given(list[str], "Rules to remove, stated or found, by their text in `describe`."),
}
with_corrections = with_optional(CORRECTIONS, "description")
"""Decorator: the tool has these arguments, and takes them together as `**changes`."""
Weights = Annotated[str | None, Field(description="Column of survey weights, if there is one.")]

Outcome = Annotated[str, Field(description="Column whose average is compared.")]
OutcomeLevel = Annotated[
    bool | float | str | None,
    Field(description="Of a categorical outcome: the level whose share counts."),
]
Blocks = Annotated[
    list[list[str]] | None,
    Field(
        description="All columns in one go: blocks, the earliest first; none is caused by a later"
        " one. `status` of the dataset has a usual order: ask the user its question, and give only"
        " what they confirm."
    ),
]
DontKnow = Annotated[list[str] | None, Field(description="Columns that may be either.")]
Whose = Annotated[
    Population | None, Field(description="Whose average effect: all (default), treated or overlap.")
]


class LeverInput(BaseModel, extra="forbid"):
    """A lever with two values to compare, or with what came before and after it."""

    column: str
    value: bool | float | str | None = Field(default=None, description="Give baseline as well.")
    baseline: bool | float | str | None = Field(default=None, description="What to compare with.")
    before: list[str] = Field(
        default_factory=list,
        description="Columns settled before this lever, other levers too. Ask the user.",
    )
    after: list[str] = Field(
        default_factory=list, description="Columns that came after this lever, other levers too."
    )
