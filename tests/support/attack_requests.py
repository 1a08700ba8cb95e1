"""All documented routes, and a valid body for those that have one."""

from __future__ import annotations

from typing import Any

from simulacra_api.app import create_app
from simulacra_api.settings import Settings

ROUTES = [
    (method, path)
    for path, methods in create_app(Settings("http://x")).openapi()["paths"].items()
    for method in methods
]
BODIES: dict[str, Any] = {
    "/oauth/token": {
        "grant_type": "client_credentials",
        "client_id": "client.globex",
        "client_secret": "sim_secret_of_nobody",
        "audience": "https://api.simulacra.dev",
    },
    "/v1/signup": {"company": "Initech", "contact": "ada@initech.example"},
    "/v1/credential-claims": {"credential_claim_token": "sim_claim_client.globex_" + "a" * 43},
    "/v1/credential-rotations": {"overlap_seconds": 7200, "client_secret": "sim_secret_of_nobody"},
    "/v1/uploads": {"bytes": 1000, "retention_seconds": 3600},
    "/v1/datasets/{dataset_id}": {"retention_seconds": 3600},
    "/v1/datasets/{dataset_id}/knowledge": {
        "tiers": [["segment"], ["price"]],
        "required": [{"source": "segment", "target": "price"}],
        "forbidden": [],
    },
    "/v1/datasets/{dataset_id}/description": {"fields": [{"name": "price", "type": "number"}]},
    "/v1/datasets/{dataset_id}/generations": {
        "row_count": 10,
        "seed": 7,
        "conditions": {
            "categorical": {"segment": {"loyal": 0.3}},
            "numeric": {"price": {"min": 2, "max": 3}},
        },
        "interventions": {"price": 3},
    },
    "/v1/datasets/{dataset_id}/probe": {"row_count": 0, "conditions": {}},
    "/v1/datasets/{dataset_id}/effects": {
        "treatment": "price",
        "value": 9,
        "baseline": 5,
        "outcome": "segment",
        "outcome_level": "loyal",
    },
    "/v1/datasets/{dataset_id}/segments": {
        "segment": [{"column": "region", "levels": []}],
        "questions": ["segment"],
    },
    "/v1/datasets/{dataset_id}/sheets": {
        "outcome": "segment",
        "outcome_level": "loyal",
        "levers": [{"column": "price", "value": 9, "baseline": 5, "before": ["region"]}],
        "after": ["segment"],
    },
    "/v1/webhooks": {"url": "https://hooks.example.com/x", "events": ["job.ready"]},
}
