"""The doors of the sweep: each is one small function that yields what is wrong with a table.

A new feature adds its function to `DOORS`, and docs/explanation/sweep.md gets its column.
"""

from __future__ import annotations

import ast
import html
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import numpy as np
import pandas as pd
import pyarrow.ipc
import pyarrow.parquet
import pyreadstat
import sweep_claims as claims
from sweep_place import Json, Place, Program
from sweep_tables import TABLES, Ask, Table

from browser import CHROMIUM, Tab, chromium
from simulacra.errors import ApiError

Found = Iterator[str]
PROGRAMS = ("SDK", "command line", "MCP")
WORDS = ("likeness", "privacy", "worth")
IN_BROWSER = ("orders", "forty", "retail")
FEW_DONORS = 50
"""Respondents whose answers a completion needs at least."""
BESIDE = "only given"
"""A column that only given rows have: every second row says odd."""
USAGE = 2
"""Exit code of the command line for what its user can mend."""
INTERNAL = re.compile(r"[Ii]nternal error|support id|Traceback|Errno|500 ")


class NotReached(Exception):
    """A door needs what an earlier one did not give."""


@dataclass
class Trip:
    """One table on its way through the doors, with everything that came back so far."""

    table: Table
    place: Place
    at: int
    """Place of the table in the list: it decides which program does what."""
    dataset: str = ""
    schema: Json = field(default_factory=dict)
    found: Json = field(default_factory=dict)
    report: Json = field(default_factory=dict)
    made: dict[str, Json] = field(default_factory=dict)
    rows: dict[str, pd.DataFrame] = field(default_factory=dict)
    answers: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.place.folder
        self.path = self.table.write(self.folder)
        self.upload = self.table.frame()
        if self.path.suffix == ".sav":  # generated rows have labels where the file has them
            self.upload["sex"] = self.upload["sex"].map({1.0: "male", 2.0: "female"})

    def program(self, turn: int) -> Program:
        """Return the program whose turn it is: each sees every shape of table and of request."""
        return self.place.programs[PROGRAMS[(self.at + turn) % len(PROGRAMS)]]

    @property
    def ask(self) -> Ask:
        """The requests to the table."""
        assert self.table.ask is not None
        return self.table.ask

    @property
    def do(self) -> dict[str, Any]:
        """The intervention."""
        return {self.ask.lever[0]: self.ask.lever[1]}

    @property
    def conditions(self) -> dict[str, Any]:
        """The shares and ranges."""
        (column, level, share), (number, low, high) = self.ask.share, self.ask.between
        return {"shares": {column: {level: share}}, "ranges": {number: (low, high)}}

    @property
    def quotas(self) -> list[Json]:
        """A quota of level and range together, and one of the range with its least share."""
        (column, level, share), (number, low, high) = self.ask.share, self.ask.between
        ends = {"min": low, "max": high}
        both = {column: {"levels": [level]}, number: ends}
        return [
            {"where": both, "share": round(share / 2, 3)},
            {"where": {number: ends}, "min": round(share / 2 + 0.05, 3)},
        ]

    @property
    def question(self) -> dict[str, Any]:
        """The question for an effect."""
        (treatment, value, baseline), outcome = self.ask.lever, self.ask.outcome
        values = {"treatment": treatment, "value": value, "baseline": baseline}
        return {**values, "outcome": outcome, "before": self.before, "after": [outcome]}

    @property
    def sheet_question(self) -> dict[str, Any]:
        """The same question for an answer sheet."""
        (column, value, baseline), outcome = self.ask.lever, self.ask.outcome
        levers = [{"column": column, "value": value, "baseline": baseline}]
        return {"outcome": outcome, "levers": levers, "before": self.before, "after": [outcome]}

    @property
    def before(self) -> list[str]:
        """Columns that are said to come before the lever."""
        named = (self.ask.share[0], self.ask.between[0])
        return [name for name in named if name not in (self.ask.lever[0], self.ask.outcome)]

    @property
    def weight(self) -> str | None:
        """Column of survey weights."""
        return self.table.options.get("weights")

    @property
    def cluster(self) -> str | None:
        """Column of sampling points."""
        return self.table.options.get("cluster")

    @property
    def targets(self) -> Json:
        """Shares that the rows are weighted to, by column."""
        return dict(json.loads(self.table.options.get("targets", "{}")))

    @property
    def beside(self) -> list[str]:
        """Columns of the upload that say how rows were drawn, which rows lack."""
        pattern = self.table.options.get("replicates", "").partition("=")[0]
        drawn = [name for name in self.upload if fnmatchcase(name, pattern)]
        return [*filter(None, (self.weight, self.cluster)), *drawn]

    @property
    def learned(self) -> list[str]:
        """Columns that the model learned."""
        return [one["name"] for one in self.schema["columns"] if one["learned"]]

    def needs(self, there: object) -> Any:
        """Return what a door needs."""
        if not there:
            raise NotReached
        return there


# From the table to the model


