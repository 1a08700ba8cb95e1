"""Claims of the product, the tests that hold them, and the result of each test's last run.

The claims are the rows of two pages of the documentation. The results are in `claims.json`, which
`scripts/claims.py` writes from the reports of the tests; without it no test counts as run.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from simulacra_custody.audit.certificates import statement_of

DATA = files("simulacra_api.trust") / "data"
PAGES = ("security.md", "claims.md")
RESULTS = "claims.json"
_ROW = re.compile(r'\| <a id="([a-z][a-z0-9-]*)"></a>(.*) \| (.*) \|')
_TEST = re.compile(r"`(tests/[a-z0-9_/]+\.py::[A-Za-z0-9_]+)`")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


class Result(StrEnum):
    """Result of a test or a claim, the worst first."""

    FAILED = "failed"
    NOT_RUN = "not run"
    SKIPPED = "skipped"
    PASSED = "passed"


@dataclass(frozen=True)
class Held:
    """A test that holds a claim, with its last result, the time of it and the commit."""

    test: str
    result: Result = Result.NOT_RUN
    at: str = ""
    commit: str = ""


@dataclass(frozen=True)
class Claim:
    """A claim with its tests, at least one."""

    id: str
    text: str
    held_by: tuple[Held, ...]

    @property
    def result(self) -> Result:
        """The worst result of its tests: a claim passed when all of them did."""
        order = list(Result)
        return min((one.result for one in self.held_by), key=order.index)

    def as_json(self) -> dict[str, Any]:
        """Return the claim as it stands in `claims.json`."""
        held = [vars(one) for one in self.held_by]
        return {"id": self.id, "claim": self.text, "result": self.result, "held_by": held}


def results_file() -> Traversable:
    """Return where the results are, if the tests have written them."""
    return DATA / RESULTS


def read_claims(results: Mapping[str, Held] | None = None) -> dict[str, Claim]:
    """Return the claims of the pages by id, in their order.

    Args:
        results: by name of the test; those of `claims.json` when absent.

    Raises:
        ValueError: an id is used twice, a claim names no test, or the results do not match their
            signature.
    """
    known = stored_results() if results is None else results
    claims: dict[str, Claim] = {}
    for page in PAGES:
        for name, text, tests in _ROW.findall((DATA / page).read_text("utf-8")):
            held = tuple(known.get(test, Held(test)) for test in _TEST.findall(tests))
            if name in claims or not held:
                raise ValueError(f"{page}: claim {name} needs an id of its own and a test.")
            claims[name] = Claim(name, _LINK.sub(r"\1", text).replace(" | ", ": "), held)
    return claims


def stored_results() -> dict[str, Held]:
    """Return the results in `claims.json` by test; none without the file. Raises ValueError."""
    file = results_file()
    if not file.is_file():
        return {}
    statement = open_results(json.loads(file.read_text("utf-8")))
    held = (one for claim in statement["claims"] for one in claim["held_by"])
    return {one["test"]: Held(**one | {"result": Result(one["result"])}) for one in held}


def stored_signature() -> str | None:
    """Return the signature of `claims.json`; None if it is unsigned or absent."""
    file = results_file()
    return json.loads(file.read_text("utf-8"))["signature"] if file.is_file() else None


def open_results(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statement of a results document. Raises ValueError if another one was signed.

    This compares the texts; `scripts/claims.py --verify` checks the signature with a key.
    """
    statement: dict[str, Any] = document["statement"]
    signature = document["signature"]
    if signature is not None and statement_of(signature) != statement:
        raise ValueError(f"{RESULTS}: the signature is of another statement. Get the file again.")
    return statement
