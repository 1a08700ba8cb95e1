"""Corrections of what is read: subject, key, order, design, what to drop, is public, or holds.

They become parts of a description. An error at such a part names the argument of Python, or the
flag of the command, that made it. Whether a column exists, and its nearest name, is not known here:
the reader of the table says so.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypedDict, Unpack

from simulacra.errors import ApiError, EngineError, JobFailed
from simulacra.models import Json
from simulacra.rule_lines import rule_of, without_rule
from simulacra.target_shares import TargetShares, targets_of

EXTENSION = "x-simulacra"
Cell = str | int | float
Missing = Sequence[Cell] | Mapping[str, Cell | Sequence[Cell]]
"""Cells of all columns, or by column. A text `COL=VALUE` among them is of that column."""

Public = Sequence[str] | Mapping[str, Sequence[str] | bool]
"""Columns whose levels are public, with all that there are. A text may be `COL=LEVEL`."""

Renamed = Sequence[str] | Mapping[str, str | bool]
"""What questions were called in an earlier wave; a text is `COL=EARLIER`. False: nothing."""

Rules = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]
"""Rules that hold in every row, each as a mapping or in a line."""


class Changes(TypedDict, total=False):
    """Arguments of `Client.upload` and `fit`, and flags of commands, that correct what is read."""

    subject: str | None
    key_column: str | None
    order: str | None
    wave: str | None
    cluster: str | None
    stratum: str | Sequence[str] | None
    replicates: str | None
    targets: TargetShares | None
    trim: float | None
    drop: str | Sequence[str] | None
    missing: Cell | Missing | None
    publish: str | Public | None
    renamed: str | Renamed | None
    rule: Rules | None
    no_rule: str | Sequence[str] | None


TYPES = {name: of.__forward_arg__ for name, of in Changes.__annotations__.items()}
ABOUT = """\
subject: column of the persons that several rows belong to.
key_column: column that numbers the rows; generated rows get fresh numbers.
order: column that orders the rows of a person.
wave: column of the waves of a survey that asks other people each time; it comes before
    all other columns, and the report says what moved.
cluster: column of the sampling points that the rows were drawn in; it is neither learned
    nor generated, and makes intervals as wide as the design needs.
stratum: columns whose values together are the strata that were sampled apart; they stay
    ordinary columns.
replicates: columns of replicate weights and how they were made, such as
    "repwt*=brr:0.5": brr (with Fay's coefficient), jk1, jk2 or bootstrap.
targets: shares of the population that the rows are weighted to (raking): {column: {level:
    share}}, the `categorical` and `quotas` of docs/howto/survey-design.md, or a file of
    either, or a sheet of cells.
trim: largest raked weight, as a multiple of the mean.
drop: columns to leave out of everything.
missing: cells that mean no answer: a list of all columns' ("k.A.", "age=99" for one
    column), or {column: cells}.
publish: columns whose levels are public, such as countries: rare levels come out too, but
    belong to no other answer. With {column: levels}, all that there are, generated rows do
    not tell which of them the table has.
renamed: what questions were called in earlier waves, {"Q9": "Q7"} or "Q9=Q7", so that what
    moved compares both; with False, or "Q9=", it is none of them.
rule: what holds in every generated row: "education + 5 <= age", "a + b = total",
    "if paid=no then wage=missing" or a mapping, one or several; see docs/howto/rules.md.