def upload(trip: Trip) -> Found:
    """Upload, wait for the fit, and count rows and columns."""
    if trip.table.refused is not None:
        yield from _refused(trip, trip.table.refused)
        return
    try:
        trip.dataset = trip.program(0).upload(trip.path, **trip.table.options)
    finally:
        trip.dataset = trip.dataset or _dataset_named(trip)
    trip.found = dict(trip.place.client.dataset(trip.dataset))
    for name, real in (("rows", len(trip.upload)), ("columns", trip.upload.shape[1])):
        if trip.found[name] != real:
            yield f"{real} {name} uploaded, {trip.found[name]} reported"


def _refused(trip: Trip, words: str) -> Found:
    """Upload with each program, and compare how it says that the table cannot be learned."""
    for name, program in trip.place.programs.items():
        try:
            program.upload(trip.path)
            yield f"the {name} takes the table"
        except Exception as error:
            if words not in str(error) or INTERNAL.search(str(error)):
                yield f"the {name} says: {str(error)[-200:]}"


def _dataset_named(trip: Trip) -> str:
    """Return the id of a dataset whose upload failed, by the name of its file."""
    for one in trip.place.client.datasets():
        try:
            if trip.place.client.describe(one.dataset_id).get("name") == trip.path.name:
                return str(one.dataset_id)
        except ApiError:
            continue
    return ""


def schema(trip: Trip) -> Found:
    """Compare the schema of the three programs, the subject, and what is not learned."""
    trip.needs(trip.found)
    known = {name: one.schema(trip.dataset) for name, one in trip.place.programs.items()}
    trip.schema = known["SDK"]
    yield from (f"the {name} has another schema" for name in PROGRAMS if known[name] != trip.schema)
    columns = {one["name"]: one for one in trip.schema["columns"]}
    subject = [name for name, one in columns.items() if one.get("role") == "subject"]
    if subject != ([trip.table.subject] if trip.table.subject else []):
        yield f"taken for persons: {subject or 'none'}; they are {trip.table.subject or 'none'}"
    noted = {one.get("column") for one in trip.schema["cleaning"]}
    if gone := {*trip.upload} - {*columns} - noted:
        yield f"nothing says what became of {sorted(gone)[:3]}"
    learned, reading = sum(one["learned"] for one in columns.values()), trip.found["reading"]
    if reading and reading["learned"] != learned:
        yield f"{reading['learned']} columns learned by the dataset, {learned} by the schema"


def design(trip: Trip) -> Found:
    """Look that clusters and strata are in every interval, and nowhere in the rows."""
    trip.needs(trip.report)
    point, region = trip.cluster or "", trip.table.options["stratum"]
    roles = {one["name"]: one.get("role") for one in trip.schema["columns"]}
    if (roles[point], roles[region]) != ("cluster", "stratum"):
        yield f"roles are {roles[point]} and {roles[region]}"
    yield from claims.design(trip.upload, point, region, trip.report)
    page = _plain(re.sub(r"<[^>]+>", " ", trip.place.client.report_page(trip.dataset)))
    if f"{trip.upload[point].nunique()} sampling points" not in page:
        yield "the page does not say how many sampling points"
    if trip.made["rows"]["evidence"]["basis"] != "design":
        yield f"rows are worth by {trip.made['rows']['evidence']['basis']}"


def raked(trip: Trip) -> Found:
    """Look that each place says what the weights are raked to, and by which replicates."""
    trip.needs(trip.report)
    said, drawn = trip.report["weights"] or {}, trip.report["design"] or {}
    if said.get("raked_to") != [*trip.targets]:
        yield f"the report says raked to {said.get('raked_to')}"
    if (drawn.get("raked"), drawn.get("replicates")) != (True, len(trip.beside) - 1):
        yield f"the report says raked {drawn.get('raked')} by {drawn.get('replicates')}"
    page = _plain(re.sub(r"<[^>]+>", " ", trip.place.client.report_page(trip.dataset)))
    if f"raked to the stated shares of {', '.join(trip.targets)}" not in page:
        yield "the page does not say what the rows are raked to"
    if trip.made["rows"]["evidence"]["basis"] != "design":
        yield f"rows are worth by {trip.made['rows']['evidence']['basis']}"


