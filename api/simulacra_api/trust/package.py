"""The files of the trust package, as a folder or a zip archive, with the places of an installation.

Of the places only host names, buckets and regions are taken: a URL's user, password and other
parameters are not.
"""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, parse_qs, urlsplit

from simulacra_api.html import render
from simulacra_api.trust.claims import RESULTS, Claim, read_claims, results_file, stored_signature
from simulacra_api.trust.documents import CONTROLS, Document, read_documents
from simulacra_api.trust.oscal import component_definition
from simulacra_crds.auth0 import DOMAIN_VARIABLE
from simulacra_crds.webhook import allows_private
from simulacra_custody.wiring import AUDIT_VARIABLE, KEYS_VARIABLE, STORE_VARIABLE


@dataclass(frozen=True)
class Trust:
    """Claims and documents by their ids, and the words for the settings of an installation."""

    claims: dict[str, Claim]
    documents: dict[str, Document]
    places: dict[str, str]

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Self:
        """Read them, with the settings of an environment; it may have none (for a release).

        Raises:
            ValueError: a document or the results are wrong.
        """
        claims, places = read_claims(), places_of(env)
        return cls(claims, read_documents(claims, places), places)

    def figures(self) -> dict[str, dict[str, int]]:
        """Return the counts of each document."""
        return {name: one.figures(self.claims) for name, one in self.documents.items()}

    def results(self) -> dict[str, int]:
        """Return how many claims have each result."""
        found = [one.result for one in self.claims.values()]
        return {result: found.count(result) for result in sorted(set(found))}

    def files(self) -> dict[str, str]:
        """Return the package: texts by file name."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        shown = {
            "claims": self.claims,
            "documents": self.documents,
            "figures": self.figures(),
            "results": self.results(),
            "signed": stored_signature() is not None,
            "version": version("simulacra"),
            "at": at,
            "installed": bool(self.places["store"]),
        }
        pages = {
            f"{name}.html": render("trust/document.html.j2", document=one, **shown)
            for name, one in self.documents.items()
        }
        for name in ("index", "claims"):
            pages[f"{name}.html"] = render(f"trust/{name}.html.j2", **shown)
        controls = [self.documents[name] for name in CONTROLS]
        oscal = component_definition(controls, self.claims, version("simulacra"), at)
        oscal_text = json.dumps(oscal, indent=2, ensure_ascii=False)
        return pages | {RESULTS: self._results(), "oscal-component-definition.json": oscal_text}

    def _results(self) -> str:
        """Return `claims.json` as it was written, or one that says that nothing was run."""
        file = results_file()
        if file.is_file():
            return file.read_text("utf-8")
        claims = [one.as_json() for one in self.claims.values()]
        return json.dumps({"statement": {"claims": claims}, "signature": None}, indent=2)


def write_folder(files: Mapping[str, str], folder: Path) -> None:
    """Write the files into a new or empty folder. Raises FileExistsError if it is not empty."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty. Name a new folder.")
    for name, text in files.items():
        (folder / name).write_text(text, "utf-8")


def zipped(files: Mapping[str, str]) -> bytes:
    """Return the files as a zip archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name, text in files.items():
            out.writestr(name, text)
    return archive.getvalue()


AMAZON = "Amazon Web Services"


def places_of(env: Mapping[str, str]) -> dict[str, str]:
    """Return words by placeholder of the documents; empty for what is not set."""
    keys = [_words(urlsplit(value)) for value in env.get(KEYS_VARIABLE, "").split()]
    issuer = env.get("SIMULACRA_OIDC_ISSUER", "")
    installed = bool(env.get(STORE_VARIABLE))
    built_in = "the installation itself" if installed else ""
    receivers = "public and private addresses" if allows_private(env) else "public addresses"
    return {
        "store": _words(urlsplit(env.get(STORE_VARIABLE, ""))),
        "audit": _words(urlsplit(env.get(AUDIT_VARIABLE, ""))),
        "keys": " and ".join(keys),
        "issuer": urlsplit(issuer).hostname or built_in,
        "auth0": env.get(DOMAIN_VARIABLE, ""),
        "webhooks": receivers if installed else "",
    }


def _words(url: SplitResult) -> str:
    given = parse_qs(url.query)
    region = f", region {given['region'][0]}" if "region" in given else ""
    endpoint = urlsplit(given.get("endpoint", [""])[0]).hostname
    match url.scheme.partition("+")[0]:
        case "file":
            return "files of the machine that runs the service"
        case "local":
            return "a keyring file of the machine that runs the service"
        case "s3":
            return f"the bucket {url.hostname} at {endpoint or AMAZON}{region}"
        case "awskms":
            return f"a key management service at {endpoint or AMAZON}{region}"
        case "vault":
            return f"Vault or OpenBao at {url.hostname}"
    return ""
