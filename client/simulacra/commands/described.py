"""The description of a dataset, and the commands that change it, in lines for people."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from simulacra.commands.reading import flags_of
from simulacra.models import read_as
from simulacra.rule_lines import listed, stating, words_of

FLAGS = (
    "--subject COL, --key-column COL, --order COL, --wave COL, --cluster COL, --stratum COL,"
    " --replicates PATTERN=METHOD, --targets FILE, --trim TIMES, --drop COL, --missing COL=VALUE,"
    " --publish COL, --renamed COL=EARLIER, --rule RULE, --no-rule TEXT"
)


def described(
    dataset: Mapping[str, Any],
    description: Mapping[str, Any],
    schema: Mapping[str, Any],
    table: str,
    source: str | None = None,
) -> Iterator[str]:
    """Yield the description of a dataset: counts, a line a column, and how to change it.

    `table` is how a command names the dataset, `source` the path of the table, if it is known.
    """
    counts = dataset.get("reading") or {}
    words = ("learned", "replaced", "dropped", "to_confirm")
    yield "  ".join(f"{word.replace('_', ' ')} {counts.get(word, 0)}" for word in words)
    yield from columns_read(description, schema)
    yield from rules_listed(description)
    yield from next_steps(dataset, schema, table, source)


def columns_read(description: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each column: what it was read as, why, and the flag that changes it."""
    flags = {name: " ".join(words) for name, words in flags_of(schema).items()}
    unsure = {one["name"] for one in schema["columns"] if one.get("to_confirm")}
    rows = []
    for field in description["schema"]["fields"]:
        name = field["name"]
        *cells, why = read_as(field)
        mark = "?" if name in unsure else _mark(field)
        rows.append((mark, name, *cells, "; ".join(filter(None, (why, flags.get(name))))))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(5)]
    for row in rows:
        cells = [text.ljust(width) for text, width in zip(row, (*widths, 0), strict=True)]
        yield "  ".join(cells).rstrip()


def rules_listed(description: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each rule: stated, found or proposed, and what breaks it or confirms it."""
    found = [*listed(description["schema"].get("x-simulacra") or {})]
    width = max((len(words_of(rule)) for _, rule, _ in found), default=0)
    if found:
        yield "Rules (stated and found ones hold in every generated row, proposed ones do not):"
    for state, rule, remark in found:
        change = remark or ("" if state == "stated" else _change(rule))
        yield f"  {state:8}  {words_of(rule).ljust(width)}  {change}".rstrip()


def _change(rule: Mapping[str, Any]) -> str:
    """Return the flag that confirms a found or proposed rule, or removes a relation of no rule."""
    if (text := stating(rule)) is not None:
        return f"confirm: --rule {shlex.quote(text)}"
    return f"remove: --no-rule {shlex.quote(words_of(rule))}"


def next_steps(
    dataset: Mapping[str, Any], schema: Mapping[str, Any], table: str, source: str | None = None
) -> Iterator[str]:
    """Yield the commands that change or confirm what was read, each alone on its line.

    The first guess of the cleaned `schema` is the example; the rest is as in `described`.
    """
    refit = f"simulacra refit {table}"
    describe = f"simulacra describe {table} -o d.json"
    is_held = dataset["status"] == "held"
    if not (is_held or dataset.get("source_kept")):
        refit += f" --source {shlex.quote(source or 'FILE')}"
    guesses = [flag for flag, _ in flags_of(schema).values() if not flag.endswith(" COL")]
    if is_held:
        yield "The model is not fit yet; the upload is kept, encrypted, for one hour at most."
    yield f"  change it:   {refit} {guesses[0] if guesses else '...'}"
    yield f"  flags:       {FLAGS}"
    yield f"  {'confirm it:' if is_held else 'in a file:':11}  {describe}"
    yield f"               {refit} --describe d.json"


def _mark(field: Mapping[str, Any]) -> str:
    own = field.get("x-simulacra") or {}
    if own.get("role") == "foreign_key" and (own.get("source") or {}).get("role") == "detected":
        return "?"
    return "!" if own.get("role") in ("subject", "pii", "foreign_key", "coordinate") else " "
