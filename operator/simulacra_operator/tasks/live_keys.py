"""Publication of the live data keys as a signed Merkle root, for proofs of absence."""

from datetime import datetime, timedelta

from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.live_keys import LIVE_KEYS_TYPE, LiveKey, LiveKeys, PublishedLiveKeys
from simulacra_operator.runtime.custody_client import CustodyClient
from simulacra_operator.runtime.signing_keys import SigningKeys
from simulacra_operator.tasks.sweep import Sweep

FRESH = timedelta(minutes=10)
"""A root is renewed after this time though no key was made or erased."""


class LiveKeyPublication:
    """Publishes what the sweep listed. A listing that left anything out is not published."""

    def __init__(self, sweep: Sweep, custody: CustodyClient, signing_keys: SigningKeys) -> None:
        self._sweep = sweep
        self._custody = custody
        self._signing_keys = signing_keys
        self._store = PublishedLiveKeys(custody.audit_store)
        self._published: tuple[datetime, frozenset[LiveKey]] | None = None

    async def step(self) -> None:
        """Publish the last listing if the keys changed or a certificate waits for a root."""
        listing = self._sweep.listing
        if listing is None or not self._is_due(*listing):
            return
        listed_at, live = listing
        keys = await self._signing_keys.keys()
        await self._custody.run("publishLiveKeys", self._publish, keys, listed_at, live)
        self._published = listed_at, live

    def _is_due(self, listed_at: datetime, live: frozenset[LiveKey]) -> bool:
        if self._published is None:
            return True
        before, known = self._published
        if listed_at <= before:
            return False
        certified = self._custody.certified_at
        waiting = certified is not None and certified >= before
        return waiting or live != known or listed_at - before >= FRESH

    def _publish(
        self, keys: InstallationKeys, listed_at: datetime, live: frozenset[LiveKey]
    ) -> None:
        tree = LiveKeys.build(keys.log_name, live, listed_at)
        self._store.publish(tree, keys.sign(tree.stated.statement(), LIVE_KEYS_TYPE))
