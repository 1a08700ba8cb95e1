"""Questions to a dataset: effects, answer sheets and certified shares of segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from simulacra.core import Request, Steps, send
from simulacra.effect import Effect
from simulacra.models import Json
from simulacra.operations.resources import delete_at, get_all, get_one, given, start
from simulacra.segment import Segment
from simulacra.sheet import Sheet
from simulacra.target_shares import TargetShares, targets_of

Population = Literal["all", "treated", "overlap"]
Lever = str | Mapping[str, Any]
Level = str | float
"""A level, also as the number or the boolean that it is."""
SegmentLevels = Mapping[str, Sequence[Level] | Level]


def estimate(
    dataset_id: str,
    *,
    treatment: str,
    value: float | str,
    baseline: float | str,
    outcome: str,
    outcome_level: Level | None = None,
    segment: str | None = None,
    by: Sequence[str] = (),
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    dont_know: Sequence[str] = (),
    blocks: Sequence[Sequence[str]] = (),
    population: Population | None = None,
    negative_controls: Sequence[str] = (),
    instrument: str | None = None,
    parallel_trends: Mapping[str, float | str] | None = None,
    key: str | None = None,
) -> Steps[Effect]:
    """Start to estimate E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)].

    Args:
        dataset_id: from upload.
        treatment: column of the treatment.
        value: of the treatment.
        baseline: value to compare with.
        outcome: column whose average is compared.
        outcome_level: of a category, the level whose share is compared.
        segment: earlier name of `by` with one column, whose numbers are cut at quartiles.
        by: one or two columns: also give the effect in each group that they make.
        before: columns that were already so before the treatment was settled.
        after: columns that the treatment may have changed.
        dont_know: columns that may be either.
        blocks: all columns in one go, the earliest block first; nothing is said within a block.
        population: whose average effect: all (default), treated or overlap.
        negative_controls: columns that the treatment cannot change.
        instrument: column, or "column=level", that is as good as random given the columns in
            before, and moves the outcome only through the treatment: you state this.
        parallel_trends: {column of the waves: first wave in which those with the value had the
            treatment}; you state that without it the outcome of both groups, value and baseline,
            would have changed alike.
        key: idempotency key, drawn if absent.

    Returns effect_id and job_id.
    """
    body: Json = {"treatment": treatment, "value": value, "baseline": baseline, "outcome": outcome}
    body |= given(
        outcome_level=level_text(outcome_level),
        segment=segment,
        by=list(by),
        **asked_order(before, after, dont_know, blocks),
        negative_controls=list(negative_controls),
        population=population,
        instrument=instrument,
        parallel_trends=parallel_trends,
    )
    return start(Effect, dataset_id, body, key)


def asked_order(
    before: Sequence[str],
    after: Sequence[str],
    dont_know: Sequence[str],
    blocks: Sequence[Sequence[str]],
) -> Json:
    """Return what a question states of the order of the columns, as a body has it."""
    lists = {"before": list(before), "after": list(after), "dont_know": list(dont_know)}
    return {**lists, "blocks": [list(block) for block in blocks]}


def effects(**filters: str) -> Steps[list[Effect]]:
    """List the tenant's effect estimates, newest first. Filters: dataset_id, status."""
    return get_all("/v1/effects", filters, Effect)


def effect(effect_id: str) -> Steps[Effect]:
    """Return one effect estimate; once ready, with its verdict, `ace`, and the other figures."""
    return get_one(f"/v1/effects/{effect_id}", Effect)


