"""Three verdicts on generated rows: likeness, privacy and worth, in words and from figures alone.

The figures are those of `Model.status.figures`, so every door gives the same verdict. They hold no
names. Figures are rounded to two digits before they meet a limit: no limit is both kept and missed.
A figure that is absent never makes a verdict better.
"""

from collections.abc import Mapping, Sequence

from simulacra_schema.base import VerdictKind, VerdictLevels
from simulacra_schema.base import VerdictLevel as Level
from simulacra_schema.privacy_verdict import WORDS, privacy, privacy_of_persons
from simulacra_schema.verdict_parts import Verdict, at_most, rounded, worst
from simulacra_schema.worth import Figures, Worth, worth_of_model

AUC_GOOD = 0.60
"""Highest AUC of a classifier that tells generated from real rows, for `good`."""
AUC_FAIR = 0.75
KEPT_GOOD = 0.80
"""Lowest share of the relations' evidence that a model kept, for `good`; `kept` in the report."""
KEPT_FAIR = 0.40
LOST_GOOD = 0.05
"""Highest share of the relations that are lost, for `good`: chance loses some of many."""
LOST_FAIR = 0.25
LINKED_FIGURES = "linked_"
"""Begins the names of figures of linked rows."""
UNLIKE = "Too few respondents have the values that do() sets to say how such rows look."
PAIRS = ("kept", "weakened", "lost", "unmeasured")
"""Words of the figures `pairs_...`."""


def verdicts(figures: Figures) -> list[Verdict]:
    """Return the verdicts on likeness, privacy and worth of a model's rows, in this order."""
    return [likeness(figures), privacy(figures), worth_verdict(worth_of_model(figures))]


def verdicts_of_rows(
    figures: Figures, worth: Worth, *, linked: bool = False, of_do: VerdictKind | None = None
) -> list[Verdict]:
    """Return the verdicts on the rows of one generation: of their model, with a worth of their own.

    Conditions and do() change rows by design, so likeness and privacy are those of the model. Where
    too few respondents have the values that do() sets, nobody is there whom rows could be like.

    figures: of the model, empty if it is not known; linked: whether they are the histories of
    persons; of_do: what may be claimed of do(), None without interventions.
    """
    own = verdicts_of_linked(figures) if linked else [likeness(figures), privacy(figures)]
    if of_do == "unanswerable":
        own[0] = Verdict(code="likeness", level="unknown", sentence=UNLIKE)
    return [*own, worth_verdict(worth)]


def verdicts_of_linked(figures: Figures) -> list[Verdict]:
    """Return likeness and privacy of the linked rows of a model, by their own figures."""
    size = len(LINKED_FIGURES)
    own = {name[size:]: of for name, of in figures.items() if name.startswith(LINKED_FIGURES)}
    own |= {name: figures[name] for name in WORDS if name in figures}
    return [likeness(own), privacy_of_persons(own)]


def levels(found: Sequence[Verdict]) -> VerdictLevels:
    """Return verdicts on all three properties in one word each, for a status."""
    return VerdictLevels.model_validate({one.code: one.level for one in found})


def likeness(figures: Figures) -> Verdict:
    """Return how hard generated rows are to tell from real ones, and what relations they keep."""
    auc, kept = rounded(figures, "c2st_auc"), rounded(figures, "kept_ratio")
    counts = _counts(figures)
    lost = None if counts is None else round(counts["lost"] / max(_measured(counts), 1), 2)
    levels = [
        at_most(auc, AUC_GOOD, AUC_FAIR),
        _level_of_kept(kept),
        at_most(lost, LOST_GOOD, LOST_FAIR),
    ]
    sentence, remedy = f"{_told_apart(auc)} {_related(kept, counts)}", None
    level = worst(levels)
    if level in ("fair", "poor"):
        remedy = "Use shares of single questions, and check each crosstab in the report."
    elif counts is not None and counts["lost"]:
        remedy = "The report names the relations that are lost: do not publish their crosstabs."
    return Verdict(code="likeness", level=level, sentence=sentence, remedy=remedy)


def worth_verdict(of: Worth) -> Verdict:
    """Return the verdict on what rows are worth; its sentence is that of the worth."""
    if of.ratio is None:
        avoid = "Do not compute intervals or tests from generated rows."
        sentence = f"{of.sentence} {of.reason}"
        return Verdict(code="worth", level="unknown", sentence=sentence, remedy=avoid)
    level = _level_of_kept(round(of.ratio, 2))
    remedy = None if level == "good" else "Use shares of single questions rather than relations."
    return Verdict(code="worth", level=level, sentence=of.sentence, remedy=remedy)


def _told_apart(auc: float | None) -> str:
    if auc is None:
        return "Likeness was not measured: the fit had no unseen real rows to compare with."
    found = {
        "good": "Generated rows are hard to tell from yours",
        "fair": "Generated rows can often be told from yours",
        "poor": "Generated rows are easy to tell from yours",
    }
    return f"{found[at_most(auc, AUC_GOOD, AUC_FAIR)]} (AUC {auc:.2f}; 0.50 is chance)."


def _related(kept: float | None, counts: Mapping[str, int] | None) -> str:
    if kept is None or counts is None:
        return "How relations between questions are kept was not measured."
    total, unmeasured = sum(counts.values()), counts["unmeasured"]
    if not total:
        return "No questions are seen to depend on one another."
    relations = "relation" if total == 1 else "relations"
    rest = f", {unmeasured:,} not measured" if unmeasured else ""
    return (
        f"{counts['kept']:,} of {total:,} {relations} between questions kept,"
        f" {counts['weakened']:,} weakened, {counts['lost']:,} lost{rest}"
        f" ({100 * kept:.0f} % of their evidence)."
    )


def _counts(figures: Figures) -> dict[str, int] | None:
    """Return the pairs of columns that depend on one another by what the model keeps of them."""
    found = {word: figures.get(f"pairs_{word}") for word in PAIRS}
    if any(count is None for count in found.values()):
        return None
    return {word: round(count or 0.0) for word, count in found.items()}


def _measured(counts: Mapping[str, int]) -> int:
    return sum(counts.values()) - counts["unmeasured"]


def _level_of_kept(kept: float | None) -> Level:
    return at_most(None if kept is None else -kept, -KEPT_GOOD, -KEPT_FAIR)
