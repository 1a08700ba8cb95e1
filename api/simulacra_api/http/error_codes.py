"""Every error that this API answers: a stable code, the HTTP status, what it means and what to do about it.

One source for the problem bodies, `/errors`, `/errors/{code}` and the OpenAPI document. Codes are added, never changed.
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


_ENTRIES = (
    ErrorCode(
        "simio_invalid_field",
        400,
        "A field of the request is not valid",
        "Correct the fields in errors[].",
    ),
    ErrorCode(
        "simio_upload_invalid",
        400,
        "The upload cannot be read as a table",
        "Upload a CSV, Parquet, Arrow, Excel (.xlsx) or SPSS (.sav) file with at least two columns.",
    ),
    ErrorCode(
        "simio_digest_mismatch",
        400,
        "The upload is not what its Content-Digest or Repr-Digest says",
        "Send it again: it was changed or cut on its way, and nothing of it was kept.",
    ),
    ErrorCode(
        "simio_invalid_idempotency_key",
        400,
        "The Idempotency-Key header is missing or malformed",
        "Send 1 to 255 visible ASCII characters that you use for this operation only, a UUID for example.",
    ),
    ErrorCode(
        "simio_conditions_infeasible",
        400,
        "No row of the learned distribution meets the conditions",
        "Relax the conditions; the job's error says which of them collide.",
    ),
    ErrorCode(
        "simio_quota_exceeded",
        402,
        "A quota of the tenant is used up",
        "Delete what is not needed or wait as Retry-After says; the operator of this service can raise the quota.",
    ),
    ErrorCode(
        "simio_unauthenticated",
        401,
        "The bearer token is missing or not valid",
        "Ask for a new token.",
    ),
    ErrorCode(
        "simio_invalid_client",
        401,
        "Unknown client or wrong secret",
        "Check client_id and client_secret.",
    ),
    ErrorCode(
        "simio_forbidden",
        403,
        "The client acts for no tenant",
        "Ask the operator to list it in a Tenant.",
    ),
    ErrorCode(
        "simio_tenant_suspended",
        403,
        "The tenant is suspended",
        "Talk to the operator of this service.",
    ),
    ErrorCode(
        "simio_artifact_link_invalid",
        403,
        "The download link has expired or was not made for this artefact",
        "GET the generation again for a fresh artifact_url.",
    ),
    ErrorCode(
        "simio_not_found", 404, "There is nothing at this path", "See /openapi.json for the routes."
    ),
    ErrorCode(
        "simio_signup_not_found",
        404,
        "No such signup request",
        "Check the request_id, or POST /v1/signup again.",
    ),
    ErrorCode(
        "simio_credential_claim_not_found",
        404,
        "The claim token is unknown, expired or used",
        "GET the signup request again for a fresh credential_claim_token.",
    ),
    ErrorCode(
        "simio_rotation_request_not_found",
        404,
        "No such rotation request",
        "POST /v1/credential-rotations again.",
    ),
    ErrorCode("simio_webhook_not_found", 404, "No such webhook", "GET /v1/webhooks lists them."),
    ErrorCode(
        "simio_dataset_not_found", 404, "No such dataset", "It may have expired; upload again."
    ),
    ErrorCode(
        "simio_upload_not_found",
        404,
        "No such upload in pieces",
        "It may have been given up after an hour of silence; POST /v1/uploads begins another.",
    ),
    ErrorCode(
        "simio_generation_not_found",
        404,
        "No such generation",
        "It may have expired; generate again.",
    ),
    ErrorCode(
        "simio_effect_not_found", 404, "No such effect estimate", "It may have expired; ask again."
    ),
    ErrorCode(
        "simio_job_not_found",
        404,
        "No such job",
        "It may have expired with its dataset or generation.",
    ),
    ErrorCode(
        "simio_customer_key",
        409,
        "The rows are under your own key, which this service cannot decrypt with",
        "GET the generation: artifacts[] has the links, and how to decrypt what they lead to.",
    ),
    ErrorCode(
        "simio_certificate_not_found",
        404,
        "No such erasure certificate",
        "It is issued once everything of the resource is erased, and kept for 400 days.",
    ),
    ErrorCode(
        "simio_error_code_not_found", 404, "No such error code", "See /errors for all of them."
    ),
    ErrorCode(
        "simio_method_not_allowed",
        405,
        "The path does not have this method",
        "See the Allow header.",
    ),
    ErrorCode(
        "simio_upload_timeout",
        408,
        "The upload stopped arriving",
        "Send it again with the same key.",
    ),
    ErrorCode(
        "simio_idempotency_conflict",
        409,
        "The Idempotency-Key was used for another request",
        "Repeat the first request exactly, or use a new key.",
    ),
    ErrorCode(
        "simio_idempotency_in_flight",
        409,
        "A request with this Idempotency-Key is still at work",
        "Wait as Retry-After says and send it again.",
    ),
    ErrorCode(
        "simio_upload_offset_mismatch",
        409,
        "The piece does not begin where the upload ends so far",
        "Send the bytes from Upload-Offset on.",
    ),
    ErrorCode(
        "simio_dataset_not_ready",
        409,
        "The dataset is still being worked on",
        "Poll its job until ready.",
    ),
    ErrorCode(
        "simio_dataset_failed",
        409,
        "The dataset's work has failed",
        "The job's error says why; upload again.",
    ),
    ErrorCode(
        "simio_model_in_flight",
        409,
        "The dataset's model is being erased to make room for another",
        "Wait as Retry-After says and send the same request again.",
    ),
    ErrorCode(
        "simio_generation_not_ready",
        409,
        "The generation has no rows yet",
        "Poll its job until ready.",
    ),
    ErrorCode(
        "simio_generation_failed", 409, "The generation has failed", "The job's error says why."
    ),
    ErrorCode(
        "simio_credentials_external",
        409,
        "The client's secret is kept by your identity provider",
        "Rotate it there.",
    ),
    ErrorCode(
        "simio_rotation_claim_already_consumed",
        410,
        "The rotation's claim token was used",
        "Use the secret that it gave; POST /v1/credential-rotations for another.",
    ),
    ErrorCode(
        "simio_cancelled",
        409,
        "The work was cancelled",
        "Ask for it again, with a new Idempotency-Key.",
    ),
    ErrorCode(
        "simio_job_finished",
        409,
        "The job has ended, so it cannot be cancelled",
        "DELETE its resource.",
    ),
    ErrorCode(
        "simio_precondition_failed",
        412,
        "The resource has changed since it was read",
        "GET it, then decide.",
    ),
    ErrorCode(
        "simio_file_too_large",
        413,
        "The upload is above the limit",
        "Upload a smaller file or a sample.",
    ),
    ErrorCode(
        "simio_unsupported_content_type",
        415,
        "The content type is not supported",
        "Send multipart/form-data with a table (CSV, Parquet, Arrow, .xlsx, .sav) as part file; JSON elsewhere.",
    ),
    ErrorCode(
        "simio_range_not_satisfiable",
        416,
        "The range lies outside the artefact",
        "See Content-Range.",
    ),
    ErrorCode(
        "simio_rotation_rate_limited",
        429,
        "Too many rotations were asked for",
        "Ask again as Retry-After says.",
    ),
    ErrorCode(
        "simio_too_many_jobs",
        429,
        "Too many jobs of the tenant are waiting",
        "Send it again as Retry-After says.",
    ),
    ErrorCode("simio_rate_limited", 429, "Too many requests", "Send it again as Retry-After says."),
    ErrorCode(
        "simio_processing_failed",
        500,
        "The work failed for a reason of ours",
        "Try again; quote the job id.",
    ),
    ErrorCode(
        "simio_internal",
        500,
        "Something went wrong on our side",
        "Try again; quote the request_id.",
    ),
    ErrorCode(
        "simio_artifact_corrupt",
        500,
        "A stored artefact is missing or does not authenticate, so it was not given out",
        "Generate again; quote the request_id to the operator of this service.",
    ),
    ErrorCode(
        "simio_unavailable",
        503,
        "A part of the service cannot be reached",
        "Try again as Retry-After says.",
    ),
    ErrorCode(
        "simio_probe_timeout",
        504,
        "The sample was not ready in time",
        "Try again as Retry-After says, or ask for a generation, which may take longer.",
    ),
    ErrorCode(
        "simio_tenant_not_ready",
        503,
        "The tenant is still being set up",
        "Try again as Retry-After says.",
    ),
)
CATALOG: dict[str, ErrorCode] = {entry.code: entry for entry in _ENTRIES}
