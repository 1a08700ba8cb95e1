"""Verdict of rows under do(): what they rest on, and what remains an assumption."""

from collections.abc import Iterator, Mapping

from pydantic import Field

from simulacra_crds.tasks import GenerateRequest
from simulacra_schema.answers import Statement, Verdict
from simulacra_schema.base import KubeModel, is_none
from simulacra_trainer.effects.column_timing import stated_timing, statements
from simulacra_trainer.effects.overlap.support import MIN_ARM, Held, Support, named, unsupported
from simulacra_trainer.effects.pairs.changes import PairChanges
from simulacra_trainer.effects.treated import support_of_do
from simulacra_trainer.effects.verdict import ALARM, MAX_TRIED
from simulacra_trainer.effects.words import listed, percent
from simulacra_trainer.graph.constraints import read_knowledge
from simulacra_trainer.trained_model import TrainedModel

FROM_MODEL = "The rows come from the model alone."
COUNTERFACTUAL_ASSUMPTION = (
    "Pairs need assumptions that data cannot test: each number, ordered level and yes/no keeps its"
    " rank among rows with the same causes, other levels follow Gumbel-max noise, and no common"
    " cause is missing. Averages over twins estimate those of rows under the intervention; the"
    " change of a single row is an assumption."
)
UNMEASURED_CHANGES = "The changes come from the model alone: nothing says how reliable they are."
SHOWN_COLUMNS = 5


class Identification(KubeModel):
    """Artifact: what rows under do() rest on.

    Attributes:
        identified: deprecated: whether the verdict is assumed.
        verdict: as of an effect; None in results made before verdicts.
        support: share of the people who have counterparts with the values that are set, 0..1; None
            where nobody is counted.
        assumption: of counterfactual twins, and how reliable their single changes are.
        reliability: of the differences between the single changes of each column where they are
            measured, 0 (every pair changes by the mean) to 1; None of rows without twins.
        warnings: what is left open. All of it names columns, so this is customer data.
    """

    identified: bool
    verdict: Verdict | None = None
    support: float | None = None
    assumption: str | None = None
    reliability: dict[str, float] | None = Field(default=None, exclude_if=is_none)
    warnings: list[str] = Field(default_factory=list)

    @property
    def is_answered(self) -> bool:
        """Whether the verdict claims something of single rows, so that changes may be measured."""
        return self.verdict is not None and self.verdict.kind in ("assumed", "suggested")


def with_reliability(
    found: Identification | None, changes: PairChanges | None
) -> Identification | None:
    """Return what pairs rest on: with their assumption, and how reliable single changes are."""
    if found is None:
        return None
    told = {} if changes is None else changes.reliability
    words = f"{COUNTERFACTUAL_ASSUMPTION} {reliability_words(told)}"
    if changes is not None and changes.unmeasured:
        alone = listed([repr(name) for name in changes.unmeasured], SHOWN_COLUMNS)
        words += f" Not measured, and changed by the model alone: {alone}."
    return found.model_copy(update={"assumption": words, "reliability": told})


def reliability_words(told: Mapping[str, float]) -> str:
    """Return the reliability of single changes, by column, in words."""
    if not told:
        return UNMEASURED_CHANGES
    differing = [f"{share:.2f} for {name!r}" for name, share in told.items() if share > 0]
    same = [repr(name) for name, share in told.items() if share == 0]
    words = []
    if differing:
        some = listed(differing, SHOWN_COLUMNS)
        words.append(f"Reliability of differences between changes: {some} (of 1).")
    if same:
        some = listed(same, SHOWN_COLUMNS)
        words.append(f"Every pair changes by the mean, data tell no more: {some}.")
    return " ".join(words)


def support_of(trained: TrainedModel, request: GenerateRequest) -> Support | None:
    """Return who stands behind the rows of a request; None without interventions.

    Of a differentially private model nobody is counted, because that would tell more about the
    table; its observed ranges are known.
    """
    do = request.interventions
    if not do:
        return None
    if trained.report.get("differential_privacy") is None:
        return support_of_do(trained.table, trained.schema, trained.graph, do, seed=request.seed)
    outside = {name: value for name, value in do.items() if _is_outside(trained, name, value)}
    return Support(missing=unsupported([Held(outside, not outside, MIN_ARM)]))


