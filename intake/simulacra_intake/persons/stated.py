"""Roles that the user states, checked against the cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulacra_intake.description.statements import Statements
from simulacra_intake.persons.cells import Cells
from simulacra_schema.table import ColumnRole, PersonalData

MOST_DOUBLES = 0.01
ROLES: Mapping[str | None, ColumnRole] = {
    "key": "key", "subject": "subject", "foreign_key": "foreign_key", "pii": "personal_data",
}  # fmt: skip
_GAPS = (
    "{count} rows have no person here, so it cannot be known whose they are. Fill the gaps, or "
    "leave those rows out."
)
_DOUBLES = "{count} rows have the key of another row; a key differs in every row."


@dataclass(frozen=True)
class StatedRoles:
    """Roles by column.

    Attributes:
        roles: of keys, persons and personal data.
        data: kinds of personal data.
        ordinary: columns that are no key and no personal data, whatever they look like.
        coordinates: columns of latitudes or longitudes.
        wave: column of the interviews of a person.
        public: columns whose levels are public, with all that there are, or none.
        masked: personal data that are replaced by codes of their form, not by invented names.
    """

    roles: Mapping[str, ColumnRole]
    data: Mapping[str, PersonalData]
    ordinary: frozenset[str]
    coordinates: frozenset[str]
    wave: str | None
    masked: frozenset[str]
    public: Mapping[str, Sequence[str]]

    def subject(self) -> str | None:
        """Return the stated subject."""
        return next((name for name, role in self.roles.items() if role == "subject"), None)


def check_roles(cells: Sequence[Cells], statements: Statements) -> StatedRoles:
    """Return the stated roles, and note the errors that the cells show."""
    by_name = {each.name: each for each in cells}
    roles: dict[str, ColumnRole] = {}
    data: dict[str, PersonalData] = {}
    ordinary, coordinates = set(), set()
    for name, statement in statements.columns.items():
        extension, stated = statement.field.extension, statement.role
        if extension.pii is not None:
            data[name] = extension.pii
        if stated in ROLES:
            roles[name] = ROLES[stated]
        elif stated is not None:
            ordinary.add(name)
        if "coordinate" in (stated, extension.kind):
            coordinates.add(name)
        if name in by_name and (detail := _contradiction(by_name[name], roles.get(name))):
            statements.problems.add(statement.at("role"), detail)
            roles.pop(name)
    wave = next((n for n, one in statements.columns.items() if one.role == "wave"), None)
    masked = {n for n, one in statements.columns.items() if one.field.extension.replace == "mask"}
    listed = {n: one.field.extension.publish for n, one in statements.columns.items()}
    public = {n: () if words is True else tuple(words) for n, words in listed.items() if words}
    return StatedRoles(
        roles, data, frozenset(ordinary), frozenset(coordinates), wave, frozenset(masked), public
    )


def _contradiction(cells: Cells, role: ColumnRole | None) -> str | None:
    rows = len(cells.indices)
    if role == "subject" and cells.present < rows:
        return _GAPS.format(count=rows - cells.present)
    doubles = cells.present - len(cells.words)
    if role == "key" and doubles > MOST_DOUBLES * rows:
        return _DOUBLES.format(count=doubles)
    return None
