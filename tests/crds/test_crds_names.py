"""Computed names: equal requests give equal names, different ones do not."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulacra_crds import names
from simulacra_crds.kinds.base import NAME_PATTERN, expires_at
from simulacra_crds.registry import WITH_JOB

keys = st.text(min_size=1, max_size=255)


@given(tenant=keys, key=keys, other=keys)
def test_dataset_names_are_valid_and_depend_on_tenant_and_key(
    tenant: str, key: str, other: str
) -> None:
    name = names.dataset_name(tenant, key)
    assert re.fullmatch(NAME_PATTERN, name)
    assert names.dataset_name(tenant, key) == name
    assert (names.dataset_name(tenant, other) == name) == (other == key)
    assert (names.dataset_name(other, key) == name) == (other == tenant)
    assert re.fullmatch(NAME_PATTERN, names.model_name(name))
    assert re.fullmatch(NAME_PATTERN, names.child_name(name, "uid", "generate"))


@given(key=keys)
def test_one_key_serves_an_upload_and_a_generation(key: str) -> None:
    dataset = names.dataset_name("t", key)
    generation = names.result_name("GenerationJob", "t", dataset, key)
    assert generation.removeprefix("gen-") != dataset.removeprefix("ds-")
    assert names.resource_of_job(names.job_id(generation)) == ("GenerationJob", generation)


@pytest.mark.parametrize("kind", [info.kind for info in WITH_JOB])
@pytest.mark.parametrize("name", ["wave-2", "ds-1", "gen-1", "a", "mdl-abc", "gen"])
def test_every_name_has_a_job_id_of_its_own_kind(kind: str, name: str) -> None:
    """With kubectl, people give names without our prefix or with that of another kind."""
    assert names.resource_of_job(names.job_id(name, kind)) == (kind, name)


def test_foreign_job_ids_have_no_resource() -> None:
    assert names.resource_of_job("ds-abc") is None
    assert names.resource_of_job("job-mdl-abc") is None


def test_child_names_differ_between_uids_of_one_name() -> None:
    assert names.child_name("ds-a", "uid-1", "prepare") != names.child_name(
        "ds-a", "uid-2", "prepare"
    )


def test_retention_counts_from_the_end_of_the_work() -> None:
    created = datetime(2026, 1, 1, tzinfo=UTC)
    finished = created + timedelta(hours=1)
    assert expires_at(created, None, 60) == created + timedelta(seconds=60)
    assert expires_at(created, finished, 60) == finished + timedelta(seconds=60)


def test_system_namespace_is_read_on_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIMULACRA_NAMESPACE", raising=False)
    assert names.system_namespace() == "simulacra-system"
    monkeypatch.setenv("SIMULACRA_NAMESPACE", "own")
    assert names.system_namespace() == "own"
    assert (names.keys_namespace(), names.clients_namespace()) == ("own-keys", "own-clients")
