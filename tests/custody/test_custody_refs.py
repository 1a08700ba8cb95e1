"""Object keys and encryption contexts of artifacts."""

import pytest

from simulacra_custody.refs import ArtifactRef, ResourceRef


def test_key_and_context_name_the_artifact() -> None:
    ref = ArtifactRef("acme", "datasets", "u-1", "parts/00000.parquet")
    assert ref.key == "tenants/acme/datasets/u-1/parts/00000.parquet"
    assert ref.encryption_context == {
        "tenant": "acme",
        "kind": "datasets",
        "uid": "u-1",
        "artefact": "parts/00000.parquet",
    }
    assert ref.resource.prefix == "tenants/acme/datasets/u-1/"
    assert ref.resource.encryption_context == {"tenant": "acme", "kind": "datasets", "uid": "u-1"}
    assert ref.resource.artifact("parts/00000.parquet") == ref
    assert ArtifactRef.from_key(ref.key) == ref


@pytest.mark.parametrize(
    "bad",
    ["", ".", "..", "a..b", ".hidden", "-x", "A", "a b", "a\n", "a\x00", "ä", "a/b", "a" * 252],
)
@pytest.mark.parametrize("field", ["tenant", "kind", "uid"])
def test_invalid_part_is_rejected_by_field_without_its_value(field: str, bad: str) -> None:
    parts = {"tenant": "acme", "kind": "datasets", "uid": "u", field: bad}
    with pytest.raises(ValueError, match=f"^{field} must match") as refusal:
        ResourceRef(**parts)
    assert len(bad) < 3 or bad not in str(refusal.value)
    with pytest.raises(ValueError, match=f"^{field} must match"):
        ArtifactRef(**parts, name="raw")


@pytest.mark.parametrize("bad", ["", "/", "a/", "/a", "a/b/c", "../x", "parts/..", "parts/A"])
def test_invalid_artifact_name_is_rejected(bad: str) -> None:
    with pytest.raises(ValueError, match=r"^artifact (may|must)"):
        ArtifactRef("acme", "datasets", "u", bad)


def test_longest_part_is_allowed() -> None:
    assert ResourceRef("a" * 251, "datasets", "u").tenant == "a" * 251


@pytest.mark.parametrize(
    "key",
    [
        "",
        "other/acme/datasets/u/raw",
        "tenants/acme/datasets",
        "tenants/acme/datasets/u",
        "tenants/acme/datasets/u/",
        "tenants//datasets/u/raw",
    ],
)
def test_foreign_key_is_rejected(key: str) -> None:
    with pytest.raises(ValueError):
        ArtifactRef.from_key(key)
