"""Rules that hold in every generated row, as a description states them.

    {"if": {"employed": "no"}, "then": {"hours": null}}
    {"then": {"age": {"min": 18}}}
    {"sum": ["food", "rent", "rest"], "equals": "spending"}
    {"compare": ["education_years", "<=", "age"], "plus": 5}
    {"allowed": ["city", "country"], "combinations": [["Bonn", "Germany"], ["Graz", "Austria"]]}
    {"forbidden": {"sex": "male", "pregnant": "yes"}}
    {"unique": ["household", "line"]}
    {"multiple": "price", "of": 0.05}

Each has the keys of one form. The parts of a cell are those of a quota, or a gap (`null`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from simulacra_schema.base import ColumnName, KubeModel, Level, Sparse, optional
from simulacra_schema.quotas import CellPart, short_part
from simulacra_schema.ranges import Finite

MAX_RULES = 200
DAY = 86_400e6
"""In microseconds, in which moments are numbers."""
MAX_COLUMNS = 60
MAX_COMBINATIONS = 2_000
SHOWN = 5
FORMS: dict[str, tuple[str, ...]] = {
    "then": ("if_",),
    "sum": ("equals",),
    "compare": ("plus",),
    "allowed": ("combinations",),
    "forbidden": (),
    "unique": (),
    "multiple": ("of",),
}
"""The key that makes a form, and the keys that go with it."""
NEEDED = {"sum": "equals", "multiple": "of"}
SIGNS = {"<=": "≤", "<": "<", ">=": "≥", ">": ">"}
Operator = Literal["<=", "<", ">=", ">"]


class RulePart(CellPart):
    """What a rule says of one column: one of several levels, a range, or a gap."""

    model_config = ConfigDict(json_schema_extra={})

    missing: bool | None = optional("true: the value is missing; false: any value is there.")

    @model_validator(mode="after")
    def _one(self) -> RulePart:
        given = [self.levels is not None, self.has_numbers, self.has_dates]
        if sum([*given, self.missing is not None]) != 1:
            raise ValueError("give levels, min and max, earliest and latest, or missing")
        if self.has_numbers or self.has_dates:
            low, high = self.ends()
            if low > high:
                raise ValueError("the lower end is above the upper one; exchange them")
        return self

    def words(self) -> str:
        """Return the levels, the range or the gap in words."""
        if self.missing is None:
            return super().words()
        return "missing" if self.missing else "present"


def _short(value: Any) -> Any:
    return {"missing": True} if value is None else short_part(value)


def _cell(value: Any) -> Any:
    return {k: _short(v) for k, v in value.items()} if isinstance(value, Mapping) else value


Where = Annotated[
    dict[ColumnName, RulePart],
    Field(min_length=1, max_length=MAX_COLUMNS),
    BeforeValidator(_cell),
]
Columns = Annotated[list[ColumnName], Field(min_length=1, max_length=MAX_COLUMNS)]
Values = Annotated[list[Level], Field(min_length=1, max_length=MAX_COLUMNS)]


class Rule(Sparse):
    """One rule; the columns that it names have the property in every generated row.

    Attributes:
        if_, then: rows of the first cell are in the second one; without `if`, all rows are.
        sum, equals: these columns add up to another column, or to a number.
        compare, plus: first column, sign, second column; `plus` is added to the first one, to a
            date as days.
        allowed, combinations: columns, and the combinations of their values that may be; without
            a list those of the upload that at least five persons have.
        forbidden: a cell that has no row.
        unique: no two rows of a table have the same values in all of these columns.
        multiple, of: the column is a multiple of the number.
        text: the rule in words, in a completed description. Ignored when it is sent.
    """

    if_: Where | None = Field(default=None, alias="if")
    then: Where | None = None
    sum: Annotated[Columns, Field(min_length=2)] | None = None
    equals: ColumnName | Finite | None = None
    compare: tuple[ColumnName, Operator, ColumnName] | None = None
    plus: Finite | None = None
    allowed: Columns | None = None
    combinations: Annotated[list[Values], Field(max_length=MAX_COMBINATIONS)] | None = None
    forbidden: Where | None = None
    unique: Columns | None = None
    multiple: ColumnName | None = None
    of: Annotated[Finite, Field(gt=0)] | None = None
    text: Any = Field(default=None, exclude=True)

    @model_validator(mode="after")
    def _one_form(self) -> Rule:
        forms = [name for name in FORMS if getattr(self, name) is not None]
        if len(forms) != 1:
            raise ValueError(f"a rule has one of {', '.join(FORMS)}")
        given = [
            name for name in Rule.model_fields if name != "text" and getattr(self, name) is not None
        ]
        if other := [name for name in given if name not in (*forms, *FORMS[forms[0]])]:
            raise ValueError(f"{other[0].strip('_')} does not go with {forms[0]}")
        if (needed := NEEDED.get(forms[0])) and getattr(self, needed) is None:
            raise ValueError(f"{forms[0]} needs {needed}")
        if self.compare is not None and self.compare[0] == self.compare[2]:
            raise ValueError("compare two different columns")
        listed = self.sum or self.allowed or self.unique or []
        if len(set(listed)) < len(listed) or (self.sum and self.equals in listed):
            raise ValueError("a column is named twice; name it once")
        if any(len(one) != len(self.allowed or ()) for one in self.combinations or ()):
            raise ValueError("each combination has one value for each column of allowed")
        if self.combinations is not None and not self.combinations:
            raise ValueError("give at least one combination, or leave combinations out")
        return self

    @property
    def form(self) -> str:
        """The key that makes the form of the rule."""
        return next(name for name in FORMS if getattr(self, name) is not None)

    def columns(self) -> list[str]:
        """Return the names of all columns of the rule, each once."""
        named: list[str] = [*(self.if_ or ()), *(self.then or ()), *(self.sum or ())]
        if isinstance(self.equals, str):
            named.append(self.equals)
        if self.compare is not None:
            named += [self.compare[0], self.compare[2]]
        named += [*(self.allowed or ()), *(self.forbidden or ()), *(self.unique or ())]
        return list(dict.fromkeys([*named, *([self.multiple] if self.multiple else [])]))

    def described(self) -> dict[str, Any]:
        """Return the rule as a completed description has it."""
        return {**self.model_dump(mode="json", by_alias=True), "text": self.words()}

    def added(self, *, of_dates: bool) -> float:
        """Return what `compare` adds to the first column: days as microseconds."""
        return (self.plus or 0.0) * (DAY if of_dates else 1.0)

    def words(self) -> str:
        """Return the rule as a sentence that a person reads."""
        if self.then is not None:
            then = _cell_words(self.then)
            return f"if {_cell_words(self.if_)} then {then}" if self.if_ else then
        if self.sum is not None:
            total = self.equals if isinstance(self.equals, str) else f"{self.equals:.12g}"
            return f"{' + '.join(self.sum)} = {total}"
        if self.compare is not None:
            first, sign, second = self.compare
            plus = f" {'-' if self.plus < 0 else '+'} {abs(self.plus):.12g}" if self.plus else ""
            return f"{first}{plus} {SIGNS[sign]} {second}"
        if self.allowed is not None:
            of = "those of the upload" if self.combinations is None else len(self.combinations)
            return f"allowed combinations of {', '.join(self.allowed)}: {of}"
        if self.forbidden is not None:
            return f"never {_cell_words(self.forbidden)}"
        if self.unique is not None:
            return f"{', '.join(self.unique)}: unique together"
        return f"{self.multiple} is a multiple of {self.of:.12g}"


class StatedRule(KubeModel):
    """A rule of a dataset, on the names and levels of its schema.

    Attributes:
        violations: rows of the upload that break it; the count has a noise of about one person,
            and is 0 below five.
        of_upload: its combinations are those of the upload.
    """

    rule: Rule
    violations: int = 0
    of_upload: bool = False


def _cell_words(cell: Mapping[str, RulePart]) -> str:
    return " and ".join(f"{name} {part.words()}" for name, part in cell.items())
