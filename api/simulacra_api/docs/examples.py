"""Examples of the documentation: one story, operation by operation, from signup to erasure.

They appear in the OpenAPI document, on the documentation page and in llms-full.txt.
`tests/api/test_api_examples.py` sends each request to a running service and compares the answers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from simulacra_api.docs.example_bodies import (
    AUDIENCE,
    BASE,
    CLAIM,
    CONDITIONS,
    CREATED,
    DATASET,
    DATASET_ACCEPTED,
    DATASET_BODY,
    DESCRIPTION,
    EFFECT_ACCEPTED,
    EFFECT_BODY,
    ERROR_BODY,
    GENERATION_ACCEPTED,
    GENERATION_BODY,
    JOB_BODY,
    JWK,
    KNOWLEDGE,
    ROTATION,
    SEGMENT_ACCEPTED,
    SEGMENT_BODY,
    SHEET_ACCEPTED,
    SHEET_BODY,
    UPLOAD_BODY,
    WEBHOOK_BODY,
    Json,
    gauge,
    signup_body,
)
from simulacra_api.docs.example_proofs import (
    CERTIFICATE_BODY,
    CERTIFICATE_ITEM,
    CHECKPOINT,
    INSTALLATION_KEYS,
    LIVE_KEYS,
)


@dataclass(frozen=True)
class Example:
    """Example bodies of an operation.

    Attributes:
        request: JSON, the fields of a form, or a file that is sent as it is.
        answers: body of each success, by status.
    """

    request: Json | str | None = None
    answers: dict[int, Any] = field(default_factory=dict)


def _ok(body: Any) -> Example:
    return Example(answers={200: body})


def _page(item: Json, **more: Json) -> Example:
    return _ok({"items": [item], "next_cursor": None, **more})


def _fields(body: Json, *names: str) -> Json:
    return {name: body[name] for name in names}


_ROTATION = {
    "rotation_id": ROTATION,
    "client_id": "sim-5f0c8a1e",
    "status": "approved",
    "overlap_seconds": 3600,
    "credential_claim_expires_at": CLAIM["credential_claim_expires_at"],
}
_BEGUN = UPLOAD_BODY | {"offset": 0, "complete": False, "sha256": None}
_FIT = {"dataset_id": DATASET, "job_id": DATASET_ACCEPTED["job_id"]}
EXAMPLES: dict[str, Example] = {
    "issueToken": Example(
        {
            "grant_type": "client_credentials",
            "client_id": "sim-5f0c8a1e",
            "client_secret": "simsec_...",
            "audience": AUDIENCE,
        },
        {
            200: {
                "access_token": "eyJhbGciOiJFUzI1NiIs...",
                "token_type": "Bearer",
                "expires_in": 3600,
            }
        },
    ),
    "getJwks": _ok({"keys": [JWK]}),
    "getIssuerMetadata": _ok(
        {
            "issuer": BASE,
            "token_endpoint": f"{BASE}/oauth/token",
            "jwks_uri": f"{BASE}/.well-known/jwks.json",
            "grant_types_supported": ["client_credentials"],
        }
    ),
    "requestAccess": Example(
        {"company": "Initech GmbH", "contact": "ada@initech.example"}, {202: signup_body("pending")}
    ),
    "getAccessRequest": _ok(signup_body("approved", client_id="sim-5f0c8a1e", **CLAIM)),
    "claimCredential": Example(
        {"credential_claim_token": "simclaim_W8n0..."},
        {
            201: {
                "client_id": "sim-5f0c8a1e",
                "client_secret": "simsec_...",
                "token_url": f"{BASE}/oauth/token",
                "audience": AUDIENCE,
            }
        },
    ),
    "requestCredentialRotation": Example(
        {"overlap_seconds": 3600, "client_secret": "simsec_..."}, {201: _ROTATION | CLAIM}
    ),
    "getCredentialRotation": _ok(_ROTATION),
    "getUsage": _ok(
        {
            "requests": gauge(12, 600, 60),
            "rows": gauge(4000, 10_000_000, 86_400),
            "stored_bytes": gauge(1_482_113, 53_687_091_200),
            "running_jobs": gauge(1, 4),
            "unfinished_jobs": gauge(1, 100),
            "datasets": 1,
            "generations": 1,
            "effects": 0,
            "segments": 0,
            "sheets": 0,
        }
    ),
    "listAuditEvents": _page(
        {
            "id": "0b54f5b4-62c0-4c9e-9d1c-0f8c1f6c2f10",
            "time": CREATED,
            "type": "dev.simulacra.artefact.written",
            "source": "/simulacra/api",
            "outcome": "success",
            "client": "sim-5f0c8a1e",
        },
        integrity={"status": "intact", "checked_events": 4711, "checked_at": CREATED},
    ),
    "uploadDataset": Example(
        {"retention_seconds": 86_400, "knowledge": json.dumps(KNOWLEDGE), "file": "@survey.csv"},
        {202: DATASET_ACCEPTED | {"status": "queued"}, 201: DATASET_ACCEPTED | {"status": "ready"}},
    ),
    "beginUpload": Example(
        _fields(UPLOAD_BODY, "bytes", "sha256") | {"retention_seconds": 86_400}, {201: _BEGUN}
    ),
    "getUpload": _ok(_BEGUN),
    "appendUpload": Example("@survey.csv", {200: UPLOAD_BODY}),
    "listDatasets": _page(DATASET_BODY),
    "getDataset": _ok(DATASET_BODY),
    "updateDataset": Example(
        {"retention_seconds": 604_800}, {200: DATASET_BODY | {"retention_seconds": 604_800}}
    ),
    "getDatasetSchema": _ok(
        {
            "version": 1,
            "rows": 2000,
            "columns": [
                {
                    "name": "segment",
                    "kind": "categorical",
                    "learned": True,
                    "storage": "string",
                    "levels": [
                        {"value": "loyal", "share": 0.8},
                        {"value": "genz_switcher", "share": 0.2},
                    ],
                    "ordered": False,
                    "missing_share": 0.0,
                }
            ],
            "cleaning": [],
        }
    ),
    "getDatasetReport": _ok({"fidelity": {"score": 0.98}}),
    "getDatasetGraph": _ok({"edges": []}),
    "getDatasetKnowledge": _ok(KNOWLEDGE),
    "fitDataset": Example(
        KNOWLEDGE, {202: _FIT | {"status": "running"}, 201: _FIT | {"status": "ready"}}
    ),
    "getDatasetDescription": _ok(DESCRIPTION),
    "describeDataset": Example(
        DESCRIPTION, {202: _FIT | {"status": "running"}, 201: _FIT | {"status": "ready"}}
    ),
    "listJobs": _page(
        _fields(JOB_BODY, "job_id", "kind", "status", "waiting_reason", "dataset_id")
        | {"created_at": CREATED}
    ),
    "getJob": _ok(JOB_BODY),
    "streamJobEvents": _ok(
        'retry: 2000\n\nevent: progress\ndata: {"job_id": "job-ds-...", "status": "running"}\n\n'
    ),
    "cancelJob": _ok(
        JOB_BODY
        | {
            "status": "failed",
            "progress_percent": 0,
            "eta_seconds": None,
            "error": {
                "code": "simio_cancelled",
                "detail": "The job was cancelled with POST /v1/jobs/{job_id}/cancel.",
                "pointer": None,
            },
        }
    ),
    "createGeneration": Example(
        {"row_count": 2000, "conditions": CONDITIONS, "seed": 7},
        {
            202: GENERATION_ACCEPTED | {"status": "queued"},
            201: GENERATION_ACCEPTED | {"status": "ready"},
        },
    ),
    "listGenerations": _page(
        _fields(GENERATION_BODY, "generation_id", "dataset_id", "job_id", "status", "row_count")
        | _fields(GENERATION_BODY, "rows", "conditions", "interventions")
        | _fields(GENERATION_BODY, "created_at", "expires_at")
    ),
    "getGeneration": _ok(GENERATION_BODY),
    "getGenerationReport": _ok({"rows": {"synthetic": 2000}}),
    "probeDataset": Example(
        {"row_count": 2, "conditions": CONDITIONS},
        {
            200: {
                "dataset_id": DATASET,
                "row_count": 2,
                "seed": 1_204_455_018,
                "rows": [
                    {"segment": "loyal", "price": 5.49},
                    {"segment": "genz_switcher", "price": 5.49},
                ],
                "feasibility": {
                    "status": "exact",
                    "effective_sample_size": 1240.5,
                    "kl_nats": 0.03,
                },
                "attainment": {"status": "exact", "effective_sample_size": 1240.5},
                "warnings": [],
                "seconds": 1.8,
            }
        },
    ),
    "createEffect": Example(
        {
            "treatment": "price",
            "value": 9.0,
            "baseline": 5.0,
            "outcome": "segment",
            "outcome_level": "loyal",
            "before": ["region"],
            "after": ["segment"],
        },
        {202: EFFECT_ACCEPTED | {"status": "queued"}, 201: EFFECT_ACCEPTED | {"status": "ready"}},
    ),
    "listEffects": _page(
        _fields(EFFECT_BODY, "effect_id", "dataset_id", "job_id", "status", "created_at")
    ),
    "getEffect": _ok(EFFECT_BODY),
    "createSegment": Example(
        {"segment": SEGMENT_BODY["segment"], "questions": ["segment"]},
        {202: SEGMENT_ACCEPTED | {"status": "queued"}, 201: SEGMENT_ACCEPTED | {"status": "ready"}},
    ),
    "listSegments": _page(
        _fields(SEGMENT_BODY, "segment_id", "dataset_id", "job_id", "status", "created_at")
    ),
    "getSegment": _ok(SEGMENT_BODY),
    "createSheet": Example(
        {
            "outcome": "segment",
            "outcome_level": "loyal",
            "levers": [{"column": "price", "value": 9, "baseline": 5, "before": ["region"]}],
            "after": ["segment"],
        },
        {202: SHEET_ACCEPTED | {"status": "queued"}, 201: SHEET_ACCEPTED | {"status": "ready"}},
    ),
    "listSheets": _page(
        _fields(SHEET_BODY, "sheet_id", "dataset_id", "job_id", "status", "created_at")
    ),
    "getSheet": _ok(SHEET_BODY),
    "createWebhook": Example(
        {"url": WEBHOOK_BODY["url"], "events": WEBHOOK_BODY["events"]},
        {201: WEBHOOK_BODY | {"secret": "whsec_C2FVsBQIhrscChlQIMV..."}},
    ),
    "listWebhooks": _ok({"items": [WEBHOOK_BODY]}),
    "getWebhook": _ok(WEBHOOK_BODY),
    "listErasureCertificates": _page(CERTIFICATE_ITEM),
    "getErasureCertificate": _ok(CERTIFICATE_BODY),
    "getInstallationKeys": _ok(INSTALLATION_KEYS),
    "getAuditCheckpoint": _ok(CHECKPOINT),
    "getLiveKeysRoot": _ok(LIVE_KEYS),
    "getHealth": _ok({"status": "ok"}),
    "getReadiness": _ok({"status": "ready"}),
    "listErrors": _ok({"items": [ERROR_BODY]}),
    "getError": _ok(ERROR_BODY),
}

LINKS: dict[str, tuple[str, ...]] = {
    "job_id": ("getJob", "streamJobEvents", "cancelJob"),
    "dataset_id": (
        "getDataset",
        "getDatasetSchema",
        "getDatasetReport",
        "getDatasetGraph",
        "getDatasetKnowledge",
        "updateDataset",
        "probeDataset",
        "createGeneration",
        "createEffect",
        "createSegment",
        "createSheet",
        "deleteDataset",
    ),
    "upload_id": ("getUpload", "appendUpload"),
    "generation_id": ("getGeneration", "getGenerationReport", "deleteGeneration"),
    "effect_id": ("getEffect", "deleteEffect"),
    "segment_id": ("getSegment", "deleteSegment"),
    "sheet_id": ("getSheet", "getSheetPage", "getSheetWorkbook", "deleteSheet"),
    "request_id": ("getAccessRequest",),
    "rotation_id": ("getCredentialRotation",),
    "webhook_id": ("getWebhook", "deleteWebhook"),
}
"""Operations that take this field of an answer (201 or 202) as their path parameter."""
