"""The service's answers: JSON objects (dicts) with typed attributes and an HTML view.

A field that the service left out is None as an attribute. Unknown fields are kept, so that the
answers of a newer service pass through.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

Json = dict[str, Any]
SHOWN, WIDE = 20, 100
"""Columns of a schema that print shows, and characters of a line."""


class Document(Json):
    """A JSON object. It prints as indented lines; `_repr_html_` is what Jupyter shows."""

    def __getattr__(self, name: str) -> Any:
        if name in self:
            return self[name]
        if name in _fields(type(self)):
            return None
        raise AttributeError(f"{type(self).__name__} has no field {name}")

    def __repr__(self) -> str:
        return "\n".join([type(self).__name__, *(f"  {line}" for line in lines_of(self))])

    def _repr_html_(self) -> str:
        """Return the fields as a table."""
        return html_table(("", type(self).__name__), self.items())


class Result(Document):
    """What a job makes from a dataset. Times are ISO 8601."""

    dataset_id: str
    job_id: str
    status: str
    created_at: str | None
    expires_at: str | None
    error: Json | None

    def state(self, result_id: str) -> str:
        """Return id and status and, on the next line, why it failed."""
        failed = (self.error or {}).get("detail")
        return "\n".join(filter(None, [f"{result_id}: {self.status}", failed]))


class Answer(Result):
    """The answer to a question. `print(answer)` gives it in words."""

    def verdict_first(self) -> Json:
        """Return the fields, once ready with the words to pass on (`tell`) before any figure."""
        told = {"tell": str(self).splitlines()} if self.status == "ready" else {}
        return {**told, **self}


class Job(Document):
    """The progress of work. status: queued, running, ready, partial, failed.

    `waiting_reason` says in words why nothing works on it, None if something does.
    """

    job_id: str
    kind: str
    status: str
    progress_percent: int
    eta_seconds: int | None
    waiting_reason: str | None
    dataset_id: str | None
    generation_id: str | None
    effect_id: str | None
    segment_id: str | None
    sheet_id: str | None
    error: Json | None


class Dataset(Result):
    """An uploaded table and the model that was fit on it."""

    waiting_reason: str | None
    rows: int | None
    columns: int | None
    bytes: int | None
    retention_seconds: int
    model: Json | None
    reading: Json | None
    source_kept: bool | None
    source_until: str | None

    @property
    def verdicts(self) -> list[str]:
        """Likeness, privacy and worth of the model's rows, a line each; empty before the fit."""
        return verdict_lines((self.model or {}).get("verdicts", ()))


class Upload(Document):
    """The answer to an upload."""

    dataset_id: str
    job_id: str
    status: str
    bytes: int
    sha256: str


class Schema(Document):
    """The cleaned schema. Conditions are written against it."""

    rows: int
    columns: list[Json]

    def __repr__(self) -> str:
        """Return how large the table is, and the first columns, a line each."""
        found = self.listed()
        wide = max((len(name) for name, *_ in found[:SHOWN]), default=0)
        lines = [f"Schema of {self['rows']:,} rows and {len(found)} columns"]
        for name, kind, domain in found[:SHOWN]:
            line = f"  {name:{wide}}  {kind:11}  {domain}".rstrip()
            lines.append(line if len(line) <= WIDE else f"{line[: WIDE - 1]}…")
        more = len(found) - SHOWN
        return "\n".join([*lines, *([f"  and {more} more: listed() has all"] if more > 0 else [])])

    def listed(self) -> list[tuple[str, str, str]]:
        """Return name, kind, and levels or range of each column."""
        return [(c["name"], c["kind"], _domain(c)) for c in self["columns"]]

    def _repr_html_(self) -> str:
        """Return the columns as a table."""
        return html_table(("column", "kind", "levels or range"), self.listed())


class Description(Document):
    """What was read as what: a Data Package resource, completed; change it and pass it to refit."""

    etag: str | None = None
    """Entity tag of the description that it was; refit sends it against lost updates."""
    name: str | None
    schema: Json

    def column(self, name: str) -> Json:
        """Return the field of a column, to be changed.

        Raises:
            KeyError: there is no such column.
        """
        for field in self["schema"]["fields"]:
            if field["name"] == name:
                found: Json = field
                return found
        raise KeyError(name)

    def _repr_html_(self) -> str:
        """Return the columns as a table."""
        rows = ((one["name"], *read_as(one)) for one in self["schema"]["fields"])
        return html_table(("column", "read as", "role", "source", "evidence"), rows)


