"""The fixtures of `api_world` for every test of the API, and a check of all error codes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpcore2
import pytest

from api_examples import walked  # noqa: F401 - a fixture
from api_world import (  # noqa: F401 - fixtures
    acme,
    environment,
    http,
    key,
    own_environment,
    plane,
    ready,
    serve_api,
    uploaded,
    world,
)
from simulacra_api.http import middleware, problems
from simulacra_api.http.error_codes import CATALOG

ENVELOPE = {"type", "title", "status", "detail", "code", "request_id", "errors"}


@pytest.fixture(autouse=True)
def _own_environment(own_environment: None) -> None:  # noqa: F811 - a fixture
    """Use the custody variables of this folder's world."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run all async tests here in one event loop, the one of the served API.

    Of a test with `one_case_real` one case runs on the real control plane.
    """
    first: dict[tuple[Path, str], pytest.Item] = {}
    repeats = {
        item
        for item in items
        if item.get_closest_marker("one_case_real")
        and item.get_closest_marker("controlplane")
        and first.setdefault((item.path, item.name.partition("[")[0]), item) is not item
    }
    items[:] = [item for item in items if item not in repeats]
    config.hook.pytest_deselected(items=[*repeats])
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("asyncio"):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session", autouse=True)
def roots_are_read_once() -> Iterator[None]:
    """Share a TLS context between HTTP clients: each new one would parse all roots, for 7 ms."""
    made = httpcore2.default_ssl_context

    @cache
    def shared(trust_env: bool, *_places: str | None) -> Any:
        return made(_trust_env=trust_env)

    def context(*, _trust_env: bool = True) -> Any:
        return shared(_trust_env, *map(os.environ.get, ("SSL_CERT_FILE", "SSL_CERT_DIR")))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpcore2, "default_ssl_context", context)
        yield


@pytest.fixture(scope="session", autouse=True)
def every_error(request: pytest.FixtureRequest) -> Iterator[None]:
    """Check the envelope of every problem, and that the tests produce every code of the catalog.

    The second only when all files of this folder run without a selection by name. Processes of
    xdist share the files, so tests/conftest.py joins their codes and checks them at the end.
    """
    seen: set[str] = set()
    render = problems.problem_response

    def recorded(problem: problems.Problem, base_url: str, request_id: str) -> Any:
        answer = render(problem, base_url, request_id)
        body = json.loads(answer.body)
        assert ENVELOPE <= set(body) <= ENVELOPE | {"error", "error_description"}
        assert (body["status"], body["request_id"]) == (answer.status_code, request_id)
        assert body["type"] == f"{base_url}/errors/{body['code']}"
        assert answer.headers["content-type"] == "application/problem+json"
        seen.add(body["code"])
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(problems, "problem_response", recorded)
        patch.setattr(middleware, "problem_response", recorded)
        yield
    here = Path(__file__).parent
    chosen = {item.path for item in request.session.items if item.path.is_relative_to(here)}
    wanted = set(CATALOG)
    if chosen != set(here.glob("test_*.py")) or request.config.option.keyword:
        wanted = set()
    if hasattr(request.config, "workeroutput"):
        request.config.workeroutput["codes"] = (sorted(seen), sorted(wanted))
    elif not request.session.testsfailed:
        assert wanted <= seen, f"no test produces {wanted - seen}"
