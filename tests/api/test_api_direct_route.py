"""Direct routes: which routes skip FastAPI's dependency injection, and which do not."""

from __future__ import annotations

from typing import Annotated

import pytest
from fastapi import APIRouter, Query, Response

from simulacra_api.datasets import routes as datasets
from simulacra_api.dependencies import CurrentTenant, DirectRoute
from simulacra_api.effects import routes as effects
from simulacra_api.generations import routes as generations
from simulacra_api.http.etags import IfNoneMatch

ROUTES = {
    route.operation_id: route
    for module in (datasets, effects, generations)
    for route in module.router.routes
    if isinstance(route, DirectRoute)
}


@pytest.mark.parametrize("operation", ["getDataset", "getGeneration", "getEffect", "deleteDataset"])
def test_routes_with_ids_and_etags_only_are_called_directly(operation: str) -> None:
    assert ROUTES[operation]._is_direct()


@pytest.mark.parametrize(
    "operation", ["fitDataset", "listDatasets", "updateDataset", "downloadArtifact"]
)
def test_routes_with_queries_or_bodies_are_not_called_directly(operation: str) -> None:
    assert not ROUTES[operation]._is_direct()


async def _without_caller(thing_id: str) -> Response: ...  # type: ignore[empty-body]


async def _number(thing_id: int, repository: CurrentTenant) -> Response: ...  # type: ignore[empty-body]


async def _model(thing_id: str, repository: CurrentTenant) -> dict[str, str]: ...  # type: ignore[empty-body]


async def _query(
    thing_id: str, repository: CurrentTenant, more: Annotated[str, Query()] = ""
) -> Response: ...  # type: ignore[empty-body]


async def _direct(
    thing_id: str, repository: CurrentTenant, if_none_match: IfNoneMatch = None
) -> Response: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("endpoint", "direct"),
    [(_without_caller, False), (_number, False), (_model, False), (_query, False), (_direct, True)],
)
def test_fastapi_handles_conversions_and_routes_without_caller(
    endpoint: object, direct: bool
) -> None:
    router = APIRouter(route_class=DirectRoute)
    router.get("/things/{thing_id}", response_model=None)(endpoint)  # type: ignore[type-var]
    (route,) = router.routes
    assert isinstance(route, DirectRoute)
    assert route._is_direct() is direct