def identify(
    trained: TrainedModel, request: GenerateRequest, support: Support
) -> Identification | None:
    """Return the verdict of a request; None without interventions.

    The rule of support comes first, as for an effect: where too few respondents have the values,
    nothing may be claimed of rows or pairs, whatever is stated.

    Rows under do() need the causes of the fixed columns (truncated factorization: Pearl, 2009,
    ch. 3). Pairs also need the mechanism of every column that changes, and so the direction of
    every edge there. The graph alone decides neither: assumed needs a stated place of every column
    relative to the fixed ones, and in pairs of every cause of a column that changes; suggested at
    most MAX_TRIED columns without one, and no direction by a weak vote of the half-samples.
    """
    if not request.interventions:
        return None
    if support.missing is not None:
        text = f"No answer: {support.missing} {FROM_MODEL}"
        verdict = Verdict(kind="unanswerable", text=text, rests_on=_said(trained, request))
        return Identification(identified=False, verdict=verdict)
    undetermined = [*_open_causes(trained, request), *_drawn_later(trained, request)]
    if request.counterfactual:
        undetermined += _open_mechanisms(trained, request)
    verdict = _verdict(trained, request, is_open=bool(undetermined))
    if support.share is not None and support.share < 1.0 - ALARM:
        text = f"{verdict.text} {_left_out(request, support.share)}"
        verdict = verdict.model_copy(update={"text": text})
    return Identification(
        identified=verdict.kind == "assumed",
        verdict=verdict,
        support=support.share,
        warnings=undetermined,
    )


def _left_out(request: GenerateRequest, share: float) -> str:
    """Return who has no counterparts with the values that are set."""
    values = named(request.interventions.values())
    return (
        f"That holds for the {percent(share)} who have counterparts with {values}: among"
        " people like the others almost nobody has that, and their rows come from the model alone."
    )


def _said(trained: TrainedModel, request: GenerateRequest) -> list[Statement]:
    """Return what was stated about the fixed columns."""
    said: list[Statement] = []
    for name in request.interventions:
        timing, origin = stated_timing(trained.graph.knowledge, trained.schema, name)
        said += statements(name, timing, origin, trained.graph.stated)
    return said


def _verdict(trained: TrainedModel, request: GenerateRequest, *, is_open: bool) -> Verdict:
    said = _said(trained, request)
    unknown: dict[str, list[str]] = {}
    for name in request.interventions:
        timing, _ = stated_timing(trained.graph.knowledge, trained.schema, name)
        unknown[name] = [other for other in timing if timing[other] == "unknown" and other != name]
    fixed = ", ".join(request.interventions)
    is_placed = not any(unknown.values())
    if is_placed and not is_open and not _is_voted(trained, request):
        text = (
            f"If the columns come before and after {fixed} as you said, and nothing unseen moves"
            f" both {fixed} and what follows, these are the rows that setting {fixed} would give."
        )
        return Verdict(kind="assumed", text=text, rests_on=said)
    asked = _asked(trained, unknown)
    unplaced = max(len(others) for others in unknown.values())
    if is_open or unplaced > MAX_TRIED:
        text = "Open: the rows depend on what comes first."
        if unplaced > MAX_TRIED:
            text += f" Nobody placed {unplaced} columns; not every choice among them was tried."
        if asked is not None:
            text += f" What would settle most: does {asked[0]} come before or after {asked[1]}?"
        return Verdict(kind="open", text=text, rests_on=said, asks=asked and asked[0])
    what = "first among the columns that change" if is_placed else f"before {fixed}"
    text = (
        f"The data suggest these rows. Nobody said what comes {what}; in tests with known"
        " answers one in three such directions was wrong. State the order to rely on them."
    )
    return Verdict(kind="suggested", text=text, rests_on=said, asks=asked and asked[0])


