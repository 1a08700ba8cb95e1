"""The Python SDK and the `simulacra` command.

from simulacra import Client
with Client.from_connection("DIR/connection.json") as client:
    dataset = client.upload("survey.csv")
    client.wait(dataset.job_id)

`AsyncClient` has the same methods as coroutines. Modules are imported when they are used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulacra.async_client import AsyncClient
    from simulacra.client import Client
    from simulacra.connection import Connection
    from simulacra.errors import ApiError, DownloadCorrupt, JobFailed

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "Connection",
    "DownloadCorrupt",
    "JobFailed",
]
_MODULES = {
    "ApiError": "errors",
    "AsyncClient": "async_client",
    "Client": "client",
    "Connection": "connection",
    "DownloadCorrupt": "errors",
    "JobFailed": "errors",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"simulacra.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
