"""Buckets of an S3 store: bucket and name of an object key, and listings over all buckets."""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from botocore.exceptions import ClientError

from simulacra_custody.aws_errors import error_code
from simulacra_custody.errors import StoreUnavailable
from simulacra_custody.stores.base import INSTALLATION, check_key
from simulacra_custody.stores.s3.client import TENANT, S3Location, s3_errors

_DELETE_BATCH = 1000
_ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
T = TypeVar("T")

Found = dict[str, Any]
"""An entry of the service's listing, with its ``Bucket``."""


class Listing(NamedTuple):
    """A paginated operation and the fields of its pages that contain entries."""

    operation: str
    fields: tuple[str, ...]


OBJECTS = Listing("list_objects_v2", ("Contents",))
VERSIONS = Listing("list_object_versions", ("Versions", "DeleteMarkers"))
UPLOADS = Listing("list_multipart_uploads", ("Uploads",))


class S3Buckets:
    """The buckets of a location: one, or one for each tenant, made with its first object."""

    def __init__(self, client: Any, location: S3Location) -> None:
        self._client = client
        self._location = location
        self.per_tenant = TENANT in location.bucket

    def target(self, key: str) -> dict[str, str]:
        """Return ``Bucket`` and ``Key`` of an object key. Raises ValueError for an invalid one."""
        check_key(key)
        return {"Bucket": self.of(key), "Key": self._location.prefix + key}

    def of(self, path: str) -> str:
        """Return the bucket of a key, or of a prefix with a tenant or ``installation/``."""
        if not self.per_tenant:
            return self._location.bucket
        root, _, rest = path.partition("/")
        tenant = INSTALLATION if root == INSTALLATION else rest.partition("/")[0]
        if root not in ("tenants", INSTALLATION) or not tenant:
            raise ValueError(
                "a store with a bucket a tenant takes keys under tenants/<tenant>/ and "
                "installation/ only"
            )
        return self._location.bucket.replace(TENANT, tenant)

    def key(self, name: str) -> str:
        """Return the object key of a name in a bucket."""
        return name.removeprefix(self._location.prefix)

    def making(self, bucket: str, call: Callable[[], T]) -> T:
        """Run a put; if the tenant's bucket is missing, make it and run the put again."""
        try:
            return call()
        except ClientError as error:
            if not self.per_tenant or error_code(error) != "NoSuchBucket":
                raise
        region = self._client.meta.region_name
        place = {"CreateBucketConfiguration": {"LocationConstraint": region}}
        try:
            self._client.create_bucket(Bucket=bucket, **({} if region == "us-east-1" else place))
        except ClientError as error:
            if error_code(error) != "BucketAlreadyOwnedByYou":
                raise
        return call()

    def remove(self, bucket: str) -> None:
        """Remove a tenant's empty bucket, if there is one; keep that of ``installation/``."""
        if bucket == self.of(f"{INSTALLATION}/"):
            return
        try:
            with s3_errors("remove a bucket"):
                self._client.delete_bucket(Bucket=bucket)
        except StoreUnavailable as error:
            if not self.absent(error):
                raise

    def entries(self, listing: Listing, prefix: str) -> Iterator[Found]:
        """Yield the entries of a listing under a key prefix, bucket by bucket."""
        path = self._location.prefix + prefix
        for bucket in self._under(prefix):
            try:
                with s3_errors("list objects"):
                    paginator = self._client.get_paginator(listing.operation)
                    for page in paginator.paginate(Bucket=bucket, Prefix=path):
                        for field in listing.fields:
                            for found in page.get(field, ()):
                                yield {**found, "Bucket": bucket}
            except StoreUnavailable as error:
                if not (self.per_tenant and self.absent(error)):
                    raise

    def delete_versions(self, found: Iterator[Found]) -> int:
        """Delete listed versions and delete markers; return their number."""
        count = 0
        for bucket, group in itertools.groupby(found, key=lambda entry: str(entry["Bucket"])):
            while batch := list(itertools.islice(group, _DELETE_BATCH)):
                objects = [{name: one[name] for name in ("Key", "VersionId")} for one in batch]
                request = {"Objects": objects, "Quiet": True}
                with s3_errors("delete objects"):
                    answer = self._client.delete_objects(Bucket=bucket, Delete=request)
                if refused := answer.get("Errors"):
                    code = refused[0].get("Code")
                    raise StoreUnavailable(
                        f"the S3 store refused to delete {len(refused)} objects: {code}"
                    )
                count += len(batch)
        return count

    def absent(self, error: StoreUnavailable) -> bool:
        """Return whether an error means that the object or the tenant's bucket does not exist."""
        code = error_code(error.__cause__)
        return code in _ABSENT or (self.per_tenant and code == "NoSuchBucket")

    def _under(self, prefix: str) -> Iterator[str]:
        if not self.per_tenant or prefix.count("/") >= 2:
            yield self.of(prefix)
            return
        before, _, after = self._location.bucket.partition(TENANT)
        pattern = re.compile(f"{re.escape(before)}.+{re.escape(after)}")
        with s3_errors("list buckets"):
            for page in self._client.get_paginator("list_buckets").paginate():
                names = [bucket["Name"] for bucket in page["Buckets"]]
                yield from (name for name in names if pattern.fullmatch(name))
