"""The command that exports the certificates of a deleted tenant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proofs import KEYS, Proofs
from simulacra.certificates import verify_certificate
from simulacra_custody import export_certificates


@pytest.fixture
def proofs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proofs:
    monkeypatch.setenv("SIMULACRA_AUDIT", f"file://{tmp_path}/audit")
    return Proofs(tmp_path / "audit")


@pytest.mark.parametrize(("named", "ids"), [("acme", ["ds-1", "ds-2"]), ("uid-2", ["ds-2"])])
def test_exported_certificates_verify(
    proofs: Proofs, capsys: pytest.CaptureFixture[str], named: str, ids: list[str]
) -> None:
    proofs.certify("uid-1", "ds-1", "u1")
    proofs.certify("uid-2", "ds-2", "u2")
    assert export_certificates.main([named]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    keys = KEYS.public_document()
    assert sorted(verify_certificate(one, keys)["id"] for one in found) == ids


def test_unknown_tenant_is_reported(proofs: Proofs, capsys: pytest.CaptureFixture[str]) -> None:
    proofs.certify("uid-1", "ds-1", "u1")
    assert export_certificates.main(["globex"]) == 1
    said = capsys.readouterr()
    assert (said.out, "no certificate of tenant 'globex'" in said.err) == ("", True)
