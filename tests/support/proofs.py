"""Certificates, checkpoints and keys as the operator signs them, for tests of their readers."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from simulacra_crds.kube.client import CONFIGMAPS, AlreadyExists, Cluster
from simulacra_crds.names import INSTALLATION_KEYS, system_namespace
from simulacra_custody.audit.certificates import Certificates, ErasedArtifact, ErasureCertificate
from simulacra_custody.audit.checkpoints import CheckpointSigner
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.live_keys import (
    LIVE_KEYS_TYPE,
    LiveKey,
    LiveKeys,
    PublishedLiveKeys,
)
from simulacra_custody.audit.log import AuditPosition, SegmentedAuditLog
from simulacra_custody.audit.summaries import SummaryStatement
from simulacra_custody.stores.local import LocalStore
from simulacra_schema.wave_summary import WaveSummary

KEYS = InstallationKeys.generate()
THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def statement(tenant_uid: str, resource_id: str, uid: str) -> ErasureCertificate:
    """Return a certificate's statement about a dataset."""
    return ErasureCertificate(
        installation=KEYS.log_name,
        tenant="acme",
        tenant_uid=tenant_uid,
        kind="datasets",
        id=resource_id,
        uid=uid,
        cause="deleted",
        created_at=THEN,
        deletion_requested_at=THEN,
        artefacts=(ErasedArtifact(name="upload", bytes=3, sha256="a" * 64),),
        objects=3,
        stored_bytes=4711,
        key_shredded_at=THEN,
        verified_absent_at=THEN,
        audit=AuditPosition(index=7, root="b" * 64),
    )


def sign_summary(tenant_uid: str, summary: WaveSummary, **stated: str) -> str:
    """Return the operator's signature of a wave summary."""
    return KEYS.sign_summary(
        SummaryStatement(
            installation=KEYS.log_name,
            tenant_uid=tenant_uid,
            dataset="ds-1",
            model_uid="m",
            sha256=stated.get("sha256", summary.digest()),
            issued_at=THEN,
        )
        .model_dump_json()
        .encode()
    )


class Proofs:
    """Signs for an audit log in a directory, as the operator does."""

    def __init__(self, audit: Path) -> None:
        self._store = LocalStore(audit)
        self.certificates = Certificates(self._store)

    async def publish(self, cluster: Cluster) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": INSTALLATION_KEYS}}
        data = {"keys.json": json.dumps(KEYS.public_document())}
        with suppress(AlreadyExists):
            await cluster.create(CONFIGMAPS, body | {"data": data}, system_namespace())

    def certify(self, tenant_uid: str, resource_id: str, uid: str) -> str:
        """Issue a certificate and return it signed."""
        one = statement(tenant_uid, resource_id, uid)
        signed = KEYS.sign_certificate(one.statement())
        self.certificates.issue(one, signed)
        return signed

    def publish_live_keys(self, *live: LiveKey, at: datetime | None = None) -> LiveKeys:
        """Publish a signed root of these keys, by default as of now."""
        tree = LiveKeys.build(KEYS.log_name, live, at or datetime.now(UTC))
        signed = KEYS.sign(tree.stated.statement(), LIVE_KEYS_TYPE)
        PublishedLiveKeys(self._store).publish(tree, signed)
        return tree

    def checkpoint(self) -> None:
        CheckpointSigner(
            SegmentedAuditLog(self._store).store, KEYS.log_name, KEYS.checkpoint
        ).step()
