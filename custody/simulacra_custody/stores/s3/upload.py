"""A put into S3 as a multipart upload: in constant memory, and invisible before its commit."""

from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from simulacra_custody.aws_errors import error_code
from simulacra_custody.errors import ObjectExists, StoreUnavailable
from simulacra_custody.stores.base import ObjectInfo
from simulacra_custody.stores.s3.client import s3_errors

PART_BYTES = 16 << 20
"""Bytes of a part; S3 takes 10,000 parts, so an object has at most 156 GiB."""

_MAX_PARTS = 10_000
_CONFLICTS = 8
T = TypeVar("T")


class S3Upload:
    """`Upload` as a multipart upload, which an erasure can abort at any time."""

    def __init__(
        self,
        client: Any,
        key: str,
        target: dict[str, str],
        encryption: dict[str, str],
        *,
        if_absent: bool,
    ) -> None:
        self._client = client
        self._key = key
        self._if_absent = if_absent
        answer = client.create_multipart_upload(**target, **encryption)
        self._upload = {**target, "UploadId": answer["UploadId"]}
        self._parts: list[dict[str, object]] = []
        self._buffer = bytearray()
        self._size = 0
        self._finished = False

    def write(self, data: bytes) -> None:
        """Append bytes; send each full part."""
        rest = memoryview(data).cast("B")
        while rest:
            take = min(len(rest), PART_BYTES - len(self._buffer))
            self._buffer += rest[:take]
            rest = rest[take:]
            if len(self._buffer) == PART_BYTES:
                self._send()

    def commit(self) -> ObjectInfo:
        """Complete the upload; a conditional one only if nothing is stored yet."""
        if self._buffer or not self._parts:
            self._send()
        request = {**self._upload, "MultipartUpload": {"Parts": self._parts}}
        if self._if_absent:
            request["IfNoneMatch"] = "*"
        complete = self._client.complete_multipart_upload
        with s3_errors("commit"):
            _unless_erased(lambda: conditional(self._key, lambda: complete(**request)))
            self._finished = True
            head = self._client.head_object(Bucket=self._upload["Bucket"], Key=self._upload["Key"])
        return ObjectInfo(self._key, self._size, head["LastModified"].timestamp())

    def abort(self) -> None:
        """Abort the upload, unless it was committed."""
        if not self._finished:
            abort(self._client, self._upload)

    def _send(self) -> None:
        number = len(self._parts) + 1
        if number > _MAX_PARTS:
            limit = _MAX_PARTS * PART_BYTES
            raise StoreUnavailable(f"an S3 object takes at most {limit} bytes; split the artifact")
        request = {**self._upload, "PartNumber": number, "Body": bytes(self._buffer)}
        with s3_errors("write"):
            answer = _unless_erased(lambda: self._client.upload_part(**request))
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._size += len(self._buffer)
        self._buffer.clear()


def upload_of(found: dict[str, Any]) -> dict[str, str]:
    """Return the arguments that identify an upload, from an entry of a listing."""
    return {name: found[name] for name in ("Bucket", "Key", "UploadId")}


def abort(client: Any, upload: dict[str, str]) -> None:
    """Abort an upload, if it still exists."""
    try:
        client.abort_multipart_upload(**upload)
    except ClientError as error:
        if error_code(error) != "NoSuchUpload":
            raise


def conditional(key: str, call: Callable[[], T]) -> T:
    """Run a conditional write. Raises `ObjectExists` if another writer was first.

    409 means that another conditional write of the key is running and may fail: retry.
    """
    for _ in range(_CONFLICTS):
        try:
            return call()
        except ClientError as error:
            if error_code(error) == "PreconditionFailed":
                raise ObjectExists(f"{key.rpartition('/')[2]} is already stored") from None
            if error_code(error) != "ConditionalRequestConflict":
                raise
    raise StoreUnavailable(
        f"the S3 store reported {_CONFLICTS} concurrent writes of the same key; retry"
    )


def _unless_erased(call: Callable[[], T]) -> T:
    try:
        return call()
    except ClientError as error:
        if error_code(error) == "NoSuchUpload":
            raise StoreUnavailable(
                "the put was erased before its commit; write the artifact again"
            ) from None
        raise
