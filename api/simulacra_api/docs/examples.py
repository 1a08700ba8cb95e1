"""Examples of the documentation: one story, from the request for access to the erasure, operation
by operation.

They are in the OpenAPI document, on the page of the documentation and in llms-full.txt;
`tests/api/test_api_examples` sends each request to a running service and holds the answer against
the example.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from simulacra_api.docs.example_bodies import (
    ASKED,
    AUDIENCE,
    BASE,
    CERTIFICATE_BODY,
    CERTIFICATE_ITEM,
    CHECKPOINT,
    CLAIM,
    CONDITIONS,
    CREATED,
    DATASET,
    DATASET_BODY,
    EFFECT_BODY,
    ERROR_BODY,
    GENERATION_BODY,
    INSTALLATION_KEYS,
    JOB_BODY,
    JWK,
    KNOWLEDGE,
    PIECES,
    QUESTION,
    ROTATION,
    UPLOADED,
    WEBHOOK_BODY,
    Json,
    gauge,
    signup_body,
)


@dataclass(frozen=True)
class Example:
    """The request's body (JSON, a form, or a file that is sent as it is) and the body of each success, by status."""

    request: Json | str | None = None
    answers: dict[int, Any] = field(default_factory=dict)


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
    "getJwks": Example(answers={200: {"keys": [JWK]}}),
    "getIssuerMetadata": Example(
        answers={
            200: {
                "issuer": BASE,
                "token_endpoint": f"{BASE}/oauth/token",
                "jwks_uri": f"{BASE}/.well-known/jwks.json",
                "grant_types_supported": ["client_credentials"],
            }
        }
    ),
    "requestAccess": Example(
        {"company": "Initech GmbH", "contact": "ada@initech.example"}, {202: signup_body("pending")}
    ),
    "getAccessRequest": Example(
        answers={200: signup_body("approved", client_id="sim-5f0c8a1e", **CLAIM)}
    ),
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
        {"overlap_seconds": 3600},
        {
            201: {
                "rotation_id": ROTATION,
                "client_id": "sim-5f0c8a1e",
                "status": "approved",
                "overlap_seconds": 3600,
            }
            | CLAIM
        },
    ),
    "getCredentialRotation": Example(
        answers={
            200: {
                "rotation_id": ROTATION,
                "client_id": "sim-5f0c8a1e",
                "status": "approved",
                "overlap_seconds": 3600,
            }
            | CLAIM
        }
    ),
    "getUsage": Example(
        answers={
            200: {
                "requests": gauge(12, 600, 60),
                "rows": gauge(4000, 10_000_000, 86_400),
                "stored_bytes": gauge(1_482_113, 53_687_091_200),
                "running_jobs": gauge(1, 4),
                "unfinished_jobs": gauge(1, 100),
                "datasets": 1,
                "generations": 1,
                "effects": 0,
            }
        }
    ),
    "listAuditEvents": Example(
        answers={
            200: {
                "items": [
                    {
                        "id": "0b54f5b4-62c0-4c9e-9d1c-0f8c1f6c2f10",
                        "time": CREATED,
                        "type": "dev.simulacra.artefact.written",
                        "source": "/simulacra/api",
                        "outcome": "success",
                        "client": "sim-5f0c8a1e",
                    }
                ],
                "next_cursor": None,
            }
        }
    ),
    "uploadDataset": Example(
        {"retention_seconds": 86_400, "knowledge": json.dumps(KNOWLEDGE), "file": "@survey.csv"},
        {202: UPLOADED | {"status": "queued"}, 201: UPLOADED | {"status": "ready"}},
    ),
    "beginUpload": Example(
        {"bytes": PIECES["bytes"], "sha256": PIECES["sha256"], "retention_seconds": 86_400},
        {201: PIECES | {"offset": 0, "complete": False, "sha256": None}},
    ),
    "getUpload": Example(answers={200: PIECES | {"offset": 0, "complete": False, "sha256": None}}),
    "appendUpload": Example("@survey.csv", {200: PIECES}),
    "listDatasets": Example(answers={200: {"items": [DATASET_BODY], "next_cursor": None}}),
    "getDataset": Example(answers={200: DATASET_BODY}),
    "updateDataset": Example(
        {"retention_seconds": 604_800}, {200: DATASET_BODY | {"retention_seconds": 604_800}}
    ),
    "getDatasetSchema": Example(
        answers={
            200: {
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
        }
    ),
    "getDatasetReport": Example(answers={200: {"fidelity": {"score": 0.98}}}),
    "getDatasetGraph": Example(answers={200: {"edges": []}}),
    "getDatasetKnowledge": Example(answers={200: KNOWLEDGE}),
    "fitDataset": Example(
        KNOWLEDGE,
        {
            202: {"dataset_id": DATASET, "job_id": UPLOADED["job_id"], "status": "running"},
            201: {"dataset_id": DATASET, "job_id": UPLOADED["job_id"], "status": "ready"},
        },
    ),
    "listJobs": Example(
        answers={
            200: {
                "items": [
                    {name: JOB_BODY[name] for name in ("job_id", "kind", "status", "dataset_id")}
                    | {"created_at": CREATED}
                ],
                "next_cursor": None,
            }
        }
    ),
    "getJob": Example(answers={200: JOB_BODY}),
    "streamJobEvents": Example(
        answers={
            200: 'retry: 2000\n\nevent: progress\ndata: {"job_id": "job-ds-...", "status": "running"}\n\n'
        }
    ),
    "cancelJob": Example(
        answers={
            200: JOB_BODY
            | {
                "status": "failed",
                "progress_percent": 0,
                "eta_seconds": None,
                "error": {
                    "code": "simio_cancelled",
                    "detail": "The job was cancelled",
                    "pointer": None,
                },
            }
        }
    ),
    "createGeneration": Example(
        {"row_count": 2000, "conditions": CONDITIONS, "seed": 7},
        {202: ASKED | {"status": "queued"}, 201: ASKED | {"status": "ready"}},
    ),
    "listGenerations": Example(
        answers={
            200: {
                "items": [
                    {
                        name: GENERATION_BODY[name]
                        for name in (
                            "generation_id",
                            "dataset_id",
                            "job_id",
                            "status",
                            "row_count",
                            "rows",
                            "created_at",
                            "expires_at",
                        )
                    }
                ],
                "next_cursor": None,
            }
        }
    ),
    "getGeneration": Example(answers={200: GENERATION_BODY}),
    "getGenerationReport": Example(answers={200: {"rows": {"synthetic": 2000}}}),
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
        },
        {202: QUESTION | {"status": "queued"}, 201: QUESTION | {"status": "ready"}},
    ),
    "listEffects": Example(
        answers={
            200: {
                "items": [
                    {
                        name: EFFECT_BODY[name]
                        for name in ("effect_id", "dataset_id", "job_id", "status", "created_at")
                    }
                ],
                "next_cursor": None,
            }
        }
    ),
    "getEffect": Example(answers={200: EFFECT_BODY}),
    "createWebhook": Example(
        {"url": WEBHOOK_BODY["url"], "events": WEBHOOK_BODY["events"]},
        {201: WEBHOOK_BODY | {"secret": "whsec_C2FVsBQIhrscChlQIMV..."}},
    ),
    "listWebhooks": Example(answers={200: {"items": [WEBHOOK_BODY]}}),
    "getWebhook": Example(answers={200: WEBHOOK_BODY}),
    "listErasureCertificates": Example(
        answers={200: {"items": [CERTIFICATE_ITEM], "next_cursor": None}}
    ),
    "getErasureCertificate": Example(answers={200: CERTIFICATE_BODY}),
    "getInstallationKeys": Example(answers={200: INSTALLATION_KEYS}),
    "getAuditCheckpoint": Example(answers={200: CHECKPOINT}),
    "getHealth": Example(answers={200: {"status": "ok"}}),
    "getReadiness": Example(answers={200: {"status": "ready"}}),
    "listErrors": Example(answers={200: {"items": [ERROR_BODY]}}),
    "getError": Example(answers={200: ERROR_BODY}),
}

LEADS: dict[str, tuple[str, ...]] = {
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
        "deleteDataset",
    ),
    "upload_id": ("getUpload", "appendUpload"),
    "generation_id": ("getGeneration", "getGenerationReport", "deleteGeneration"),
    "effect_id": ("getEffect", "deleteEffect"),
    "request_id": ("getAccessRequest",),
    "rotation_id": ("getCredentialRotation",),
    "webhook_id": ("getWebhook", "deleteWebhook"),
}
"""Where the fields of an answer that something was made or accepted lead: operations with a parameter of that name."""
