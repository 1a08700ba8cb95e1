"""Rules of built-in kinds beyond their schemas, which Kubernetes has in Go code.

Source: kubernetes `pkg/apis/{core,batch}/validation`; only rules about what the product, kubectl
and the embedded Job controller and node agent write. A rule that is missing here lets an object in
that a real server refuses.
"""

import re
from typing import Any

from simulacra_controlplane.errors import FieldError, invalid_value
from simulacra_controlplane.objects import Object
from simulacra_controlplane.schema import crd
from simulacra_controlplane.schema.validation import shown

_IMMUTABLE_TEXT = "field is immutable"
_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', "
    " or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
_NOT_NEGATIVE = (
    *("parallelism", "completions", "backoffLimit"),
    *("activeDeadlineSeconds", "ttlSecondsAfterFinished"),
)
_FIXED_JOB_FIELDS = (
    *("completionMode", "podFailurePolicy", "successPolicy", "backoffLimitPerIndex"),
    *("selector", "template", "managedBy"),
)


def check(storage: str, obj: Object, old: Object | None) -> list[FieldError]:
    """Return the violations of an object of a built-in kind, given its stored state if any."""
    if storage == crd.STORAGE:
        return crd.check(obj)
    if storage in ("secrets", "configmaps"):
        return _keys(obj) + (_frozen(storage, obj, old) if old is not None else [])
    if storage == "jobs.batch":
        return _job(obj["spec"]) if old is None else _job_update(obj["spec"], old["spec"])
    if storage == "services" and obj["spec"].get("clusterIP") != "None":
        text = f"{shown(obj['spec'].get('clusterIP'))}: only headless Services are served; set None"
        return [invalid_value("spec.clusterIP", text)]
    if storage == "pods":
        spec = obj["spec"]
        return _containers(spec, "spec") if old is None else _pod_update(spec, old["spec"])
    return []


def _keys(obj: Object) -> list[FieldError]:
    names = [(field, name) for field in ("data", "binaryData") for name in obj.get(field) or {}]
    return [
        invalid_value(f"{field}[{name}]", f"{shown(name)}: {_KEY_TEXT}")
        for field, name in names
        if not _KEY.fullmatch(name) or len(name) > 253
    ]


def _frozen(storage: str, obj: Object, old: Object) -> list[FieldError]:
    problems = []
    if old.get("immutable"):
        text = "field is immutable when `immutable` is set"
        problems = [
            FieldError(name, "FieldValueForbidden", text)
            for name in ("immutable", "data", "binaryData")
            if obj.get(name) != old.get(name)
        ]
    if storage == "secrets" and obj.get("type") != old.get("type"):
        problems.append(invalid_value("type", f"{shown(obj.get('type'))}: {_IMMUTABLE_TEXT}"))
    return problems


def _containers(spec: dict[str, Any], path: str) -> list[FieldError]:
    containers = spec.get("containers")
    if containers == []:
        return [FieldError(f"{path}.containers", "FieldValueRequired")]
    return [
        FieldError(f"{path}.containers[{index}].image", "FieldValueRequired")
        for index, container in enumerate(containers or [])
        if not container.get("image")
    ]


def _job(spec: dict[str, Any]) -> list[FieldError]:
    least = "must be greater than or equal to 0"
    problems = [
        invalid_value(f"spec.{name}", f"{spec[name]}: {least}")
        for name in _NOT_NEGATIVE
        if (spec.get(name) or 0) < 0
    ]
    if spec["completionMode"] == "Indexed" and spec.get("completions") is None:
        detail = "when completion mode is Indexed"
        problems.append(FieldError("spec.completions", "FieldValueRequired", detail))
    template = spec["template"]["spec"]
    problems += _containers(template, "spec.template.spec")
    if template["restartPolicy"] not in ("OnFailure", "Never"):
        path, detail = "spec.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"'
        problems.append(FieldError(path, "FieldValueRequired", detail))
    return problems


def _job_update(new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
    """Return the violations of an update. Source: `ValidateJobSpecUpdate`, without scheduling."""
    changed = [name for name in _FIXED_JOB_FIELDS if new.get(name) != old.get(name)]
    if new.get("completionMode") != "Indexed" and new.get("completions") != old.get("completions"):
        changed.append("completions")
    found = ((name, f"{shown(new.get(name))}: {_IMMUTABLE_TEXT}") for name in changed)
    return [invalid_value(f"spec.{name}", detail) for name, detail in found]


def _pod_update(new: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
    """Return the violations of an update. Source: `ValidatePodUpdate`."""

    def fixed(spec: dict[str, Any]) -> dict[str, Any]:
        free = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")
        kept = {name: value for name, value in spec.items() if name not in free}
        kept["containers"] = [{**c, "image": ""} for c in spec.get("containers", [])]
        if not old.get("nodeName"):
            kept.pop("nodeName", None)
        return kept

    if fixed(new) == fixed(old):
        return []
    text = (
        "pod updates may not change fields other than"
        " `spec.containers[*].image`,`spec.activeDeadlineSeconds`,"
        "`spec.tolerations`,`spec.terminationGracePeriodSeconds`"
    )
    return [FieldError("spec", "FieldValueForbidden", text)]