def waves(trip: Trip) -> Found:
    """Look that each door says what moved, that it did, and that a wave is never set."""
    trip.needs(trip.report)
    column = trip.table.options["wave"]
    roles = {one["name"]: one.get("role") for one in trip.schema["columns"]}
    if roles[column] != "wave":
        yield f"the role of {column} is {roles[column]}"
    yield from claims.waves(trip.upload, column, "aware", trip.report.get("waves"))
    said = {name: one.moved(trip.dataset) for name, one in trip.place.programs.items()}
    yield from (f"the {name} says other moves" for name in PROGRAMS if said[name] != said["SDK"])
    page = _plain(re.sub(r"<[^>]+>", " ", trip.place.client.report_page(trip.dataset)))
    yield from (f"the page does not say: {one[:90]}" for one in said["SDK"] if one not in page)
    newest = str(trip.upload[column].max())
    segment = {column: [newest], trip.ask.share[0]: []}
    started = trip.place.client.boost(trip.dataset, segment, ["aware"])
    trip.place.client.wait(started.job_id, timeout=300)
    shares = dict(trip.place.client.segment(started.segment_id))
    yield from claims.segments_of_a_wave(shares, trip.upload, column, "aware")
    started = trip.place.client.boost(trip.dataset, {column: "next"}, ["aware"])
    trip.place.client.wait(started.job_id, timeout=300)
    told = dict(trip.place.client.segment(started.segment_id))
    made = trip.place.client.generate(trip.dataset, 400, conditions=told["conditions"])
    trip.place.client.wait(made.job_id, timeout=300)
    path = trip.folder / f"{trip.table.name}-next.parquet"
    trip.place.client.download(made.generation_id, path, "parquet")
    rows = pyarrow.parquet.read_table(path).to_pandas()
    yield from claims.next_wave(told, trip.upload, rows, column)
    for name, program in trip.place.programs.items():
        try:
            program.estimate(trip.dataset, treatment=column, value="2", baseline="1", outcome="age")
            yield f"the {name} takes the wave as a treatment"
        except Exception as error:
            if "A wave is no treatment" not in str(error):
                yield f"the {name} says: {str(error)[-200:]}"


def summary(trip: Trip) -> Found:
    """Look that the wave summary tells no few persons and what the table has, or says why not."""
    trip.needs(trip.report)
    try:
        found = trip.place.client.summary(trip.dataset)
    except ApiError as error:
        if error.code != "simio_no_summary" or not error.detail:
            yield f"the summary says: {error}"
        return
    options = trip.table.options
    weighted = bool({"weights", "replicates"} & options.keys())
    yield from claims.summary(trip.upload, options.get("wave"), found["summary"], weighted)
    if found["statement"]["dataset"] != trip.dataset:
        yield "the statement is of another dataset"


def report(trip: Trip) -> Found:
    """Compare report and page with the verdicts, and the report with itself."""
    trip.needs(trip.found)
    client = trip.place.client
    trip.report = dict(client.report(trip.dataset))
    verdicts = trip.found["model"]["verdicts"]
    if trip.report.get("verdicts") != verdicts:
        yield "the report has other verdicts than the dataset"
    yield from claims.contradictions(trip.report)
    yield from _on_page(client.report_page(trip.dataset), verdicts)


def _on_page(page: str, verdicts: Any) -> Found:
    """Check that a page has every verdict, word for word, and no other."""
    text = _plain(re.sub(r"<[^>]+>", " ", page))
    for one in verdicts or ():
        for part in (f"{one['code'].capitalize()}: {one['level']}", one["sentence"], one["remedy"]):
            if part and _plain(part) not in text:
                yield f"the page does not say: {part[:90]}"
    if claims.level(verdicts, "worth") == "unknown" and re.search(
        r"worth\s+(about )?[\d,]+ resp", text
    ):
        yield "worth is unknown, and the page says how many respondents rows are worth"


def _plain(text: str) -> str:
    return " ".join(html.unescape(text).split())


def verdicts(trip: Trip) -> Found:
    """Compare the verdicts of a model and of rows in every place that has them."""
    trip.needs(trip.found)
    said = trip.found["model"]["verdicts"]
    yield from _everywhere(trip, trip.dataset, said, f"model/mdl-{trip.dataset[3:]}")
    if made := trip.made.get("rows"):
        name = made["generation_id"]
        yield from _everywhere(trip, name, made["verdicts"], f"generationjob/{name}")


def _everywhere(trip: Trip, resource: str, said: Any, kind: str) -> Found:
    for name, program in trip.place.programs.items():
        found = program.show(resource)
        own = found["model"]["verdicts"] if resource.startswith("ds-") else found.get("verdicts")
        if own != said:
            yield f"{kind.partition('/')[0]}: the {name} has other verdicts than REST"
    levels = {code: claims.level(said, code) for code in WORDS}
    space = trip.place.kubectl("get", kind.partition("/")[0] + "s", "-A", "-o", "json")
    one = next(of for of in json.loads(space)["items"] if of["metadata"]["name"] in kind)
    if one["status"].get("verdicts") != levels:
        yield f"{kind}: kubectl has {one['status'].get('verdicts')}, REST {levels}"
    wide = trip.place.kubectl("get", kind, "-n", one["metadata"]["namespace"], "-o", "wide")
    if not re.search(r"\s+".join(str(levels[code]) for code in WORDS), wide):
        yield f"{kind.partition('/')[0]}: kubectl -o wide does not show {levels}"


# Rows


