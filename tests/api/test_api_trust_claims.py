"""Results of the claims: only what a report measured counts; a signature is of its statement."""

from __future__ import annotations

import base64
import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulacra_api.trust.claims import Held, Result, open_results, read_claims

ROOT = Path(__file__).resolve().parents[2]
SCRIPT: dict[str, Any] = runpy.run_path(str(ROOT / "scripts" / "claims.py"))
CLAIM = "own-context"
FIRST = "test_other_context_is_rejected"
SECOND = "test_other_tenant_is_rejected"
COMMIT = "a" * 40


def report(folder: Path, name: str, cases: dict[str, str], commit: str = COMMIT) -> Path:
    """Write a report as pytest does; a case's text is the element inside, empty if it passed."""
    at = "2026-11-30T10:00:00+00:00" if commit == COMMIT else "2026-11-29T10:00:00+00:00"
    inside = "".join(
        f'<testcase classname="tests.custody.test_custody_key_contract" name="{case}">{child}'
        "</testcase>"
        for case, child in cases.items()
    )
    file = folder / f"{name}.xml"
    suite = f'<testsuite name="{commit}" timestamp="{at}">{inside}</testsuite>'
    file.write_text(f"<testsuites>{suite}</testsuites>")
    return file


def written(folder: Path, *reports: Path) -> dict[str, Any]:
    output = folder / "claims.json"
    assert SCRIPT["main"]([*map(str, reports), "-o", str(output)]) == 0
    return dict(json.loads(output.read_text()))


def result(document: dict[str, Any]) -> str:
    claims = document["statement"]["claims"]
    return str(next(one["result"] for one in claims if one["id"] == CLAIM))


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ({}, "not run"),
        ({FIRST: ""}, "not run"),
        ({FIRST: "", SECOND: ""}, "passed"),
        ({f"{FIRST}[a]": "", f"{FIRST}[b]": "<skipped/>", SECOND: ""}, "skipped"),
        ({f"{FIRST}[a]": "", f"{FIRST}[b]": "<failure/>", SECOND: ""}, "failed"),
        ({FIRST: "", SECOND: "<error/>"}, "failed"),
    ],
)
def test_only_a_measured_pass_counts_as_passed(
    tmp_path: Path, cases: dict[str, str], said: str
) -> None:
    assert result(written(tmp_path, report(tmp_path, "one", cases))) == said


def test_a_case_that_one_report_skips_counts_from_another(tmp_path: Path) -> None:
    one = report(tmp_path, "one", {FIRST: "<skipped/>", SECOND: ""})
    two = report(tmp_path, "two", {FIRST: ""})
    assert result(written(tmp_path, one, two)) == "passed"
    assert result(written(tmp_path, tmp_path)) == "passed", "a folder of reports"
    three = report(tmp_path, "three", {FIRST: "<failure/>"})
    assert result(written(tmp_path, one, two, three)) == "failed"


def test_results_of_another_commit_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = report(tmp_path, "old", {SECOND: ""}, commit="b" * 40)
    new = report(tmp_path, "new", {FIRST: ""})
    document = written(tmp_path, old, new)
    assert result(document) == "not run"
    assert "b" * 40 in capsys.readouterr().err
    held = [one for claim in document["statement"]["claims"] for one in claim["held_by"]]
    assert {one["commit"] for one in held if one["result"] == "passed"} == {COMMIT}


def test_report_that_cannot_be_read_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, text in (("cut.xml", "<testsuites><test"), ("missing.xml", None)):
        if text:
            (tmp_path / name).write_text(text)
        with pytest.raises(SystemExit):
            SCRIPT["main"]([str(tmp_path / name), "-o", str(tmp_path / "claims.json")])
        assert "a report cannot be read" in capsys.readouterr().err
    assert not (tmp_path / "claims.json").exists()


def test_signed_results_verify_with_the_key_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [Ed25519PrivateKey.generate() for _ in range(2)]
    seed = base64.b64encode(keys[0].private_bytes_raw()).decode()
    publics = [base64.b64encode(one.public_key().public_bytes_raw()).decode() for one in keys]
    monkeypatch.setenv("SIMULACRA_RELEASE_KEY", seed)
    document = written(tmp_path, report(tmp_path, "one", {FIRST: ""}))
    SCRIPT["verify"](document, publics[0])
    with pytest.raises(ValueError, match="does not match the key"):
        SCRIPT["verify"](document, publics[1])
    document["statement"]["claims"][0]["result"] = "passed"
    with pytest.raises(ValueError, match="another statement"):
        open_results(document)
    with pytest.raises(ValueError, match="unsigned"):
        SCRIPT["verify"](document | {"signature": None}, publics[0])


def test_a_claim_has_the_worst_result_of_its_tests() -> None:
    claims = read_claims({})
    assert {one.result for one in claims.values()} == {Result.NOT_RUN}
    tests = [one.test for one in claims[CLAIM].held_by]
    passed = {test: Held(test, Result.PASSED) for test in tests}
    assert read_claims(passed)[CLAIM].result == Result.PASSED
    assert (
        read_claims(passed | {tests[1]: Held(tests[1], Result.SKIPPED)})[CLAIM].result == "skipped"
    )
