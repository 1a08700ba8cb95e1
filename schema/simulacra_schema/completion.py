"""Completion of given rows: the request, and the report on what was filled.

The report names columns and levels, so it is stored encrypted (artifact completion.json). Only
`CompletionReport.summary` goes to a status. docs/adr/0093 says why completion works as it does.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from simulacra_schema.base import (
    AnswerPart,
    ColumnName,
    KubeModel,
    Level,
    no_default,
    optional,
    ruled,
)

VERSION = 1
MAX_GIVEN_ROWS = 100_000
MIN_IMPLICATES, DEFAULT_IMPLICATES, MAX_IMPLICATES = 2, 10, 50
MAX_MIXED_COLUMNS = 80
"""Columns with gaps whose pattern is not nested: each costs a fit in each sweep."""
MAX_FILLED_CELLS = 50_000_000
MIN_DONORS = 50
"""Donors who answered a column that is to be filled."""
MAX_NEARNESS, MAX_STRICT_NEARNESS = 0.55, 0.53
"""Bars of `SeenHalf.nearness`, the second with `privacy: strict`."""
MAX_PAIRS = 50
MIN_TOGETHER = 100.0
"""Respondents (Kish) who answered both columns of a pair, from which it is measured."""
ROW, IMPLICATE = "row", "implicate"
"""First columns of filled rows, with underscores added to avoid a clash."""
Unknown = Literal["refuse", "missing"]
PairVerdict = Literal["measured", "assumed", "open", "contradicted"]
"""What may be said of a pair; docs/adr/0098 says when."""


class Pair(KubeModel):
    """Two columns that nobody, or few, answered together.

    Not x and y: kubectl reads a key `y` of YAML as true.
    """

    model_config = ruled(("self.first != self.second", "a pair has two columns; name another"))

    first: ColumnName = Field(description="A column of the given rows, or of the model.")
    second: ColumnName = Field(description="The other column.")


class ImpossibleCell(Pair):
    """Two answers that nobody gives together."""

    levels: list[Level] = Field(
        min_length=2, max_length=2, description="Answers of both, the first first, that never meet."
    )


class SignedPair(Pair):
    """How the columns go together among people who are alike in the common columns."""

    sign: Literal["positive", "negative"] = Field(
        description="Whether two answers meet more or less often than by chance."
    )
    levels: list[Level] | None = optional(
        "Answers of both that the sign is about. Without them, larger numbers or later "
        "levels of the first go with larger ones of the second (positive), or with smaller ones.",
        min_length=2,
        max_length=2,
    )


class GivenOptions(KubeModel):
    """What to fill in the given rows."""

    columns: list[ColumnName] | None = optional(
        "Columns to fill. Without it, all that can be filled.", min_length=1, max_length=4096
    )
    implicates: int = Field(
        default=DEFAULT_IMPLICATES,
        ge=MIN_IMPLICATES,
        le=MAX_IMPLICATES,
        description="How often each gap is filled, 2 to 50, each time by a model of another random"
        " half of the donors; 10 when absent.",
        json_schema_extra=no_default,
    )
    fill_codes: bool = Field(
        default=False,
        description="Whether special codes, such as -9 for refused, are gaps, too.",
        json_schema_extra=no_default,
    )
    unknown: Unknown = Field(
        default="refuse",
        description="Levels of a given row that the model does not know: refuse the rows, or take"
        " these answers as missing.",
        json_schema_extra=no_default,
    )
    pairs: list[Pair] | None = optional(
        "Pairs of a column of the given rows and one of the model, of which bounds are "
        "wanted. Pairs of a statement below need no mention here.",
        min_length=1,
        max_length=MAX_PAIRS,
    )
    independent: list[Pair] | None = optional(
        "Pairs that nothing but the common columns connects, as you state.",
        min_length=1,
        max_length=MAX_PAIRS,
    )
    sign: list[SignedPair] | None = optional(
        "Signs of dependence given the common columns, as you state them.",
        min_length=1,
        max_length=MAX_PAIRS,
    )
    impossible: list[ImpossibleCell] | None = optional(
        "Answers that never meet, as you state.", min_length=1, max_length=MAX_PAIRS
    )

    def all_pairs(self) -> Iterator[tuple[str, int, Pair]]:
        """Yield the pairs of all statements with their field and place."""
        for name in ("pairs", "independent", "sign", "impossible"):
            for i, pair in enumerate(getattr(self, name) or ()):
                yield name, i, pair

    @property
    def in_pairs(self) -> set[str]:
        """The columns of all pairs."""
        return {name for _, _, pair in self.all_pairs() for name in (pair.first, pair.second)}


class Held(AnswerPart):
    """The check of one column: known answers were blanked out and filled again."""

    share: float = Field(description="Of these answers that the 80 % sets hold, 0..1.")
    count: int = Field(description="Answers blanked out, in all check runs.")


class FilledColumn(AnswerPart):
    """One filled column."""

    column: ColumnName
    gaps: int = Field(description="Rows with a gap.")
    filled: int = Field(description="Of these, rows that were filled in every implicate.")
    left_empty: int = Field(
        description="Of these, rows with no possible value in some implicate, or where a filled"
        " filter question skips this one."
    )
    skips: int = Field(default=0, description="Rows in which the question was skipped: no gaps.")
    donors: int = Field(description="Persons of the model's table who answered.")
    worth: float | None = Field(
        description="Respondents that the column is worth, median over its shares; null where no"
        " row answered it before or after."
    )
    check: Held | None = Field(description="Null where too few answers could be blanked out.")
    converged: bool = Field(description="Whether its figures had settled after the last sweep.")


class SharePair(AnswerPart):
    """A level's share of the donors and of the given rows, 0..1."""

    level: str
    donors: float
    given: float


