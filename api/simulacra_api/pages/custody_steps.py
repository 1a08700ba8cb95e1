"""The lifecycle of customer data, described once: the custody map is drawn from it and tests hold
it against reality.

`tests/e2e/test_e2e_custody_map.py` runs every step on a real installation and asserts that what is
kept afterwards, and what was recorded, is exactly what is said here. Change the product and this
description together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simulacra_api.settings import LINK_SECONDS, Settings
from simulacra_crds.contract.tombstone import TOMBSTONE_LIFETIME
from simulacra_custody.audit.certificates import RETENTION_S as CERTIFICATE_SECONDS
from simulacra_custody.audit.event import EventType

StoreKey = Literal["access", "dataset", "model", "generation", "nothing"]
Carries = Literal["data", "request", "erasure", "nothing"]
CLOCK = "24 hours from {since}, unless you ask for another time, 7 days at most"


@dataclass(frozen=True)
class Kept:
    """One thing that is still there after a step.

    Attributes:
        what: in words.
        how_long: when it goes.
        artefacts: `kind/name` in the encrypted store, `*` for any; empty for what isn't there but
            elsewhere.
    """

    what: str
    how_long: str
    artefacts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flow:
    """An arrow: what it carries, which way, and the number of the boundary where customer data crosses."""

    carries: Carries
    upward: bool = False
    boundary: int | None = None


@dataclass(frozen=True)
class Step:
    """One step of the lifecycle.

    Attributes:
        key: its id in the page.
        title: its name.
        yours: what is on the customer's side of it.
        call: the request that starts it.
        summary: one sentence.
        does: what happens, in order.
        kept: what is left when it is done.
        logged: every type of audit record that it writes.
        never: what is written to no log, event, metric, status or audit record.
        to_service: the arrow between the customer and the service; to_store: that between
            processing and the store.
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
    """A place where something is kept: its name, what is in it, under which key, and for how long."""

    key: StoreKey
    title: str
    holds: str
    protection: str
    clock: str


@dataclass(frozen=True)
class Mode:
    """Whose key it is: a title, whether it is on offer today, and what that means, by question."""

    title: str
    offered: bool
    status: str
    answers: tuple[str, ...]


BOUNDARIES = {
    1: "Into the service: your table arrives over TLS and is encrypted while it streams in.",
    2: "From processing into the timed store: only ciphertext, and a clock that has started.",
    3: "Back out: decrypted on the way, to a link that is short-lived and needs your token as well.",
}
STORES = (
    Store(
        "access",
        "Access records",
        "Company, contact address, client id, a hash of each client secret.",
        "No customer data. Secrets cannot be read back.",
        "Until your tenant is removed",
    ),
    Store(
        "dataset",
        "Dataset",
        "The cleaned table and its schema. The raw upload is erased once it is cleaned.",
        "Its own 256-bit key, wrapped by your tenant's key",
        CLOCK.format(since="the upload"),
    ),
    Store(
        "model",
        "Model",
        "The fitted model with the table that it learned from, the causal graph, the report.",
        "Its own 256-bit key, wrapped by your tenant's key",
        "The dataset's clock",
    ),
    Store(
        "generation",
        "Generated rows",
        "Synthetic tables and effect estimates, with what was asked for and attained.",
        "A key for each result, wrapped by your tenant's key",
        CLOCK.format(since="when they are done"),
    ),
    Store(
        "nothing",
        "Nothing",
        "The keys are gone first, then every object; the store is listed and found empty before the resource goes.",
        "Copies in backups cannot be opened: the only copy of their key is destroyed",
        f"Hashes and counts of the request for {int(TOMBSTONE_LIFETIME.total_seconds()) // 3600} hours",
    ),
)
_CONTENT = ("rows", "column names", "levels and values")

