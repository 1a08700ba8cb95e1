"""Whose key a tenant's data is under: what a Tenant may say."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from simulacra_crds.kinds.tenant import TENANT_PATTERN, Encryption, Tenant

ROOT = Path(__file__).parents[2]

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::111122223333:role/simulacra-encrypt"


def test_default_is_managed_by_the_installations_first_provider() -> None:
    assert Encryption().to_wire() == {"mode": "Managed"}


@pytest.mark.parametrize(
    "given",
    [
        {"provider": "vault"},
        {"mode": "Customer", "keyArn": KEY},
        {
            "mode": "Customer",
            "provider": "awsKms",
            "keyArn": KEY,
            "roleArn": ROLE,
            "externalId": "a7:x",
        },
    ],
)
def test_lawful(given: dict[str, str]) -> None:
    assert Encryption.model_validate(given).to_wire() == {"mode": "Managed", **given}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"mode": "Customer"}, "keyArn goes with mode Customer"),
        ({"keyArn": KEY}, "keyArn goes with mode Customer"),
        ({"roleArn": ROLE}, "roleArn goes with keyArn"),
        ({"mode": "Customer", "keyArn": KEY, "externalId": "xx"}, "externalId goes with roleArn"),
        ({"mode": "Customer", "keyArn": KEY.replace(":key/", ":alias/")}, "keyArn"),
        ({"mode": "Customer", "keyArn": KEY + " --extra"}, "keyArn"),
        ({"mode": "Customer", "keyArn": KEY, "roleArn": "arn:aws:iam::1:role/x"}, "roleArn"),
        ({"provider": "gcp"}, "provider"),
    ],
)
def test_refused_by_field(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Encryption.model_validate(given)


@pytest.mark.parametrize("name", ["a", "0-a", "a" * 56])
def test_a_name_that_makes_a_namespace(name: str) -> None:
    assert Tenant.model_validate({"metadata": {"name": name}, "spec": {}}).metadata.name == name


@pytest.mark.parametrize("name", ["a" * 57, "a.b", "A", "-a", "a-"])
def test_a_name_that_makes_none(name: str) -> None:
    with pytest.raises(ValidationError, match="name must be 1 to 56 characters"):
        Tenant.model_validate({"metadata": {"name": name}, "spec": {}})


def test_the_chart_lists_the_same_names() -> None:
    schema = json.loads((ROOT / "charts" / "simulacra" / "values.schema.json").read_text())
    assert schema["properties"]["namespaces"]["items"]["pattern"] == TENANT_PATTERN.replace(
        "^", "^tenant-"
    )
