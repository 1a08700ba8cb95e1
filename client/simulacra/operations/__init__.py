"""The steps of the main job, one function a step, for both clients. Bodies are as the REST contract writes them.

A module a resource: uploads, data (datasets), rows (generations), estimates (effects), work (jobs), account (the
tenant), proof (certificates and keys), by_id (what takes any id).
"""

from simulacra.operations.account import (
    audit_events,
    create_webhook,
    delete_webhook,
    rotate_credentials,
    usage,
    webhooks,
)
from simulacra.operations.certificates import (
    audit_checkpoint,
    erasure_certificate,
    erasure_certificates,
    explain,
    published_keys,
)
from simulacra.operations.datasets import (
    dataset,
    datasets,
    delete_dataset,
    extend,
    graph,
    knowledge,
    refit,
    schema,
)
from simulacra.operations.effects import delete_effect, effect, effects, estimate
from simulacra.operations.generations import (
    Format,
    delete_generation,
    download,
    generate,
    generation,
    generations,
    probe,
    table,
    to_pandas,
    to_polars,
)
from simulacra.operations.jobs import TERMINAL, cancel, job, jobs, wait
from simulacra.operations.resources import delete, get, report, report_page
from simulacra.operations.uploads import upload

__all__ = [
    "TERMINAL",
    "Format",
    "audit_checkpoint",
    "audit_events",
    "cancel",
    "create_webhook",
    "dataset",
    "datasets",
    "delete",
    "delete_dataset",
    "delete_effect",
    "delete_generation",
    "delete_webhook",
    "download",
    "effect",
    "effects",
    "erasure_certificate",
    "erasure_certificates",
    "estimate",
    "explain",
    "extend",
    "generate",
    "generation",
    "generations",
    "get",
    "graph",
    "job",
    "jobs",
    "knowledge",
    "probe",
    "published_keys",
    "refit",
    "report",
    "report_page",
    "rotate_credentials",
    "schema",
    "table",
    "to_pandas",
    "to_polars",
    "upload",
    "usage",
    "wait",
    "webhooks",
]
