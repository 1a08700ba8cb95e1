"""Write `claims.json`: each claim, its tests, and the result of their last run.

    python scripts/claims.py build/reports
    python scripts/claims.py --verify claims.json --key KEY

The reports are pytest's (`--junitxml`), with the commit as name of the suite (`-o
junit_suite_name`), so that a result is never told of another commit than that it was measured on.
All must be of the commit of the newest one; others are named and left out. A test of several cases
passed when each case passed in some report and failed in none. What no report names stays "not
run".

`SIMULACRA_RELEASE_KEY`, the base64 of an Ed25519 seed of 32 bytes, signs the file (compact JWS);
without it the file says that it is unsigned. KEY is the base64 of the public key.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from joserfc import jws
from joserfc.jwk import OKPKey

from simulacra_api.trust.claims import RESULTS, Held, Result, open_results, read_claims

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "api" / "simulacra_api" / "trust" / "data" / RESULTS
KEY_VARIABLE = "SIMULACRA_RELEASE_KEY"
ALGORITHM = "Ed25519"


class Case(NamedTuple):
    """A case of a test in a report."""

    name: str
    result: Result
    at: str
    commit: str


def cases(report: Path) -> Iterable[Case]:
    """Return the cases of a report by their full name, `tests/x.py::test_y[case]`."""
    for suite in ET.parse(report).iter("testsuite"):
        for one in suite.iter("testcase"):
            file = one.get("classname", "").replace(".", "/") + ".py"
            kinds = {child.tag for child in one}
            result = Result.PASSED
            if kinds & {"failure", "error"}:
                result = Result.FAILED
            elif "skipped" in kinds:
                result = Result.SKIPPED
            at, commit = suite.get("timestamp", ""), suite.get("name", "")
            yield Case(f"{file}::{one.get('name')}", result, at, commit)


def newest_commit(found: list[Case]) -> list[Case]:
    """Return the cases of the commit that the newest report is of."""
    newest = max(found, key=lambda one: datetime.fromisoformat(one.at)).commit if found else ""
    left_out = {one.commit for one in found} - {newest}
    if left_out:
        sys.stderr.write(f"left out, of other commits: {', '.join(sorted(left_out))}\n")
    return [one for one in found if one.commit == newest]


def results_of(found: Iterable[Case]) -> dict[str, Held]:
    """Return the result of each test: the worst of its cases, each the best measured one."""
    best: dict[str, Case] = {}
    order = [Result.FAILED, Result.PASSED, Result.SKIPPED]  # of one case in several reports
    for one in found:
        known = best.get(one.name)
        if known is None or order.index(one.result) < order.index(known.result):
            best[one.name] = one
    tests: dict[str, list[Case]] = defaultdict(list)
    for one in best.values():
        tests[one.name.partition("[")[0]].append(one)
    worst = {
        test: min(of, key=lambda one: list(Result).index(one.result)) for test, of in tests.items()
    }
    return {test: Held(test, one.result, one.at, one.commit) for test, one in worst.items()}


def document(results: dict[str, Held], seed: str) -> dict[str, Any]:
    """Return the results document, signed if there is a seed."""
    claims = [one.as_json() for one in read_claims(results).values()]
    statement = {
        "version": version("simulacra"),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "claims": claims,
    }
    signature = None
    if seed:
        key = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed)))
        header = {"alg": ALGORITHM, "kid": key.thumbprint(), "typ": "simulacra-claims+json"}
        payload = json.dumps(statement).encode()
        signature = jws.serialize_compact(header, payload, key, algorithms=[ALGORITHM])
    return {"statement": statement, "signature": signature}


def verify(signed: dict[str, Any], public: str) -> None:
    """Check the signature with the base64 of a public key. Raises ValueError."""
    if signed["signature"] is None:
        raise ValueError("the file is unsigned")
    open_results(signed)
    key = OKPKey.import_key(Ed25519PublicKey.from_public_bytes(base64.b64decode(public)))
    try:
        jws.deserialize_compact(signed["signature"], key, algorithms=[ALGORITHM])
    except Exception as error:  # joserfc has no common base that says "bad signature"
        raise ValueError("the signature does not match the key") from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description="Write or verify claims.json.")
    parser.add_argument("reports", type=Path, nargs="*", help="reports of pytest, or folders")
    parser.add_argument("-o", "--output", type=Path, default=OUTPUT)
    parser.add_argument("--verify", type=Path, metavar="FILE", help="check the signature of a file")
    parser.add_argument("--key", default="", help="base64 of the public key")
    given = parser.parse_args(arguments)
    if given.verify:
        try:
            verify(json.loads(given.verify.read_text()), given.key)
        except ValueError as error:
            parser.exit(1, f"{given.verify}: {error}\n")
        print("the signature matches")
        return 0
    folders = [sorted(one.glob("*.xml")) if one.is_dir() else [one] for one in given.reports]
    reports = [one for folder in folders for one in folder]
    try:
        found = newest_commit([one for report in reports for one in cases(report)])
    except (OSError, ET.ParseError) as error:
        parser.error(f"a report cannot be read: {error}")
    made = document(results_of(found), os.environ.get(KEY_VARIABLE, ""))
    given.output.write_text(json.dumps(made, indent=1) + "\n")
    counts = [one["result"] for one in made["statement"]["claims"]]
    said = ", ".join(f"{counts.count(one)} {one}" for one in Result if one in counts)
    print(f"{given.output}: {said}; {'signed' if made['signature'] else 'unsigned'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