no_rule: texts of rules, stated or found, that the description has and that shall go.
"""
"""Their entries in the docstrings of `Client.upload` and `fit`."""
ONE = ("subject", "order", "weights", "key_column", "wave", "cluster")
SEVERAL = ("stratum", "drop")
"""Arguments that name one column, and several."""
ROLES = {
    "subject": "subject",
    "weights": "weight",
    "wave": "wave",
    "cluster": "cluster",
    "key_column": "key",
    "stratum": "stratum",
}
"""Arguments that give a column a role; only one column has each of the first four."""


class Corrections:
    """The corrections of one call or command."""

    def __init__(self, *, weights: str | None = None, **changes: Unpack[Changes]) -> None:
        """Take the arguments of `Client.upload`.

        Raises:
            TypeError: there is no such argument.
            ValueError: an argument is no name, or a missing cell no value.
        """
        if unknown := changes.keys() - Changes.__annotations__.keys():
            raise TypeError(f"There is no argument {min(unknown)!r}.")
        asked: dict[str, Any] = {"weights": weights, **changes}
        named = {name: [asked[name]] for name in ONE if asked.get(name) is not None}
        named |= {name: [*_listed(asked.get(name))] for name in SEVERAL}
        for name, columns in named.items():
            for column in columns:
                if not isinstance(column, str) or not column:
                    raise ValueError(f"{self.named(name, column)}: write the name of a column.")
        self._named = {name: list(dict.fromkeys(columns)) for name, columns in named.items()}
        self._missing = list(dict.fromkeys(self._cells(changes.get("missing"))))
        self._public = self._levels(changes.get("publish"))
        self._questions = self._earlier(changes.get("renamed"))
        self._replicates = changes.get("replicates")
        self._targets, self._trim = changes.get("targets"), changes.get("trim")
        given = changes.get("rule")
        self._rules = [
            (rule_of(one, self.named("rule", one)), self.named("rule", one))
            for one in ([given] if isinstance(given, Mapping) else _listed(given))
        ]
        self._removed = [*_listed(changes.get("no_rule"))]
        self._makers: dict[str, str] = {}

    @staticmethod
    def named(name: str, value: object) -> str:
        """Return how an error names an argument."""
        return f"{name}={value!r}"

    def __bool__(self) -> bool:
        found = self._missing or self._public or self._replicates or self._rules or self._removed
        raked = (self._targets, self._trim) != (None, None)
        return bool(any(self._named.values()) or found or self._questions or raked)

    def into(self, document: Json | None, *, replacing: bool = False) -> Json | None:
        """Return a description with the corrections; None without both.

        The document, a Table Schema, a Data Resource or a Package of one, is not changed. With
        `replacing`, the corrections go before what it says, as after `describe`.

        Raises:
            ValueError: the document says otherwise, or has no schema.
        """
        if not self:
            return document
        document = copy.deepcopy(document) if document is not None else {"fields": []}
        schema, path = _schema_of(document)
        own = _extension(schema)
        own.setdefault("version", 1)
        for key in self._named.get("key_column", ()):
            maker = self.named("key_column", key)
            _agree(schema.get("primaryKey"), (key, [key]), maker, replacing)
            schema["primaryKey"] = [key]
            self._makers[f"{path}/primaryKey"] = maker
        for name in ("subject", "order", "weights"):
            for column in self._named.get(name, ()):
                maker = self.named(name, column)
                _agree(own.get(name), (column,), maker, replacing)
                own[name] = column
                self._makers[f"{path}/{EXTENSION}/{name}"] = maker
        if replacing:
            roles = {
                column: role for name, role in ROLES.items() for column in self._named.get(name, ())
            }
            _forget_roles(schema, roles)
        for name in ("wave", "cluster", "stratum"):
            for column in self._named.get(name, ()):
                maker = self.named(name, column)
                field = self._field(schema, path, column, "role", maker)
                _agree(field.get("role"), (name,), maker, replacing)
                field["role"] = name
        if self._replicates is not None:
            own["design"] = own.get("design", {}) | self._replicate_weights(self._replicates)
            maker = self.named("replicates", self._replicates)
            self._makers[f"{path}/{EXTENSION}/design"] = maker
        self._rake(own, f"{path}/{EXTENSION}/targets")
        for text in self._removed:
            if not without_rule(own, text):
                maker = self.named("no_rule", text)
                raise ValueError(f"{maker}: no such rule; `simulacra describe` lists them.")
        for rule, maker in self._rules:
            rules = own.setdefault("rules", [])
            if rule not in rules:
                rules.append(rule)
            self._makers[f"{path}/{EXTENSION}/rules/{rules.index(rule)}"] = maker
        for column in self._named["drop"]:
            self._field(schema, path, column, "use", self.named("drop", column))["use"] = "drop"
        for column, levels in self._public.items():
            maker = self.named("publish", column)
            self._field(schema, path, column, "publish", maker)["publish"] = levels or True
        for column, (earlier, maker) in self._questions.items():
            self._field(schema, path, column, "earlier", maker)["earlier"] = earlier
        for column, value, maker in self._missing:
            at = self._field(schema, path, column, "missing", maker) if column else own
            at["missing"] = list(dict.fromkeys([*at.get("missing", ()), value]))
            if not column:
                self._makers[f"{path}/{EXTENSION}/missing"] = maker
        return document

    def in_words(self, pointer: str) -> str:
        """Return the argument that made a part of the description, else its pointer."""
        plain = pointer.removeprefix("/description")
        known = [at for at in self._makers if plain == at or plain.startswith(f"{at}/")]
        return self._makers[max(known, key=len)] if known else pointer

    @contextmanager
    def named_in_errors(self) -> Iterator[None]:
        """Let errors of service or engine at a part of the description name the argument."""
        if not self:
            yield
            return
        try:
            yield
        except JobFailed as error:
            told = {"code": error.code, **self._renamed(error.detail, error.errors)}
            raise JobFailed({"job_id": error.job_id, "error": told}) from error
        except EngineError as error:
            raise EngineError(**self._renamed(error.detail, error.errors)) from None
        except ApiError as error:
            problem = {"code": error.code, "request_id": error.request_id}
            told = self._renamed(error.detail, error.errors)
            renamed = ApiError(error.status, {**problem, **told})
            for one in getattr(error, "__notes__", ()):  # how to continue an upload
                renamed.add_note(one)
            raise renamed from error

    def _renamed(self, detail: str, errors: Sequence[Mapping[str, str]]) -> Json:
        """Return a detail and its errors with arguments instead of pointers."""
        renamed = []
        for one in errors:
            pointer = one.get("pointer", "")
            maker = self.in_words(pointer)
            detail = detail.replace(f"{pointer}: ", f"{maker}: ")
            renamed.append({**one, "pointer": maker})
        return {"detail": detail, "errors": renamed}

    def _rake(self, own: Json, at: str) -> None:
        """Put targets and trimming into the extension of a table; errors name each target."""
        if self._targets is not None:
            said = self.named("targets", _shown(self._targets))
            own["targets"] = targets_of(self._targets, said)
            self._makers[at] = said
            for column, levels in own["targets"].get("categorical", {}).items():
                place = f"{at}/categorical/{_escaped(column)}"
                self._makers[place] = f"{said}, {column}"
                for level in levels:
                    self._makers[f"{place}/{_escaped(level)}"] = f"{said}, {column}={level}"
            for number in range(len(own["targets"].get("quotas", ()))):
                self._makers[f"{at}/quotas/{number}"] = f"{said}, quota {number + 1}"
        if self._trim is not None:
            own["targets"] = own.get("targets", {}) | {"trim": self._trim}
            said = self._makers[f"{at}/trim"] = self.named("trim", self._trim)
            self._makers.setdefault(at, said)

    def _replicate_weights(self, text: str) -> Json:
        """Return the part `design` of a text PATTERN=METHOD or PATTERN=brr:FAY."""
        pattern, _, how = text.rpartition("=")
        method, sign, fay = how.partition(":")
        found: Json = {"replicateWeights": pattern, "replicates": method}
        try:
            if sign:
                found["fay"] = float(fay)
        except ValueError:
            pattern = ""
        if not pattern or not method:
            maker, example = self.named("replicates", text), "repwt*=brr:0.5"
            raise ValueError(f"{maker}: write PATTERN=METHOD, such as {example}.")
        return found

    def _cells(self, missing: Cell | Missing | None) -> Iterator[tuple[str, str, str]]:
        """Yield column ('' for all), cell, and how an error names them."""
        by_column = isinstance(missing, Mapping)
        given = missing if isinstance(missing, Mapping) else {"": missing}
        for column, cells in given.items():
            for cell in _listed(cells):
                maker = self.named("missing", {column: cell} if by_column else cell)
                text = _text(cell)
                of, _, value = (column, "", text) if by_column else text.rpartition("=")
                if not value or (by_column and not column):
                    example = self.named("missing", "age=99")
                    raise ValueError(f"{maker}: write VALUE or COL=VALUE, such as {example}.")
                yield of, value, maker

    def _levels(self, publish: str | Public | None) -> dict[str, list[str]]:
        """Return the public levels by column; none where those of the table are."""
        if isinstance(publish, Mapping):
            pairs = [(one, () if levels is True else levels) for one, levels in publish.items()]
        else:
            cut = [one.rpartition("=") for one in _listed(publish) if isinstance(one, str)]
            pairs = [(column, (last,)) if sign else (last, ()) for column, sign, last in cut]
        found: dict[str, list[str]] = {}
        for column, levels in pairs:
            if not isinstance(column, str) or not column or isinstance(levels, bool):
                raise ValueError(f"{self.named('publish', column)}: write the name of a column.")
            found.setdefault(column, []).extend(map(_text, _listed(levels)))
        return {column: list(dict.fromkeys(levels)) for column, levels in found.items()}

    def _earlier(self, renamed: str | Renamed | None) -> dict[str, tuple[str | bool, str]]:
        """Return what each question was called, and how an error names that."""
        found: dict[str, tuple[str | bool, str]] = {}
        cut = (
            ()
            if isinstance(renamed, Mapping)
            else [str(o).rpartition("=") for o in _listed(renamed)]
        )
        pairs = renamed if isinstance(renamed, Mapping) else {now: old for now, _, old in cut}
        for column, earlier in pairs.items():
            maker = self.named("renamed", f"{column}={earlier or ''}".removeprefix("="))
            if not column or not isinstance(column, str) or earlier is True:
                example = self.named("renamed", "Q9=Q7")
                raise ValueError(f"{maker}: write COL=EARLIER, such as {example}.")
            found[column] = earlier or False, maker
        return found

    def _field(self, schema: Json, path: str, column: str, name: str, maker: str) -> Json:
        """Return the extension of a column's field, which is made if missing."""
        fields: list[Json] = schema.setdefault("fields", [])
        names = [one.get("name") for one in fields]
        if column not in names:
            fields.append({"name": column})
            names.append(column)
        place = names.index(column)
        at = f"{path}/fields/{place}"
        self._makers |= {at: maker, f"{at}/{EXTENSION}/{name}": maker}
        return _extension(fields[place])


