"""Catalog of the errors that this API answers: stable code, HTTP status, meaning and remedy.

The one source of problem bodies, `/errors`, `/errors/{code}` and the OpenAPI document. Codes are
added, never changed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ErrorCode:
    """One entry of the catalog."""

    code: str
    status: int
    title: str
    remedy: str


# fmt: off
_ENTRIES = (
    ErrorCode("simio_invalid_field", 400, "A field of the request is not valid",
              "Correct the fields in errors[]."),
    ErrorCode("simio_upload_invalid", 400,
              "The upload is not a readable table",
              "Upload CSV, Parquet, Arrow, Excel (.xlsx) or SPSS (.sav) with two columns or more."),
    ErrorCode("simio_digest_mismatch", 400,
              "The upload does not match its Content-Digest or Repr-Digest",
              "Send it again. It changed or was cut in transit, and nothing was kept."),
    ErrorCode("simio_invalid_idempotency_key", 400,
              "The Idempotency-Key header is missing or malformed",
              "Send 1 to 255 visible ASCII characters, unique to this operation: a UUID."),
    ErrorCode("simio_conditions_infeasible", 400,
              "No row of the learned distribution meets the conditions",
              "Relax the conditions; the job's error names those that collide."),
    ErrorCode("simio_quota_exceeded", 402,
              "A quota of the tenant is used up",
              "Delete what you no longer need, or ask the operator for more."),
    ErrorCode("simio_unauthenticated", 401, "The bearer token is missing or not valid",
              "Ask for a new token."),
    ErrorCode("simio_invalid_client", 401, "Unknown client or wrong secret",
              "Check client_id and client_secret."),
    ErrorCode("simio_forbidden", 403, "The client belongs to no tenant",
              "Ask the operator to add it to a Tenant."),
    ErrorCode("simio_tenant_suspended", 403, "The tenant is suspended",
              "Contact the operator of this service."),
    ErrorCode("simio_artifact_link_invalid", 403,
              "The download link has expired or belongs to another artifact",
              "GET the generation again for a fresh artifact_url."),
    ErrorCode("simio_not_found", 404, "Unknown path", "See /openapi.json for the routes."),
    ErrorCode("simio_signup_not_found", 404, "No such signup request",
              "Check the request_id, or POST /v1/signup again."),
    ErrorCode("simio_credential_claim_not_found", 404,
              "The claim token is unknown, expired or used",
              "GET the signup request again for a fresh credential_claim_token."),
    ErrorCode("simio_rotation_request_not_found", 404, "No such rotation request",
              "POST /v1/credential-rotations again."),
    ErrorCode("simio_webhook_not_found", 404, "No such webhook", "GET /v1/webhooks lists them."),
    ErrorCode("simio_dataset_not_found", 404, "No such dataset",
              "It may have expired; upload again."),
    ErrorCode("simio_upload_not_found", 404, "No such resumable upload",
              "It expires after an hour without data; POST /v1/uploads starts another."),
    ErrorCode("simio_generation_not_found", 404, "No such generation",
              "It may have expired; generate again."),
    ErrorCode("simio_effect_not_found", 404, "No such effect estimate",
              "It may have expired; POST the estimate again."),
    ErrorCode("simio_job_not_found", 404, "No such job",
              "It may have expired with its dataset or generation."),
    ErrorCode("simio_customer_key", 409,
              "The rows are encrypted under your own key, which this service cannot use",
              "GET the generation: artifacts[] has the links and how to decrypt them."),
    ErrorCode("simio_certificate_not_found", 404, "No such erasure certificate",
              "It is issued once the resource is erased, and kept for 400 days."),
    ErrorCode("simio_error_code_not_found", 404, "No such error code", "See /errors for the list."),
    ErrorCode("simio_method_not_allowed", 405, "The path does not support this method",
              "See the Allow header."),
    ErrorCode("simio_upload_timeout", 408, "The upload stopped",
              "Send it again with the same key."),
    ErrorCode("simio_idempotency_conflict", 409,
              "The Idempotency-Key was used with a different request",
              "Repeat the first request exactly, or use a new key."),
    ErrorCode("simio_idempotency_in_flight", 409,
              "A request with this Idempotency-Key is still running",
              "Wait as Retry-After says, then send it again."),
    ErrorCode("simio_upload_offset_mismatch", 409, "The piece does not start where the upload ends",
              "Send the bytes from Upload-Offset on."),
    ErrorCode("simio_dataset_not_ready", 409, "The dataset is not ready yet",
              "Poll its job until it is ready."),
    ErrorCode("simio_dataset_failed", 409, "The dataset failed",
              "The job's error says why; upload again."),
    ErrorCode("simio_model_in_flight", 409, "The dataset's previous model is still being erased",
              "Wait as Retry-After says, then send the same request again."),
    ErrorCode("simio_generation_not_ready", 409, "The generation has no rows yet",
              "Poll its job until it is ready."),
    ErrorCode("simio_generation_failed", 409, "The generation failed", "The job's error says why."),
    ErrorCode("simio_credentials_external", 409, "Your identity provider keeps the client's secret",
              "Rotate it there."),
    ErrorCode("simio_rotation_claim_already_consumed", 410,
              "The claim token of this rotation was already used",
              "Use the secret it returned, or POST /v1/credential-rotations for another."),
    ErrorCode("simio_cancelled", 409, "The job was cancelled",
              "Send the request again with a new Idempotency-Key."),
    ErrorCode("simio_job_finished", 409, "The job has ended and cannot be cancelled",
              "DELETE its resource instead."),
    ErrorCode("simio_precondition_failed", 412, "The resource has changed since you read it",
              "GET it, then decide."),
    ErrorCode("simio_file_too_large", 413, "The upload is above the size limit",
              "Upload a smaller file or a sample."),
    ErrorCode("simio_unsupported_content_type", 415, "The content type is not supported",
              "Send multipart/form-data with the table as part `file`; JSON elsewhere."),
    ErrorCode("simio_range_not_satisfiable", 416, "The range lies outside the artifact",
              "See Content-Range."),
    ErrorCode("simio_rotation_rate_limited", 429, "Too many rotations",
              "Send it again as Retry-After says."),
    ErrorCode("simio_too_many_jobs", 429, "Too many jobs of the tenant are waiting",
              "Send it again as Retry-After says."),
    ErrorCode("simio_rate_limited", 429, "Too many requests", "Send it again as Retry-After says."),
    ErrorCode("simio_processing_failed", 500, "Internal error", "Try again; quote the job id."),
    ErrorCode("simio_internal", 500, "Internal error", "Try again; quote the request_id."),
    ErrorCode("simio_artifact_corrupt", 500,
              "A stored artifact is missing or fails authentication, so it was not sent",
              "Generate again, and quote the request_id to the operator of this service."),
    ErrorCode("simio_unavailable", 503, "A part of the service is unavailable",
              "Try again as Retry-After says."),
    ErrorCode("simio_probe_timeout", 504, "The sample was not ready in time",
              "Try again as Retry-After says, or POST a generation, which may take longer."),
    ErrorCode("simio_tenant_not_ready", 503, "The tenant is still being set up",
              "Try again as Retry-After says."),
)
# fmt: on
CATALOG: dict[str, ErrorCode] = {entry.code: entry for entry in _ENTRIES}
