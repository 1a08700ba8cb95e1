"""A put into S3: a multipart upload, so that it takes constant memory and nothing shows before its end."""

from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from simulacra_custody.errors import ObjectExists, StoreUnavailable
from simulacra_custody.stores.base import ObjectInfo
from simulacra_custody.stores.s3.client import error_code, s3_errors

PART_BYTES = 16 << 20
"""Bytes a part; S3 takes 10,000 parts, so an object has at most 156 GiB here."""

_MAX_PARTS = 10_000
_CONFLICTS = 8
T = TypeVar("T")


class S3Upload:
    """`Upload` as a multipart upload. It exists at the service from the start, so an erasure meanwhile ends it."""

    def __init__(
        self,
        client: Any,
        key: str,
        target: dict[str, str],
        encryption: dict[str, str],
        *,
        if_absent: bool,
    ) -> None:
        self._client, self._key, self._if_absent = client, key, if_absent
        answer = client.create_multipart_upload(**target, **encryption)
        self._upload = {**target, "UploadId": answer["UploadId"]}
        self._parts: list[dict[str, object]] = []
        self._buffer = bytearray()
        self._size = 0
        self._finished = False

    def write(self, data: bytes) -> None:
        """Append bytes; a part is sent as soon as it is full."""
        rest = memoryview(data).cast("B")
        while rest:
            take = min(len(rest), PART_BYTES - len(self._buffer))
            self._buffer += rest[:take]
            rest = rest[take:]
            if len(self._buffer) == PART_BYTES:
                self._send()

    def commit(self) -> ObjectInfo:
        """Complete the upload, for a conditional put only where nothing is stored yet."""
        if self._buffer or not self._parts:
            self._send()
        condition = {"IfNoneMatch": "*"} if self._if_absent else {}
        with s3_errors("commit"):
            _unless_erased(
                lambda: conditional(
                    self._key,
                    lambda: self._client.complete_multipart_upload(
                        **self._upload, MultipartUpload={"Parts": self._parts}, **condition
                    ),
                )
            )
            self._finished = True
            head = self._client.head_object(Bucket=self._upload["Bucket"], Key=self._upload["Key"])
        return ObjectInfo(self._key, self._size, head["LastModified"].timestamp())

    def abort(self) -> None:
        """Take back what was sent, unless it was committed."""
        if not self._finished:
            abort(self._client, self._upload)

    def _send(self) -> None:
        number = len(self._parts) + 1
        if number > _MAX_PARTS:
            raise StoreUnavailable(
                f"an S3 object takes {_MAX_PARTS * PART_BYTES} bytes at most; split the artefact"
            )
        with s3_errors("write"):
            answer = _unless_erased(
                lambda: self._client.upload_part(
                    **self._upload, PartNumber=number, Body=bytes(self._buffer)
                )
            )
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        self._size += len(self._buffer)
        self._buffer.clear()


def upload_of(found: dict[str, Any]) -> dict[str, str]:
    """The arguments that name an upload, from an entry of a listing."""
    return {name: found[name] for name in ("Bucket", "Key", "UploadId")}


def abort(client: Any, upload: dict[str, str]) -> None:
    """Abort an upload; one that is gone already is no error."""
    try:
        client.abort_multipart_upload(**upload)
    except ClientError as error:
        if error_code(error) != "NoSuchUpload":
            raise


def conditional(key: str, call: Callable[[], T]) -> T:
    """Make a call that may carry a condition; `ObjectExists` if another writer was first.

    409 says that another conditional write of the key is under way, which may yet fail: ask again.
    """
    for _ in range(_CONFLICTS):
        try:
            return call()
        except ClientError as error:
            if error_code(error) == "PreconditionFailed":
                raise ObjectExists(f"{key.rpartition('/')[2]} is stored already") from None
            if error_code(error) != "ConditionalRequestConflict":
                raise
    raise StoreUnavailable(
        f"the S3 store met {_CONFLICTS} conditional writes of the same key; try again"
    )


def _unless_erased(call: Callable[[], T]) -> T:
    try:
        return call()
    except ClientError as error:
        if error_code(error) == "NoSuchUpload":
            raise StoreUnavailable(
                "the put was erased before its commit; write the artefact again"
            ) from None
        raise
