"""Tenant: valid encryption settings and names."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from simulacra_crds.kinds.tenant import TENANT_PATTERN, Encryption, Tenant

ROOT = Path(__file__).parents[2]

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::111122223333:role/simulacra-encrypt"


def test_default_encryption_is_managed() -> None:
    assert Encryption().to_wire() == {"mode": "Managed"}


@pytest.mark.parametrize(
    "given",
    [
        {"provider": "vault"},
        {"mode": "Customer", "keyArn": KEY},
        {
            "mode": "Customer",
            "keyArn": KEY,
            "provider": "awsKms",
            "roleArn": ROLE,
            "externalId": "x:7",
        },
    ],
)
def test_valid_encryption_is_accepted(given: dict[str, str]) -> None:
    assert Encryption.model_validate(given).to_wire() == {"mode": "Managed", **given}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"mode": "Customer"}, "set keyArn if and only if mode is Customer"),
        ({"keyArn": KEY}, "set keyArn if and only if mode is Customer"),
        ({"roleArn": ROLE}, "roleArn needs keyArn"),
        ({"mode": "Customer", "keyArn": KEY, "externalId": "xx"}, "externalId needs roleArn"),
        ({"mode": "Customer", "keyArn": KEY.replace(":key/", ":alias/")}, "keyArn"),
        ({"mode": "Customer", "keyArn": KEY + " --extra"}, "keyArn"),
        ({"mode": "Customer", "keyArn": KEY, "roleArn": "arn:aws:iam::1:role/x"}, "roleArn"),
        ({"provider": "gcp"}, "provider"),
    ],
)
def test_invalid_encryption_is_rejected_by_field(given: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Encryption.model_validate(given)


@pytest.mark.parametrize("name", ["a", "0-a", "a" * 56])
def test_name_that_fits_a_namespace_is_accepted(name: str) -> None:
    assert Tenant.model_validate({"metadata": {"name": name}, "spec": {}}).metadata.name == name


@pytest.mark.parametrize("name", ["a" * 57, "a.b", "A", "-a", "a-"])
def test_name_that_fits_no_namespace_is_rejected(name: str) -> None:
    with pytest.raises(ValidationError, match="name must be 1 to 56 characters"):
        Tenant.model_validate({"metadata": {"name": name}, "spec": {}})


def test_chart_has_the_same_pattern_of_names() -> None:
    schema = json.loads((ROOT / "charts" / "simulacra" / "values.schema.json").read_text())
    pattern = schema["properties"]["namespaces"]["items"]["pattern"]
    assert pattern == TENANT_PATTERN.replace("^", "^tenant-")
