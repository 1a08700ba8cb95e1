"""Errors of service and engine in the words of the command line: flags instead of JSON pointers."""

import re

from simulacra.errors import ApiError, EngineError, JobFailed

CONDITIONS = {
    "/conditions/categorical/": "--share ",
    "/conditions/numeric/": "--range ",
    "/interventions/": "--do ",
    "/parallel_trends/": "--parallel-trends ",
}
"""Beginnings of pointers at a condition; its column and level follow."""
QUOTAS = "/conditions/quotas/"
"""Beginning of pointers at a quota, whose place follows; flags are counted from 1."""
GIVEN = "/given/"
GIVEN_FLAGS = {
    "columns": "--columns",
    "implicates": "--implicates",
    "fill_codes": "--fill-codes",
    "unknown": "--unknown",
    "pairs": "--pair",
    "independent": "--independent",
    "sign": "--sign",
    "impossible": "--impossible",
}
"""Fields of a completion, and the flags that set them; others are of the rows."""
PRICES = {"columns": "--columns", "prices": "--at", "buys": "--buys"}
"""Fields of a price question, and the flags that set them."""
SAME = (
    *("persons", "counterfactual", "seed", "weights", "epsilon", "delta", "family", "privacy"),
    *("treatment", "value", "baseline", "outcome", "outcome_level", "segment", "by", "population"),
    *("before", "after", "dont_know", "negative_controls", "questions", "knowledge", "background"),
    *("instrument", "parallel_trends"),
    "blocks",
    "gpus",
)
FIELDS = {name: f"--{name.replace('_', '-')}" for name in SAME} | {
    "row_count": "--rows",
    "retention_seconds": "--retention-hours",
    "levers": "--lever",
}
"""Fields of requests, and the flags that set them."""
WORDS = {
    "row_count": "--rows",
    "persons or counterfactual": "--persons or --counterfactual",
    "outcome_level": "--outcome-level",
    "conditions.numeric with min and max": "--range",
    "conditions.categorical with shares": "--share",
    "prices and buys": "--at and --buys",
    "method and columns": "--method and --columns",
    "in buys": "in --buys",
}
"""Names of fields in sentences. Names of the customer's columns are quoted there."""
_WORD = re.compile(rf'(?<!["\w])(?:{"|".join(map(re.escape, WORDS))})(?!["\w])')
_POINTER = re.compile(r"(?<!\S)/\w+(?:/\S+)?(?=: )")


def in_flags(error: ApiError | EngineError | JobFailed) -> str:
    """Return the message of an error with flags where it points into the request."""
    text = str(error)
    listed = [(one.get("pointer", ""), one.get("detail", "")) for one in error.errors]
    for pointer, detail in listed:
        said = f"{flag_of(pointer)}: {_worded(detail)}"
        text = text.replace(f"{pointer}: {detail}", said if pointer else _worded(detail))
    return text if listed else _worded(text)


def _worded(text: str) -> str:
    """Return a sentence with flags instead of fields and of pointers at its beginning."""
    text = _POINTER.sub(lambda found: flag_of(found[0]), text)
    for beginning, flag in CONDITIONS.items():  # of names with spaces
        text = text.replace(beginning, flag)
    return _WORD.sub(lambda found: WORDS[found[0]], text)


def flag_of(pointer: str) -> str:
    """Return the flag that made a part of a request, or the pointer if none did."""
    if pointer.startswith(QUOTAS):
        place, *names = pointer.removeprefix(QUOTAS).split("/")
        column = f" ({names[1].replace('~1', '/').replace('~0', '~')})" if len(names) > 1 else ""
        return f"--quota {int(place) + 1}{column}" if place.isdigit() else "--quota"
    for beginning, flag in CONDITIONS.items():
        if pointer.startswith(beginning):
            names = pointer.removeprefix(beginning).split("/")
            return flag + "=".join(one.replace("~1", "/").replace("~0", "~") for one in names)
    if pointer.startswith(GIVEN):
        field = pointer.removeprefix(GIVEN).split("/")[0]
        return GIVEN_FLAGS.get(field, "--given")
    _, field, *rest = [*pointer.split("/"), ""]
    if field == "prices":
        return PRICES.get(rest[0], "--method")
    if field == "levers" and len(rest) > 1 and rest[1] in ("before", "after"):
        return f"--lever-{rest[1]}"
    return FIELDS.get(field, pointer)