def _generate(trip: Trip, name: str, turn: int, **request: Any) -> Found:
    """Generate rows with one program, download them with the next, and check what is said."""
    trip.needs(trip.schema)
    count = {} if "persons" in request else {"rows": trip.table.rows}
    done = trip.program(turn).generate(trip.dataset, seed=turn, **count, **request)
    made = trip.made[name] = dict(trip.place.client.generation(done.id))
    path = trip.folder / f"{trip.table.name}-{turn}.parquet"
    told = trip.program(turn + 1).download(done.id, path)
    rows = trip.rows[name] = pyarrow.parquet.read_table(path).to_pandas()
    is_plain = not {"shares", "ranges", "quotas", "interventions", "persons"} & {*request}
    own = dict(trip.place.client.report(done.id))
    yield from _of_rows(trip, rows, made, own, is_plain=is_plain)
    worth = (made["evidence"] or {}).get("sentence")
    for verdict in made["verdicts"]:
        wanted = worth if verdict["code"] == "worth" and worth else verdict["sentence"]
        if done.said and _plain(wanted) not in _plain(done.said):
            yield f"the program does not say: {wanted[:80]}"
        if verdict["level"] in ("poor", "unknown") and _plain(wanted) not in _plain(told):
            yield f"the download does not say: {verdict['code']} {verdict['level']}"
    yield from _on_page(trip.place.client.report_page(done.id), made["verdicts"])


def _of_rows(trip: Trip, rows: pd.DataFrame, made: Json, own: Json, *, is_plain: bool) -> Found:
    """Check rows, and what a generation and its own report say of them."""
    yield from claims.shape(trip.upload, rows, made, trip.beside)
    yield from claims.kinds(trip.upload, rows)
    if is_plain:
        yield from claims.raked(rows, trip.targets)
    yield from claims.worth(trip.upload, rows, made, trip.weight, trip.table.subject)
    for hold in trip.table.holds:
        if is_plain or hold.always:
            yield from filter(None, [hold.check(trip.upload, rows)])
    if own.get("verdicts") != made["verdicts"]:
        yield "the report of the rows has other verdicts than the generation"
    yield from claims.contradictions(own)
    yield from claims.stated_relations(rows, own)
    yield from claims.words_of_few(trip.upload, rows, trip.table.subject)


def rows(trip: Trip) -> Found:
    """Generate rows, and recompute what their verdicts say."""
    yield from _generate(trip, "rows", 1)
    drawn, said = trip.rows["rows"], trip.made["rows"]["verdicts"]
    yield from claims.relations(trip.upload, drawn, trip.report, trip.learned)
    yield from claims.copies(trip.upload, drawn, said, trip.learned)


def conditions(trip: Trip) -> Found:
    """Generate rows under shares and ranges, and count them."""
    yield from _generate(trip, "conditions", 2, **trip.conditions)
    yield from _attained(trip, trip.rows["conditions"], trip.made["conditions"])


def _attained(trip: Trip, drawn: pd.DataFrame, made: Json) -> Found:
    number, low, high = trip.ask.between
    numeric = {number: {"min": low, "max": high}}
    request = {"categorical": trip.conditions["shares"], "numeric": numeric}
    yield from claims.conditions(drawn, request, made)


def quotas(trip: Trip) -> Found:
    """Generate rows under quotas of cells, and count them."""
    yield from _generate(trip, "quotas", 5, quotas=trip.quotas)
    yield from claims.quotas(trip.rows["quotas"], trip.quotas, trip.made["quotas"])


def complete(trip: Trip) -> Found:
    """Put a column onto some rows without it, look at each answer, and erase the rows."""
    column = trip.ask.share[0]
    given = trip.upload.head(80).drop(columns=column).reset_index(drop=True)
    given[BESIDE] = [("odd", "even")[row % 2] for row in range(len(given))]
    path, output = (trip.folder / f"{trip.table.name}-{one}.parquet" for one in ("given", "long"))
    given.to_parquet(path, index=False)
    dataset = trip.needs(trip.dataset)
    found = trip.program(6).complete(dataset, path, output, column, BESIDE)
    long = pyarrow.parquet.read_table(output).to_pandas()
    known = {claims.level_text(one) for one in trip.upload[column].dropna()}
    yield from claims.completion(pyarrow.parquet.read_table(path).to_pandas(), long, column, known)
    yield from claims.open_pair(found["pairs"], BESIDE, column)
    statement = trip.program(7).delete(found["given_id"])
    if (statement["id"], statement["cause"]) != (found["given_id"], "deleted"):
        yield f"the certificate is of {statement['id']}, {statement['cause']}"
    try:
        trip.place.client.generation(found["generation_id"])
        yield "a completion outlives its given rows"
    except ApiError as error:
        if error.status != 404:
            yield f"a completion of erased rows: {error.status}"


def do(trip: Trip) -> Found:
    """Generate rows under do(), and look that the column is set."""
    yield from _generate(trip, "do", 3, interventions=trip.do)
    yield from _is_set(trip, trip.rows["do"])
    yield from claims.do_support(trip.answers.get("effect"), trip.made["do"])


