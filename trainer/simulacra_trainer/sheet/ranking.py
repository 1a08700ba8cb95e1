"""Order of the levers, and the words that keep it from being read as more than it is."""

from collections.abc import Sequence

from simulacra_schema.answers import VERDICT_KINDS
from simulacra_schema.base import VerdictKind
from simulacra_schema.questions.sheet import SheetSummary
from simulacra_schema.sheets import LeverAnswer

UNRANKED: dict[VerdictKind, str] = {  # of levers, which state no design
    "assumed": "not ranked: the interval contains 0",
    "suggested": "not ranked: the data alone suggest it, and not all of the order was stated",
    "usual order": "not ranked: it presumes the usual order, which nobody confirmed",
    "open": "not ranked: open until somebody says what comes first",
    "contradicted": "not ranked: do not use",
    "unanswerable": "not ranked: no answer",
}
VERY_THIN = "not ranked: very thin support"


def ranked(levers: Sequence[LeverAnswer]) -> list[LeverAnswer]:
    """Return the levers in order, with ranks.

    First by verdict, then by the nearer end of the simultaneous interval, then as asked. No point
    counts: most verdicts claim none. Only assumed effects whose interval excludes 0 have a rank:
    any other order would be read as an order of causes.
    """
    ordered = sorted(levers, key=_key)
    rank = 0
    found = []
    for lever in ordered:
        reason = why_unranked(lever)
        if reason is None:
            rank += 1
        place = rank if reason is None else None
        found.append(lever.model_copy(update={"rank": place, "unranked": reason}))
    return found


def why_unranked(lever: LeverAnswer) -> str | None:
    """Return why a lever has no rank; None if it has one."""
    kind = lever.answer.verdict.kind
    if kind != "assumed":
        return UNRANKED[kind]
    if lever.answer.precision == "very thin":
        return VERY_THIN
    return None if lever.near > 0 else UNRANKED[kind]


def headline(levers: Sequence[LeverAnswer]) -> str:
    """Return what is ranked and what is not."""
    count, total = sum(lever.rank is not None for lever in levers), len(levers)
    together = "All intervals hold together with 95 %."
    assumed = sum(lever.answer.verdict.kind == "assumed" for lever in levers)
    if not assumed:
        no_order = f"{together} The order below is no order of causes."
        if _only_levers_are_open(levers):
            return (
                "No lever is ranked: what you said leaves open which of them came before which."
                f" {no_order} State for each lever which others came before it and"
                " which after."
            )
        return (
            "No lever is ranked: for none was it stated what comes before and after it."
            f" {no_order} State what came before the levers, and that the outcome came after them."
        )
    if not count:
        return f"No lever is ranked: no assumed effect is clear. {together}"
    ranks = (
        f"Ranked: {count} of {total} contrasts, by the smallest effect that the interval allows, if"
        f" what you said holds and nothing unseen moves both. {together}"
    )
    return ranks if count == total else f"{ranks} The others are no order of causes."


def _only_levers_are_open(levers: Sequence[LeverAnswer]) -> bool:
    """Return whether something was said, and only the places of other levers are left open."""
    names = {lever.answer.treatment for lever in levers}
    verdicts = [lever.answer.verdict for lever in levers]
    asked = {verdict.asks for verdict in verdicts if verdict.asks is not None}
    return bool(asked) and asked <= names and any(verdict.rests_on for verdict in verdicts)


def summary_of(levers: Sequence[LeverAnswer]) -> SheetSummary:
    """Return the counts without names, for the status."""
    kinds = [lever.answer.verdict.kind for lever in levers]
    counts = {kind.replace(" ", "_"): kinds.count(kind) for kind in UNRANKED}
    ranks = sum(lever.rank is not None for lever in levers)
    return SheetSummary(levers=len(levers), ranked=ranks, **counts)


def _key(lever: LeverAnswer) -> tuple[int, bool, float]:
    kind = -VERDICT_KINDS.index(lever.answer.verdict.kind)
    return kind, why_unranked(lever) is not None, -lever.near
