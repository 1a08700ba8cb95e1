"""Corrections of what is read, as flags of a command: --subject, --order, --drop, --missing.

They become parts of the description that --describe sends. An error of the service at such a part
names the flag. Whether a column exists, and its nearest name, is the service's to say.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from simulacra.errors import ApiError, JobFailed
from simulacra.models import Json

EXTENSION = "x-simulacra"
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


class Corrections:
    """The corrections of one command."""

    def __init__(
        self,
        subject: str | None = None,
        key_column: str | None = None,
        order: str | None = None,
        drop: Sequence[str] | None = None,
        missing: Sequence[str] | None = None,
        weights: str | None = None,
    ) -> None:
        self._columns = {"subject": subject, "order": order, "weights": weights}
        self._key = key_column
        self._drop = list(dict.fromkeys(drop or ()))
        self._missing = list(dict.fromkeys(missing or ()))
        self._flags: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(any(self._columns.values()) or self._key or self._drop or self._missing)

    def into(self, document: Json | None, *, replacing: bool = False) -> Json | None:
        """Return a description with the corrections; None without both.

        Args:
            document: a Table Schema, a Data Resource or a Package of one; it is not changed.
            replacing: the corrections go before what the document says, as after `describe`.

        Raises:
            ValueError: the document says otherwise, or has no schema.
        """
        if not self:
            return document
        document = copy.deepcopy(document) if document is not None else {"fields": []}
        schema, path = _schema_of(document)
        own = _extension(schema)
        own.setdefault("version", 1)
        if self._key:
            flag = f"--key-column {self._key}"
            _agree(schema.get("primaryKey"), (self._key, [self._key]), flag, replacing)
            schema["primaryKey"] = [self._key]
            self._flags[f"{path}/primaryKey"] = flag
        for name, column in self._columns.items():
            if column:
                flag = f"--{name} {column}"
                _agree(own.get(name), (column,), flag, replacing)
                own[name] = column
                self._flags[f"{path}/{EXTENSION}/{name}"] = flag
        if replacing:
            roles = {"subject": self._columns["subject"], "weight": self._columns["weights"]}
            _forget_roles(schema, {**roles, "key": self._key})
        for column in self._drop:
            self._field(schema, path, column, "use", f"--drop {column}")["use"] = "drop"
        for text in self._missing:
            column, _, value = text.rpartition("=")
            if not value:
                raise ValueError(f"--missing {text}: write VALUE or COL=VALUE, such as age=99.")
            flag = f"--missing {text}"
            at = self._field(schema, path, column, "missing", flag) if column else own
            at["missing"] = list(dict.fromkeys([*at.get("missing", ()), value]))
            if not column:
                self._flags[f"{path}/{EXTENSION}/missing"] = flag
        return document

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Let errors of the service at a part of the description name the flag that made it."""
        try:
            yield
        except JobFailed as error:
            told = {"code": error.code, **self._named(error.detail, error.errors)}
            raise JobFailed({"job_id": error.job_id, "error": told}) from error
        except ApiError as error:
            problem = {"code": error.code, "request_id": error.request_id}
            told = self._named(error.detail, error.errors)
            raise ApiError(error.status, {**problem, **told}) from error

    def _named(self, detail: str, errors: Sequence[Mapping[str, str]]) -> Json:
        """Return a detail and its errors with flags instead of pointers."""
        named = []
        for one in errors:
            pointer = one.get("pointer", "")
            plain = pointer.removeprefix("/description")
            known = [at for at in self._flags if plain == at or plain.startswith(f"{at}/")]
            flag = self._flags[max(known, key=len)] if known else pointer
            detail = detail.replace(f"{pointer}: ", f"{flag}: ")
            named.append({**one, "pointer": flag})
        return {"detail": detail, "errors": named}

    def _field(self, schema: Json, path: str, column: str, name: str, flag: str) -> Json:
        """Return the extension of a column's field, which is made if missing."""
        fields: list[Json] = schema.setdefault("fields", [])
        names = [one.get("name") for one in fields]
        if column not in names:
            fields.append({"name": column})
            names.append(column)
        place = names.index(column)
        at = f"{path}/fields/{place}"
        self._flags |= {at: flag, f"{at}/{EXTENSION}/{name}": flag}
        return _extension(fields[place])


def _schema_of(document: Json) -> tuple[Json, str]:
    """Return the Table Schema of a document and its pointer."""
    part: Any = document
    path = ""
    if "resources" in document:
        resources = document["resources"]
        part = resources[0] if isinstance(resources, list) and resources else None
        path = "/resources/0"
    if path or not {"fields", EXTENSION} & document.keys():
        part = part.setdefault("schema", {"fields": []}) if isinstance(part, dict) else None
        path += "/schema"
    fields = part.get("fields", []) if isinstance(part, dict) else None
    if not isinstance(fields, list) or not all(isinstance(one, dict) for one in fields):
        raise ValueError("The description has no schema with fields; see `simulacra describe`.")
    return part, path


def _extension(part: Json) -> Json:
    """Return `x-simulacra` of a table or field, which is made if missing."""
    found = part.setdefault(EXTENSION, {})
    if not isinstance(found, dict):
        raise ValueError(f"The description has an {EXTENSION} that is no object. Write {{...}}.")
    return found


def _agree(stated: Any, wanted: Sequence[Any], flag: str, replacing: bool) -> None:
    if stated is not None and stated not in wanted and not replacing:
        raise ValueError(f"{flag}: the description says {stated}. Say it in one place.")


def _forget_roles(schema: Json, columns: Mapping[str, str | None]) -> None:
    """Take away the roles that a correction gives to another column, or a column's other role.

    A table has one subject and one column of weights.
    """
    given = {column: role for role, column in columns.items() if column}
    for field in schema.get("fields", []):
        own, name = field.get(EXTENSION, {}), field.get("name")
        role = own.get("role")
        moved = role in ("subject", "weight") and columns[role] not in (None, name)
        if moved or given.get(name, role) != role:
            for key in ("role", "pii", "replace"):
                own.pop(key, None)
