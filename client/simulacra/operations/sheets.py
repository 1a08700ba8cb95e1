"""Answer sheets: one outcome, all levers ranked, with simultaneous intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from simulacra.core import Request, Steps, send
from simulacra.models import Json
from simulacra.operations.effects import Population
from simulacra.operations.jobs import wait
from simulacra.operations.resources import delete_at, get_all, get_one, key_header
from simulacra.sheet import Sheet

Lever = str | Mapping[str, Any]


def ask_sheet(
    dataset_id: str,
    *,
    outcome: str,
    outcome_level: str | None = None,
    levers: Sequence[Lever] = (),
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    dont_know: Sequence[str] = (),
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
        population: whose average effect: all (default), treated or overlap.
        key: idempotency key, drawn if absent.

    Returns sheet_id and job_id.
    """
    body: Json = {"outcome": outcome} | asked_levers(levers)
    body |= {} if outcome_level is None else {"outcome_level": outcome_level}
    lists = {"before": before, "after": after, "dont_know": dont_know}
    body |= {name: list(columns) for name, columns in lists.items() if columns}
    body |= {} if population is None else {"population": population}
    path = f"/v1/datasets/{dataset_id}/sheets"
    request = Request("POST", path, json=body, headers=key_header(key))
    return Sheet((yield from send(request)).json())


def asked_levers(levers: Sequence[Lever]) -> Json:
    """Return the levers as a body has them; empty without any."""
    found = [{"column": one} if isinstance(one, str) else dict(one) for one in levers]
    return {"levers": found} if found else {}


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


def answer_sheet(dataset_id: str, **question: Any) -> Steps[Sheet]:
    """Ask for an answer sheet, wait for it and return it."""
    started = yield from ask_sheet(dataset_id, **question)
    yield from wait(started.job_id)
    return (yield from sheet(started.sheet_id))


def delete_sheet(sheet_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one answer sheet and wait until it is erased."""
    return delete_at(f"/v1/sheets/{sheet_id}", timeout)
