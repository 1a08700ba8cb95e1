"""The Python SDK, the engine without a server, and the `simulacra` command.

import simulacra
model = simulacra.fit("survey.csv")      # on this machine, in this process
rows = model.generate(2000).to_pandas()

from simulacra import Client
with Client.from_environment() as client:   # the same on a service
    rows = client.fit("survey.csv").generate(2000).to_pandas()

`AsyncClient` has the methods of `Client` as coroutines. Modules are imported when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulacra.async_client import AsyncClient
    from simulacra.client import Client
    from simulacra.connection import Connection
    from simulacra.engine.draft import draft
    from simulacra.engine.fit import fit, load
    from simulacra.engine.model import Model
    from simulacra.errors import ApiError, DownloadCorrupt, JobFailed

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "Connection",
    "DownloadCorrupt",
    "JobFailed",
    "Model",
    "draft",
    "fit",
    "load",
]
_MODULES = {
    "ApiError": "errors",
    "AsyncClient": "async_client",
    "Client": "client",
    "Connection": "connection",
    "DownloadCorrupt": "errors",
    "JobFailed": "errors",
    "Model": "engine.model",
    "draft": "engine.draft",
    "fit": "engine.fit",
    "load": "engine.fit",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"simulacra.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