def read_as(field: Json) -> tuple[str, str, str, str]:
    """Return what a field of a description was read as, its role, who said it, and why."""
    own = field.get("x-simulacra") or {}
    kind = str(own.get("kind") or field.get("type") or "")
    if field.get("categories"):
        kind = f"{'scale' if field.get('categoriesOrdered') else 'category'} of {kind}"
    role = " ".join(str(one) for one in (own.get("role"), own.get("pii")) if one)
    if own.get("use") == "drop":
        role = f"{role} dropped".strip()
    if own.get("earlier"):
        role = f"{role} ({own['earlier']} before)".strip()
    sources = ", ".join(sorted(set((own.get("source") or {}).values())))
    return kind, role, sources, "; ".join((own.get("evidence") or {}).values())


class Generation(Result):
    """Synthetic rows under conditions; `artifact_url` once there are rows."""

    generation_id: str
    progress_percent: int
    row_count: int
    persons: int | None
    rows: int | None
    seed: int
    conditions: Json
    interventions: Json
    counterfactual: bool | None
    identification: Json | None
    attainment: Json | None
    evidence: Json | None
    given: Json | None
    completion: Json | None
    artifact_url: str | None

    @property
    def verdicts(self) -> list[str]:
        """Likeness and privacy of the model's rows and the worth of these, a line each."""
        return verdict_lines(self.get("verdicts", ()))

    @property
    def quality_lines(self) -> list[str]:
        """What to tell whoever gets the rows: the verdicts, and the sentence on their worth."""
        return quality_lines(self.get("verdicts", ()), self.evidence)

    @property
    def sentence(self) -> str | None:
        """What the rows are worth, in one sentence; None before the end or without weights."""
        return (self.evidence or {}).get("sentence")

    def __str__(self) -> str:
        """Return the fields, then what the rows are worth."""
        return "\n".join(filter(None, [repr(self), self.sentence]))

    def _repr_html_(self) -> str:
        """Return what the rows are worth, then the fields as a table."""
        text = f"<p>{escape(self.sentence)}</p>" if self.sentence else ""
        return text + super()._repr_html_()


class Probe(Document):
    """A few sampled rows, and the feasibility of the conditions."""

    dataset_id: str
    row_count: int
    seed: int
    rows: list[Json]
    feasibility: Json
    attainment: Json | None
    verdict: Json | None
    assumption: str | None
    warnings: list[str] | None
    seconds: float

    def _repr_html_(self) -> str:
        """Return the sampled rows as a table."""
        names = list(self["rows"][0]) if self["rows"] else []
        feasibility = ", ".join(f"{name} {value}" for name, value in self["feasibility"].items())
        rows = ([row.get(name) for name in names] for row in self["rows"])
        return f"<p>{escape(feasibility)}</p>{html_table(names, rows)}"


class Report(Document):
    """Fidelity and privacy of a model's rows, or of a generation's (`asked` is its request)."""

    rows: Json
    columns: int
    fidelity: Json | None
    privacy: Json | None
    conditions: Json | None
    graph: Json | None
    cleaning: list[Json] | None
    asked: Json | None
    design: Json | None
    waves: Json | None

    def moved(self) -> Iterator[str]:
        """Yield what moved between the waves of a survey, and which questions are to confirm."""
        if waves := self.get("waves"):
            yield waves["sentence"]
            words = ("moved", "probably moved")
            yield from (one["sentence"] for one in waves["answers"] if one["verdict"] in words)
            yield from waves.get("to_confirm", ())

    def drawn(self) -> Iterator[str]:
        """Yield what the sampling points and strata leave of the rows; nothing without them."""
        if design := self.get("design"):
            points = f" of {design['clusters']:,} points" if design.get("clusters") else ""
            points += f" and {design['replicates']} replicates" if "replicates" in design else ""
            points += " raked to stated shares" if design.get("raked") else ""
            worth = f"{design['respondents']:,.0f} respondents"
            yield f"{design['rows']:,} rows{points} are worth {worth}"
            most = (
                f"{one['column']} {one['design_effect']:.1f}" for one in design["questions"][:5]
            )
            yield f"largest design effects: {', '.join(most)}"

    def errors(self) -> Iterator[str]:
        """Yield the errors of columns, pairs and triples beside the best attainable ones."""
        sizes = (("columns", "univariate"), ("pairs", "bivariate"), ("triples", "trivariate"))
        for noun, size in sizes:
            one = (self.fidelity or {}).get(size)
            if one and one.get(noun) != 0:  # few columns without conditions have no pairs
                best = f"best attainable {one['floor']:.1f} %"
                yield f"error of {noun}: {one['error']:.1f} % ({best})"

    def _repr_html_(self) -> str:
        """Return the figures, and each column's error beside its floor, as tables."""
        fidelity = self.fidelity or {}
        privacy = self.privacy or {}
        figures: list[tuple[str, Any]] = []
        for name, key in (("columns", "univariate"), ("pairs", "bivariate")):
            if one := fidelity.get(key):
                text = f"{one['error']:.2f} ({one['floor']:.2f})"
                figures.append((f"{name}, error % (floor)", text))
        for name, value in privacy.items():
            if isinstance(value, float):
                figures.append((name, _number(value)))
        for name, value in ((self.asked or {}).get("interventions") or {}).items():
            figures.append((f"do({name})", value))
        columns = fidelity.get("columns", ())
        rows = ((c["column"], _number(c["error"]), _number(c["floor"])) for c in columns)
        head = ("column", "error %", "floor %")
        return html_table(("", "Report"), figures) + html_table(head, rows)


