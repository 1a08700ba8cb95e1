"""Shares of the population that an upload is weighted to: a mapping, a JSON file, or a sheet.

A sheet is that of quotas (`quota_cells`), but no schema is there yet: cells are levels, and ranges
are written with two dots (18..27). Counts are divided by those of rows of the same variables.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from simulacra.models import Json
from simulacra.quota_cells import DAY, SHARES, cells_in, is_sheet, quotas_in

TargetShares = str | Path | Mapping[str, Any]
"""A file, JSON as a text, `{column: {level: share}}`, or `categorical`, `quotas` and `trim`."""
PARTS = ("categorical", "quotas", "trim")


def targets_of(targets: TargetShares, said: str) -> Json:
    """Return the `targets` of a description.

    said: how an error names them.

    Raises:
        ValueError: there is no such file, or it has no shares.
    """
    if isinstance(targets, Mapping):
        found: Json = dict(targets)
    elif is_sheet(str(targets)):
        return _of_sheet(Path(targets), said)
    else:
        text = str(targets).strip()
        try:
            found = json.loads(
                text if text.startswith("{") else Path(text).read_text(encoding="utf-8")
            )
        except FileNotFoundError:
            raise ValueError(f"{said}: there is no such file.") from None
        except (OSError, ValueError):
            found = {}
    is_whole = isinstance(found, dict) and found.keys() <= {*PARTS}
    parts: Json = found if is_whole else {"categorical": found}
    if not parts or not _are_shares(parts):
        raise ValueError(f'{said}: give a sheet, or JSON such as {{"region": {{"north": 0.3}}}}.')
    return parts


def _are_shares(parts: Json) -> bool:
    shares = parts.get("categorical", {})
    of_levels = isinstance(shares, Mapping) and all(isinstance(s, Mapping) for s in shares.values())
    return of_levels and isinstance(parts.get("quotas", []), list)


def _of_sheet(path: Path, said: str) -> Json:
    table = cells_in(path, said)
    head = [one.strip() for one in table[0]] if table else []
    variables = {name: _kind(rows) for name, *rows in zip(head, *table[1:], strict=True)}
    counted = [at for at, name in enumerate(head) if name.lower() == "count"]
    try:
        total = sum(float(row[at] or 0) for at in counted for row in table[1:])
    except ValueError:
        raise ValueError(f"{said}: write each count as a number.") from None
    columns = {name: of for name, of in variables.items() if name.lower() not in SHARES}
    quotas = quotas_in(table, path.name, columns, said, total or None)
    if total:
        sums: dict[frozenset[str], float] = {}
        for one in quotas:
            of = frozenset(one["where"])
            sums[of] = sums.get(of, 0.0) + one["share"]
        for one in quotas:
            one["share"] = round(one["share"] / sums[frozenset(one["where"])], 12)
    found: Json = {"categorical": {}, "quotas": []}
    for one in quotas:
        ((name, part), *others) = one["where"].items()
        if others or len(part.get("levels", ())) != 1 or "share" not in one:
            found["quotas"].append(one)
        else:
            found["categorical"].setdefault(name, {})[part["levels"][0]] = one["share"]
    return {name: part for name, part in found.items() if part}


def _kind(cells: list[str]) -> Json:
    """Return the kind of a variable whose cells are ranges; {} for levels."""
    ranges = [one for one in cells if ".." in one]
    if not ranges:
        return {}
    return {"kind": "datetime" if DAY.match(ranges[0]) else "numeric"}
