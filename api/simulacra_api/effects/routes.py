"""Routes of effect estimates and of probes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from simulacra_api.dependencies import (
    NOT_CHANGED,
    CurrentTenant,
    DirectRoute,
    IdempotencyKey,
    poll_headers,
    problems,
)
from simulacra_api.effects.schemas import EffectAccepted, EffectBody, EffectList, EffectRequest
from simulacra_api.effects.service import effect_body, effect_page, request_effect
from simulacra_api.generations.probe import probe
from simulacra_api.generations.schemas import ProbeBody, ProbeRequest
from simulacra_api.http.etags import IfNoneMatch, entity_tag, represent
from simulacra_api.http.pagination import ResourceQuery, link_next
from simulacra_api.jobs.prefer_wait import Wait, accepted
from simulacra_api.tenancy.delete import delete
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.names import job_id

router = APIRouter(prefix="/v1", tags=["effects"], route_class=DirectRoute)


@router.post(
    "/datasets/{dataset_id}/probe",
    operation_id="probeDataset",
    summary="Sample a few rows at once",
    responses=problems(400, 402, 404, 409, 413, 415, 504),
)
async def probe_dataset(
    dataset_id: str, wanted: ProbeRequest, repository: CurrentTenant
) -> ProbeBody:
    """Up to 100 rows in the answer, and whether the conditions can be met; nothing is stored."""
    return await probe(repository, await repository.dataset(dataset_id), wanted)


@router.post(
    "/datasets/{dataset_id}/effects",
    status_code=202,
    operation_id="createEffect",
    summary="Estimate a causal effect",
    responses=problems(400, 402, 404, 409, 413, 415) | {201: {"model": EffectAccepted}},
)
async def create_effect(
    dataset_id: str,
    wanted: EffectRequest,
    repository: CurrentTenant,
    key: IdempotencyKey,
    response: Response,
    wait: Wait,
) -> EffectAccepted:
    """ACE = E[outcome | do(value)] - E[outcome | do(baseline)]. The schema is checked at once."""
    created = await request_effect(repository, await repository.dataset(dataset_id), wanted, key)
    name = created["metadata"]["name"]
    job = await accepted(repository, response, f"/v1/effects/{name}", job_id(name), wait)
    return EffectAccepted(effect_id=name, dataset_id=dataset_id, **job)


@router.get(
    "/effects", operation_id="listEffects", summary="List effect estimates", responses=problems(400)
)
async def list_effects(
    repository: CurrentTenant, query: Annotated[ResourceQuery, Query()], response: Response
) -> EffectList:
    """The tenant's effect estimates, newest first."""
    items, cursor = await effect_page(repository, query)
    link_next(response, repository.url("/v1/effects"), query, cursor)
    return EffectList(items=items, next_cursor=cursor)


@router.get(
    "/effects/{effect_id}",
    operation_id="getEffect",
    summary="Get an effect estimate",
    responses=problems(404) | NOT_CHANGED,
    response_model=EffectBody,
)
async def get_effect(
    effect_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Response:
    """The verdict first: what the answer rests on. Then the effect, its interval and its checks."""
    body = await effect_body(
        repository, await repository.get(EffectEstimate, effect_id, deleting=True)
    )
    text = body.model_dump_json()
    return represent(text, entity_tag(text), if_none_match, poll_headers(body.status))


@router.delete(
    "/effects/{effect_id}",
    status_code=204,
    operation_id="deleteEffect",
    summary="Erase an effect estimate",
    responses=problems(404) | {202: {"description": "Being erased: poll Location until 404."}},
)
async def delete_effect(effect_id: str, repository: CurrentTenant) -> Response:
    """204 when the estimate is erased and verified absent, 202 while the erasure runs."""
    effect = await repository.get(EffectEstimate, effect_id, deleting=True, fresh=True)
    return await delete(repository, effect, f"/v1/effects/{effect_id}")