class Graph(Document):
    """The learned causal graph.

    Each edge has a strength (0..1) and a state: directed, undecided or weak. Proposals are columns
    that look like background, each with its reason; nothing binds them until somebody confirms.
    Skips are edges that are not drawn: their columns go together only in who was asked or
    answered.
    """

    order: list[str]
    edges: list[Json]
    bootstraps: int
    proposals: list[Json] | None
    audit: Json | None
    skips: list[Json] | None

    def _repr_html_(self) -> str:
        """Return the edges as a table."""
        return html_table(("from", "", "to", "strength"), map(_edge_row, self["edges"]))


class Usage(Document):
    """The used part of the tenant's quotas."""

    requests: Json
    rows: Json
    stored_bytes: Json
    running_jobs: Json
    unfinished_jobs: Json
    datasets: int
    generations: int
    effects: int


def verdict_lines(found: Iterable[Json]) -> list[str]:
    """Return verdicts as lines: property, level, sentence and remedy."""
    return [
        " ".join(filter(None, [f"{one['code']}: {one['level']}.", one["sentence"], one["remedy"]]))
        for one in found
    ]


def quality_lines(verdicts: Iterable[Json], evidence: Json | None) -> list[str]:
    """Return verdicts as lines; without one on the worth, the sentence of the evidence."""
    found = [*verdicts]
    is_said = any(one["code"] == "worth" for one in found)
    sentence = None if is_said else (evidence or {}).get("sentence")
    return [*verdict_lines(found), *filter(None, [sentence])]


def lines_of(value: Json | list[Any]) -> Iterator[str]:
    """Yield a nested value as indented lines: no braces, floats of four digits."""
    named = value.items() if isinstance(value, dict) else (("-", one) for one in value)
    for name, one in named:
        label = "-" if name == "-" else f"{name}:"
        if isinstance(one, dict | list) and one:
            yield label
            yield from (f"  {line}" for line in lines_of(one))
        else:
            yield f"{label} {plain(one)}"


def plain(value: Any) -> str:
    """Return a single value as people write it."""
    if value in (None, {}, []):
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def nearest(word: str, known: Sequence[str]) -> str | None:
    """Return the known word that is most like this one, None if none is."""
    plain = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(word.casefold(), list(plain), n=1, cutoff=0.6)
    return plain[near[0]] if near else None


def html_table(head: Iterable[Any], rows: Iterable[Iterable[Any]]) -> str:
    """Return an HTML table; every cell is escaped."""
    top = "".join(f"<th>{escape(str(cell))}</th>" for cell in head)
    lines = ("".join(f"<td>{_cell(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, Mapping):
        return html_table(("", ""), value.items()) if value else ""
    return "" if value is None else escape(str(value))


def _domain(column: Json) -> str:
    if levels := column.get("levels"):
        return ", ".join(str(o.get("value", o) if isinstance(o, dict) else o) for o in levels)
    if column.get("minimum") is not None:
        return f"{_number(column['minimum'])} to {_number(column['maximum'])}"
    return ""


def _edge_row(edge: Json) -> tuple[Any, ...]:
    arrow = "→" if edge["state"] == "directed" else "–"
    return edge["source"], arrow, edge["target"], _number(edge["strength"])


def _number(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


def _fields(kind: type) -> set[str]:
    return {name for base in kind.__mro__ for name in getattr(base, "__annotations__", {})}
