"""The description of a table: what its columns are, stated by the customer or found in the data.

One document everywhere: a Data Resource of Data Package v2 with a Table Schema
(<https://datapackage.org/standard/table-schema/>), a bare Table Schema, or a Package of one
resource. It may name some columns only, and of each only some properties. It is customer data.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simulacra_schema.description_parts import (
    EXTENSION,
    EXTENSION_PROPERTIES,
    Dialect,
    FieldDescription,
    TableExtension,
    TableSchemaPart,
)
from simulacra_schema.description_rules import LATER, check_field, check_table
from simulacra_schema.faults import FieldError, pointer

MAX_DESCRIPTION_BYTES = 1 << 20
ADDED_BYTES = 2048
"""What the service adds to a description: the table's name and a salt, as it stores them."""
UNNAMED = "table"
"""Name in a completed description of a table that nobody named."""
MAX_DEPTH = 12
MAX_PROBLEMS = 100
SCHEMA_URL = "https://datapackage.org/profiles/2.0/tableschema.json"
_SURROGATE = re.compile("[\ud800-\udfff]")
M = TypeVar("M", bound=BaseModel)
MATCHES = ("exact", "equal", "subset", "superset", "partial")


class DescriptionInvalid(ValueError):
    """The document is not a valid description; errors: all faults, MAX_PROBLEMS at most."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(f"The description has {len(errors)} errors.")
        self.errors: tuple[FieldError, ...] = tuple(errors[:MAX_PROBLEMS])


class Description(BaseModel):
    """A parsed description.

    Attributes:
        prefix: path to the Table Schema in the document as sent: (), ("schema",) or
            ("resources", 0, "schema").
        name: of the resource.
        path: name of the file.
        encoding: of the text of a CSV, a codec of Python in lower case.
        dialect: of a CSV.
        table: the Table Schema.
    """

    model_config = ConfigDict(frozen=True)

    prefix: tuple[str | int, ...] = ()
    name: str | None = Field(default=None, max_length=256)
    path: str | None = Field(default=None, max_length=1024)
    encoding: str | None = Field(default=None, max_length=32)
    dialect: Dialect = Field(default_factory=Dialect)
    table: TableSchemaPart = Field(default_factory=TableSchemaPart)

    @property
    def fields(self) -> list[FieldDescription]:
        """The fields in the order of the document."""
        return self.table.fields

    @property
    def extension(self) -> TableExtension:
        """`x-simulacra` of the table."""
        return self.table.extension

    def pointer(self, *parts: str | int) -> str:
        """Return the pointer of a part of the Table Schema in the document as sent."""
        return pointer(*self.prefix, *parts)

    def resource_pointer(self, *parts: str | int) -> str:
        """Return the pointer of a part of the resource, beside the Table Schema."""
        return pointer(*self.prefix[:-1], *parts)


def load_description(content: bytes) -> Description:
    """Parse the bytes of a description.

    Raises:
        DescriptionInvalid: too large, no JSON, too deep, or not valid.
    """
    if len(content) > MAX_DESCRIPTION_BYTES + ADDED_BYTES:
        raise _invalid((), f"The description exceeds {MAX_DESCRIPTION_BYTES >> 20} MiB.")
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise _invalid((), "The description is not JSON.") from None
    return parse_description(document)


def parse_description(document: object) -> Description:
    """Parse a decoded JSON document: a Data Resource, a Table Schema, or a Package of one resource.

    Raises:
        DescriptionInvalid: all faults at once, each with its pointer.
    """
    if not _is_shallow(document, MAX_DEPTH):
        detail = f"It is nested more than {MAX_DEPTH} levels deep, or a text is no valid Unicode."
        raise _invalid((), detail)
    prefix = _prefix(document)
    resource, schema = _parts(document, prefix)
    problems: list[FieldError] = []
    problems += _check_resource(resource, prefix[:-1])
    table = _validated(TableSchemaPart, schema, prefix, problems)
    dialect = _validated(Dialect, resource.get("dialect", {}), (*prefix[:-1], "dialect"), problems)
    problems += [
        FieldError(pointer=pointer(*prefix, *path), detail=detail)
        for path, detail in _rules(schema, table)
    ]
    if problems or table is None or dialect is None:
        raise DescriptionInvalid(problems)
    encoding = resource.get("encoding")
    return Description(
        prefix=prefix,
        name=resource.get("name"),
        path=resource["path"] if isinstance(resource.get("path"), str) else None,
        encoding=_codec(encoding) if encoding else None,
        dialect=dialect,
        table=table,
    )


def property_path(name: str) -> tuple[str, ...]:
    """Return the path of a property in its field."""
    return (EXTENSION, name) if name in EXTENSION_PROPERTIES else (name,)


def _invalid(path: tuple[str | int, ...], detail: str) -> DescriptionInvalid:
    return DescriptionInvalid([FieldError(pointer=pointer(*path), detail=detail)])


def _is_shallow(value: object, depth: int) -> bool:
    """Return whether a document is bounded in depth, and its texts can be written as UTF-8."""
    if depth == 0:
        return False
    if isinstance(value, str):
        return not _SURROGATE.search(value)
    if isinstance(value, dict):
        return all(_is_shallow(one, depth - 1) for one in value.values())
    if isinstance(value, list):
        return all(_is_shallow(one, depth - 1) for one in value)
    return True


def _prefix(document: object) -> tuple[str | int, ...]:
    """Return the path to the Table Schema."""
    if not isinstance(document, dict):
        raise _invalid((), "The description must be an object.")
    if "resources" in document:
        resources = document["resources"]
        if not isinstance(resources, list) or len(resources) != 1:
            raise _invalid(("resources",), "Give exactly one resource: a dataset is one table.")
        return ("resources", 0, "schema")
    if "schema" in document:
        return ("schema",)
    if "fields" in document or EXTENSION in document:
        return ()
    if document.keys() & {"encoding", "dialect"}:
        return ("schema",)
    raise _invalid(
        (), 'The description has no schema with fields, such as {"fields": [{"name": ...}]}.'
    )


def _parts(document: Any, prefix: tuple[str | int, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the resource and the Table Schema; one alone may have a resource's properties."""
    resource: Any = document["resources"][0] if prefix[:1] == ("resources",) else document
    if not isinstance(resource, dict):
        raise _invalid(prefix[:-1], "The resource must be an object.")
    schema = resource.get("schema", {}) if prefix else document
    if not isinstance(schema, dict):
        raise _invalid(prefix, "The schema must be an object; a path to one is not read.")
    return resource, schema