def _is_voted(trained: TrainedModel, request: GenerateRequest) -> bool:
    """Return whether pairs use a direction that half-samples agree on, but nobody stated.

    Of an edge that is not drawn, drawn ones may lead the same way.
    """
    edges = [edge for edge in trained.graph.edges if edge.get("basis") in ("stated", "implied")]
    settled = {(edge["source"], edge["target"]) for edge in edges}
    return request.counterfactual and not settled.issuperset(_mechanisms(trained, request))


def _asked(trained: TrainedModel, unknown: dict[str, list[str]]) -> tuple[str, str] | None:
    """Return an unplaced column beside a fixed one, neighbors in the graph first."""
    for name, others in unknown.items():
        neighbors = [edge for pair in trained.graph.undecided if name in pair for edge in pair]
        neighbors += [*trained.graph.parents(name), *trained.graph.descendants(name)]
        found = [other for other in neighbors if other in others]
        if found or others:
            return (found or others)[0], name
    return None


def _open_causes(trained: TrainedModel, request: GenerateRequest) -> Iterator[str]:
    for name in request.interventions:
        if len(trained.graph.possible_parents(name, 2)) > 1 or _is_weak(trained, name):
            yield (
                f"What comes before {name!r} is open, so the rows depend on the chosen order. State"
                " what you know as tiers, required or forbidden edges."
            )


def _is_weak(trained: TrainedModel, name: str) -> bool:
    """Return whether an unplaced neighbor has its side by a weak vote of the half-samples."""
    graph = trained.graph
    timing, _ = stated_timing(graph.knowledge, trained.schema, name)
    children = [other for other in graph.order if name in graph.parents(other)]
    unplaced = [other for other in graph.parents(name) + children if timing[other] == "unknown"]
    return not all(graph.leads(a, name) or graph.leads(name, a) for a in unplaced)


def _open_mechanisms(trained: TrainedModel, request: GenerateRequest) -> Iterator[str]:
    graph = trained.graph
    edges = [(a, b) for a, b in _mechanisms(trained, request) if not graph.leads(a, b)]
    if edges:
        shown = ", ".join(f"{a!r} and {b!r}" for a, b in edges[:3])
        yield (
            f"What comes first is open for {len(edges)} edge(s) among the columns that may change"
            f" ({shown}): averages over twins hold, changes of single rows may not."
        )


def _mechanisms(trained: TrainedModel, request: GenerateRequest) -> Iterator[tuple[str, str]]:
    """Yield the edges that nobody stated at columns that may change, but not at the fixed ones."""
    graph, schema, fixed = trained.graph, trained.schema, set(request.interventions)
    changed: set[str] = set()
    for name in fixed:
        timing, _ = stated_timing(graph.knowledge, schema, name)
        # A column that nobody placed may change, whatever the graph says of it.
        changed.update(other for other in timing if timing[other] == "unknown")
        changed.update(graph.descendants(name))
    known = read_knowledge(graph.knowledge, schema, graph.order).before
    place_of = {name: i for i, name in enumerate(graph.order)}
    for child in graph.order:
        for parent in graph.parents(child):
            is_stated = known[place_of[parent], place_of[child]]
            if changed & {parent, child} and not fixed & {parent, child} and not is_stated:
                yield parent, child


def _drawn_later(trained: TrainedModel, request: GenerateRequest) -> Iterator[str]:
    """Yield the fixed attributes of linked rows that columns drawn after them cause."""
    varying = {c.name for c in trained.schema.columns if not c.per_person}
    for name in request.interventions if request.persons is not None else ():
        causes = [cause for cause in trained.graph.ancestors(name) if cause in varying]
        if causes:
            yield (
                f"Linked rows draw {causes[0]!r} after {name!r}, though the graph has it as a"
                " cause: there it changes with the intervention."
            )


def _is_outside(trained: TrainedModel, name: str, value: float | str) -> bool:
    """Return whether a number lies outside the range that the schema has."""
    column = trained.schema.find(name)
    if column is None or column.minimum is None or column.maximum is None:
        return False
    return column.is_numeric and not column.minimum <= float(value) <= column.maximum