def pairs(trip: Trip) -> Found:
    """Generate counterfactual pairs, and look what differs within them."""
    yield from _generate(trip, "pairs", 4, interventions=trip.do, counterfactual=True)
    drawn = trip.rows["pairs"]
    if [*drawn.columns[:2]] != [*claims.PAIR] or (drawn.groupby("pair").size() != 2).any():
        yield "the rows do not stand in pairs"
        return
    yield from _is_set(trip, drawn[drawn["world"] != drawn["world"].iloc[0]])
    yield from claims.do_support(trip.answers.get("effect"), trip.made["pairs"])
    yield from claims.pair_changes(trip.made["pairs"], drawn, trip.do)


def _is_set(trip: Trip, drawn: pd.DataFrame) -> Found:
    for name, value in trip.do.items():
        wrong = drawn[name].map(claims._text) != claims._text(value)
        if wrong.any():
            yield f"do({name}): {int(wrong.sum())} of {len(drawn)} rows have another value"


def persons(trip: Trip) -> Found:
    """Generate persons with their histories."""
    yield from _generate(trip, "persons", 5, persons=60)
    subject = str(trip.table.subject)
    drawn, made = trip.rows["persons"], trip.made["persons"]
    yield from claims.persons(trip.upload, drawn, made, subject, trip.schema)
    if {*drawn[subject]} & {*trip.upload[subject]}:
        yield "persons have the numbers of real ones"
    own = dict(trip.place.client.report(made["generation_id"]))
    yield from claims.relations(trip.upload, drawn, own, trip.learned)


# Answers


def effect(trip: Trip) -> Found:
    """Ask for an effect, and show no more than its verdict claims."""
    trip.needs(trip.schema)
    found = trip.answers["effect"] = trip.program(6).estimate(trip.dataset, **trip.question)
    yield from claims.effect(found, trip.upload)
    for name, program in trip.place.programs.items():
        other = program.show(found["effect_id"])
        if any(
            other[key] != found[key]
            for key in ("verdict", "ace", "answered", "union", "otherwise", "precision")
        ):
            yield f"the {name} has another answer"
    wide = trip.place.kubectl("get", "effectestimates", "-A", "-o", "wide")
    line = next(of for of in wide.splitlines() if found["effect_id"] in of)
    if found["verdict"]["kind"] not in line:
        yield f"kubectl does not show the verdict {found['verdict']['kind']}"


def blocks(trip: Trip) -> Found:
    """Get the usual order through each door, and ask again with it as blocks."""
    trip.needs(trip.schema)
    found = trip.place.client.usual_order(trip.dataset)
    learned = [one["name"] for one in trip.schema["columns"] if one["learned"]]
    placed = [name for block in found["blocks"] for name in block]
    if len(placed) != len(set(placed)) or len(placed) != len(found["reasons"]):
        yield "the usual order has a column twice, or lacks a reason"
    if not set(placed) | set(found["unplaced"]) <= {*learned, *_options(trip.schema)}:
        yield "the usual order names a column that is not learned"
    if len(found["blocks"]) > 1:
        question = {k: v for k, v in trip.question.items() if k not in ("before", "after")}
        made = trip.program(6).estimate(trip.dataset, **question, blocks=found["blocks"])
        yield from claims.effect(made, trip.upload)
        if made["blocks"] != found["blocks"]:
            yield "the answer repeats other blocks than those that were stated"


def groups(trip: Trip) -> Found:
    """Ask for the effect by the columns that come before the lever."""
    trip.needs(trip.schema)
    if trip.before:
        found = trip.program(4).estimate(trip.dataset, **trip.question, by=trip.before)
        yield from claims.effect(found, trip.upload)
        yield from claims.groups(found)
        if found["by"] != trip.before:
            yield "the answer repeats other groups than those that were asked for"


def designs(trip: Trip) -> Found:
    """Ask by the waves of a tracker, else by a number as the instrument."""
    trip.needs(trip.schema)
    question = {k: v for k, v in trip.question.items() if k not in ("before", "after")}
    if "wave" in trip.table.options:
        of_groups = {"treatment": "sex", "value": "female", "baseline": "male"}
        since = {"wave": str(trip.upload["wave"].max())}
        kind, question = "parallel trends", question | of_groups | {"parallel_trends": since}
    else:
        kind, question = "instrument", question | {"instrument": trip.ask.between[0]}
    found = trip.program(5).estimate(trip.dataset, **question)
    yield from claims.effect(found, trip.upload)
    if found["verdict"]["kind"] not in (kind, "contradicted", "unanswerable"):
        yield f"the verdict of {kind} is {found['verdict']['kind']}"


def _designed(table: Table) -> bool:
    """Whether a table has waves, or a lever that is a number beside another one."""
    if "wave" in table.options or table.ask is None:
        return "wave" in table.options
    others = (table.ask.lever[0], table.ask.outcome)
    is_number = isinstance(table.ask.lever[1], int | float)
    return is_number and table.ask.between[0] not in others and _one_in(2, 0)(table)


def _options(schema: Json) -> list[str]:
    """Return the options of columns of several answers, as columns are named."""
    return [
        f"{one['name']}: {level['value']}"
        for one in schema["columns"]
        if one["kind"] == "multi"
        for level in one.get("levels") or ()
    ]