def delete_effect(effect_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one effect estimate and wait until it is erased."""
    return delete_at(f"/v1/effects/{effect_id}", timeout)


def ask_sheet(
    dataset_id: str,
    *,
    outcome: str,
    outcome_level: Level | None = None,
    levers: Sequence[Lever] = (),
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    dont_know: Sequence[str] = (),
    blocks: Sequence[Sequence[str]] = (),
    population: Population | None = None,
    key: str | None = None,
) -> Steps[Sheet]:
    """Start to compare the levers of an outcome.

    Args:
        dataset_id: from upload.
        outcome: column whose average is compared.
        outcome_level: of a category, the level whose share is compared.
        levers: columns, or {"column", "value", "baseline", "before", "after"}; none for all learned
            columns that are neither background nor after the outcome.
        before: columns that were already so before any lever.
        after: columns that came after every lever; name the outcome too.
        dont_know: columns that may be either.
        blocks: all columns in one go, the earliest block first; nothing is said within a block.
        population: whose average effect: all (default), treated or overlap.
        key: idempotency key, drawn if absent.

    Returns sheet_id and job_id.
    """
    body: Json = {"outcome": outcome}
    body |= given(
        outcome_level=level_text(outcome_level),
        levers=[{"column": one} if isinstance(one, str) else dict(one) for one in levers],
        **asked_order(before, after, dont_know, blocks),
        population=population,
    )
    return start(Sheet, dataset_id, body, key)


def sheets(**filters: str) -> Steps[list[Sheet]]:
    """List the tenant's answer sheets, newest first. Filters: dataset_id, status."""
    return get_all("/v1/sheets", filters, Sheet)


def sheet(sheet_id: str) -> Steps[Sheet]:
    """Return one answer sheet; once ready, with `text`, `levers` and what they rest on."""
    return get_one(f"/v1/sheets/{sheet_id}", Sheet)


def sheet_page(sheet_id: str) -> Steps[str]:
    """Return the appendix as one self-contained HTML page without script."""
    return (yield from send(Request("GET", f"/v1/sheets/{sheet_id}/page"))).text


def sheet_workbook(sheet_id: str) -> Steps[bytes]:
    """Return the answer sheet as an Excel workbook."""
    return (yield from send(Request("GET", f"/v1/sheets/{sheet_id}/xlsx"))).content


def sheet_program(sheet_id: str) -> Steps[str]:
    """Return a Python program that repeats the answers on the table, by other code than ours."""
    return (yield from send(Request("GET", f"/v1/sheets/{sheet_id}/program"))).text


def delete_sheet(sheet_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one answer sheet and wait until it is erased."""
    return delete_at(f"/v1/sheets/{sheet_id}", timeout)


def boost(
    dataset_id: str,
    segment: SegmentLevels | None = None,
    questions: Sequence[str] = (),
    *,
    targets: TargetShares | None = None,
    prices: Mapping[str, Any] | None = None,
    key: str | None = None,
) -> Steps[Segment]:
    """Start to certify the shares of all answers to the questions in segments.

    Args:
        dataset_id: from upload.
        segment: one or two columns, each with a level or a list of levels; an empty list stands
            for each level. With two columns, each pair of levels is a segment. With the wave of a
            tracker beside them, earlier waves help, and what moved since the wave before is said.
            {wave: "next"} alone is the wave after the newest one, after 4 waves or more.
        questions: columns with levels.
        targets: of the next wave, shares of one or two columns of the people who will be asked:
            {column: {level: share}}, quotas, a JSON file or a sheet. Like the newest wave if
            absent.
        prices: instead of all these a price question: {"method", "columns", "prices", "buys"}; {}
            for the one that the names of columns tell. The answer is in `price_answer`.
        key: idempotency key, drawn if absent.

    Returns segment_id and job_id.
    """
    return start(Segment, dataset_id, asked_of_segments(segment, questions, targets, prices), key)


def asked_of_segments(
    segment: SegmentLevels | None,
    questions: Sequence[str],
    targets: TargetShares | None,
    prices: Mapping[str, Any] | None = None,
) -> Json:
    """Return the question about segments, or about prices, as a body has it."""
    body: Json = {} if prices is None else {"prices": dict(prices)}
    if prices is None or segment or questions:
        body |= {"segment": asked_segment(segment or {}), "questions": list(questions)}
    return body if targets is None else body | {"targets": targets_of(targets, "targets")}


def level_text(level: Level | None) -> str | None:
    """Return a level as text: true and false as JSON writes them, and 5.0 as 5; None without."""
    return (
        level if level is None or isinstance(level, str) else str(level).lower().removesuffix(".0")
    )


def asked_segment(segment: SegmentLevels) -> list[Json]:
    """Return the columns of segments as a body has them."""
    return [
        {"column": name, "levels": [levels] if isinstance(levels, str | float | int) else [*levels]}
        for name, levels in segment.items()
    ]


def segments(**filters: str) -> Steps[list[Segment]]:
    """List the tenant's segment estimates, newest first. Filters: dataset_id, status."""
    return get_all("/v1/segments", filters, Segment)


def segment(segment_id: str) -> Steps[Segment]:
    """Return one segment estimate; once ready, with `shares` and, of one segment, `conditions`."""
    return get_one(f"/v1/segments/{segment_id}", Segment)


def delete_segment(segment_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one segment estimate and wait until it is erased."""
    return delete_at(f"/v1/segments/{segment_id}", timeout)
