"""Generator of the CustomResourceDefinitions: `python -m simulacra_crds.crd_yaml DIR [--check]`.

With `--chart` it writes templates of the Helm chart.

A Kubernetes structural schema is a subset of JSON Schema: no $ref, no anyOf with null, no
additionalProperties beside properties, no const. This module rewrites pydantic's schemas, and
rejects what it cannot rewrite.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from simulacra_crds.kinds.base import CATEGORY, GROUP, VERSION, Resource
from simulacra_crds.registry import BY_KIND, KINDS, RESULTS, WORK

Schema = dict[str, Any]
# propertyNames: not in structural schemas; the API and prepare check names against the schema.
_DROPPED = {"title", "$defs", "discriminator", "propertyNames"}


def structural(schema: Schema, defs: dict[str, Schema]) -> Schema:
    """Rewrite a JSON Schema (with its $defs) as a Kubernetes structural schema."""
    if "$ref" in schema:
        target = defs[schema["$ref"].rsplit("/", 1)[1]]
        return structural({**target, **{k: v for k, v in schema.items() if k != "$ref"}}, defs)
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        if len(options) != 1:
            raise TypeError(f"a union cannot be written as a structural schema: {schema}")
        rest = {
            k: v for k, v in schema.items() if k != "anyOf" and (k != "default" or v is not None)
        }
        return structural({**options[0], **rest}, defs)
    out = {key: value for key, value in schema.items() if key not in _DROPPED}
    if isinstance(out.get("type"), list):  # a level, which is text here: a field has one type
        out["type"] = "string"
    if "const" in out:
        out["enum"] = [out.pop("const")]
    values = out.get("additionalProperties")
    if "properties" in out:
        fields = out["properties"].items()
        out["properties"] = {key: structural(value, defs) for key, value in fields}
        out.pop("additionalProperties", None)
    elif isinstance(values, dict):
        out["additionalProperties"] = structural(values, defs)
    elif values is True:
        out.pop("additionalProperties")
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
    for field in BY_KIND[kind].fixed:
        one = f"self.{field}"
        old = f"oldSelf.{field}"
        rule = f"has({one}) == has({old}) && (!has({one}) || {one} == {old})"
        message = f"{field} is fixed at creation; create another {kind}"
        rules.append({"rule": rule, "message": message, "fieldPath": f".{field}"})
    return rules


def crd(kind: type[Resource]) -> Schema:
    """Return the CustomResourceDefinition of a kind."""
    name = kind.model_fields["kind"].default
    spec = _section(kind, "spec")
    if rules := [*spec.get("x-kubernetes-validations", []), *_fixed_rules(name)]:
        spec["x-kubernetes-validations"] = rules
    api_version = f"{GROUP}/{VERSION}; the version of this schema."
    schema: Schema = {
        "type": "object",
        "description": (kind.__doc__ or "").strip(),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": api_version},
            "kind": {"type": "string", "description": f"{name}; the kind of this resource."},
            # Kubernetes allows nothing more here and describes the field itself.
            "metadata": {"type": "object"},
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
    """Return a CRD as a template of the chart.

    Helm keeps it at an uninstall, because Kubernetes would delete every resource with it.
    """
    definition["metadata"]["annotations"] = {"helm.sh/resource-policy": "keep"}
    text = _text(definition)
    if "{{" in text:
        raise ValueError("a definition must not contain {{: helm would read it as a template")
    return f"{{{{- if .Values.crds.install }}}}\n{text}{{{{- end }}}}\n"


def render(*, chart: bool = False) -> dict[str, str]:
    """Return file name and text of each kind: plain YAML, or the Helm chart's templates."""
    write = _template if chart else _text
    lists = {"_kinds.tpl": _lists()} if chart else {}
    return lists | {f"{kind.PLURAL}.yaml": write(crd(kind)) for kind in KINDS}


def _lists() -> str:
    """Return the chart's lists of kinds, over which its roles and policies range."""
    lists = {
        "cluster": [kind.PLURAL for kind in KINDS if kind.SCOPE == "Cluster"],
        "work": [info.resource.PLURAL for info in WORK],
        "results": [kind.PLURAL for kind in RESULTS.values()],
    }
    define = '{{{{- define "simulacra.kinds.{}" }}}}{}{{{{ end }}}}\n'
    header = "{{- /* Generated by `make generate` from simulacra_crds.registry; do not edit. */}}\n"
    return header + "".join(define.format(name, ", ".join(of)) for name, of in lists.items())


def main(argv: list[str] | None = None) -> int:
    """Write the definitions; with --check only report outdated files (exit 1)."""
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