def sheet(trip: Trip) -> Found:
    """Ask for an answer sheet, and compare it with its page, its workbook and its program."""
    trip.needs(trip.schema)
    found = trip.program(7).sheet(trip.dataset, **trip.sheet_question)
    page = _plain(re.sub(r"<[^>]+>", " ", trip.place.client.sheet_page(found["sheet_id"])))
    book = pd.read_excel(
        io.BytesIO(trip.place.client.sheet_workbook(found["sheet_id"])),
        sheet_name=None,
        header=None,
        engine="openpyxl",
    )
    lines = ast.parse(trip.place.client.sheet_program(found["sheet_id"])).body
    asked = next(ast.literal_eval(one.value) for one in lines if isinstance(one, ast.Assign))
    told = [(one["treatment"], *(one["interval"] or ())) for one in asked["questions"]]
    unions = [(one["treatment"], one.get("union")) for one in found["levers"]]
    if told != [(name, of["low"], of["high"]) for name, of in unions if of]:
        yield "the program has other intervals"
    cells = _plain(" ".join(str(cell) for of in book.values() for cell in of.to_numpy().ravel()))
    for one in found["levers"]:
        text = _plain(one["verdict"]["text"])
        yield from (
            f"the {name} does not have the verdict"
            for name, of in (("page", page), ("workbook", cells))
            if text not in of
        )
        if (one["rank"] is not None) and one["verdict"]["kind"] != "assumed":
            yield f"a lever that is {one['verdict']['kind']} has a rank"
        yield from _answered(trip, one)


def _answered(trip: Trip, found: Json) -> Found:
    """Check another answer to the question of the effect."""
    yield from claims.effect(found | {"outcome": trip.ask.outcome}, trip.upload)
    if known := trip.answers.get("effect"):
        kinds = (known["verdict"]["kind"], found["verdict"]["kind"])
        if kinds.count("unanswerable") == 1:
            yield f"the effect is {kinds[0]}, the other answer {kinds[1]}"


def segment(trip: Trip) -> Found:
    """Ask for shares in a segment, and count its respondents."""
    trip.needs(trip.schema)
    column, level, _ = trip.ask.share
    started = trip.place.client.boost(trip.dataset, {column: [level]}, [trip.ask.question])
    trip.place.client.wait(started.job_id, timeout=300)
    found = dict(trip.place.client.segment(started.segment_id))
    if not found["shares"] and not found["reason"]:
        yield "no shares, and no reason"
    yield from _certified(trip, found)
    name = trip.ask.between[0]
    asked = {"method": "gabor_granger", "columns": [name]}
    started = trip.place.client.boost(trip.dataset, prices=asked)
    trip.place.client.wait(started.job_id, timeout=300)
    told = dict(trip.place.client.segment(started.segment_id))
    is_plain = not (trip.weight or trip.cluster or trip.table.subject)
    column = next(one for one in trip.schema["columns"] if one["name"] == name)
    known = trip.upload[name] if is_plain and not column.get("specials") else None
    yield from claims.demand(told, known)


def _certified(trip: Trip, found: Json) -> Found:
    is_plain = not (trip.weight or trip.cluster or trip.table.subject)
    yield from claims.segment(found, trip.upload, is_plain=is_plain)


# Without the service


def saved(trip: Trip) -> Found:
    """Fit into a folder, and ask that model what the other doors ask the service."""
    commands, name = trip.place.saved_models, trip.table.name
    model = str(trip.folder / f"{name}-model")
    if trip.table.refused is not None:
        yield from _refused_alone(trip, model, trip.table.refused)
        return
    trip.needs(trip.schema)
    said = commands.fit(trip.path, model, **trip.table.options)
    schema, of_model = commands.schema(model), commands.report(model)
    if _known(schema) != _known(trip.schema):
        yield "the saved model has other columns, kinds or roles than the dataset"
    for verdict in of_model["verdicts"]:
        if _plain(verdict["sentence"]) not in _plain(said):
            yield f"fit does not say: {verdict['sentence'][:80]}"
    path, report = trip.folder / f"{name}-saved.parquet", trip.folder / f"{name}-saved.json"
    made, told = commands.write(model, path, report, rows=trip.table.rows, **trip.conditions)
    drawn, own = pyarrow.parquet.read_table(path).to_pandas(), json.loads(report.read_text())
    yield from claims.contradictions(of_model)
    yield from _of_rows(trip, drawn, made, own, is_plain=False)
    yield from _attained(trip, drawn, made)
    said_of = {"fit": said, "generate": told, "schema": schema, "report": [of_model, own]}
    texts = {place: json.dumps(of, ensure_ascii=False) for place, of in said_of.items()}
    yield from claims.few_in_texts(trip.upload, drawn, texts, trip.table.subject)
    yield from _asked_alone(trip, model)


