"""Bodies of resources in the documentation's examples."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
BASE = "{base_url}"
AUDIENCE = "{audience}"
"""Placeholders that `openapi` fills in with the settings of this installation."""
DATASET = "ds-5f0c8a1e2b7d49c3a6e0f417"
GENERATION = "gen-91b2d4c07fe84a1b9c5d3e62"
EFFECT = "eff-c7d81f0a3b5e42968d7a1c04"
SEGMENT = "seg-2e90b7d14c6f4a0d8b35f1e7"
SHEET = "sht-9c04d1f27ab84e3c8d51f6a2"
REQUEST = "Zk1v0cQ3pJ8sT5yWn2bLd7hRfX4mGe6u"
ROTATION = "rot-7c1d2e3f4a5b"
WEBHOOK = "a91f0c7d2e5b486fb1d3c0e7"
PARAMETERS = {
    "dataset_id": DATASET,
    "upload_id": DATASET,
    "generation_id": GENERATION,
    "effect_id": EFFECT,
    "segment_id": SEGMENT,
    "sheet_id": SHEET,
    "job_id": f"job-{DATASET}",
    "request_id": REQUEST,
    "rotation_id": ROTATION,
    "webhook_id": WEBHOOK,
    "resource_id": DATASET,
    "code": "simio_dataset_not_found",
}
CREATED = "2026-03-02T09:30:00Z"
EXPIRES = "2026-03-03T09:30:00Z"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
CONDITIONS = {
    "categorical": {"segment": {"genz_switcher": 0.3}},
    "numeric": {"price": {"min": 5.49, "max": 5.49}},
}
KNOWLEDGE = {
    "tiers": [["segment"], ["price"]],
    "required": [{"source": "segment", "target": "price"}],
    "forbidden": [],
}
DESCRIPTION: Json = {
    "name": "survey",
    "schema": {
        "fieldsMatch": "subset",
        "fields": [
            {"name": "respondent", "x-simulacra": {"role": "key"}},
            {"name": "price", "type": "number", "missingValues": ["", "k.A."]},
        ],
    },
}


def accepted(kind: str, name: str, **more: Any) -> Json:
    """Return the answer to a question about the dataset."""
    body = {f"{kind}_id": name, "job_id": f"job-{name}", "dataset_id": DATASET}
    return body | more | {"error": None}


def finished(kind: str, name: str, **fields: Any) -> Json:
    """Return the body of a question that is answered."""
    body = {f"{kind}_id": name, "dataset_id": DATASET, "job_id": f"job-{name}", "status": "ready"}
    return body | fields | {"created_at": CREATED, "expires_at": EXPIRES, "error": None}


def signup_body(status: str, **known: Any) -> Json:
    """Return the body of a signup request."""
    return {"request_id": REQUEST, "status": status} | known


CLAIM = {
    "credential_claim_token": "simclaim_W8n0...",
    "credential_claim_expires_at": "2026-03-02T10:30:00Z",
}
LIKENESS = {
    "code": "likeness",
    "level": "good",
    "sentence": (
        "Generated rows are hard to tell from yours (AUC 0.55; 0.50 is chance). 61 of 66 relations"
        " between questions kept, 4 weakened, 1 lost (91 % of their evidence)."
    ),
    "remedy": "The report names the relations that are lost: do not publish their crosstabs.",
}
MODEL_BODY = {
    "status": "ready",
    "family": "forest",
    "figures": {
        "c2st_auc": 0.55,
        "dcr_share": 0.51,
        "respondents": 1820.0,
        "kept_ratio": 0.91,
        "pairs_kept": 61.0,
        "pairs_weakened": 4.0,
        "pairs_lost": 1.0,
        "pairs_unmeasured": 0.0,
    },
    "verdicts": [LIKENESS],
}
DATASET_BODY = {
    "dataset_id": DATASET,
    "job_id": f"job-{DATASET}",
    "status": "ready",
    "waiting_reason": None,
    "rows": 2000,
    "columns": 12,
    "bytes": 184_213,
    "sha256": SHA256,
    "retention_seconds": 86_400,
    "created_at": CREATED,
    "expires_at": EXPIRES,
    "reading": {"revision": 1, "learned": 10, "replaced": 1, "dropped": 1, "to_confirm": 0},
    "source_kept": False,
    "source_until": None,
    "model": MODEL_BODY,
    "error": None,
}
JOB_BODY = {
    "job_id": f"job-{DATASET}",
    "kind": "dataset",
    "status": "running",
    "progress_percent": 65,
    "eta_seconds": 3,
    "waiting_reason": None,
    "dataset_id": DATASET,
    "generation_id": None,
    "effect_id": None,
    "segment_id": None,
    "sheet_id": None,
    "error": None,
}
GENERATION_BODY = finished(
    "generation",
    GENERATION,
    progress_percent=100,
    eta_seconds=None,
    row_count=2000,
    rows=2000,
    seed=7,
    conditions=CONDITIONS,
    interventions={},
    attainment={"status": "exact", "effective_sample_size": 1240.5},
    evidence={
        "column": "evidence_weight",
        "worth": 689.1,
        "weight": 0.34455,
        "ratio": 0.85,
        "design_effect": 2.9,
        "basis": "backing",
        "sentence": (
            "These 2,000 rows are worth 689 respondents; use evidence_weight as frequency weights."
        ),
    },
    verdicts=[
        LIKENESS,
        {
            "code": "worth",
            "level": "good",
            "sentence": (
                "These 2,000 rows are worth 689 respondents; use evidence_weight as frequency"
                " weights."
            ),
            "remedy": None,
        },
    ],
    artifact_url=(
        f"{BASE}/v1/generations/{GENERATION}/artifact"
        "?format=parquet&expires=1772444700&signature=3q2-7w"
    ),
    artifact_url_expires_at="2026-03-02T09:45:00Z",
)
FIGURES = {"effect": -0.42, "low": -0.58, "high": -0.26, "rows": 1930, "support": 0.91}
ALTERNATIVE: Json = {
    "adjustment": ["region"],
    "effect": -0.42,
    "low": -0.58,
    "high": -0.26,
    "support": 0.91,
    "effective_rows": 611.4,
    "reverses": False,
}
VERDICT: Json = {
    "kind": "assumed",
    "text": (
        "If price comes before segment, as you said, and nothing unseen moves both: -0.42"
        " [-0.58, -0.26]. Before price came, you said: region. An unseen cause that explains 14 %"
        " of what is left of both would bring this to 0."
    ),
    "rests_on": [
        {
            "earlier": ["region"],
            "later": ["price"],
            "origin": "request",
            "author": "client.initech",
            "time": CREATED,
        }
    ],
    "asks": None,
}
EFFECT_BODY = finished(
    "effect",
    EFFECT,
    treatment="price",
    value=9.0,
    baseline=5.0,
    outcome="segment=loyal",
    outcome_level="loyal",
    segment="segment",
    before=["region"],
    after=[],
    dont_know=[],
    population="all",
    negative_controls=[],
    verdict=VERDICT,
    precision="clear",
    union={"low": -0.58, "high": -0.26},
    ace=FIGURES,
    identified=True,
    effective_rows=611.4,
    naive=-0.55,
    method="aipw",
    adjustment=["region"],
    alternatives=[ALTERNATIVE],
    open_columns=[],
    checks=[{"name": "placebo", "outcome": "passed", "detail": "0.01 [-0.03, 0.05]"}],
    sensitivity={"robustness": 0.14, "robustness_near": 0.09, "yardsticks": []},
    segments=[
        FIGURES
        | {"level": "loyal", "effective_rows": 812.5, "thin_support": False, "difference": None}
    ],
    unshown_segments=["new"],
    warnings=[],
)
SEGMENT_BODY = finished(
    "segment",
    SEGMENT,
    segment=[{"column": "region", "levels": ["north"]}],
    questions=["segment"],
    summary={"intervals": 1, "boosted": 1, "slightly": 0, "no_better": 0, "worth": 76.0},
    shares=[
        {
            "segment": [{"column": "region", "level": "north"}],
            "question": "segment",
            "answer": "loyal",
            "respondents": 42.0,
            "share": 0.35,
            "low": 0.25,
            "high": 0.46,
            "worth": 76.0,
            "verdict": "boosted",
            "own": {"share": 0.38, "low": 0.25, "high": 0.53},
            "text": "region = north: 42 respondents. segment = loyal: 35 % (25 % to"
            " 46 %). Worth 76 respondents; from the respondents alone 38 % (25 % to 53 %).",
        }
    ],
    conditions={
        "categorical": {
            "region": {"north": 1.0},
            "segment": {"loyal": 0.35},
        },
        "numeric": {},
    },
    reason=None,
)
SHEET_BODY = finished(
    "sheet",
    SHEET,
    outcome="segment=loyal",
    asked=[{"column": "price", "value": 9.0, "baseline": 5.0, "before": ["region"], "after": []}],
    before=[],
    after=["segment"],
    dont_know=[],
    population="all",
    text="Ranked: 1 of 1 contrasts, by the smallest effect that the interval allows, if what you"
    " said holds and nothing unseen moves both. All intervals hold together with 95 %.",
    levers=[
        {
            "rank": 1,
            "unranked": None,
            "near": 0.26,
            "treatment": "price",
            "value": 9.0,
            "baseline": 5.0,
            **{key: EFFECT_BODY[key] for key in ("verdict", "precision", "union")},
            "alone": EFFECT_BODY["union"],
            "ace": FIGURES,
            **{
                key: EFFECT_BODY[key]
                for key in ("effective_rows", "naive", "method", "adjustment", "alternatives")
            },
            **{key: EFFECT_BODY[key] for key in ("open_columns", "checks", "sensitivity")},
            "propensities": {"value": [0, 0, 40, 60, 0, 0, 0, 0, 0, 0]}
            | {"baseline": [0, 0, 60, 40, 0, 0, 0, 0, 0, 0]},
            "curve": None,
            "warnings": [],
        }
    ],
    left_out=[],
    critical=1.96,
    intervals=1,
    rows=200,
    missing=[{"column": "price", "share": 0.0}],
    seed=0,
    version="1.0",
    model_sha256=SHA256,
)
DATASET_ACCEPTED = {
    "dataset_id": DATASET,
    "job_id": f"job-{DATASET}",
    "bytes": 184_213,
    "sha256": SHA256,
    "error": None,
}
UPLOAD_BODY: Json = {
    "upload_id": DATASET,
    "dataset_id": DATASET,
    "job_id": f"job-{DATASET}",
    "bytes": 184_213,
    "sha256": SHA256,
    "offset": 184_213,
    "complete": True,
}
GENERATION_ACCEPTED = accepted("generation", GENERATION, row_count=2000, seed=7)
EFFECT_ACCEPTED = accepted("effect", EFFECT)
SEGMENT_ACCEPTED = accepted("segment", SEGMENT)
SHEET_ACCEPTED = accepted("sheet", SHEET)
JWK = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2...",
    "y": "x_FEzRu9...",
    "use": "sig",
    "alg": "ES256",
    "kid": "a1",
}
ERROR_BODY = {
    "code": "simio_dataset_not_found",
    "status": 404,
    "title": "No such dataset",
    "remedy": "It may have expired; upload again.",
}


def gauge(used: int, limit: int, window: int | None = None) -> Json:
    """Return the body of one quota."""
    return {"used": used, "limit": limit, "window_seconds": window}


WEBHOOK_BODY = {
    "webhook_id": WEBHOOK,
    "url": "https://hooks.initech.example/simulacra",
    "events": ["job.ready", "job.failed"],
    "created_at": CREATED,
    "disabled_at": None,
}
