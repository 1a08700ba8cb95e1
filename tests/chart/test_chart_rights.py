"""The tables of rights in operations.md are the rights that the rendered chart grants."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict

import pytest

from helm_chart import OWN, ROOT, SYSTEM, rbac_objects

PAGE = (ROOT / "docs" / "howto" / "operations.md").read_text()
LISTED = "namespaces={tenant-acme}"
CREDENTIALS = "credentials.existingSecret"
ROW = re.compile(r"^\| (`.+?) \| (.+?) \| ([a-z, ]+) \| (.+) \|$")
CLUSTER = {"tenants", "accessrequests", "namespaces", "customresourcedefinitions"}

Rights = dict[tuple[str, str, str], set[str]]
"""Verbs by resource (`plural.group`), object's name (empty: any) and place."""


def documented(component: str) -> Rights:
    """Return the rights in the page's table of an account."""
    table = PAGE.partition(f"\n`simulacra-{component}`:\n\n")[2]
    found: Rights = defaultdict(set)
    for line in itertools.takewhile(lambda line: line.startswith("|"), table.splitlines()):
        row = ROW.match(line)
        if row is None:
            continue
        resources, _, name = row[1].partition(": ")
        for resource in re.findall(r"`(.+?)`", resources):
            found[resource, name.strip("`"), row[2].strip("`")] |= set(row[3].split(", "))
    return found


def rendered(component: str, values: str = OWN) -> Rights:
    """Return the rights that the chart grants, named as in the page."""
    found: Rights = defaultdict(set)
    for one in rbac_objects(component, "--set", f"{values},{CREDENTIALS}={CREDENTIALS}"):
        for rule in one.get("rules", ()):
            names = rule.get("resourceNames", [""])
            for group, plural, name in itertools.product(
                rule["apiGroups"], rule["resources"], names
            ):
                plain = plural.split("/")[0] in CLUSTER
                place = one["metadata"].get("namespace") or ("cluster" if plain else "tenants")
                resource = f"{plural}.{group}" if group else plural
                found[resource, name, place] |= set(rule["verbs"])
    return found


@pytest.mark.parametrize("component", ["api", "operator"])
def test_operations_page_lists_every_right_and_no_other(component: str) -> None:
    assert len(rendered(component)) > 9
    assert documented(component) == rendered(component)


@pytest.mark.parametrize("component", ["api", "operator"])
def test_listed_namespaces_grant_what_the_page_says(component: str) -> None:
    everywhere = documented(component)
    for (resource, name, place), verbs in rendered(component, f"{OWN},{LISTED}").items():
        at = "tenants" if place == "tenant-acme" else place
        known = everywhere.get((resource, name, at), set())
        if component == "operator" and resource == "namespaces":
            assert verbs == {"get"}
            continue
        if place in (SYSTEM, f"{SYSTEM}-keys", "default") and not known:
            known = everywhere[resource, name, "tenants"]  # by a Role of its own
        assert verbs <= known | {"delete"}, (resource, name, place)


def test_canary_adds_one_right_of_the_operator_and_none_of_the_api() -> None:
    with_canary = f"{OWN},canary.minutes=60"
    more: Rights = {
        right: added
        for right, verbs in rendered("operator", with_canary).items()
        if (added := verbs - rendered("operator").get(right, set()))
    }
    kinds = ("datasets", "models", "generationjobs")
    assert more == {(f"{kind}.simulacra.dev", "", "tenants"): {"create"} for kind in kinds}
    assert rendered("api", with_canary) == rendered("api")
    assert rendered("operator", f"{LISTED},{with_canary}") == rendered(
        "operator", f"{LISTED},{OWN}"
    )
