"""Defaults of built-in kinds, which Kubernetes fills in by Go code.

Source: kubernetes `pkg/apis/{core,batch}/v1/defaults.go` and the registries' strategies; only
fields that the product, its Job controller and node agent, or kubectl read.
"""

import base64
from collections.abc import Callable
from typing import Any

from simulacra_controlplane.objects import Object, meta


def _container(container: dict[str, Any]) -> None:
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    image = str(container.get("image", ""))
    tag = image.rpartition("/")[2].partition(":")[2]
    latest = "@" not in image and tag in ("", "latest")
    container.setdefault("imagePullPolicy", "Always" if latest else "IfNotPresent")
    container.setdefault("resources", {})
    for port in container.get("ports") or []:
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or []:
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None:
            reference.setdefault("apiVersion", "v1")
    resources = container["resources"]
    if resources.get("limits"):
        resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}


def _pod_spec(spec: dict[str, Any]) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for container in [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]:
        _container(container)
    for volume in spec.get("volumes") or []:
        for source in ("secret", "configMap", "projected", "downwardAPI"):
            if isinstance(volume.get(source), dict):
                volume[source].setdefault("defaultMode", 0o644)


def _pod(pod: Object) -> None:
    spec = pod.setdefault("spec", {})
    _pod_spec(spec)
    spec.setdefault("enableServiceLinks", True)
    if spec.get("serviceAccountName"):
        spec.setdefault("serviceAccount", spec["serviceAccountName"])
    pod.setdefault("status", {}).setdefault("phase", "Pending")
    pod["status"].setdefault("qosClass", _qos(spec))


def _qos(spec: dict[str, Any]) -> str:
    """Return the quality of service class. Source: `pkg/apis/core/v1/helper/qos`."""
    resources = [container.get("resources") or {} for container in spec.get("containers") or []]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    whole = all({"cpu", "memory"} <= (r.get("limits") or {}).keys() for r in resources)
    return (
        "Guaranteed"
        if whole and all(r["requests"] == r["limits"] for r in resources)
        else "Burstable"
    )


def _job(job: Object) -> None:
    spec = job.setdefault("spec", {})
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec.update(completions=1, parallelism=1)
    spec.setdefault("parallelism", 1)
    spec.setdefault(
        "backoffLimit", 2**31 - 1 if spec.get("backoffLimitPerIndex") is not None else 6
    )
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    policy = "Failed" if spec.get("podFailurePolicy") else "TerminatingOrFailed"
    spec.setdefault("podReplacementPolicy", policy)
    for rule in (spec.get("podFailurePolicy") or {}).get("rules") or []:
        for condition in rule.get("onPodConditions") or []:
            condition.setdefault("status", "True")
    template = spec.setdefault("template", {})
    _pod_spec(template.setdefault("spec", {}))
    job.setdefault("status", {})


def select_pods(job: Object) -> None:
    """On create: the generated selector and template labels by which a Job owns its pods."""
    spec, uid, name = job["spec"], meta(job)["uid"], meta(job)["name"]
    if spec.get("manualSelector"):
        return
    owned = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": name}
    labels = meta(spec["template"]).setdefault("labels", {})
    labels.update({"controller-uid": uid, "job-name": name, **owned})
    if not meta(job).get("labels"):
        meta(job)["labels"] = dict(labels)
    spec["selector"] = {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}


def _secret(secret: Object) -> None:
    secret.setdefault("type", "Opaque")
    plain = secret.pop("stringData", None) or {}
    if plain:
        encoded = {name: base64.b64encode(text.encode()).decode() for name, text in plain.items()}
        secret["data"] = {**(secret.get("data") or {}), **encoded}


def _namespace(namespace: Object) -> None:
    namespace.setdefault("spec", {}).setdefault("finalizers", ["kubernetes"])
    namespace.setdefault("status", {}).setdefault("phase", "Active")
    labels = meta(namespace).setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = meta(namespace).get("name", "")


def _priority_class(priority: Object) -> None:
    priority.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _network_policy(policy: Object) -> None:
    spec = policy.setdefault("spec", {})
    spec.setdefault(
        "policyTypes", ["Ingress", "Egress"] if spec.get("egress") is not None else ["Ingress"]
    )
    for rule in [*(spec.get("ingress") or []), *(spec.get("egress") or [])]:
        for port in rule.get("ports") or []:
            port.setdefault("protocol", "TCP")


def _service(service: Object) -> None:
    spec = service.setdefault("spec", {})
    for name, value in (
        ("type", "ClusterIP"),
        ("sessionAffinity", "None"),
        ("internalTrafficPolicy", "Cluster"),
    ):
        spec.setdefault(name, value)
    if spec.get("clusterIP"):
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
    for port in spec.get("ports") or []:
        port.setdefault("protocol", "TCP")
        port.setdefault("targetPort", port.get("port"))
    service.setdefault("status", {}).setdefault("loadBalancer", {})


def _crd(crd: Object) -> None:
    spec = crd.setdefault("spec", {})
    names = spec.setdefault("names", {})
    names.setdefault("singular", str(names.get("kind", "")).lower())
    names.setdefault("listKind", f"{names.get('kind', '')}List")
    spec.setdefault("conversion", {"strategy": "None"})


_DEFAULTS: dict[str, Callable[[Object], None]] = {
    "customresourcedefinitions.apiextensions.k8s.io": _crd,
    "jobs.batch": _job,
    "namespaces": _namespace,
    "networkpolicies.networking.k8s.io": _network_policy,
    "pods": _pod,
    "priorityclasses.scheduling.k8s.io": _priority_class,
    "secrets": _secret,
    "services": _service,
}


def fill(storage: str, obj: Object) -> None:
    """Fill in the defaults of a built-in kind, in place."""
    if storage in _DEFAULTS:
        _DEFAULTS[storage](obj)