def _refused_alone(trip: Trip, model: str, words: str) -> Found:
    try:
        trip.place.saved_models.fit(trip.path, model)
        yield "fit takes the table"
    except RuntimeError as error:
        if f"exit {USAGE}: " not in str(error) or words not in str(error):
            yield f"fit says: {str(error)[-200:]}"
    if Path(model).exists():
        yield "a refused fit leaves a folder"


def _known(schema: Json) -> list[Any]:
    """Return what two fits of a table must agree on: counts have noise of each table's own."""
    parts = ("name", "kind", "role", "learned")
    return [[one.get(part) for part in parts] for one in schema["columns"]]


def _asked_alone(trip: Trip, model: str) -> Found:
    """Ask a saved model for an effect, a sheet or a segment: each table for one of them."""
    commands, turn = trip.place.saved_models, trip.at % 3
    if turn == 0:
        yield from _answered(trip, commands.estimate(model, **trip.question))
    elif turn == 1:
        for one in commands.sheet(model, **trip.sheet_question)["levers"]:
            yield from _answered(trip, one)
    else:
        column, level, _ = trip.ask.share
        found = commands.boost(model, segment=f"{column}={level}", questions=trip.ask.question)
        yield from _certified(trip, found)


# Files, pages and the end


def formats(trip: Trip) -> Found:
    """Download the same rows in each format, and read them back."""
    made = trip.needs(trip.made.get("rows"))
    for turn, (suffix, read) in enumerate(READERS.items()):
        path = trip.folder / f"{trip.table.name}.{suffix}"
        program = trip.place.command_line if suffix == "csv" else trip.program(turn)
        said = program.download(made["generation_id"], path)
        try:
            found = read(path, said)
            yield from (f"{suffix}: {what}" for what in _differences(trip.rows["rows"], found))
        except Exception as error:
            yield f"{suffix}: {type(error).__name__}: {str(error)[:120]}"


def _differences(parquet: pd.DataFrame, found: list[pd.DataFrame]) -> Found:
    """Yield the columns in which no reading of a file agrees with the Parquet file."""
    if any(other.shape != parquet.shape for other in found):
        yield f"{found[0].shape} read, {parquet.shape} in Parquet"
        return
    wrong = [
        name
        for at, name in enumerate(parquet)
        if not any(_equal(parquet.iloc[:, at], other.iloc[:, at]) for other in found)
    ]
    if wrong:
        yield f"{len(wrong)} of {parquet.shape[1]} columns differ: {', '.join(wrong[:5])}"


def _equal(one: pd.Series, other: pd.Series) -> bool:
    if one.dtype.kind in "if" and other.dtype.kind not in "if" and other.notna().any():
        return False
    a, b = claims.comparable(one.reset_index(drop=True), other.reset_index(drop=True))
    if a.dtype.kind == "f":
        return bool(np.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True))
    return bool(((a == b) | (a.isna() & b.isna())).all())


def _csv(path: Path, said: str) -> list[pd.DataFrame]:
    """Read with the call that the command prints."""
    call = re.search(r"pandas\.read_csv\(.*\)", said)
    if call is None:
        raise ValueError("the command does not say how to read its CSV")
    return [eval(call[0], {"pandas": pd})]  # of our own command: what a customer pastes


def _sav(path: Path, _: str) -> list[pd.DataFrame]:
    return [pyreadstat.read_sav(str(path), apply_value_formats=of)[0] for of in (True, False)]


READERS: dict[str, Callable[[Path, str], list[pd.DataFrame]]] = {
    "csv": _csv,
    "arrow": lambda path, _: [pyarrow.ipc.open_file(path).read_pandas()],
    "sav": _sav,
    "xlsx": lambda path, _: [pd.read_excel(path, engine="openpyxl")],
}


COLOR = "e => getComputedStyle(e).backgroundColor"


def console(trip: Trip) -> Found:
    """Look at the dataset and its rows in a browser: the words, and the color of each dot."""
    trip.needs(trip.found)
    verdicts = trip.found["model"]["verdicts"]
    with chromium() as browser:
        tab = Tab(browser, trip.place.client.api_url)
        tab.expected = {404}  # other tables of the list are erased meanwhile
        page = tab.page
        page.goto(trip.place.client.console_link()["url"])
        page.get_by_role("button", name="Sign in with the link").click()
        dots = page.locator(f"a[href='#/datasets/{trip.dataset}'] .dot")
        dots.first.wait_for()
        colors = {str(at.get_attribute("aria-label")): at.evaluate(COLOR) for at in dots.all()}
        if {*colors} != {f"{one['code']} {one['level']}" for one in verdicts}:
            yield f"the list shows {sorted(colors)}"
        dots.first.evaluate("e => { e.className = 'dot good'; }")
        good = dots.first.evaluate(COLOR)
        for name, color in colors.items():
            if (color == good) != name.endswith("good"):
                yield f"{name} has the color {color}, good has {good}"
        places = [(f"datasets/{trip.dataset}/quality", verdicts)]
        if made := trip.made.get("rows"):
            places.append((f"generations/{made['generation_id']}", made["verdicts"]))
        for place, said in places:
            page.evaluate("place => { location.hash = '#/' + place; }", place)
            page.locator(
                f"h1:has-text('{'rows' if 'gen-' in place else trip.path.name}')"
            ).wait_for()
            text = _plain(page.locator("ul.verdicts").first.inner_text())
            for one in said:
                if _plain(one["sentence"]) not in text:
                    yield f"{place[:11]}: the console does not say {one['sentence'][:60]}"
        yield from tab.wrong
        tab.close()