def _listed(given: Any) -> Sequence[Any]:
    """Return one value or several as several."""
    if given is None:
        return ()
    return given if isinstance(given, Sequence) and not isinstance(given, str) else [given]


def _shown(targets: TargetShares) -> str:
    return "..." if isinstance(targets, Mapping) else str(targets)


def _escaped(part: object) -> str:
    """Return a part of a JSON pointer (RFC 6901)."""
    return str(part).replace("~", "~0").replace("/", "~1")


def _text(cell: Any) -> str:
    """Return a cell as the reader compares it, 98 for 98.0; empty if it is none."""
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        return ""
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


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


def _agree(stated: Any, wanted: Sequence[Any], maker: str, replacing: bool) -> None:
    if stated is not None and stated not in wanted and not replacing:
        raise ValueError(f"{maker}: the description says {stated}. Say it in one place.")


def _forget_roles(schema: Json, given: Mapping[str, str]) -> None:
    """Take away the roles that a correction gives to another column, or a column's other role.

    A table has one subject, one column of weights, one of waves and one of clusters.
    """
    single = {"subject", "weight", "wave", "cluster"}.intersection(given.values())
    for field in schema.get("fields", []):
        own, name = field.get(EXTENSION, {}), field.get("name")
        role = own.get("role")
        if given.get(name, None if role in single else role) != role:
            for key in ("role", "pii", "replace"):
                own.pop(key, None)
