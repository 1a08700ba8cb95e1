"""Faults of a question against the schema of its data: where, what is wrong, what to do."""

from collections.abc import Sequence
from typing import NamedTuple

from simulacra_schema.base import KubeModel
from simulacra_schema.did_you_mean import unknown_column, unknown_level
from simulacra_schema.table import ColumnSchema, TableSchema

UNLEARNED = "a column that is not learned"
SEVERAL_ANSWERS = "a column of several answers, of which one must be named"
_SEVERAL = 'The column holds several answers; name one option, such as "{}", with yes or no.'


class FieldError(KubeModel):
    """One invalid field of a request: its RFC 6901 pointer, what is wrong and what to do."""

    pointer: str
    detail: str


class Fault(FieldError):
    """An invalid field of a question; brief: the same without names, levels and values.

    The customer reads the detail, status and log have the brief.
    """

    brief: str


class Wrong(NamedTuple):
    """A fault before its place is known."""

    brief: str
    detail: str

    def at(self, *path: str | int) -> Fault:
        """Return the fault of the field of this path."""
        return Fault(pointer=pointer(*path), detail=self.detail, brief=self.brief)


class Question(KubeModel):
    """A question about the data of a schema, as spec, REST body or request of a pod."""

    def faults(self, schema: TableSchema) -> list[Fault]:
        """Return what the schema says against the question: one entry for each invalid field."""
        raise NotImplementedError


def pointer(*parts: str | int) -> str:
    """Return the JSON pointer (RFC 6901) of a path."""
    return "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in parts)


def path_of(text: str) -> tuple[str, ...]:
    """Return the path of a JSON pointer, of which numbers are texts."""
    return tuple(one.replace("~1", "/").replace("~0", "~") for one in text.split("/")[1:])


def no_column(name: str, schema: TableSchema) -> Wrong:
    """Return that the schema lacks a column."""
    return Wrong("no such column", unknown_column(name, schema.names()))


def no_level(level: str, levels: Sequence[str]) -> Wrong:
    """Return that a column lacks a level."""
    return Wrong("no such level", unknown_level(level, levels))


def several_answers(column: ColumnSchema) -> Wrong:
    """Return that a request must name one option of a multi column."""
    detail = _SEVERAL.format(column.parts()[0].name)
    return Wrong(SEVERAL_ANSWERS, detail)
