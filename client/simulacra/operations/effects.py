"""Effect estimates: average causal effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from simulacra.core import Request, Steps, send
from simulacra.effect import Effect
from simulacra.models import Json
from simulacra.operations.resources import delete_at, get_all, get_one, key_header

Population = Literal["all", "treated", "overlap"]


def estimate(
    dataset_id: str,
    *,
    treatment: str,
    value: float | str,
    baseline: float | str,
    outcome: str,
    outcome_level: str | None = None,
    segment: str | None = None,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    dont_know: Sequence[str] = (),
    population: Population | None = None,
    negative_controls: Sequence[str] = (),
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
        segment: also give the effect for each level of this column.
        before: columns that were already so before the treatment was settled.
        after: columns that the treatment may have changed.
        dont_know: columns that may be either.
        population: whose average effect: all (default), treated or overlap.
        negative_controls: columns that the treatment cannot change.
        key: idempotency key, drawn if absent.

    Returns effect_id and job_id.
    """
    body: Json = {"treatment": treatment, "value": value, "baseline": baseline, "outcome": outcome}
    body |= {} if outcome_level is None else {"outcome_level": outcome_level}
    body |= {} if segment is None else {"segment": segment}
    lists = {
        "before": before,
        "after": after,
        "dont_know": dont_know,
        "negative_controls": negative_controls,
    }
    body |= {name: list(columns) for name, columns in lists.items() if columns}
    body |= {} if population is None else {"population": population}
    path = f"/v1/datasets/{dataset_id}/effects"
    request = Request("POST", path, json=body, headers=key_header(key))
    return Effect((yield from send(request)).json())


def effects(**filters: str) -> Steps[list[Effect]]:
    """List the tenant's effect estimates, newest first. Filters: dataset_id, status."""
    return get_all("/v1/effects", filters, Effect)


def effect(effect_id: str) -> Steps[Effect]:
    """Return one effect estimate; once ready, with its verdict, `ace`, and the other figures."""
    return get_one(f"/v1/effects/{effect_id}", Effect)


def delete_effect(effect_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one effect estimate and wait until it is erased."""
    return delete_at(f"/v1/effects/{effect_id}", timeout)
