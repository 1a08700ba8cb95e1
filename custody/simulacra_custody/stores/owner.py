"""Whose store it is: a mark in it names the one installation whose resources all its objects belong to.

What a sweep does not find among the resources of its own cluster it erases, and a tenant is erased by its name: in a
store that another installation uses as well, both would be its end. Marks are numbered objects that are created only
if absent and never changed; the newest one counts. So of two who claim an empty store at once one has it, whoever takes
a store over leaves on record whose it was, and an older release, which knows no marks, is not in the way.

See ``docs/adr/0071-a-store-has-one-owner.md``.
"""

import re
from datetime import UTC, datetime

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from simulacra_custody.errors import ObjectExists, StoreForeign, StoreUnavailable
from simulacra_custody.stores.base import INSTALLATION, ObjectStore, last_present

TAKE_OVER_VARIABLE = "SIMULACRA_STORE_TAKE_OVER"
_ID = re.compile(r"[0-9a-z][0-9a-z-]{0,62}")
_TRIES = 5  # each one means that another claimed the store meanwhile


class OwnerMark(BaseModel):
    """One mark: the installation that it names, and since when the store is its own."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    installation: str
    since: AwareDatetime


class StoreOwner:
    """The claim of one installation to a store; one instance may be used by several threads.

    Args:
        store: the store.
        installation: names the installation for as long as its custom resources may live.
        take_over: the installation whose store this one may take, None for nobody's.
    """

    def __init__(self, store: ObjectStore, installation: str, take_over: str | None = None) -> None:
        self._store, self._installation, self._take_over = store, installation, take_over

    def confirm(self) -> None:
        """Return if the store is this installation's; one without a mark, or to be taken over, is from now on.

        Raises:
            StoreForeign: it is another one's; the message says whose, and what to do.
            StoreUnavailable: nobody knows.
        """
        for _ in range(_TRIES):
            number = last_present(self._store, mark_key)
            mark = self._read(number) if number else None
            if mark is not None and mark.installation == self._installation:
                return
            if mark is not None and mark.installation != self._take_over:
                raise StoreForeign(self._explain(mark))
            ours = OwnerMark(installation=self._installation, since=datetime.now(UTC))
            try:
                self._store.put(
                    mark_key(number + 1), [ours.model_dump_json().encode()], if_absent=True
                )
            except ObjectExists:
                continue
        raise StoreUnavailable("the mark of the store's owner does not stay as it is written")

    def _read(self, number: int) -> OwnerMark:
        content = b"".join(self._store.open_range(mark_key(number)))
        try:
            return OwnerMark.model_validate_json(content)
        except ValidationError:
            raise StoreForeign(
                f"{mark_key(number)} in SIMULACRA_STORE does not say whose store it is; restore it from a backup, or "
                "delete it if the store is this installation's alone"
            ) from None

    def _explain(self, mark: OwnerMark) -> str:
        return (
            f"SIMULACRA_STORE (store.url) is the store of installation {mark.installation}, since "
            f"{mark.since:%Y-%m-%d}, and this is {self._installation}: give each a store of its own. If the other one "
            f"is gone for good, set {TAKE_OVER_VARIABLE} (store.takeOver) to {mark.installation}"
        )


def mark_key(number: int) -> str:
    """Object key of a mark."""
    return f"{INSTALLATION}/owner/{number:06d}"


def check_installation(name: str) -> None:
    """Refuse what no installation can be called (ValueError)."""
    if not _ID.fullmatch(name):
        raise ValueError(
            f"{TAKE_OVER_VARIABLE} is malformed: set it to the id that the operator's log names"
        )
