"""Certificates, keys and checkpoints in the documentation's examples."""

from __future__ import annotations

from simulacra_api.docs.example_bodies import CREATED, DATASET, EXPIRES, SHA256, Json

LIVE_KEYS: Json = {
    "statement": {
        "version": 1,
        "installation": "simulacra.dev/audit/90785e326a9365f5",
        "listed_at": EXPIRES,
        "nonce": "9c" * 32,
        "size": 16,
        "root": SHA256,
    },
    "signature": "eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoi...",
}
CERTIFICATE_ITEM: Json = {
    "resource_id": DATASET,
    "uid": "0e0f8f6e-9d0a-4a53-8d0f-7b1f6f3a2c11",
    "issued_at": EXPIRES,
}
CERTIFICATE_BODY = CERTIFICATE_ITEM | {
    "statement": {
        "version": 1,
        "installation": "simulacra.dev/audit/90785e326a9365f5",
        "tenant": "acme",
        "tenant_uid": "534bcad5-3e9e-460c-b77d-9895d2ecc95a",
        "kind": "datasets",
        "id": DATASET,
        "uid": CERTIFICATE_ITEM["uid"],
        "cause": "expired",
        "created_at": CREATED,
        "deletion_requested_at": EXPIRES,
        "artefacts": [{"name": "upload", "bytes": 499580, "sha256": SHA256}],
        "objects": 4,
        "stored_bytes": 544336,
        "key_shredded_at": EXPIRES,
        "verified_absent_at": EXPIRES,
        "audit": {"index": 41, "root": SHA256},
    },
    "signature": "eyJhbGciOiJFZDI1NTE5Iiwia2lkIjoi...",
    "absence_proof": {
        "root": LIVE_KEYS,
        "neighbors": [
            {"index": 3, "leaf": "3f" * 32, "path": ["0a" * 32, "1b" * 32, "2c" * 32, "3d" * 32]},
            {"index": 4, "leaf": "5e" * 32, "path": ["4e" * 32, "5f" * 32, "60" * 32, "71" * 32]},
        ],
    },
}
INSTALLATION_KEYS: Json = {
    "keys": [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "use": "sig",
            "alg": "Ed25519",
            "kid": "WRkqgTi6gQM",
            "x": "NWdZ5AxWr50",
        }
    ],
    "audit_log": "simulacra.dev/audit/90785e326a9365f5+fc132014+AUg+SSWNW3VWivlutcOEH5NUATjTkWKN",
}
CHECKPOINT = (
    "simulacra.dev/audit/90785e326a9365f5\n42\nps8yUab/d4m0EvWHnexvNH/wKu/Jo1gYTpu7z26jGjY=\n"
    "segment 42\n\n"
    "\N{EM DASH} simulacra.dev/audit/90785e326a9365f5 /BMgFB4ocVnzw4+97iwjQAwGuAJgm1XqUmQ...\n"
)
