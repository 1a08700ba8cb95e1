"""Rules as people write them in a line, as a description has them.

`education_years + 5 <= age`, `food + rent = spending`, `if employed=no then hours=missing`,
`age=18..99`, `never sex=male, pregnant=yes`, `unique household, line`, `allowed city, country` and
`multiple price of 0.05`. A name or level may stand in double quotes.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulacra.models import Json
from simulacra.quota_cells import DAY

FORM = (
    "A + 5 <= B, A + B = C, if A=x then B=y, A=18..99, never A=x, B=y, unique A, B, allowed A, B, "
    "multiple A of 5, or JSON"
)
KINDS = {
    "linear": "{column} is computed from {of}",
    "product": "{column} is computed from {of}",
    "ratio": "{column} is computed from {of}",
    "logarithm": "{column} is computed from {of}",
    "square": "{column} is computed from {of}",
    "root": "{column} is computed from {of}",
    "picked": "{column} is one of {of}",
    "not_above": "{column} ≤ {of}",
    "decided": "{column} is decided by {of}",
    "exactly_one": "exactly one of {column}, {of} is yes",
    "at_most_one": "at most one of {column}, {of} is yes",
    "all_different": "no two of {column}, {of} are alike",
    "years": "{column} = years from {of}",
}
"""Found relations in words."""
_COMPARED = re.compile(r"(.+?)\s*(<=|>=|≤|≥|<|>)\s*(.+)")
_PLUS = re.compile(r"(.+?)\s+([+-])\s*([\d.]+)")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
OUTSIDE_QUOTES = r'(?=(?:[^"]*"[^"]*")*[^"]*$)'
"""Behind a character of a pattern: it stands in no double quotes."""
_COMMA = re.compile(rf",{OUTSIDE_QUOTES}")
_COMMA_OR_AND = re.compile(rf"(?:,| and ){OUTSIDE_QUOTES}")
_LEVEL_SAID = re.compile(rf"""([^\s=|,])(?<!\band){OUTSIDE_QUOTES}\s+("(?:[^"]|"")*")(?!\s*=)""")
"""A column and its level as `words_of` has them: sex "male"."""
_SIGNS = {"≤": "<=", "≥": ">="}


def rule_of(given: str | Mapping[str, Any], said: str) -> Json:
    """Return a rule as a description has it.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(given, Mapping):
        return dict(given)
    text = given.strip()
    if text.startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
    elif (rule := _in_line(text)) is not None:
        return rule
    raise ValueError(f"{said}: write {FORM}.")


def stating(rule: Mapping[str, Any]) -> str | None:
    """Return the text that `rule_of` reads as this rule, or found relation; None if it is no rule.

    It is the rule in words, or JSON where a name makes the words another rule, such as `a <= b`.
    """
    if "kind" in rule and rule["kind"] != "not_above":
        return None
    stated = {name: value for name, value in rule.items() if name != "text"}
    if "kind" in rule:
        stated = {"compare": [rule["column"], "<=", *rule["of"]]}
    words = words_of(rule)
    try:
        is_same = rule_of(words, "") == stated
    except ValueError:
        is_same = False
    return words if is_same else json.dumps(stated, ensure_ascii=False)


def listed(extension: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield state, rule or found relation, and remark of each rule of a completed description.

    States: stated (by the user), found (in the upload; in use) and proposed (not in use).
    """
    evidence = extension.get("evidence") or {}
    for place, rule in enumerate(extension.get("rules") or ()):
        yield "stated", rule, evidence.get(f"rules/{place}", "")
    for relation in extension.get("relations") or ():
        yield "found", relation, ""
    for rule in extension.get("proposals") or ():
        yield "proposed", rule, ""


def words_of(rule: Mapping[str, Any]) -> str:
    """Return a rule, or a found relation, in words."""
    if "kind" in rule:
        of = ", ".join(rule.get("of") or ())
        return KINDS[rule["kind"]].format(column=rule["column"], of=of)
    return str(rule.get("text") or json.dumps(rule, ensure_ascii=False))


