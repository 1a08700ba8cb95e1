"""Pod logs: files that the node agent writes at `<logs>/<pod-uid>/<container>.log`.

A pod whose files are gone has an empty log. `follow` ends when the pod has ended or is gone.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from simulacra_controlplane import errors
from simulacra_controlplane.objects import Object
from simulacra_controlplane.state import ControlPlane
from simulacra_controlplane.store import Key
from simulacra_controlplane.verbs.requests import flag, integer

_POLL_SECONDS = 0.25
_CHUNK = 64 * 1024


def _container(pod: Object, wanted: str | None) -> str:
    spec = pod["spec"]
    names = [
        c["name"] for c in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]
    ]
    name = pod["metadata"]["name"]
    if not wanted and len(spec.get("containers") or []) != 1:
        raise errors.bad_request(
            f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
        )
    if wanted and wanted not in names:
        raise errors.bad_request(f"container {wanted} is not valid for pod {name}")
    return wanted or str(names[0])


def read(plane: ControlPlane, pod: Object, query: dict[str, str]) -> AsyncIterator[bytes]:
    """The log as chunks of bytes.

    Raises:
        ApiError: 400 for an unknown container, 501 for options that are not served.
    """
    for name in ("sinceSeconds", "sinceTime"):
        if query.get(name):
            raise errors.not_implemented(f"logs with {name}")
    if flag(query, "previous") or flag(query, "timestamps"):
        raise errors.not_implemented("logs with previous or timestamps")
    path = plane.logs / pod["metadata"]["uid"] / f"{_container(pod, query.get('container'))}.log"
    tail, most = integer(query, "tailLines"), integer(query, "limitBytes")
    return _chunks(plane, pod, path, tail, most, flag(query, "follow"))


def _start(path: Path, tail: int | None) -> int:
    """The offset of the last `tail` lines."""
    if tail is None or not path.exists():
        return 0
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    return len(content) - sum(map(len, lines[len(lines) - tail :] if tail else []))


def _ended(plane: ControlPlane, pod: Object) -> bool:
    now = plane.store.get(Key("pods", pod["metadata"]["namespace"], pod["metadata"]["name"]))
    if now is None or now["metadata"]["uid"] != pod["metadata"]["uid"]:
        return True
    return now.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _read_at(path: Path, position: int, size: int) -> bytes:
    """Bytes of a local file: too short a read to leave the event loop for."""
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(position)
        return file.read(size)


async def _chunks(
    plane: ControlPlane, pod: Object, path: Path, tail: int | None, most: int | None, follow: bool
) -> AsyncIterator[bytes]:
    position = _start(path, tail)
    left = most if most is not None else float("inf")
    while left > 0:
        last = not follow or _ended(plane, pod)
        chunk = _read_at(path, position, int(min(left, _CHUNK)))
        position += len(chunk)
        left -= len(chunk)
        if chunk:
            yield chunk
        elif last:
            return
        else:
            await asyncio.sleep(_POLL_SECONDS)
