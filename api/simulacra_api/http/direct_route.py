"""Routes that take nothing but ids and entity tags, and answer with what they return.

FastAPI solves dependencies and converts parameters anew for every request, which costs more than
such a route's own work. These are documented and matched by FastAPI like all others, and called
without the rest.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.routing import APIRoute

from simulacra_api.dependencies import current_tenant


class DirectRoute(APIRoute):
    """A route that is called directly when its parameters are ids, `repository` and `if_none_match`, and no more."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what handles a request."""
        if not self._is_direct():
            return super().get_route_handler()
        endpoint: Callable[..., Awaitable[Response]] = self.endpoint
        conditional = bool(self.dependant.header_params)

        async def handle(request: Request) -> Response:
            values = {**request.path_params, "repository": await current_tenant(request)}
            if conditional:
                values["if_none_match"] = request.headers.get("if-none-match")
            return await endpoint(**values)

        return handle

    def _is_direct(self) -> bool:
        needs, hints = self.dependant, get_type_hints(self.endpoint)
        return (
            hints.pop("return") is Response
            and {one.call for one in needs.dependencies} == {current_tenant}
            and set(hints) <= {"repository", "if_none_match", *self.param_convertors}
            and all(hints[name] is str for name in self.param_convertors)
        )
