"""The Python SDK and the `simulacra` command.

from simulacra import Client
with Client.from_connection("DIR/connection.json") as client:
    dataset = client.upload("survey.csv")
    client.wait(dataset.job_id)

`AsyncClient` has the same methods as coroutines.
"""

from simulacra.async_client import AsyncClient
from simulacra.client import Client
from simulacra.connection import Connection
from simulacra.errors import ApiError, DownloadCorrupt, JobFailed

__all__ = ["ApiError", "AsyncClient", "Client", "Connection", "DownloadCorrupt", "JobFailed"]