def words(trip: Trip) -> Found:
    """Look for words of one to four persons in everything that the service says of the table."""
    trip.needs(trip.rows.get("rows") is not None)
    client = trip.place.client
    said = {"dataset": trip.found, "schema": trip.schema, "report": trip.report}
    texts = {place: json.dumps(of, ensure_ascii=False) for place, of in said.items()}
    texts["description"] = json.dumps(client.describe(trip.dataset), ensure_ascii=False)
    texts["page"] = html.unescape(client.report_page(trip.dataset))
    for name, made in {**trip.made, **trip.answers}.items():
        texts[name] = json.dumps(made, ensure_ascii=False, default=str)
    if made := trip.made.get("rows"):
        texts["page of rows"] = html.unescape(client.report_page(made["generation_id"]))
    yield from claims.few_in_texts(trip.upload, trip.rows["rows"], texts, trip.table.subject)


def attempts(trip: Trip) -> Found:
    """Count the pods of each Job."""
    trip.needs(trip.dataset)
    yield from trip.place.repeated(trip.dataset)


def delete(trip: Trip) -> Found:
    """Look for the records of what was read, erase everything, and look for what is left."""
    yield from _unrecorded(trip)
    statement = trip.program(8).delete(trip.dataset)
    if (statement["id"], statement["cause"]) != (trip.dataset, "deleted"):
        yield f"the certificate is of {statement['id']}, {statement['cause']}"
    left = trip.place.kubectl(
        "get",
        ",".join(claims.READ),
        "-A",
        "-l",
        f"simulacra.dev/dataset={trip.dataset}",
        "-o",
        "name",
    )
    if left.strip():
        yield f"left: {left.split()[:3]}"
    for made in trip.made.values():
        try:
            trip.place.client.generation(made["generation_id"])
            yield "rows outlive their dataset"
        except ApiError as error:
            if error.status != 404:
                yield f"rows of an erased dataset: {error.status}"
    if made := trip.made.get("rows"):
        link = str(made["artifact_url"])
        if httpx2.get(link).status_code == 200:
            yield "a link to erased rows still answers"


def _unrecorded(trip: Trip) -> Found:
    dataset = trip.needs(trip.dataset)
    events = trip.place.client.audit_events(type="dev.simulacra.artefact.read")
    found = json.loads(trip.place.kubectl("get", ",".join(claims.READ), "-A", "-o", "json"))
    yield from claims.unrecorded(found["items"], events, dataset)


class Door(NamedTuple):
    """A door: its name in the page, what goes through it, and which tables do."""

    name: str
    go: Callable[[Trip], Found]
    applies: Callable[[Table], object] = lambda table: not table.refused


def _asked(table: Table) -> bool:
    return table.ask is not None


def _completed(table: Table) -> bool:
    """Return whether a table has donors enough, none of them with several rows."""
    return _asked(table) and not table.subject and len(table.frame()) >= 2 * FEW_DONORS


def _one_in(count: int, turn: int) -> Callable[[Table], bool]:
    """Return which tables go through a door that not all of them pass, to save minutes."""
    return lambda table: _asked(table) and TABLES.index(table) % count == turn


def _alone(table: Table) -> object:
    return table.refused is not None or "cluster" in table.options or _one_in(5, 1)(table)


DOORS = (
    Door("upload", upload, lambda _: True),
    Door("schema", schema),
    Door("report", report),
    Door("rows", rows),
    Door("shares", conditions, _asked),
    Door("quotas", quotas, _asked),
    Door("complete", complete, _completed),
    Door("effect", effect, _asked),
    Door("groups", groups, _one_in(2, 1)),
    Door("blocks", blocks, _one_in(2, 0)),
    Door("designs", designs, _designed),
    Door("do()", do, _asked),
    Door("pairs", pairs, _one_in(2, 0)),
    Door("persons", persons, lambda table: table.subject),
    Door("sheet", sheet, _one_in(2, 1)),
    Door("segment", segment, _asked),
    Door("saved", saved, _alone),
    Door("formats", formats),
    Door("design", design, lambda table: "cluster" in table.options),
    Door("raked", raked, lambda table: "targets" in table.options),
    Door("waves", waves, lambda table: "wave" in table.options),
    Door("summary", summary),
    Door("verdicts", verdicts),
    Door("console", console, lambda table: CHROMIUM and table.name in IN_BROWSER),
    Door("words", words),
    Door("attempts", attempts),
    Door("delete", delete),
)
