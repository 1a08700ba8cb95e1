"""Services of one API process: control plane, custody, audit log, issuers and quotas."""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from simulacra_api.auth.attempts import Attempts
from simulacra_api.auth.clients import Clients
from simulacra_api.auth.credentials import Credentials
from simulacra_api.auth.oidc import OidcKeys
from simulacra_api.auth.revocation import Revocations
from simulacra_api.auth.signing import SigningKeyStore
from simulacra_api.auth.tenant_lookup import Tenants
from simulacra_api.auth.verifier import TokenVerifier
from simulacra_api.http.problems import Problem
from simulacra_api.quotas.quota_usage import QuotaLedger
from simulacra_api.quotas.rate_limit import Rates
from simulacra_api.settings import Settings
from simulacra_api.tenancy.read_cache import ReadCache
from simulacra_api.tenancy.reads import ReadRecords
from simulacra_crds.auth0 import Auth0
from simulacra_crds.kube.client import CONFIGMAPS, Cluster
from simulacra_crds.names import INSTALLATION_KEYS, system_namespace
from simulacra_custody.audit.certificates import Certificates
from simulacra_custody.audit.event import AuditData, AuditEvent, Component, EventType
from simulacra_custody.audit.live_keys import PublishedLiveKeys
from simulacra_custody.audit.log import SegmentedAuditLog
from simulacra_custody.audit.reader import AuditReader
from simulacra_custody.service import Custody
from simulacra_custody.wiring import open_audit, open_custody


class CountingLock(asyncio.Lock):
    """A lock that counts its waiters, so that a caller can refuse to join a long queue."""

    waiting = 0

    async def __aenter__(self) -> None:
        """Acquire the lock."""
        self.waiting += 1
        try:
            await super().__aenter__()
        finally:
            self.waiting -= 1


@dataclass(frozen=True)
class Services:
    """The open services, shared by all requests."""

    settings: Settings
    cluster: Cluster
    cache: ReadCache
    custody: Custody
    audit: SegmentedAuditLog
    reads: ReadRecords
    certificates: Certificates
    live_keys: PublishedLiveKeys
    audit_reader: AuditReader
    signing: SigningKeyStore
    clients: Clients
    attempts: Attempts
    credentials: Credentials
    auth0: Auth0 | None
    signup_lock: CountingLock
    rates: Rates
    quota_ledger: QuotaLedger
    tenants: Tenants
    verifier: TokenVerifier

    async def record(self, event: EventType, data: AuditData) -> None:
        """Append an audit record durably; AuditUnavailable (503) means: do not act."""
        entry = AuditEvent(type=event, source=Component.API, data=data)
        await asyncio.to_thread(self.audit.append, entry)

    async def published_keys(self) -> dict[str, Any]:
        """Return the keys that the operator has published; Problem 503 before that."""
        found = await self.cluster.find(CONFIGMAPS, INSTALLATION_KEYS, system_namespace())
        if found is None:
            detail = "The operator has not published its keys yet. Try again as Retry-After says."
            raise Problem("simio_unavailable", detail, headers={"Retry-After": "5"})
        return dict(json.loads(found["data"]["keys.json"]))


@dataclass(frozen=True)
class Stores:
    """Where bytes and audit records are kept."""

    custody: Custody
    audit: SegmentedAuditLog

    @classmethod
    def open(cls) -> Stores:
        """Open SIMULACRA_STORE, SIMULACRA_KEYS and SIMULACRA_AUDIT; SettingsError names a fault."""
        return cls(open_custody(), open_audit())


@asynccontextmanager
async def open_services(settings: Settings, stores: Stores) -> AsyncIterator[Services]:
    """Connect to the control plane and the issuers."""
    cluster = await Cluster.connect(settings.kubeconfig)
    signing = SigningKeyStore(cluster)
    external = OidcKeys(settings.oidc_issuer) if settings.oidc_issuer else None
    auth0 = Auth0(settings.auth0) if settings.auth0 else None
    rates = Rates(cluster)
    reads = ReadRecords(stores.audit)
    tenants = Tenants(cluster)
    # Half a second of imports that the first upload need not wait for.
    warm_up = asyncio.create_task(
        asyncio.to_thread(importlib.import_module, "simulacra_custody.envelope")
    )
    running = [asyncio.create_task(rates.run()), asyncio.create_task(reads.run())]
    try:
        yield Services(
            settings=settings,
            cluster=cluster,
            cache=ReadCache(cluster, settings.cache_seconds),
            custody=stores.custody,
            audit=stores.audit,
            reads=reads,
            certificates=Certificates(stores.audit.store),
            live_keys=PublishedLiveKeys(stores.audit.store),
            audit_reader=AuditReader(stores.audit),
            signing=signing,
            clients=Clients(cluster),
            attempts=Attempts(),
            credentials=Credentials(cluster, signing, tenants),
            auth0=auth0,
            signup_lock=CountingLock(),
            rates=rates,
            quota_ledger=QuotaLedger(cluster),
            tenants=tenants,
            verifier=TokenVerifier(settings, signing, external, Revocations(cluster)),
        )
    finally:
        for task in running:
            task.cancel()
        await rates.close()
        await reads.close()
        await cluster.close()
        await warm_up
        for provider in (external, auth0):
            if provider is not None:
                await provider.close()


# A coroutine, because FastAPI runs other dependencies in a thread.
async def get_services(request: Request) -> Services:
    """FastAPI dependency: return the services of this process."""
    opened: Services = request.app.state.services
    return opened


ServicesDep = Annotated[Services, Depends(get_services)]
