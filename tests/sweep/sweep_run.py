"""Run tables through the doors, several at once, and write the page of what came back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from sweep_doors import DOORS, INTERNAL, NotReached, Trip
from sweep_place import Place
from sweep_tables import TABLES, Table

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "sweep.md"
AT_ONCE = 4
"""Tables on the way: as many as Jobs of a tenant run at once."""
PASS, FAIL, AWAY, NONE, LATER = "✓", "✗", "○", "", "·"

HEAD = """# The sweep

Written by `make sweep`; with `TABLES=orders,retail` it replaces the rows of these. Each table
is made by the repository and goes through every door as a customer's does. What is checked is
agreement: the rows hold what the table holds, all places say the same of the same thing, and every
claim is computed again by code that is not the product's (`tests/sweep`).

{good} of {went} passed. ✓ passed, ✗ something did not agree, ○ not reached, · not run yet, empty:
not for this table. Tables with * ran on a real control plane, the others on `simulacra up`.
"""


@dataclass
class Result:
    """What a table met: a mark for each door, and the findings."""

    table: str
    is_real: bool = False
    """It ran on a real control plane."""
    marks: dict[str, str] = field(default_factory=dict)
    findings: list[tuple[str, str]] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return the findings as lines."""
        return [f"{self.table}, {door}: {what}" for door, what in self.findings]


def sweep(table: Table, place: Place) -> Result:
    """Take one table through all doors; a door that fails does not keep it from the next."""
    result = Result(table.name, place.is_real)
    trip = Trip(table, place, TABLES.index(table))
    for door in DOORS:
        if not door.applies(table):
            result.marks[door.name] = NONE
            continue
        found: list[str] = []
        began = time.monotonic()
        try:
            found.extend(door.go(trip))
        except NotReached:
            result.marks[door.name] = AWAY
            continue
        except Exception as error:
            found.append(_in_words(error))
        result.marks[door.name] = FAIL if found else PASS
        result.findings += [(door.name, what) for what in dict.fromkeys(found)]
        result.seconds[door.name] = time.monotonic() - began
    return result


def _in_words(error: Exception) -> str:
    text = " ".join(str(error).split())[-300:]
    kind = "internal error" if INTERNAL.search(text) else type(error).__name__
    return f"{kind}: {text}"


def sweep_all(work: Iterable[tuple[Table, Place]]) -> list[Result]:
    """Take tables through the doors, several at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [*pool.map(lambda one: sweep(*one), work)]


def write_page(results: Sequence[Result], page: Path = PAGE) -> None:
    """Write the rows and findings of the tables that ran; those of other tables stay."""
    old = page.read_text().splitlines() if page.exists() else []
    ran = {one.table for one in results}
    rows = {line.split("|")[1].strip(" *"): line for line in old if line.startswith("| ")}
    rows |= {one.table: _row(one) for one in results}
    wrong = [line for line in old if line.startswith("- ") and line[2:].split(",")[0] not in ran]
    wrong += [f"- {line}" for one in results for line in one.lines()]
    names = [door.name for door in DOORS]
    later = {one.name: _row(Result(one.name)) for one in TABLES}
    table = [(later | rows)[one.name] for one in TABLES]
    marks = [cell.strip(f" {LATER}") for line in table for cell in line.split("|")[2:-1]]
    lines = [
        HEAD.format(good=marks.count(PASS), went=sum(map(bool, marks))),
        f"| table | {' | '.join(names)} |",
        f"|---|{'---|' * len(names)}",
        *table,
        "\n## What did not agree\n",
        *(wrong or ["Nothing."]),
    ]
    page.write_text("\n".join(lines) + "\n")


def _row(result: Result) -> str:
    """Return the line of a table: a mark for each door."""
    marks = " | ".join(result.marks.get(one.name, LATER) for one in DOORS)
    return f"| {result.table}{' *' * result.is_real} | {marks} |"
