"""The trust package: its rule, its documents, OSCAL, and what it says of an installation."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from simulacra_api.trust import claims as stored
from simulacra_api.trust.claims import Held, Result, read_claims
from simulacra_api.trust.documents import CONTROLS, read_document, read_documents, sentences
from simulacra_api.trust.package import Trust, places_of, write_folder

DATA = Path(__file__).resolve().parents[2] / "api" / "simulacra_api" / "trust" / "data"
SCHEMA = Path(__file__).parent / "data" / "oscal_component_schema.json"
"""As NIST published it with OSCAL 1.2.1 (public domain, CC0)."""
ENVIRONMENT = {
    "SIMULACRA_STORE": "s3://user:word@rows/prefix?endpoint=https://store.example:9000&region=eu-1",
    "SIMULACRA_AUDIT": "s3://audit",
    "SIMULACRA_KEYS": "awskms://?region=eu-1&external-id=hidden vault+https://bao.example/t?auth=x",
    "SIMULACRA_OIDC_ISSUER": "https://issuer.example/realm",
    "SIMULACRA_AUTH0_CLIENT_SECRET": "hidden",
}
HEAD = {"title": "T", "intro": "For tests.", "ask": "Answer."}


@pytest.fixture
def no_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a claims.json, whatever earlier runs of the tests left here."""
    monkeypatch.setattr(stored, "RESULTS", "no-such-file.json")


@pytest.fixture
def files(no_results: None) -> dict[str, str]:
    return Trust.read(ENVIRONMENT).files()


