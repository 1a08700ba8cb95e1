"""The control mappings as a component definition of OSCAL (NIST's Open Security Controls
Assessment Language), https://pages.nist.gov/OSCAL/resources/concepts/layer/implementation/component-definition/.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID, uuid5

from simulacra_api.trust.claims import Claim
from simulacra_api.trust.documents import Document, Item

VERSION = "1.2.1"
"""Of OSCAL; tests/api/data has the schema of this version."""
_NAMESPACE = UUID("8f9b9dd2-5b4b-5a6e-9a52-0c7c2f6d2a11")
"""Of the identifiers below, so that the same document has the same ones."""
PROPERTIES = "https://simulacra.dev/ns/trust"


def component_definition(
    documents: Iterable[Document], claims: Mapping[str, Claim], version: str, at: str
) -> dict[str, Any]:
    """Return the definition of one component, the product, with one part per set of controls."""
    parts = [_implementation(one, claims) for one in documents]
    component = {
        "uuid": _uuid("component"),
        "type": "software",
        "title": "Simulacra",
        "description": "Synthetic survey tables, with proof that the data behind them was erased.",
        "props": [{"name": "version", "value": version}],
        "control-implementations": parts,
    }
    metadata = {
        "title": "Controls of Simulacra",
        "last-modified": at,
        "version": version,
        "oscal-version": VERSION,
    }
    definition = {"uuid": _uuid(version, at), "metadata": metadata, "components": [component]}
    return {"component-definition": definition}


def _implementation(document: Document, claims: Mapping[str, Claim]) -> dict[str, Any]:
    return {
        "uuid": _uuid(document.name),
        "source": document.source,
        "description": document.title,
        "implemented-requirements": [
            _requirement(document.name, one, claims) for one in document.items
        ],
    }


def _requirement(name: str, item: Item, claims: Mapping[str, Claim]) -> dict[str, Any]:
    status = ("partial" if item.open else "implemented") if item.says else "planned"
    named = {claim: claims[claim] for said in item.says for claim in said.claims}
    props = [{"name": "implementation-status", "value": status}]
    props += [
        {"name": "claim", "ns": PROPERTIES, "value": one.id, "class": one.result.replace(" ", "-")}
        for one in named.values()
    ]
    requirement: dict[str, Any] = {
        "uuid": _uuid(name, item.id),
        # A token begins with a letter; numbers of sections do not.
        "control-id": item.id if item.id[0].isalpha() else f"s{item.id}",
        "description": " ".join(one.text for one in item.says) or item.about,
        "props": props,
    }
    if named:
        requirement["links"] = [{"href": f"claims.html#{one}", "rel": "reference"} for one in named]
    if item.open:
        requirement["remarks"] = f"Open, turn of the {item.turn}: {item.open}"
    return requirement


def _uuid(*names: str) -> str:
    return str(uuid5(_NAMESPACE, "/".join(names)))
