"""Generate the CustomResourceDefinitions from the pydantic models: `python -m simulacra_crds.crd_yaml DIR [--check]`.

With `--chart` the files are templates of the Helm chart: kept when it is uninstalled, left out where it is told to.

A Kubernetes structural schema is not quite JSON Schema: no $ref, no anyOf with null, no additionalProperties beside
properties, no const. This module rewrites what pydantic emits; what cannot be rewritten is an error here.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml
from simulacra_crds.kinds import KINDS
from simulacra_crds.kinds.base import CATEGORY, GROUP, VERSION, Resource

Schema = dict[str, Any]
_DROPPED = {"title", "$defs", "discriminator"}
FIXED_SPEC = {
    "Dataset": ("weights",),
    "Model": ("datasetRef", "family", "knowledge", "privacy", "seed", "resources"),
    "GenerationJob": (
        "modelRef",
        "rowCount",
        "conditions",
        "interventions",
        "counterfactual",
        "seed",
        "shards",
    ),
    "EffectEstimate": ("modelRef", "treatment", "value", "baseline", "outcome", "segment"),
}
"""Fields of spec that cannot change after creation: the work is done once."""


def structural(schema: Schema, defs: dict[str, Schema]) -> Schema:
    """Rewrite one JSON Schema (with its $defs) to a Kubernetes structural schema."""
    if "$ref" in schema:
        target = defs[schema["$ref"].rsplit("/", 1)[1]]
        return structural({**target, **{k: v for k, v in schema.items() if k != "$ref"}}, defs)
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        if len(options) != 1:
            raise TypeError(f"a union cannot be written as a structural schema: {schema}")
        rest = {k: v for k, v in schema.items() if k not in ("anyOf", "default") or v is not None}
        rest.pop("anyOf", None)
        return structural({**options[0], **rest}, defs)
    out = {key: value for key, value in schema.items() if key not in _DROPPED}
    if "const" in out:
        out["enum"] = [out.pop("const")]
    if "properties" in out:
        out["properties"] = {
            key: structural(value, defs) for key, value in out["properties"].items()
        }
        out.pop("additionalProperties", None)
    elif isinstance(out.get("additionalProperties"), dict):
        out["additionalProperties"] = structural(out["additionalProperties"], defs)
    elif out.get("additionalProperties") is True:
        out.pop("additionalProperties")
    out.pop(
        "propertyNames", None
    )  # not part of structural schemas; the API and prepare hold names against the schema
    if "items" in out:
        out["items"] = structural(out["items"], defs)
    if out.get("type") == "integer" and out.get("maximum", 0) > 2**31:
        out["format"] = "int64"
    return out


def _section(kind: type[Resource], field: str) -> Schema:
    annotation = kind.model_fields[field].annotation
    full = annotation.model_json_schema(by_alias=True)  # type: ignore[union-attr]
    return structural(full, full.get("$defs", {}))


def _fixed_rules(kind: str) -> list[dict[str, str]]:
    rules = []
    for field in FIXED_SPEC.get(kind, ()):
        rule = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
        message = f"{field} is fixed at creation; create another {kind}"
        rules.append({"rule": rule, "message": message, "fieldPath": f".{field}"})
    return rules


def crd(kind: type[Resource]) -> Schema:
    """Return the CustomResourceDefinition of one kind."""
    name = kind.model_fields["kind"].default
    spec = _section(kind, "spec")
    if rules := [*spec.get("x-kubernetes-validations", []), *_fixed_rules(name)]:
        spec["x-kubernetes-validations"] = rules
    schema: Schema = {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "required": ["spec"],
        "properties": {
            "apiVersion": {
                "type": "string",
                "description": f"{GROUP}/{VERSION}; the version of this schema.",
            },
            "kind": {"type": "string", "description": f"{name}; the kind of this resource."},
            "metadata": {
                "type": "object"
            },  # nothing more is allowed; the API server explains it itself
            "spec": spec,
            "status": _section(kind, "status"),
        },
    }
    if kind.RULES:
        schema["x-kubernetes-validations"] = [dict(rule) for rule in kind.RULES]
    version: Schema = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.to_wire() for column in kind.PRINTER_COLUMNS],
        "schema": {"openAPIV3Schema": schema},
    }
    if kind.SELECTABLE_FIELDS:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.SELECTABLE_FIELDS]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": kind.SCOPE,
            "names": {
                "kind": name,
                "listKind": f"{name}List",
                "plural": kind.PLURAL,
                "singular": name.lower(),
                "shortNames": list(kind.SHORT_NAMES),
                "categories": [CATEGORY],
            },
            "versions": [version],
        },
    }


def _text(definition: Schema) -> str:
    header = "# Generated by `make generate` from crds/simulacra_crds; do not edit.\n"
    return header + yaml.safe_dump(definition, sort_keys=False, width=120)


def _template(definition: Schema) -> str:
    """Return a CRD as a template of the chart: kept at uninstall, because every resource would go with it."""
    definition["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
    text = _text(definition)
    if "{{" in text:
        raise ValueError("a definition must not contain {{: helm would read it as a template")
    return f"{{{{- if .Values.crds.install }}}}\n{text}{{{{- end }}}}\n"


def render(*, chart: bool = False) -> dict[str, str]:
    """Return file name -> text for all kinds: plain YAML, or templates of the Helm chart."""
    write = _template if chart else _text
    return {f"{kind.PLURAL}.yaml": write(crd(kind)) for kind in KINDS}


def main(argv: list[str] | None = None) -> int:
    """Write the files, or with --check report (exit 1) which of them are out of date."""
    parser = argparse.ArgumentParser(prog="simulacra_crds.crd_yaml", description=main.__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--chart", action="store_true", help="write templates of the Helm chart")
    args = parser.parse_args(argv)
    stale = []
    for name, text in render(chart=args.chart).items():
        path = args.directory / name
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not args.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if args.check and stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run `make generate`\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