def without_rule(extension: Json, text: str) -> bool:
    """Remove a stated rule or found relation by its words; return whether there was one."""
    for name in ("rules", "relations"):
        kept = [one for one in extension.get(name) or () if words_of(one) != text]
        if len(kept) < len(extension.get(name) or ()):
            extension[name] = kept
            return True
    return False


def _in_line(text: str) -> Json | None:
    word, _, rest = text.partition(" ")
    if word == "if":
        condition, _, then = rest.partition(" then ")
        cells = _cell(condition), _cell(then)
        return {"if": cells[0], "then": cells[1]} if all(cells) else None
    if word == "never":
        cell = _cell(rest)
        return {"forbidden": cell} if cell else None
    if word in ("unique", "allowed"):
        return {word: _names(rest)}
    if word == "multiple":
        name, _, step = rest.rpartition(" of ")
        return {"multiple": unquoted(name), "of": float(step)} if _NUMBER.fullmatch(step) else None
    if found := _COMPARED.fullmatch(text):
        return _compared(found[1], _SIGNS.get(found[2], found[2]), found[3].strip())
    left, equals, right = text.rpartition("=")
    if equals and " + " in left:
        total = unquoted(right)
        is_number = _NUMBER.fullmatch(total)
        parts = [unquoted(one) for one in left.split(" + ")]
        return {"sum": parts, "equals": float(total) if is_number else total}
    cell = _cell(text)
    return {"then": cell} if cell else None


def _compared(left: str, sign: str, right: str) -> Json:
    if _NUMBER.fullmatch(right) and sign in ("<=", ">="):
        return {"then": {unquoted(left): {"max" if sign == "<=" else "min": float(right)}}}
    plus = _PLUS.fullmatch(left)
    name, shift = (plus[1], float(plus[2] + plus[3])) if plus else (left, 0.0)
    rule: Json = {"compare": [unquoted(name), sign, unquoted(right)]}
    return {**rule, "plus": shift} if shift else rule


def _cell(text: str) -> Json | None:
    """Return the parts of a cell: COL=VALUE, COL=LOW..HIGH, COL=missing, with commas between."""
    cell: Json = {}
    said = _LEVEL_SAID.sub(r"\1=\2", text.replace('" or "', '"|"'))
    for part in _split(said):
        name, equals, value = part.partition("=")
        if not equals or not value.strip():
            return None
        cell[unquoted(name)] = _part(value.strip())
    return cell or None


def _split(text: str) -> Sequence[str]:
    """Return the parts between commas and `and`; one without = belongs to the level before it."""
    parts: list[str] = []
    for piece in _COMMA_OR_AND.split(text):
        if parts and "=" not in piece:
            parts[-1] += f",{piece}"
        else:
            parts.append(piece)
    return parts


def _part(value: str) -> Any:
    if value in ("missing", "present"):
        return {"missing": value == "missing"}
    low, dots, high = value.partition("..")
    if dots:
        is_date = any(DAY.fullmatch(end.strip()) for end in (low, high))
        keys = ("earliest", "latest") if is_date else ("min", "max")
        ends = {key: end.strip() for key, end in zip(keys, (low, high), strict=True) if end.strip()}
        if is_date:
            return ends
        if all(_NUMBER.fullmatch(end) for end in ends.values()):
            return {key: float(end) for key, end in ends.items()}
    return {"levels": [unquoted(one) for one in value.split("|")]}


def _names(text: str) -> list[str]:
    return [unquoted(one) for one in _COMMA.split(text) if one.strip()]


def unquoted(text: str) -> str:
    """Return a name or level without the double quotes around it; one within stands twice."""
    text = text.strip()
    inner = text[1:-1]
    is_quoted = bool(inner) and text[0] == text[-1] == '"' and '"' not in inner.replace('""', "")
    return inner.replace('""', '"') if is_quoted else text
