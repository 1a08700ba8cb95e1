"""Results of the canary's runs, and the signed ConfigMap that keeps the last of them."""

from collections.abc import Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, BaseModel

from simulacra_crds.kinds.base import GROUP
from simulacra_crds.kinds.tenant import CANARY_CONDITION
from simulacra_crds.kube.client import CONFIGMAPS, TENANTS, Cluster, Object
from simulacra_crds.names import CANARY, system_namespace
from simulacra_crds.reasons import Reason
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.signed_note import open_note, sign_note
from simulacra_operator.observed.conditions import Finding, conditions
from simulacra_operator.observed.custom_resource import parse
from simulacra_operator.runtime import configmap
from simulacra_operator.tasks.canary.places import Searched

RUN_NOW = f"{GROUP}/run-canary"
"""Annotation of the ConfigMap that asks for a run at once."""
KEPT = 24
TENANT = "simulacra-canary"
LABEL = f"{GROUP}/canary"
"""Label of the canary's Tenant; one without it is a customer's, and left alone."""


class Verdict(StrEnum):
    """Result of a run."""

    CLEAN = "Clean"
    """Every place was searched, and no mark was found."""
    PARTLY_SEARCHED = "PartlySearched"
    """No mark was found, but a place could not be searched."""
    LEAK = "Leak"
    """A mark was found after the erasure."""
    FAILED = "Failed"
    """The run did not reach its end, so nothing was searched."""


class CanaryResult(BaseModel, extra="forbid", frozen=True):
    """Result of one run.

    Attributes:
        started: when it began.
        ended: when its search ended.
        erased_by: how its data was erased.
        detail: why it failed, empty otherwise.
    """

    started: AwareDatetime
    ended: AwareDatetime
    erased_by: str
    verdict: Verdict
    detail: str = ""
    places: tuple[Searched, ...] = ()

    def named(self, *, found: bool) -> str:
        """Return the names of the places with a mark, or of those that were not searched."""
        chosen = (one.found > 0 if found else one.unsearched is not None for one in self.places)
        return ", ".join(
            one.place for one, wanted in zip(self.places, chosen, strict=True) if wanted
        )

    def in_words(self) -> str:
        """Return the result as a sentence, without a mark."""
        leaks, unsearched = self.named(found=True), self.named(found=False)
        if self.verdict == Verdict.FAILED:
            return f"The canary's run did not end: {self.detail}."
        said = f"Marks were found in: {leaks}." if leaks else "No mark was found."
        return f"{said} Not searched: {unsearched}." if unsearched else said


class _Results(BaseModel, extra="forbid", frozen=True):
    results: tuple[CanaryResult, ...] = ()


_CONDITIONS: dict[Verdict, tuple[Literal["True", "False", "Unknown"], Reason]] = {
    Verdict.CLEAN: ("True", Reason.CANARY_CLEAN),
    Verdict.LEAK: ("False", Reason.CANARY_LEAK),
    Verdict.PARTLY_SEARCHED: ("Unknown", Reason.CANARY_PARTLY_SEARCHED),
    Verdict.FAILED: ("Unknown", Reason.CANARY_FAILED),
}


def is_canary(tenant: Object) -> bool:
    """Return whether a Tenant was made by the canary."""
    return LABEL in (tenant["metadata"].get("labels") or {})


def judge(places: tuple[Searched, ...]) -> Verdict:
    """Return the verdict on a finished search; what could not be searched never improves it."""
    if any(one.found for one in places):
        return Verdict.LEAK
    if not places or any(one.unsearched is not None for one in places):
        return Verdict.PARTLY_SEARCHED
    return Verdict.CLEAN


def open_leaks(results: Sequence[CanaryResult]) -> tuple[str, ...]:
    """Return the places whose last search, of results newest first, found a mark.

    A search that failed since closes none.
    """
    last: dict[str, bool] = {}
    for one in (place for result in results for place in result.places):
        if one.found or one.unsearched is None:
            last.setdefault(one.place, one.found > 0)
    return tuple(place for place, found in last.items() if found)


class CanaryRecord:
    """The ConfigMap `canary` in the system namespace: the last results, signed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def find(self, keys: InstallationKeys) -> tuple[tuple[CanaryResult, ...], bool]:
        """Return the results, newest first, and whether somebody asks for a run at once."""
        found = await self._cluster.find(CONFIGMAPS, CANARY, system_namespace())
        if found is None:
            return (), False
        asked = RUN_NOW in (found["metadata"].get("annotations") or {})
        note = (found.get("data") or {}).get("results", "")
        with suppress(ValueError):
            text = open_note(note.encode(), keys.log_key)
            return _Results.model_validate_json(text).results, asked
        return (), asked

    async def show(self, results: Sequence[CanaryResult]) -> None:
        """Write the newest result to the condition of the canary's Tenant, if there is one."""
        result, leaks = results[0], open_leaks(results)
        found = await self._cluster.find(TENANTS, TENANT)
        if found is None or not is_canary(found):
            return
        tenant = parse({"apiVersion": TENANTS.api_version, "kind": TENANTS.kind, **found})
        before = tenant.status.conditions
        status, reason = _CONDITIONS[Verdict.LEAK if leaks else result.verdict]
        finding = {CANARY_CONDITION: Finding(status, reason, result.in_words())}
        own = conditions(before, finding, tenant.meta.generation, result.ended)
        others = [one for one in before if one.type != CANARY_CONDITION]
        patch: Object = {
            "metadata": {"resourceVersion": tenant.meta.resource_version},
            "status": {"conditions": [one.to_wire() for one in (*others, *own)]},
        }
        await self._cluster.patch(TENANTS, TENANT, patch, subresource="status")

    async def save(self, keys: InstallationKeys, results: tuple[CanaryResult, ...]) -> None:
        """Write the newest results."""
        text = _Results(results=results[:KEPT]).model_dump_json() + "\n"
        data = {"results": sign_note(text, keys.log_name, keys.checkpoint).decode()}
        answered = {"annotations": {RUN_NOW: None}}
        await configmap.save(self._cluster, CANARY, data, metadata=answered)
