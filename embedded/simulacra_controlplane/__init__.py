"""A small server that speaks the part of the Kubernetes API which this product uses, and says so.

Clients that must work: kopf, the official Python client, and kubectl's get, describe, apply, create
-f, replace, edit, patch, label, annotate, delete, wait, logs, events, api-resources and explain.
tests/contract runs unchanged against this server and against a real kube-apiserver; a difference is
a bug here.

How a request goes: `app` (token, error bodies) -> `verbs.requests` (path, query, body) ->
`verbs.handlers` (one function a verb) -> `verbs.reads` and `watch`, or `schema.admission` (prune,
default, validate, CEL), `verbs.patch`/`strategic` and `writes` -> `store` (SQLite, one transaction
a write). `background` collects garbage, deletes namespaces and CRDs, and expires events.

Not served, answered 501, 415 or 404: authorization (the token may do everything) and admission
plugins, server-side apply and managedFields, aggregated discovery, events.k8s.io, protobuf and CBOR
bodies (so imperative `kubectl create secret|namespace|job` and `kubectl auth`), OpenAPI v2, exec,
attach, port-forward, eviction, scale, tokens, CRD conversion webhooks, all kinds that are not in
`resources.BUILTINS`. ResourceQuota, LimitRange, NetworkPolicy and PriorityClass are stored and
enforce nothing. The gaps of CEL are listed in `cel`.
"""

from simulacra_controlplane.app import create_app
from simulacra_controlplane.store import Store

__all__ = ["Store", "create_app"]
