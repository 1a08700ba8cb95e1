"""Background columns proposed by name, label and data: what nothing else in a survey can cause.

A proposal never binds by itself. A person confirms it, or asks for `background: auto` (then it is
knowledge, with origin `proposed`); until then no arrow is drawn into a proposed column.
"""

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from simulacra_schema.base import ColumnName, KubeModel
from simulacra_schema.questions.knowledge import MOST_CONFIRMED, Knowledge
from simulacra_schema.table import ColumnSchema, TableSchema

Group = Literal["fielding", "born with", "origin"]


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


TIERS: dict[Group, int] = {"fielding": 0, "born with": 0, "origin": 1}
NEVER = _set(
    "household head interviewer car house company child children kid kids since first purchase"
    " built now current identity partner spouse husband wife"
)
"""Words of other things and later times: "age of car", "year built", "age at first marriage"."""
PLANS = _set(
    "retire retirement retired retires retiring pension plan plans planned expect expects expected"
    " intend intended intention ideal desired wish wished"
)
"""Words of what people plan or wish, which their answers may cause: "planned retirement age"."""
SEX = _set("sex gender female male woman man")
ETHNICITY = _set("race black hispanic asian ethnic ethnicity ethnicities afam")
GROUPS = _set("minority native immigrant foreign")
"""Background as the whole name or half of it; longer texts tell opinions about such people."""
SKIN = _set("color colour")
"""Background only with levels of people: cars and packages have colors as well."""
PEOPLE = _set("black white asian hispanic colored coloured")
BIRTH_YEAR = _set("birthyear birthyr yearborn yrborn yob")
BORN = _set("birth born origin native")
PARENTS = _set("parent parents father mother paternal maternal dad mom mum")
STANDING = _set("education educ degree school occupation job prestige work income")
SIBLINGS = _set("sibling siblings sibs brothers sisters")
YOUTH = frozenset(("14", "15", "16", "17", "18"))
MAX_AGE = 120
FEW_LEVELS = 12
FEW_YEARS = 60
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


class BackgroundProposal(KubeModel):
    """A column that is probably background.

    Attributes:
        group: fielding: when and how people were asked; born with: age, sex, ethnicity; origin:
            parents and youth.
        tier: 0, or 1 for origin.
        reason: in words, for the person who confirms it.
    """

    column: ColumnName
    group: Group
    tier: int = Field(ge=0, le=1)
    reason: str


def propose_background(schema: TableSchema) -> list[BackgroundProposal]:
    """Return the proposals in the order of the schema, learned columns only."""
    found = []
    for column in schema.learned():
        if PLANS.intersection(words(f"{column.name} {column.label or ''}")):
            continue
        for source, text in (("named", column.name), ("labeled", column.label or "")):
            match = next(_matches(words(text), column), None)
            if match is not None:
                group, like, data = match
                reason = f"'{column.name}': {source} like {like}, {data}"
                proposal = BackgroundProposal(
                    column=column.name, group=group, tier=TIERS[group], reason=reason
                )
                found.append(proposal)
                break
    return found


def open_proposals(knowledge: Knowledge, schema: TableSchema) -> list[BackgroundProposal]:
    """Return the proposals that the knowledge does not place or contradict."""
    placed = {name for tier in (*knowledge.tiers, *knowledge.confirmed) for name in tier}
    placed |= {edge.target for edge in knowledge.required}
    return [found for found in propose_background(schema) if found.column not in placed]


def bind_background(knowledge: Knowledge, schema: TableSchema) -> Knowledge:
    """Return the knowledge with its open proposals confirmed, if it asks for that.

    The wave of repeated cross-sections comes before all other columns, whatever was said.
    """
    wave = schema.wave()
    if wave is None:
        return _with_proposals(knowledge, schema)
    kept = {}
    for field in ("tiers", "confirmed"):
        tiers = [[n for n in tier if n != wave.name] for tier in getattr(knowledge, field)]
        kept[field] = [tier for tier in tiers if tier]
    others = [column for column in schema.columns if column.name != wave.name]
    own = knowledge.model_copy(update=kept)
    own = _with_proposals(own, schema.model_copy(update={"columns": others}))
    first, rest = own.confirmed[: MOST_CONFIRMED - 2], own.confirmed[MOST_CONFIRMED - 2 :]
    last = [[name for tier in rest for name in tier]] if rest else []
    return own.model_copy(update={"confirmed": [[wave.name], *first, *last]})


