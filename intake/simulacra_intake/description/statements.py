"""What a user states about a table, by column, and the errors of what the data contradict."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from simulacra_crds.reasons import Reason
from simulacra_intake.errors import InputError
from simulacra_schema.description import Description, property_path
from simulacra_schema.description_parts import EXTENSION, FieldDescription
from simulacra_schema.did_you_mean import closest
from simulacra_schema.faults import FieldError
from simulacra_schema.wave_summary import WaveSummary

MAX_PROBLEMS = 100
Path = tuple[str | int, ...]


@dataclass
class Problems:
    """Errors of a description, each with its pointer into the document as it was sent."""

    description: Description
    found: list[FieldError] = field(default_factory=list)

    def add(self, path: Path, detail: str) -> None:
        """Add an error; path: in the Table Schema."""
        where = self.description.pointer(*path)
        self.found.append(FieldError(pointer=where, detail=detail))

    def raise_any(self) -> None:
        """Raise all errors at once, if there are any."""
        if not self.found:
            return
        count = len(self.found)
        message = f"The data contradict the description in {count} place{'s' * (count > 1)}."
        raise mismatch(message, self.found[:MAX_PROBLEMS])


def mismatch(message: str, errors: Sequence[FieldError]) -> InputError:
    """Return the error of a description, with its first fault in the detail and all as entries."""
    first = errors[0]
    detail = f"{message} {first.pointer}: {first.detail}"
    return InputError(Reason.DESCRIPTION_MISMATCH, message, detail, first.pointer, errors)


@dataclass(frozen=True)
class Statement:
    """What the user states about one column.

    Attributes:
        field: the stated properties.
        path: of the field in the Table Schema.
        role_path: of the role, which the table may state too.
    """

    field: FieldDescription
    path: Path = ()
    role_path: Path = ()

    @property
    def role(self) -> str | None:
        """The role; a kind of personal data alone implies one."""
        extension = self.field.extension
        return extension.role or ("pii" if extension.pii else None)

    def has(self, *names: str) -> bool:
        """Return whether one of these properties is stated."""
        return any(self.field.value(name) is not None for name in names)

    def at(self, *names: str) -> Path:
        """Return the path of the first of these properties that is stated, else of the last."""
        name = next((name for name in names if self.has(name)), names[-1])
        if name == "role" or not self.path:
            return self.role_path
        return (*self.path, *property_path(name))


@dataclass(frozen=True)
class Statements:
    """What the user states, by column.

    Attributes:
        columns: statements of the columns of the table.
        weights: the column of survey weights.
        problems: collects what the data contradict.
        earlier: the summary of earlier waves that came with the table; one wave is enough then.
    """

    columns: Mapping[str, Statement]
    weights: str | None
    problems: Problems
    earlier: WaveSummary | None = None

    def of(self, name: str) -> Statement | None:
        """Return the statement about a column."""
        return self.columns.get(name)


def state(description: Description, names: Iterable[str], weights: str | None = None) -> Statements:
    """Return what a description states about a table.

    Unknown columns, and weights that differ from those of the upload, are problems of the result.

    weights: the column that the upload names beside the description.
    """
    problems = Problems(description)
    known = list(names)
    columns: dict[str, Statement] = {}
    for index, one in enumerate(description.fields):
        path: Path = ("fields", index)
        if one.name not in known:
            detail = f"The table has no such column.{closest(one.name, known)}"
            problems.add((*path, "name"), detail)
            continue
        own = set(one.stated())
        pii_alone = one.extension.role is None and one.extension.pii is not None
        role_path = (*path, *property_path("pii" if pii_alone else "role"))
        columns[one.name] = Statement(one.keep(own), path, role_path)
    for name, role, path in _table_roles(description, known):
        if name not in known:
            problems.add(path, f"The table has no such column.{closest(name, known)}")
            continue
        stated = columns.get(name) or Statement(FieldDescription(name=name))
        if stated.role not in (None, role):
            problems.add(path, f"The field {name!r} states another role than {role}.")
        columns[name] = _with_role(stated, role, path)
    if description.table.missing_values is not None or description.extension.missing:
        columns = _with_missing(columns, known, description)
    return Statements(columns, _weights(columns, weights, problems), problems)


def _table_roles(description: Description, known: Sequence[str]) -> Iterator[tuple[str, str, Path]]:
    """Yield (column, role, path) of what the table's properties say about columns."""
    extension, key = description.extension, description.table.primary_key
    if key and extension.is_stated("primaryKey", key):
        yield key[0], "key", ("primaryKey",)
    for name, role in (("subject", "subject"), ("weights", "weight")):
        column = getattr(extension, name)
        if column is not None:
            yield column, role, (EXTENSION, name)
    design = extension.design
    if design is not None and design.replicate_weights is not None:
        pattern, path = design.replicate_weights, (EXTENSION, "design", "replicateWeights")
        named = [name for name in known if fnmatchcase(name, pattern)]
        for name in named or [pattern]:
            yield name, "replicate_weight", path


def _with_role(statement: Statement, role: str, path: Path) -> Statement:
    if statement.role == role:
        return statement
    extension = statement.field.extension.model_copy(update={"role": role})
    changed = statement.field.model_copy(update={"extension": extension})
    return replace(statement, field=changed, role_path=path)


def _with_missing(
    columns: Mapping[str, Statement], names: Iterable[str], description: Description
) -> dict[str, Statement]:
    """Return the statements with the table's missing values where a field has none of its own.

    Those that are stated beside the detected ones add to a field's own.
    """
    result = {}
    listed, beside = description.table.missing_values, description.extension.missing or []
    for name in names:
        one = columns.get(name) or Statement(FieldDescription(name=name), (), ("missingValues",))
        field = one.field
        if not one.has("missingValues"):
            field = field.model_copy(update={"missing_values": listed})
        if beside:
            both = list(dict.fromkeys([*(field.extension.missing or ()), *beside]))
            extension = field.extension.model_copy(update={"missing": both})
            field = field.model_copy(update={"extension": extension})
        result[name] = replace(one, field=field)
    return result


def _weights(
    columns: Mapping[str, Statement], requested: str | None, problems: Problems
) -> str | None:
    """Return the column of weights; the upload's own parameter must agree."""
    stated = [name for name, one in columns.items() if one.role == "weight"]
    for name in stated:
        if requested is not None and name != requested:
            detail = "The upload names another column of weights; name the same in both."
            problems.add(columns[name].at("role"), detail)
    return requested or (stated[0] if stated else None)
