"""An object store in S3.

The endpoint needs multipart uploads, conditional writes and ListObjectVersions. An erasure covers
versions, delete markers and unfinished uploads. With ``{tenant}`` in the bucket's name each tenant
has a bucket, made with its first object and removed when its whole prefix is deleted; objects of no
tenant are in a bucket as of a tenant ``installation``.
"""

import contextlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

from simulacra_custody.aws_errors import error_code
from simulacra_custody.errors import ArtifactMissing, StoreUnavailable
from simulacra_custody.stores.base import ObjectInfo, check_prefix
from simulacra_custody.stores.s3.buckets import OBJECTS, UPLOADS, VERSIONS, Found, S3Buckets
from simulacra_custody.stores.s3.client import S3Location, s3_errors
from simulacra_custody.stores.s3.upload import PART_BYTES, S3Upload, abort, conditional, upload_of

PRESIGNED_S = 900
"""A presigned link expires after 15 minutes."""

_READ_SIZE = 1 << 18


class S3Store:
    """`ObjectStore` in S3, safe for several threads."""

    def __init__(self, location: S3Location) -> None:
        self.location = location
        self._client = location.client()
        self._public = location.client(public=True) if location.public_endpoint else self._client
        self._buckets = S3Buckets(self._client, location)

    @contextlib.contextmanager
    def open_put(self, key: str, *, if_absent: bool = False) -> Iterator[S3Upload]:
        """Begin a put; see `ObjectStore.open_put`."""
        target = self._buckets.target(key)
        sse = self.location.encryption
        with s3_errors("begin a put"):
            upload = self._buckets.making(
                target["Bucket"],
                lambda: S3Upload(self._client, key, target, sse, if_absent=if_absent),
            )
        try:
            yield upload
        finally:
            with s3_errors("abort a put"):
                upload.abort()

    def put(self, key: str, chunks: Iterable[bytes], *, if_absent: bool = False) -> ObjectInfo:
        """Store the chunks as one object, all or nothing; in one request if they fit a part."""
        start = bytearray()
        rest = iter(chunks)
        for chunk in rest:
            start += chunk
            if len(start) > PART_BYTES:
                break
        else:
            return self._put_whole(key, bytes(start), {"IfNoneMatch": "*"} if if_absent else {})
        with self.open_put(key, if_absent=if_absent) as upload:
            upload.write(bytes(start))
            for chunk in rest:
                upload.write(chunk)
            return upload.commit()

    def open_range(self, key: str, start: int = 0, end: int | None = None) -> Iterator[bytes]:
        """Yield a range in chunks of at most 256 KiB. Raises `ArtifactMissing` at the call."""
        target = self._buckets.target(key)
        if end is not None and end <= start:
            if self.stat(key) is None:
                raise ArtifactMissing(f"nothing is stored under {key}")
            return iter(())
        if start or end is not None:
            target["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            with s3_errors("open an object"):
                body = self._client.get_object(**target)["Body"]
        except StoreUnavailable as error:
            if self._buckets.absent(error):
                raise ArtifactMissing(f"nothing is stored under {key}") from None
            if error_code(error.__cause__) == "InvalidRange":  # it begins after the object's end
                return iter(())
            raise
        return _read(body)

    def stat(self, key: str) -> ObjectInfo | None:
        """Return an object's size and time, None if there is none."""
        try:
            with s3_errors("stat an object"):
                head = self._client.head_object(**self._buckets.target(key))
        except StoreUnavailable as error:
            if self._buckets.absent(error):
                return None
            raise
        return ObjectInfo(key, head["ContentLength"], head["LastModified"].timestamp())

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield every object under the prefix, sorted by the bytes of the key."""
        check_prefix(prefix)
        return map(self._info, self._buckets.entries(OBJECTS, prefix))

    def list_versions(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield every version and delete marker (size 0) under the prefix."""
        check_prefix(prefix)
        return map(self._info, self._buckets.entries(VERSIONS, prefix))

    def list_incomplete(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield unfinished uploads under the prefix, also those of writers that died."""
        check_prefix(prefix)
        return self._incomplete(prefix)

    def delete(self, key: str) -> None:
        """Delete all versions of one object."""
        name = self._buckets.target(key)["Key"]
        found = self._buckets.entries(VERSIONS, key)
        self._buckets.delete_versions(entry for entry in found if entry["Key"] == name)

    def delete_prefix(self, prefix: str) -> int:
        """Delete all versions and markers under the non-empty prefix; return their number."""
        check_prefix(prefix, allow_empty=False)
        count = self._buckets.delete_versions(self._buckets.entries(VERSIONS, prefix))
        if self._buckets.per_tenant and prefix.count("/") == 2:
            self._buckets.remove(self._buckets.of(prefix))
        return count

    def purge_incomplete(self, prefix: str) -> int:
        """Abort every unfinished upload under the non-empty prefix; its writer's commit fails."""
        check_prefix(prefix, allow_empty=False)
        count = 0
        for found in self._buckets.entries(UPLOADS, prefix):
            with s3_errors("abort a put"):
                abort(self._client, upload_of(found))
            count += 1
        return count

    def presign(self, key: str, expires_s: int = PRESIGNED_S) -> str:
        """Return a URL that lets its holder read the stored bytes for ``expires_s`` seconds."""
        target = self._buckets.target(key)
        sign = self._public.generate_presigned_url
        with s3_errors("sign a link"):
            return str(sign("get_object", Params=target, ExpiresIn=expires_s))

    def _put_whole(self, key: str, content: bytes, condition: dict[str, str]) -> ObjectInfo:
        target = self._buckets.target(key)
        request = {**target, "Body": content, **condition, **self.location.encryption}
        with s3_errors("write"):
            self._buckets.making(
                target["Bucket"],
                lambda: conditional(key, lambda: self._client.put_object(**request)),
            )
        return self.stat(key) or ObjectInfo(key, len(content), time.time())

    def _incomplete(self, prefix: str) -> Iterator[ObjectInfo]:
        for found in self._buckets.entries(UPLOADS, prefix):
            try:
                with s3_errors("list parts"):
                    pages = self._client.get_paginator("list_parts").paginate(**upload_of(found))
                    size = sum(part["Size"] for page in pages for part in page.get("Parts", ()))
            except StoreUnavailable as error:
                if error_code(error.__cause__) != "NoSuchUpload":  # committed or aborted meanwhile
                    raise
            else:
                key = self._buckets.key(found["Key"])
                yield ObjectInfo(key, size, found["Initiated"].timestamp())

    def _info(self, found: Found) -> ObjectInfo:
        key = self._buckets.key(found["Key"])
        return ObjectInfo(key, found.get("Size", 0), found["LastModified"].timestamp())


def _read(body: Any) -> Iterator[bytes]:
    with contextlib.closing(body), s3_errors("read an object"):
        yield from body.iter_chunks(_READ_SIZE)
