"""Audit events of a tenant over a log that was pruned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from simulacra_api.account.routes import audit_page
from simulacra_api.account.schemas import AuditEventList, AuditQuery
from simulacra_custody.audit.checkpoints import CheckpointSigner
from simulacra_custody.audit.event import AuditData, AuditEvent, Component, EventType
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.log import SegmentedAuditLog
from simulacra_custody.audit.pruning import Pruner
from simulacra_custody.audit.reader import AuditReader
from simulacra_custody.stores.local import LocalStore

KEYS = InstallationKeys.generate()


class Answers:
    """An object whose methods answer the same, whatever they are asked."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        async def method(*_: Any) -> Any:
            return self._answer

        return method


def filled(folder: Path) -> SegmentedAuditLog:
    """Return a log of 12 records, 30 days apart, with a checkpoint after every second one."""
    log = SegmentedAuditLog(LocalStore(folder))
    signer = CheckpointSigner(
        log.store, KEYS.log_name, KEYS.checkpoint, iter(range(0, 10_000, 60)).__next__
    )
    for number in range(12):
        time = datetime.now(UTC) - timedelta(days=600 - 30 * number)
        data = AuditData(tenant="acme", uid=f"u{number}")
        log.append(
            AuditEvent(type=EventType.ARTEFACT_READ, source=Component.API, time=time, data=data)
        )
        if number % 2:
            signer.step()
    return log


async def test_a_cursor_before_the_cut_goes_on_after_it_and_says_so(tmp_path: Path) -> None:
    log = filled(tmp_path)
    services = SimpleNamespace(
        signing=Answers(SimpleNamespace(link_key=b"k" * 32)),
        audit_reader=AuditReader(log),
        cluster=Answers(None),
        settings=SimpleNamespace(audit_days=400),
    )
    tenant = SimpleNamespace(metadata=SimpleNamespace(uid="t1"))
    caller = SimpleNamespace(tenant=tenant, tenant_name="acme")
    repository: Any = SimpleNamespace(services=services, caller=caller)

    async def ask(**query: Any) -> AuditEventList:
        return await audit_page(repository, AuditQuery.model_validate(query))

    def uids(page: AuditEventList) -> list[str | None]:
        return [one.uid for one in page.items if not isinstance(one, dict)]

    first = await ask(limit=2, order="oldest")
    newest = await ask(limit=8)
    assert (uids(first), first.events_skipped) == (["u0", "u1"], False)
    assert first.integrity.pruned_until is None
    cut = Pruner(log, KEYS.log_name, KEYS.checkpoint, 400).step()
    assert cut is not None
    assert cut.size == 6
    then = await ask(limit=2, order="oldest", cursor=first.resume_cursor)
    assert (uids(then), then.events_skipped) == (["u6", "u7"], True)
    assert then.integrity.pruned_until == cut.until
    later = await ask(limit=2, order="oldest", cursor=then.resume_cursor)
    assert (uids(later), later.events_skipped) == (["u8", "u9"], False)
    rest = await ask(cursor=newest.next_cursor)
    assert (uids(rest), rest.next_cursor) == ([], None)
    assert uids(await ask()) == ["u11", "u10", "u9", "u8", "u7", "u6"]
