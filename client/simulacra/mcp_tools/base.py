"""What the tools share: the client, the folder of files, errors for the model."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from mcp.server.mcpserver.exceptions import ToolError

from simulacra.async_client import AsyncClient
from simulacra.corrections import Corrections
from simulacra.errors import ApiError, DownloadCorrupt, JobFailed


@contextmanager
def tool_errors() -> Iterator[None]:
    """Turn an error into a message for the model."""
    try:
        yield
    except (ApiError, JobFailed, DownloadCorrupt, TimeoutError, ValueError) as error:
        raise _tool_error(error, str(error)) from error
    except OSError as error:
        text = f"{error.filename or 'the file'}: {error.strerror or error}"
        raise _tool_error(error, text) from error
    except httpx2.TransportError as error:
        text = f"The service does not answer ({type(error).__name__}). Try again later."
        raise _tool_error(error, text) from error


def _tool_error(error: Exception, text: str) -> ToolError:
    """Return the message with the error's notes, which say how to continue."""
    return ToolError("\n".join([text, *getattr(error, "__notes__", ())]))


class ToolSet:
    """Tools of one topic; the model reads each method's docstring."""

    def __init__(self, client: AsyncClient, directory: Path) -> None:
        self._client = client
        self._directory = directory.resolve()
        self._unfinished: dict[tuple[Any, ...], str] = {}
        """Idempotency keys of unfinished uploads, by file and options."""
        self._corrected: dict[str, Corrections] = {}
        """Corrections by job, whose errors name the argument that was wrong."""

    def _inside(self, path: str) -> Path:
        found = (self._directory / path).resolve()
        if not found.is_relative_to(self._directory):
            raise ValueError(f"{path} is outside the folder of this server. Give a path below it.")
        return found

    def _written(self, path: str, content: Any) -> Path:
        """Write a text, or a document as JSON, to a file below the folder; return its path."""
        target = self._inside(path)
        text = content
        if not isinstance(content, str):
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        target.write_text(text, encoding="utf-8")
        return target
