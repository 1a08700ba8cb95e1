"""The lifecycle of customer data: steps, stores, boundaries and key modes of the custody map.

The file of the same name holds them as `Map`; this module gives it the figures of the product.
"""

import tomllib
from pathlib import Path
from string import Template
from typing import Literal

from pydantic.dataclasses import dataclass

from simulacra_api.settings import LINK_SECONDS, Settings
from simulacra_crds.tombstone import TOMBSTONE_LIFETIME
from simulacra_custody.audit.certificates import RETENTION_S as CERTIFICATE_SECONDS
from simulacra_custody.audit.event import EventType

StoreKey = Literal["access", "dataset", "model", "generation", "nothing"]
Carries = Literal["data", "request", "erasure", "nothing"]


@dataclass(frozen=True)
class Kept:
    """One thing that is stored after a step.

    Attributes:
        what: its description.
        how_long: when it is erased.
        artifacts: `kind/name` in the encrypted store, `*` for any; empty for another store.
    """

    what: str
    how_long: str
    artifacts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flow:
    """An arrow of the diagram.

    Attributes:
        carries: what moves.
        upward: towards the customer.
        boundary: number of the boundary that customer data crosses.
    """

    carries: Carries
    upward: bool = False
    boundary: int | None = None


@dataclass(frozen=True)
class Step:
    """One step of the lifecycle.

    Attributes:
        key: its id in the page.
        yours: the customer's side of it.
        call: the request that starts it.
        summary: one sentence.
        does: its actions, in order.
        kept: what is stored afterwards.
        logged: every type of audit record that it writes.
        never: what no log, event, metric, status or audit record contains.
        to_service: the arrow between the customer and the service.
        to_store: the arrow between processing and the store.
        stores: the cards that the second arrow touches.
    """

    key: str
    title: str
    yours: str
    call: str
    summary: str
    does: tuple[str, ...]
    kept: tuple[Kept, ...]
    logged: tuple[EventType, ...]
    never: tuple[str, ...]
    to_service: Flow
    to_store: Flow
    stores: tuple[StoreKey, ...]


@dataclass(frozen=True)
class Store:
    """A card of the diagram: what a store holds, under which key and for how long."""

    key: StoreKey
    title: str
    holds: str
    protection: str
    clock: str


@dataclass(frozen=True)
class Mode:
    """A key mode; `answers` are in the order of the questions."""

    title: str
    offered: bool
    status: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Map:
    """What the page shows; boundaries by their number."""

    questions: tuple[str, ...]
    boundaries: dict[int, str]
    stores: tuple[Store, ...]
    steps: tuple[Step, ...]
    modes: tuple[Mode, ...]


def _read() -> Map:
    text = Template(Path(__file__).with_suffix(".toml").read_text("utf-8")).substitute(
        token_minutes=Settings.token_seconds // 60,
        link_minutes=LINK_SECONDS // 60,
        tombstone_hours=int(TOMBSTONE_LIFETIME.total_seconds()) // 3600,
        certificate_days=int(CERTIFICATE_SECONDS) // 86_400,
    )
    return Map(**tomllib.loads(text))


CUSTODY_MAP = _read()
