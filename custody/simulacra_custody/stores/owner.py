"""Store owner: a mark in the store names the one installation that owns all its objects.

The sweep erases the artifacts of resources that its cluster does not have, and a tenant is erased
by its name. In a store that two installations share, each would erase the other's data. Marks are
numbered objects, created only if absent and never changed; the newest one counts. When two claim an
empty store at once, one succeeds; a takeover keeps the earlier marks as a record. An older release
without marks still works. A store without a mark is claimed once: later it is a volume that is not
mounted or a bucket that was made again, where erasure would find nothing and certify it.

See ``docs/adr/0040-a-store-has-one-owner.md``.
"""

import re
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ValidationError

from simulacra_custody.errors import ObjectExists, StoreForeign, StoreUnavailable
from simulacra_custody.stores.base import INSTALLATION, ObjectStore, last_present, read_object

TAKE_OVER_VARIABLE = "SIMULACRA_STORE_TAKE_OVER"
_ID = re.compile(r"[0-9a-z][0-9a-z-]{0,62}")
# Each failed try means that another installation claimed the store meanwhile.
_TRIES = 5


class OwnerMark(BaseModel, extra="ignore", frozen=True):
    """A mark: the owner and the time of its claim."""

    installation: str
    since: AwareDatetime


class StoreOwner:
    """The claim of one installation to a store, safe for several threads.

    The id of the installation is the same for the life of its custom resources; `take_over` is that
    of the installation whose store this one may take over, if any; its own id allows it to claim a
    store without a mark once more. `claimed` says that it has claimed one before.
    """

    def __init__(self, store: ObjectStore, installation: str, take_over: str | None = None) -> None:
        self._store = store
        self._installation = installation
        self._take_over = take_over
        self.claimed = False

    def confirm(self) -> None:
        """Check that the store is this installation's; claim one without a mark or to take over.

        Raises:
            StoreForeign: another installation owns it, or it lost the mark of this one; the message
                names the remedy.
            StoreUnavailable: the store failed, or the claim was overtaken several times.
        """
        for _ in range(_TRIES):
            number = last_present(self._store, mark_key)
            mark = self._read(number) if number else None
            if mark is not None and mark.installation == self._installation:
                self.claimed = True
                return
            if mark is None and self.claimed and self._take_over != self._installation:
                raise StoreForeign(self._explain_loss())
            if mark is not None and mark.installation != self._take_over:
                raise StoreForeign(self._explain(mark))
            claim = OwnerMark(installation=self._installation, since=datetime.now(UTC))
            content = claim.model_dump_json().encode()
            try:
                self._store.put(mark_key(number + 1), [content], if_absent=True)
            except ObjectExists:
                continue
        raise StoreUnavailable("the owner's mark in the store keeps changing; retry")

    def _read(self, number: int) -> OwnerMark:
        content = read_object(self._store, mark_key(number))
        try:
            return OwnerMark.model_validate_json(content)
        except ValidationError:
            raise StoreForeign(
                f"{mark_key(number)} in SIMULACRA_STORE names no owner; restore it from a backup, "
                "or delete it if only this installation uses the store"
            ) from None

    def _explain(self, mark: OwnerMark) -> str:
        return (
            f"SIMULACRA_STORE (store.url) belongs to installation {mark.installation} since "
            f"{mark.since:%Y-%m-%d}, and this is {self._installation}: use a store of its own. If "
            f"the other installation is deleted for good, set {TAKE_OVER_VARIABLE} "
            f"(store.takeOver) to {mark.installation}"
        )

    def _explain_loss(self) -> str:
        return (
            "SIMULACRA_STORE (store.url) has no owner's mark, and this installation has claimed "
            "its store before: mount the volume, or set that store's address. If the mark was "
            "left behind, or that store is lost and this one is new, set "
            f"{TAKE_OVER_VARIABLE} (store.takeOver) to {self._installation}"
        )


def mark_key(number: int) -> str:
    """Return the object key of a mark."""
    return f"{INSTALLATION}/owner/{number:06d}"


def check_installation(name: str) -> None:
    """Reject a name that cannot be an installation's id (ValueError)."""
    if not _ID.fullmatch(name):
        raise ValueError(
            f"{TAKE_OVER_VARIABLE} is malformed: set it to the id that the operator's log names"
        )
