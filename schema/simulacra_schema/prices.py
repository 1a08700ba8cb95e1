"""Price questions of market research, and the stored answers to them.

Van Westendorp (1976): at which price a product is too cheap, cheap, expensive and too expensive.
Gabor and Granger (1966): who would buy at each of several prices.
"""

from typing import Annotated, Literal

from pydantic import Field

from simulacra_schema.base import AnswerPart, ColumnName, KubeModel, Level, optional, optional_list

PriceMethod = Literal["van_westendorp", "gabor_granger"]
STEPS = ("too cheap", "cheap", "expensive", "too expensive")
MOST_PRICES = 20


class PriceQuestion(KubeModel):
    """Columns with the answers to one price question; found by their names where none are given."""

    method: PriceMethod | None = optional("Of several price questions the one to answer.")
    columns: list[ColumnName] = optional_list(
        "van_westendorp: the prices too cheap, cheap, expensive, too expensive, in this"
        " order. gabor_granger: a column for each price, or one with the highest price accepted.",
        max_length=MOST_PRICES,
    )
    prices: list[Annotated[float, Field(ge=0.0)]] = optional_list(
        "gabor_granger: the price of each column; read from the names when empty.",
        max_length=MOST_PRICES,
    )
    buys: list[Level] = optional_list(
        "gabor_granger: answers that mean buying; of yes/no the yes, of a scale of four"
        " or more its two highest when empty.",
        max_length=10,
    )


class PricePoint(AnswerPart):
    """A price with its 95 % interval, which holds by itself; null where the curves do not meet.

    Each crossing is of two of van Westendorp's curves; best revenue is of the prices asked about.
    """

    name: Literal[
        "marginal cheapness", "optimal", "indifference", "marginal expensiveness", "best revenue"
    ]
    price: float | None = None
    low: float | None = None
    high: float | None = None


class PriceCurve(AnswerPart):
    """Shares of respondents (0..1), or the revenue of one person asked, at each of the prices.

    low, high: a 95 % band that holds for all prices together; empty for van Westendorp's curves.
    """

    name: Literal["too cheap", "cheap", "expensive", "too expensive", "would buy", "revenue"]
    values: list[float]
    low: list[float] = Field(default_factory=list)
    high: list[float] = Field(default_factory=list)


class ArcElasticity(AnswerPart):
    """Percent by which demand changes for one percent of the price, between two prices asked."""

    start: float
    end: float
    elasticity: float
    low: float
    high: float


class PriceAnswer(AnswerPart):
    """The answer to a price question. Counts have a noise of about one person."""

    question: PriceQuestion = Field(description="The columns as they were read.")
    respondents: float = Field(description="Effective respondents whose answers count.")
    inconsistent: float = Field(
        description="Whose answers contradict each other: left out by van_westendorp, counted as"
        " they are by gabor_granger; 0 where fewer than five."
    )
    prices: list[float] = Field(description="Of the curves.")
    curves: list[PriceCurve]
    points: list[PricePoint]
    elasticities: list[ArcElasticity] = Field(default_factory=list)
    text: str