def _check_resource(resource: dict[str, Any], path: tuple[str | int, ...]) -> Iterator[FieldError]:
    for key, limit in (("name", 256), ("path", 1024), ("encoding", 32)):
        value = resource.get(key)
        if value is not None and not (isinstance(value, str) and len(value) <= limit):
            if key == "path" and isinstance(value, list) and len(value) == 1:
                continue
            detail = f"This must be a text of at most {limit} characters."
            yield FieldError(pointer=pointer(*path, key), detail=detail)
    dialect = resource.get("dialect")
    for key, needed in UNREAD_DIALECT.items():
        if isinstance(dialect, dict) and dialect.get(key, needed) != needed:
            where = pointer(*path, "dialect", key)
            yield FieldError(pointer=where, detail=LATER)
    encoding = resource.get("encoding")
    if isinstance(encoding, str) and _codec(encoding) is None:
        yield FieldError(
            pointer=pointer(*path, "encoding"),
            detail=f"This encoding is not known. Use one of {', '.join(sorted(ENCODINGS))}.",
        )


UNREAD_DIALECT = {
    "header": True, "quoteChar": '"', "doubleQuote": True, "escapeChar": None, "nullSequence": None,
    "skipInitialSpace": False, "commentChar": None, "commentRows": None, "headerJoin": " ",
    "sheetNumber": None, "sheetName": None, "table": None, "itemKeys": None,
}  # fmt: skip
"""Properties of a Table Dialect that are not applied, with the value that they must have."""
ENCODINGS = {
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254",
    "cp1257", "iso8859-1", "iso8859-2", "iso8859-15", "koi8-r", "mac_roman", "cp850", "cp437",
    "gb18030", "big5", "cp932", "euc_jp", "cp949",
}  # fmt: skip

_ALIASES = {
    "utf8": "utf-8", "utf-8-sig": "utf-8", "latin-1": "iso8859-1", "latin1": "iso8859-1",
    "macintosh": "mac_roman", "mac-roman": "mac_roman", "gbk": "gb18030", "gb2312": "gb18030",
    "shift-jis": "cp932", "euc-jp": "euc_jp", "euc-kr": "cp949",
}  # fmt: skip


def _codec(encoding: str) -> str | None:
    plain = encoding.lower().replace("_", "-").replace("windows-", "cp").replace("iso-", "iso")
    plain = _ALIASES.get(plain, plain)
    return plain if plain in ENCODINGS else None


def _validated(
    kind: type[M], content: object, path: tuple[str | int, ...], problems: list[FieldError]
) -> M | None:
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=False, include_input=False):
            where = pointer(*path, *fault["loc"])
            detail = _plain(fault["type"], fault["msg"])
            problems.append(FieldError(pointer=where, detail=detail))
        return None


def _plain(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return f"{EXTENSION} has no such property in version 1."
    return message.removeprefix("Value error, ").removesuffix(".")[:500] + "."


def _rules(
    schema: dict[str, Any], table: TableSchemaPart | None
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield faults between properties, each with its path in the Table Schema."""
    match = schema.get("fieldsMatch", "subset")
    match = match[0] if isinstance(match, list) and len(match) == 1 else match
    if match not in MATCHES:
        yield ("fieldsMatch",), f"Use one of {', '.join(MATCHES)}, as a text or an array of one."
    if table is None:
        return
    yield from check_table(table)
    for index, field in enumerate(table.fields):
        for name, detail in check_field(field, field.stated()):
            yield ("fields", index, *property_path(name)), detail
