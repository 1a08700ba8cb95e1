"""The lifecycle of customer data: steps, stores, boundaries and key modes of the custody map.

`tests/e2e/test_e2e_custody_map.py` runs each step on a real installation and asserts that exactly
these artifacts are kept and these events are recorded. Change the product and this description
together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from simulacra_api.settings import LINK_SECONDS, Settings
from simulacra_crds.tombstone import TOMBSTONE_LIFETIME
from simulacra_custody.audit.certificates import RETENTION_S as CERTIFICATE_SECONDS
from simulacra_custody.audit.event import EventType

StoreKey = Literal["access", "dataset", "model", "generation", "nothing"]
Carries = Literal["data", "request", "erasure", "nothing"]
CLOCK = "24 hours from {since} by default, 7 days at most"

_TOKEN_MINUTES = Settings.token_seconds // 60
_LINK_MINUTES = LINK_SECONDS // 60
_TOMBSTONE_HOURS = int(TOMBSTONE_LIFETIME.total_seconds()) // 3600


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
        title: its name.
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
    """A key mode; `answers` are in the order of `QUESTIONS`."""

    title: str
    offered: bool
    status: str
    answers: tuple[str, ...]


BOUNDARIES = {
    1: "Into the service: your table arrives over TLS and is encrypted while it streams in.",
    2: "From processing into the store: only ciphertext, and its retention has started.",
    3: "Back to you: decrypted on the way, through a short-lived link that also needs your token.",
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
        "The cleaned table, its schema and description. The raw upload is erased after cleaning,"
        " unless you hold it (one hour at most) or keep the table.",
        "Its own 256-bit key, wrapped by your tenant's key",
        CLOCK.format(since="the upload"),
    ),
    Store(
        "model",
        "Model",
        "The fitted model with its training table, the causal graph, the report.",
        "Its own 256-bit key, wrapped by your tenant's key",
        "With the dataset",
    ),
    Store(
        "generation",
        "Generated rows",
        "Synthetic tables and estimates, with requested and attained conditions.",
        "A key for each result, wrapped by your tenant's key",
        CLOCK.format(since="the end of the job"),
    ),
    Store(
        "nothing",
        "Nothing",
        "The key is destroyed first, then every object is erased. The resource is removed only"
        " after the store was listed and found empty.",
        "Backups cannot be decrypted: the only copy of the key is destroyed",
        f"Hashes and counts of the request for {_TOMBSTONE_HOURS} hours",
    ),
)
_CONTENT = ("rows", "column names", "levels and values")


def _files(kind: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{kind}/{name}" for name in (*names, "request.json", "progress.json"))


STEPS = (
    Step(
        key="request-access",
        title="Request access",
        yours="Company and contact",
        call="POST /v1/signup, then POST /v1/credential-claims",
        summary="You request access, a person decides, and you claim your credentials once.",
        does=(
            "Your company and contact address are stored for the person who decides.",
            "On approval your own tenant is created, with its own key and its own namespace.",
            "With the request's id you get a claim token, which can be used once.",
            "With the claim token you get the secret. It is shown once, and to nobody else.",
        ),
        kept=(
            Kept(
                "Company, contact address, decision",
                "until an operator of the service deletes the request",
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
        title="Get a token",
        yours="Client id and secret",
        call="POST /oauth/token",
        summary="Your credentials give you a signed token of your client, which expires.",
        does=(
            "The secret is compared with its stored hash; it is not stored itself.",
            f"The token is signed and not stored. It expires in {_TOKEN_MINUTES} minutes.",
            "It is valid for your tenant only. Other tenants' resources seem not to exist.",
        ),
        kept=(Kept("Nothing new", "the token expires"),),
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
        summary="The table is encrypted as it arrives, cleaned, and a causal model is fit on it.",
        does=(
            "The API encrypts the file in frames as it arrives and never writes it in plain text.",
            "In a resumable upload each piece is encrypted as it arrives.",
            "Pieces are erased after they are joined, or after an hour without data.",
            "A Job parses the file under hard limits, cleans it and infers the schema.",
            "Plain text exists only in the Job's memory and its temporary folder.",
            "The raw upload is erased as soon as the cleaned table is stored.",
            "With hold it is kept, encrypted, until you confirm: one hour at most, then erased.",
            "With keep_source the table as it was read is kept, encrypted, with the dataset.",
            "If cleaning fails, all but the reason is erased and recorded (artefact.erased).",
            "A second Job learns the causal graph and the model.",
            "The model keeps its training table for conditions and is erased with the dataset.",
        ),
        kept=(
            Kept(
                "Cleaned table, schema, description, settings and progress of the job",
                CLOCK.format(since="the upload"),
                _files("datasets", "dataset.parquet", "schema.json", "description.json"),
            ),
            Kept(
                "Name and description of the table as you sent them",
                "until the dataset is erased",
                _files("datasets", "description-stated.json"),
            ),
            Kept("Only with hold: the upload", "until you confirm, one hour at most"),
            Kept("Only with keep_source: the table as it was read", "until the dataset is erased"),
            Kept(
                "Model with its training table, causal graph, report",
                "until the dataset is erased",
                _files("models", "model/*", "graph.json", "report.json", "report.html"),
            ),
        ),
        logged=(EventType.ARTEFACT_WRITTEN,),
        never=(*_CONTENT, "the file's name", "keys in plain text"),
        to_service=Flow("data", boundary=1),
        to_store=Flow("data", boundary=2),
        stores=("dataset", "model"),
    ),
    Step(
        key="generate",
        title="Generate",
        yours="Conditions, do()",
        call="POST /v1/datasets/{id}/generations, /effects, /segments or /sheets",
        summary="A Job draws rows from the model under your conditions, or estimates what you ask.",
        does=(
            "Conditions name columns and levels, so they are customer data too.",
            "They are stored only in the resource of the request and in encrypted artifacts.",
            "The Job reads the model, draws the rows and encrypts them under their own key.",
            "A probe generates a few rows, returns them in its answer and erases them.",
        ),
        kept=(
            Kept(
                "Synthetic rows, requested and attained conditions, identification, worth, report,"
                " settings and progress",
                CLOCK.format(since="the end of the job"),
                _files(
                    "generationjobs",
                    "parts/*",
                    "attainment.json",
                    "identification.json",
                    "evidence.json",
                    "report.json",
                    "report.html",
                ),
            ),
            Kept(
                "Effect estimates",
                CLOCK.format(since="the end of the job"),
                _files("effectestimates", "estimate.json"),
            ),
            Kept(
                "Segment estimates",
                CLOCK.format(since="the end of the job"),
                _files("segmentestimates", "segments.json"),
            ),
            Kept(
                "Answer sheets",
                CLOCK.format(since="the end of the job"),
                _files("answersheets", "sheet.json", "sheet.html", "sheet.xlsx"),
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
        summary="The rows are decrypted while they stream to you; nothing else changes.",
        does=(
            f"The link is valid for {_LINK_MINUTES} minutes, and only with a token of your tenant.",
            "Integrity is checked frame by frame: a tampered object gives an error, not rows.",
            "CSV and Arrow are converted while they are sent; no second copy is stored.",
        ),
        kept=(Kept("Nothing new", "the retention of the generation does not change"),),
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
        call="DELETE /v1/datasets/{id}, or the end of the retention",
        summary="The key is destroyed and every object is erased before the resource is removed.",
        does=(
            "A deletion erases generations and estimates first, then the model, then the dataset.",
            "An expiry of the dataset leaves finished ones until their own retention ends.",
            "The only copy of the wrapped key is deleted.",
            "Every object of the resource is erased, and the store is listed until it is empty.",
            "The erasure is recorded before the resource is removed. Without a record it stays.",
            "A certificate, signed by the installation, states what was erased and when.",
        ),
        kept=(
            Kept(
                "Audit records: ids, counts, digests, times",
                "longer than the data; the operator of the service decides",
            ),
            Kept(
                "Erasure certificate: what was erased, when, and its audit record",
                f"{int(CERTIFICATE_SECONDS) // 86_400} days",
            ),
            Kept(
                "Hashes and counts of the request, so that its Idempotency-Key stays used",
                f"{_TOMBSTONE_HOURS} hours from the request",
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
    "Whose key wraps the data keys?",
    "Who can read generated rows?",
    "How are rows downloaded?",
    "What makes the data unreadable at once?",
)
MODES = (
    Mode(
        "Standard managed",
        offered=True,
        status="The default",
        answers=(
            "A key for your tenant only, in the service's key provider.",
            "You, with a token. The service decrypts them while they stream to you.",
            f"Through the API, with a link for {_LINK_MINUTES} minutes and your token.",
            "Deleting the dataset, or the end of its retention.",
        ),
    ),
    Mode(
        "Customer-held key",
        offered=True,
        status="For tenants with an AWS KMS key",
        answers=(
            "For generated rows your key in AWS KMS, with which the service can encrypt but not"
            " decrypt. Upload and model stay under your tenant's key in the service.",
            "Only you, with your key. The service cannot read them.",
            f"From the object store, encrypted, with a link for {_LINK_MINUTES} minutes. Decrypt"
            " the file with aws-encryption-cli.",
            "The same, and disabling your key.",
        ),
    ),
)