class Unlinked(HTMLParser):
    """Collects the text outside of the elements whose class is "linked"."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._skipped = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._skipped and (("class", "linked") in attrs or tag == "style"):
            self._skipped = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._skipped:
            self._skipped = ""

    def handle_data(self, data: str) -> None:
        if not self._skipped:
            self.text += data + "\n"


def test_no_sentence_without_a_link_says_is(files: dict[str, str]) -> None:
    pages = {name: text for name, text in files.items() if name.endswith(".html")}
    assert len(pages) == 12
    for name, text in pages.items():
        parser = Unlinked()
        parser.feed(text)
        # names of tests and ids of claims are no sentences
        plain = re.sub(r"tests/\S+|[a-z]+(-[a-z]+)+", "", parser.text)
        assert re.findall(r".*\b(?:is|are|was|were)\b.*", plain) == [], name


def test_every_link_of_a_sentence_leads_to_a_claim(files: dict[str, str]) -> None:
    ids = set(re.findall(r'<tr id="([^"]+)"', files["claims.html"]))
    linked = {
        one for text in files.values() for one in re.findall(r'href="claims.html#([^"]+)"', text)
    }
    assert len(linked) > 70
    assert linked <= ids


def test_oscal_document_is_valid(files: dict[str, str]) -> None:
    # JSON Schema takes the regular expressions of ECMAScript; Python has no \p{...}.
    text = SCHEMA.read_text().replace(r"\\p{L}", r"[^\\W\\d_]").replace(r"\\p{N}", r"\\d")
    document = json.loads(files["oscal-component-definition.json"])
    validator = jsonschema.Draft7Validator(json.loads(text))
    assert [one.message for one in validator.iter_errors(document)] == []
    component = document["component-definition"]["components"][0]
    assert len(component["control-implementations"]) == len(CONTROLS)
    del component["title"]
    assert list(validator.iter_errors(document))


def test_every_control_has_its_claims_or_says_whose_turn_it_is() -> None:
    documents = read_documents(read_claims({}), {})
    for name in CONTROLS:
        for item in documents[name].items:
            assert item.says or item.open, item.id
            assert item.turn in {"organization", "customer", "product"}


def test_questionnaires_are_answered_by_number() -> None:
    documents = read_documents(read_claims({}), {})
    esomar, caiq = documents["esomar"], documents["caiq"]
    assert [one.id for one in esomar.items] == [str(number + 1) for number in range(20)]
    assert all(one.says for one in esomar.items)
    assert len(caiq.items) == 261
    figures = caiq.figures(read_claims({}))
    assert figures["answered"] >= 0.8 * figures["technical"]
    assert figures["passing"] == 0, "no test was run, so none passes"


def test_an_answer_passes_only_if_all_its_claims_did() -> None:
    every = {one.test for claim in read_claims({}).values() for one in claim.held_by}
    passed = {test: Held(test, Result.PASSED) for test in every}
    caiq = read_documents(read_claims({}), {})["caiq"]
    all_passed = caiq.figures(read_claims(passed))
    assert all_passed["passing"] == all_passed["answered"]
    lost = read_claims({})["tenants-apart"].held_by[0].test
    fewer = caiq.figures(read_claims(passed | {lost: Held(lost, Result.FAILED)}))
    assert fewer["passing"] < all_passed["passing"]


def test_without_results_everything_says_not_run(files: dict[str, str]) -> None:
    document = json.loads(files["claims.json"])
    assert document["signature"] is None
    assert {one["result"] for one in document["statement"]["claims"]} == {"not run"}
    assert "claims.json carries no signature" in files["index.html"]
    assert ">passed<" not in files["claims.html"]


def test_parties_follow_from_the_settings_and_hold_no_credentials(files: dict[str, str]) -> None:
    page = files["subprocessors.html"]
    for party in ("store.example, region eu-1", "Amazon Web Services", "bao.example"):
        assert party in page
    assert "issuer.example" in page
    for name, text in files.items():
        assert "hidden" not in text, name
        assert "user:word" not in text, name
        assert "/prefix" not in text, name
    assert places_of({})["store"] == ""
    local = {
        "SIMULACRA_STORE": "file:///srv/store",
        "SIMULACRA_KEYS": "local:///srv/keyring.json",
    }
    assert "/srv" not in " ".join(places_of(local).values())
    assert places_of(local)["issuer"] == "the installation itself"


def test_pages_show_no_placeholder_and_no_python(files: dict[str, str]) -> None:
    data = "".join(path.read_text() for path in DATA.glob("*.toml"))
    assert set(re.findall(r"\{([^}]*)\}", data)) <= set(places_of({}))
    for name, text in files.items():
        if name.endswith(".html"):
            shown = re.sub(r"<style>.*</style>", "", text, flags=re.DOTALL)
            assert re.findall(r"\{[^}]*\}|.*built-in.*|.*object at.*", shown) == [], name
    assert "Auth0" in files["subprocessors.html"]


def test_a_release_says_nothing_of_places() -> None:
    items = {one.id: one for one in read_documents(read_claims({}), {})["subprocessors"].items}
    assert items["store"].says == ()
    assert items["store"].open


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"about": "A", "says": "Rows leave [no-such-claim]."}, "unknown claim no-such-claim"),
        ({"about": "A", "open": "This is done."}, "without a claim"),
        ({"about": "A"}, "without a claim"),
        ({"about": "A", "says": "Rows leave. They come [a]."}, "ends in"),
        ({"about": "A", "says": "Rows leave [a]. They come."}, "ends in"),
    ],
)
def test_item_that_breaks_the_rule_is_refused(item: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_document("one", HEAD | {"items": {"1": item}}, {"a"}, {})
    with pytest.raises(ValueError, match="title, intro and ask"):
        read_document("one", HEAD | {"intro": "It is so."}, {"a"}, {})
    twice = {"items": {"1": {"about": "A", "open": "B."}}, "open": {"1": "A"}}
    with pytest.raises(ValueError, match="in items and in open"):
        read_document("one", HEAD | twice, {"a"}, {})


def test_sentences_keep_their_claims() -> None:
    one, two = sentences("Rows leave [a, b]. Keys end [c].")
    assert (one.text, one.claims, two.claims) == ("Rows leave.", ("a", "b"), ("c",))


def test_package_is_written_into_an_empty_folder_only(
    tmp_path: Path, files: dict[str, str]
) -> None:
    write_folder(files, tmp_path / "new")
    assert {path.name for path in (tmp_path / "new").iterdir()} == set(files)
    with pytest.raises(FileExistsError, match="is not empty"):
        write_folder(files, tmp_path / "new")
    command = [sys.executable, "-m", "simulacra_api.trust", "-o", str(tmp_path / "new")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is not empty" in done.stderr