STEPS = (
    Step(
        key="request-access",
        title="Request access",
        yours="Company and contact",
        call="POST /v1/signup, then POST /v1/credential-claims",
        summary="You ask, a person decides, and you claim your credentials once.",
        does=(
            "Your company and contact address are stored with the request for the person who decides.",
            "On approval a tenant of your own is made, with its own key and its own namespace.",
            "A claim token is shown to whoever holds the request's id. It is good for one use; "
            "the secret that it buys is shown once, and nobody who operates the service sees it.",
        ),
        kept=(
            Kept(
                "Company, contact address, decision",
                "until whoever operates the service deletes the request",
            ),
            Kept(
                "A hash of your client secret (argon2id)",
                "until you rotate it or the tenant is removed",
            ),
            Kept("Your tenant's key, in the key provider", "until the tenant is removed"),
        ),
        logged=(
            EventType.ACCESS_REQUESTED,
            EventType.ACCESS_APPROVED,
            EventType.KEY_CREATED,
            EventType.CREDENTIAL_OFFERED,
            EventType.CREDENTIAL_CLAIMED,
        ),
        never=("the client secret", "the claim token", "the company's name", "the contact address"),
        to_service=Flow("request"),
        to_store=Flow("request"),
        stores=("access",),
    ),
    Step(
        key="mint-token",
        title="Mint a token",
        yours="Client id and secret",
        call="POST /oauth/token",
        summary="Your credentials become a signed token that names your tenant's client and ends by itself.",
        does=(
            "The secret is compared with its hash; nothing of it is stored.",
            f"The token is signed, not stored: it is good for {Settings.token_seconds // 60} minutes, and for your "
            "tenant only. Anybody else's resources answer as if they did not exist.",
        ),
        kept=(Kept("Nothing new", "the token ends by itself"),),
        logged=(EventType.TOKEN_ISSUED,),
        never=("the client secret", "the token"),
        to_service=Flow("request"),
        to_store=Flow("nothing"),
        stores=("access",),
    ),
    Step(
        key="upload",
        title="Upload and train",
        yours="Seed table",
        call="POST /v1/datasets, or /v1/uploads",
        summary="The table is encrypted as it streams in, cleaned, and a causal model is fit on it.",
        does=(
            "The file is encrypted on its way through the API, in frames; it is never written in clear there.",
            "A Job parses it under hard limits, cleans it and infers the schema. There it is in clear, in memory and "
            "in the Job's own temporary folder, which ends with the Job.",
            "Of an upload in pieces each piece is encrypted as it arrives. When the last one has come they are joined, "
            "and erased; of an upload that is silent for an hour they are erased as well.",
            "The raw upload is erased as soon as the cleaned table is stored. Where that cannot be made, all is "
            "erased but why, and that is recorded (artefact.erased), before the dataset says that it failed.",
            "A second Job learns the causal graph and the model. The model keeps the table that it learned from, "
            "because conditions are met against it; so it lives no longer than the dataset.",
        ),
        kept=(
            Kept(
                "Cleaned table, schema, settings and progress of the work",
                CLOCK.format(since="the upload"),
                (
                    "datasets/dataset.parquet",
                    "datasets/schema.json",
                    "datasets/request.json",
                    "datasets/progress.json",
                ),
            ),
            Kept(
                "Model with its training table, causal graph, report",
                "the dataset's clock",
                (
                    "models/model/*",
                    "models/graph.json",
                    "models/report.json",
                    "models/report.html",
                    "models/request.json",
                    "models/progress.json",
                ),
            ),
        ),
        logged=(EventType.ARTEFACT_WRITTEN,),
        never=(*_CONTENT, "the file's name", "keys in clear"),
        to_service=Flow("data", boundary=1),
        to_store=Flow("data", boundary=2),
        stores=("dataset", "model"),
    ),
    Step(
        key="generate",
        title="Generate",
        yours="Conditions, do()",
        call="POST /v1/datasets/{id}/generations, or /effects",
        summary="A Job draws rows from the model under your conditions, or estimates an effect.",
        does=(
            "Conditions name columns and levels, so they are customer data too: they are kept in the one resource that "
            "asks with them, and in encrypted artefacts.",
            "The Job reads the model, draws the rows and writes them encrypted under the generation's own key.",
            "A probe does the same for a few rows, answers with them and erases them.",
        ),
        kept=(
            Kept(
                "Synthetic rows, asked against attained, what do() rests on, their report, settings and progress",
                CLOCK.format(since="when they are done"),
                (
                    "generationjobs/parts/*",
                    "generationjobs/attainment.json",
                    "generationjobs/identification.json",
                    "generationjobs/report.json",
                    "generationjobs/report.html",
                    "generationjobs/request.json",
                    "generationjobs/progress.json",
                ),
            ),
            Kept(
                "Effect estimates",
                CLOCK.format(since="when they are done"),
                (
                    "effectestimates/estimate.json",
                    "effectestimates/request.json",
                    "effectestimates/progress.json",
                ),
            ),
        ),
        logged=(EventType.RESOURCE_CREATED,),
        never=(*_CONTENT, "conditions and interventions"),
        to_service=Flow("data", boundary=1),
        to_store=Flow("data", boundary=2),
        stores=("generation",),
    ),
    Step(
        key="download",
        title="Download",
        yours="Synthetic rows",
        call="GET /v1/generations/{id}, then its artifact_url",
        summary="The rows are decrypted while they stream to you, and nothing else changes.",
        does=(
            f"The link is good for {LINK_SECONDS // 60} minutes and only together with a token of the same tenant.",
            "Integrity is checked frame by frame: a tampered object ends as an error, not as rows.",
            "Rendering as CSV or Arrow happens on the way; no second copy is stored.",
        ),
        kept=(Kept("Nothing new", "the generation's own clock goes on"),),
        logged=(EventType.ARTEFACT_READ,),
        never=(*_CONTENT, "the link's signature"),
        to_service=Flow("data", upward=True, boundary=3),
        to_store=Flow("data", upward=True),
        stores=("generation",),
    ),
    Step(
        key="erase",
        title="Delete or expire",
        yours="A request, or time",
        call="DELETE /v1/datasets/{id}, or the clock",
        summary="The key is destroyed, every object is erased and verified absent, and only then the resource goes.",
        does=(
            "What depends on it goes first: generations and estimates, then the model, then the dataset.",
            "The wrapped key, the only copy, is dropped. Every object under the resource's prefix is erased, and the "
            "store is listed until it is empty.",
            "The record of the erasure is written before the resource is let go; what cannot be recorded "
            "is not erased. A certificate, signed by the installation, says what was erased and when.",
        ),
        kept=(
            Kept(
                "Audit records: ids, counts, digests, times",
                "past the data; whoever operates the service decides",
            ),
            Kept(
                "Erasure certificate: what was erased, when, where that is on record",
                f"{int(CERTIFICATE_SECONDS) // 86_400} days",
            ),
            Kept(
                "Hashes and counts of the request, so that its Idempotency-Key stays used",
                f"{int(TOMBSTONE_LIFETIME.total_seconds()) // 3600} hours from the request",
            ),
        ),
        logged=(EventType.RESOURCE_DELETED, EventType.RESOURCE_ERASED, EventType.RESOURCE_EXPIRED),
        never=_CONTENT,
        to_service=Flow("request"),
        to_store=Flow("erasure"),
        stores=("nothing",),
    ),
)

QUESTIONS = (
    "Whose key wraps the keys of the data?",
    "Who can read generated rows?",
    "How are rows downloaded?",
    "What ends it at once?",
)
MODES = (
    Mode(
        "Standard managed",
        offered=True,
        status="What you get today",
        answers=(
            "A key of your tenant alone, in the service's key provider.",
            "You, with a token. The service decrypts them while they stream to you.",
            f"Through the API: a link for {LINK_SECONDS // 60} minutes, and your token.",
            "Deleting the dataset, or its clock.",
        ),
    ),
    Mode(
        "Customer-held key",
        offered=True,
        status="For tenants that bring an AWS KMS key",
        answers=(
            "Yours for generated rows: a key in your AWS KMS, which the service may encrypt with and must be refused to"
            " decrypt with. Upload and model stay under the service's key of your tenant.",
            "You alone, with your key. The service cannot read them back.",
            f"The encrypted file from the object store, by a link for {LINK_SECONDS // 60} minutes; you open it with"
            " aws-encryption-cli.",
            "The same, and withdrawing your key.",
        ),
    ),
)