class CommonColumn(AnswerPart):
    """A column that the given rows and the donors both answer; of a number, by fifths."""

    column: ColumnName
    shares: list[SharePair]
    difference: float = Field(description="Half the sum of the differences of the shares, 0..1.")


class SeenHalf(AnswerPart):
    """Whether filled rows are nearer to the donors that their model learned from."""

    nearness: float = Field(
        description="Share of filled rows nearer to the half of the donors that their model"
        " learned from than to the other half; .5 if nothing comes back."
    )
    bar: float
    verdict: Literal["passed", "failed"]


class PairCell(AnswerPart):
    """A cell of a pair: the share of all respondents who give both answers, 0..1."""

    first: str
    second: str
    figure: float | None = Field(
        description="Null while the pair is open, where fewer than five persons gave both, and"
        " where such a cell would follow from the others."
    )
    low: float | None = Field(
        description="Lower end of the figure's 95 % interval, of at most five persons if few gave"
        " both; else null without a figure."
    )
    high: float | None = Field(description="Its upper end.")
    least: float = Field(description="The least share that the common columns allow.")
    most: float = Field(description="The largest share that they allow.")


class PairAnswer(AnswerPart):
    """What may be said of two columns that nobody, or few, answered together."""

    first: ColumnName
    second: ColumnName
    verdict: PairVerdict
    text: str = Field(description="What it rests on, in words.")
    together: float | None = Field(
        description="Respondents who answered both (Kish); null for 1 to 4."
    )
    through: list[ColumnName] = Field(description="The common columns.")
    width: float = Field(description="Mean distance of least and most.")
    plain: float = Field(description="The same without the common columns (Fréchet).")
    cells: list[PairCell]


class CompletionFigures(KubeModel):
    """Figures of a completion without names, for a status."""

    rows: int = Field(description="Number of given rows.")
    implicates: int = Field(description="How often each gap was filled.")
    gaps: int = Field(description="Cells with a gap.")
    filled: int = Field(description="Of these, cells that were filled in every implicate.")
    least_worth: float | None = optional("Respondents that the least informed column is worth.")
    pairs: dict[str, int] | None = optional(
        "Pairs by verdict: measured, assumed, open or contradicted.",
        json_schema_extra={"maxProperties": 4},
    )


class CompletionReport(KubeModel):
    """Artifact completion.json: what was filled, its worth and its checks.

    Attributes:
        rows: given rows.
        gaps: cells with a gap.
        filled: of these, cells that were filled in every implicate.
        nested: whether one sweep was exact, because the sets of gaps are nested.
        sweeps: sweeps after the start; 0 where nested.
        columns: the filled columns, in the order of the model's.
        common: shares side by side; empty for the donors' own rows.
        privacy: None for the donors' own rows, whose known answers they hold anyway.
        pairs: that were asked for; empty otherwise.
        warnings: limits of the completion, in plain words.
    """

    version: int = VERSION
    rows: int
    implicates: int
    gaps: int
    filled: int
    nested: bool
    sweeps: int
    columns: list[FilledColumn]
    common: list[CommonColumn] = Field(default_factory=list)
    privacy: SeenHalf | None = None
    pairs: list[PairAnswer] = Field(default_factory=list)
    warnings: list[str] = Field(default_factory=list)

    @property
    def summary(self) -> CompletionFigures:
        """The figures without names."""
        worths = [one.worth for one in self.columns if one.worth is not None]
        return CompletionFigures(
            rows=self.rows,
            implicates=self.implicates,
            gaps=self.gaps,
            filled=self.filled,
            least_worth=min(worths, default=None),
            pairs=dict(Counter(one.verdict for one in self.pairs)) or None,
        )
