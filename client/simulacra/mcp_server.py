"""`simulacra mcp`: tools of the Model Context Protocol for agents, over stdio.

Tables move between files on this machine and the service: no row and no secret passes through the
model's context. Files are read and written only below one folder.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer

from simulacra.async_client import AsyncClient
from simulacra.connection import Connection
from simulacra.mcp_tools.questions import QuestionTools
from simulacra.mcp_tools.resources import ResourceTools
from simulacra.mcp_tools.rows import RowTools
from simulacra.mcp_tools.tables import TableTools

INSTRUCTIONS = (
    "Simulacra makes synthetic tables. Use `upload` for a table, `wait` for its job, `describe` to"
    " see how its columns were read, and `schema` for their levels and ranges. Then `generate` rows"
    " under conditions or interventions on these columns, `wait` again, `download` the rows to a"
    " file, and `delete` the dataset when you are done. Generated rows are worth fewer respondents"
    " than there are rows, and may be too like the real ones to be published: where an answer has"
    " `tell`, pass it on word for word. `estimate`, `sheet` and `segments` answer questions:"
    " begin your answer with the text of the verdict. `complete` fills in missing answers."
    " Rows never come back as text: work on the files."
)


class Tools(TableTools, RowTools, QuestionTools, ResourceTools):
    """All tools."""

    def all(self) -> list[Any]:
        """Return the tools to register."""
        return [
            *(self.upload, self.datasets, self.schema, self.describe, self.refit, self.generate),
            *(self.complete, self.estimate, self.sheet, self.segments, self.wait, self.status),
            *(self.report, self.download, self.draft, self.delete),
        ]


def serve(connection: Path | None, directory: Path) -> None:
    """Serve until the agent closes stdin.

    Raises:
        OSError, ValueError: the connection is missing or wrong.
    """
    known = Connection.from_file(connection) if connection else Connection.from_environment()
    client = AsyncClient(known)

    @asynccontextmanager
    async def lifespan(_: MCPServer[None]) -> AsyncIterator[None]:
        async with client:
            yield

    server = MCPServer(
        "simulacra", instructions=INSTRUCTIONS, version=version("simulacra"), lifespan=lifespan
    )
    for tool in Tools(client, directory).all():
        server.add_tool(tool)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # else it logs each request
    server.run("stdio")
