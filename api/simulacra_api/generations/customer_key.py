"""Rows under the customer's own key: links to the ciphertext, and all that decrypting it takes."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from pydantic import BaseModel, Field

from simulacra_api.settings import LINK_SECONDS
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.base import Artifact, utcnow
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_custody.artifact_writer import StoredArtifact


class Decrypting(BaseModel):
    """How to decrypt: an AWS Encryption SDK message under the tenant's AWS KMS key."""

    key_arn: str
    encryption_context: dict[str, str] = Field(
        description="Ask for exactly this, or any message is accepted."
    )
    algorithm_suite: str
    format: str
    command: str = Field(description="With aws-encryption-cli 4, for a file named as in --input.")


class CustomerArtifact(BaseModel):
    """One part of the rows, encrypted; sha256 and bytes are of the plaintext, a Parquet file."""

    name: str
    url: str | None = Field(
        description="To the ciphertext, without a token; absent where the store has no links."
    )
    url_expires_at: datetime | None
    bytes: int
    sha256: str
    rows: int | None
    decrypt: Decrypting


async def customer_artifacts(
    repository: TenantRepository, generation: GenerationJob
) -> list[CustomerArtifact] | None:
    """Return the parts with fresh links; None for rows that are not under the customer's key."""
    parts = [part for part in generation.status.artefacts if part.key_arn is not None]
    if not parts:
        return None
    return await asyncio.to_thread(
        lambda: [_artifact(repository, generation, part) for part in parts]
    )


def _artifact(
    repository: TenantRepository, generation: GenerationJob, part: Artifact
) -> CustomerArtifact:
    # boto3, which an installation without customers' keys need not have
    from simulacra_custody.keys.customer_kms import decrypt_metadata, presigned_url

    ref = repository.ref(generation).artifact(part.name)
    known = decrypt_metadata(
        ref, part.key_arn or "", StoredArtifact(part.name, part.bytes, 0, part.sha256)
    )
    url = presigned_url(repository.services.custody.store, ref)
    return CustomerArtifact(
        name=part.name,
        url=url,
        url_expires_at=utcnow().replace(microsecond=0) + timedelta(seconds=LINK_SECONDS)
        if url
        else None,
        bytes=part.bytes,
        sha256=part.sha256,
        rows=part.rows,
        decrypt=Decrypting(
            key_arn=known.key_arn,
            encryption_context=known.encryption_context,
            algorithm_suite=known.algorithm_suite,
            format=known.format,
            command=known.command,
        ),
    )
