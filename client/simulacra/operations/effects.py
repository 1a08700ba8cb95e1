"""Effect estimates."""

from __future__ import annotations

from simulacra.core import Ask, Steps, ask
from simulacra.models import Effect, Json
from simulacra.operations.common import delete_at, get_one, new_key, pages


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
    """Ask for E[outcome | do(treatment=value)] - E[outcome | do(treatment=baseline)]; returns effect_id, job_id."""
    body: Json = {"treatment": treatment, "value": value, "baseline": baseline, "outcome": outcome}
    body |= {} if outcome_level is None else {"outcome_level": outcome_level}
    body |= {} if segment is None else {"segment": segment}
    path = f"/v1/datasets/{dataset_id}/effects"
    return Effect((yield from ask(Ask("POST", path, json=body, headers=new_key(key)))).json())


def effects(**filters: str) -> Steps[list[Effect]]:
    """List the tenant's effect estimates, newest first. Filters: dataset_id, status."""
    return pages("/v1/effects", filters, Effect)


def effect(effect_id: str) -> Steps[Effect]:
    """Return one effect estimate: `ace`, and `segments` where asked, once it is ready."""
    return get_one(f"/v1/effects/{effect_id}", Effect)


def delete_effect(effect_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete one effect estimate and wait until it is gone."""
    return delete_at(f"/v1/effects/{effect_id}", timeout)