def _with_proposals(knowledge: Knowledge, schema: TableSchema) -> Knowledge:
    found = open_proposals(knowledge, schema) if knowledge.background == "auto" else []
    if not found:
        return knowledge
    tiers = [list(tier) for tier in knowledge.confirmed]
    for tier in sorted({proposal.tier for proposal in found}):
        columns = [proposal.column for proposal in found if proposal.tier == tier]
        if tier < len(tiers):
            tiers[tier] += columns
        else:
            tiers.append(columns)
    return knowledge.model_copy(update={"confirmed": tiers})


def words(text: str) -> list[str]:
    """Return the lower-case words of a name, split at case, digits and other signs."""
    return [word.lower() for word in _WORD.findall(text)]


def _matches(found: list[str], column: ColumnSchema) -> Iterator[tuple[Group, str, str]]:
    """Yield (group, what the name is like, what the data agree with)."""
    said = set(found)
    levels = _levels(column)
    if said & NEVER:
        return
    if "at" in said and said & YOUTH:
        yield "origin", f"something at age {min(said & YOUTH)}", "before adult life"
    if (said & PARENTS and said & STANDING) or said & SIBLINGS or {"birth", "order"} <= said:
        yield "origin", "parents or siblings", "before adult life"
    if "at" in said or "when" in said or said & PARENTS:
        return
    is_year = found in (["year"], ["survey", "year"], ["interview", "year"])
    if is_year and (column.kind == "datetime" or levels <= FEW_LEVELS or _span(column, FEW_YEARS)):
        yield "fielding", "the year of the survey", "few years"
    is_wave = found in (["wave"], ["quarter"], ["survey", "wave"], ["interview", "mode"])
    if is_wave and levels <= FEW_LEVELS:
        yield "fielding", "a wave or mode of the survey", f"{levels:.0f} levels"
    if {"interview", "date"} <= said and column.kind == "datetime":
        yield "fielding", "the date of the interview", "dates"
    if "age" in said and (_between(column, 0, MAX_AGE) or levels <= FEW_LEVELS):
        yield "born with", "age", f"0 to {MAX_AGE}, or bands"
    if "dob" in said or "birthday" in said or {"birth", "date"} <= said:
        yield "born with", "a date of birth", "a date or number"
    is_birth_year = said & BIRTH_YEAR or (said & {"birth", "born"} and said & {"year", "yr"})
    if is_birth_year and _between(column, 1880, 2100):
        yield "born with", "a year of birth", "years"
    if "birthcountry" in said or ("country" in said and said & BORN):
        yield "born with", "a country of birth", "levels"
    if found in (["country"], ["interview", "country"], ["survey", "country"]):
        yield "fielding", "the country of the survey", "levels"
    if said & SKIN and _has_levels(column, PEOPLE):
        yield "born with", "ethnicity", f"{levels:.0f} levels"
    if said & GROUPS and len(found) <= 2 and levels <= FEW_LEVELS:
        yield "born with", "a minority or origin", f"{levels:.0f} levels"
    for like, family in (("sex", SEX), ("ethnicity", ETHNICITY)):
        if said & family and levels <= FEW_LEVELS:
            yield "born with", like, f"{levels:.0f} levels"


def _has_levels(column: ColumnSchema, some: frozenset[str]) -> bool:
    """Return whether at least two levels are among these words."""
    found = [level for level in column.levels or () if some.intersection(words(str(level.value)))]
    return len(found) > 1


def _levels(column: ColumnSchema) -> float:
    """Return the number of levels; infinite for numbers without them."""
    if column.levels:
        return float(len(column.levels))
    return 2.0 if column.kind == "boolean" else float("inf")


def _between(column: ColumnSchema, low: float, high: float) -> bool:
    if column.minimum is None or column.maximum is None:
        return False
    return low <= column.minimum and column.maximum <= high


def _span(column: ColumnSchema, width: float) -> bool:
    if column.minimum is None or column.maximum is None:
        return False
    return column.maximum - column.minimum <= width
