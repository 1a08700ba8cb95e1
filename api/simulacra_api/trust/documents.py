"""Documents of the trust package: control mappings, answers and annexes, read from TOML.

The rule of all of them: each sentence names the claims that support it, in brackets at its end.
What an organization, the customer or a later release has to add stands under `open`, and says
nothing of what "is".
"""

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from simulacra_api.trust.claims import DATA, Claim, Result

CONTROLS = ("soc2", "iso27001", "gdpr", "nist-800-88")
QUESTIONS = ("caiq", "esomar")
ANNEXES = ("measures", "processing", "subprocessors", "dpia")
_SENTENCE = re.compile(r"\s*([^\[\]]+?)\s*\[([a-z0-9-]+(?:, [a-z0-9-]+)*)\]\.")
_TWO = re.compile(r"[.!?] [A-Z]")
_SAYS = re.compile(r"\b(is|are|was|were)\b", re.IGNORECASE)
_VALUE = re.compile(r"\{([a-z0-9_]+)\}")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Sentence:
    """A sentence and the claims that support it, at least one."""

    text: str
    claims: tuple[str, ...]


@dataclass(frozen=True)
class Item:
    """A control, question or entry.

    Attributes:
        id: its number in its source.
        about: its subject, in our words.
        says: what the product states.
        open: what is left to state, empty if nothing.
        turn: who states it: organization (who runs the installation), customer or product.
        technical: whether the product's behavior can answer it, at least in part.
    """

    id: str
    about: str
    says: tuple[Sentence, ...]
    open: str
    turn: str
    technical: bool

    def passes(self, claims: Mapping[str, Claim]) -> bool:
        """Return whether it says something, and every claim behind it passed its tests."""
        linked = [claims[name] for one in self.says for name in one.claims]
        return bool(linked) and all(one.result == Result.PASSED for one in linked)


@dataclass(frozen=True)
class Document:
    """A document: name of its file, title, what it is for, source of its numbers, and items."""

    name: str
    title: str
    intro: str
    source: str
    items: tuple[Item, ...]

    def figures(self, claims: Mapping[str, Claim]) -> dict[str, int]:
        """Return counts of its items, and of the technical ones and their answers."""
        technical = [one for one in self.items if one.technical]
        return {
            "items": len(self.items),
            "technical": len(technical),
            "answered": sum(bool(one.says) for one in technical),
            "passing": sum(one.passes(claims) for one in technical),
            "open": sum(bool(one.open) for one in self.items),
        }


def read_documents(claims: Collection[str], values: Mapping[str, str]) -> dict[str, Document]:
    """Return all documents by name.

    Args:
        claims: ids of the claims that there are.
        values: words for the settings of an installation, by placeholder. An item whose
            placeholder has no value says nothing and is open.

    Raises:
        ValueError: names the document and the item that breaks the rule.
    """
    found = {}
    for name in (*CONTROLS, *QUESTIONS, *ANNEXES):
        raw = tomllib.loads((DATA / f"{name}.toml").read_text("utf-8"))
        found[name] = read_document(name, raw, claims, values)
    return found


def read_document(
    name: str, raw: Mapping[str, Any], claims: Collection[str], values: Mapping[str, str]
) -> Document:
    """Return one document; `items` are technical, `open` lists what others have to state."""
    if _SAYS.search(f"{raw['title']}. {raw['intro']} {raw['ask']}"):
        raise ValueError(f"{name}: title, intro and ask state nothing; claims do.")
    items = [_item(number, one, raw, values) for number, one in raw.get("items", {}).items()]
    items += [
        Item(number, about, (), raw["ask"], "organization", False)
        for number, about in raw.get("open", {}).items()
    ]
    for one in items:
        unknown = {claim for said in one.says for claim in said.claims} - {*claims}
        if unknown:
            raise ValueError(f"{name} {one.id}: unknown claim {', '.join(sorted(unknown))}.")
        if _SAYS.search(f"{one.about}. {one.open}") or not (one.says or one.open):
            raise ValueError(f"{name} {one.id}: a sentence without a claim states something.")
    numbers = [one.id for one in items]
    if len(set(numbers)) != len(numbers):
        raise ValueError(f"{name}: a number stands in items and in open.")
    items.sort(key=lambda one: [int(x) if x.isdigit() else x for x in _DIGITS.split(one.id)])
    return Document(name, raw["title"], raw["intro"], raw.get("source", ""), tuple(items))


def _item(
    number: str, raw: Mapping[str, Any], document: Mapping[str, Any], values: Mapping[str, str]
) -> Item:
    text = raw.get("says", "")
    known = all(values.get(name) for name in _VALUE.findall(text))
    said = _VALUE.sub(lambda found: values[found[1]], text) if known else ""
    left = raw.get("open", "") if known else raw.get("open", document["ask"])
    return Item(number, raw["about"], sentences(said), left, raw.get("turn", "organization"), True)


def sentences(text: str) -> tuple[Sentence, ...]:
    """Split "One sentence [claim, claim]. Another [claim]." Raises ValueError on any other form."""
    found, end = [], 0
    while match := _SENTENCE.match(text, end):
        found.append(Sentence(match[1] + ".", tuple(match[2].split(", "))))
        end = match.end()
    if text[end:].strip() or any(_TWO.search(one.text) for one in found):
        raise ValueError(f"each sentence ends in [claims] and a full stop: {text[:60]!r}")
    return tuple(found)
