"""The Python SDK and the `simulacra` command: what a customer imports and types.

from simulacra import Client
with Client.from_connection("DIR/connection.json") as client:
    dataset = client.upload("survey.csv")
    client.wait(dataset["job_id"])
"""

from simulacra.client import Client
from simulacra.connection import Connection
from simulacra.errors import ApiError, JobFailed

__all__ = ["ApiError", "Client", "Connection", "JobFailed"]
