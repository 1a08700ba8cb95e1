"""Effect estimates: average causal effects."""

from __future__ import annotations

from simulacra.core import Request, Steps, send
from simulacra.models import Effect, Json
from simulacra.operations.resources import delete_at, get_all, get_one, key_header


def estimate(
    dataset_id: str,
    *,
    treatment: str,
    value: float | str,
    baseline: float | str,
    outcome: str,
    outcome_level: str | None = None,
    segment: str | None = None,
    key: str | None = None,
) -> Steps[Effect]:
    """Start to estimate E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)].

    Returns effect_id and job_id.
    """
    body: Json = {"treatment": treatment, "value": value, "baseline": baseline, "outcome": outcome}
    body |= {} if outcome_level is None else {"outcome_level": outcome_level}
    body |= {} if segment is None else {"segment": segment}
    path = f"/v1/datasets/{dataset_id}/effects"
    request = Request("POST", path, json=body, headers=key_header(key))
    return Effect((yield from send(request)).json())


def effects(**filters: str) -> Steps[list[Effect]]:
    """List the tenant's effect estimates, newest first. Filters: dataset_id, status."""
    return get_all("/v1/effects", filters, Effect)


def effect(effect_id: str) -> Steps[Effect]:
    """Return one effect estimate; once ready, with `ace`, and `segments` if there is a segment."""
    return get_one(f"/v1/effects/{effect_id}", Effect)


def delete_effect(effect_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one effect estimate and wait until it is erased."""
    return delete_at(f"/v1/effects/{effect_id}", timeout)
