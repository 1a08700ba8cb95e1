"""The wave summary: what a customer keeps of a survey's waves, and hands back with the next one.

It has shares and their errors and no rows: nothing in it is one person's. The operator signs its
digest (`custody.audit.summaries`), so its bytes are canonical.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulacra_schema.base import ColumnName

SUMMARY_VERSION = 1
MAX_SUMMARY_BYTES = 1 << 20
"""Of the file that is handed back, which has a signature besides."""
MAX_CONTENT_BYTES = MAX_SUMMARY_BYTES - (8 << 10)
MOST_WAVES = 12
"""Waves of a summary, the newest and those that it carries on."""
MOST_BANNERS = 4
BANNER_LEVELS = 12
MOST_BANDS = 10
_MOST_LEVELS = 40
_Count = Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]
_Counts = Annotated[list[_Count | None], Field(max_length=_MOST_LEVELS)]
_Label = Annotated[str, Field(min_length=1, max_length=512)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BannerCells(_Part):
    """The answers to a question by the levels of a banner column; None where persons are few.

    respondents: of each level; hits: of each level and answer.
    """

    respondents: _Counts
    hits: Annotated[list[_Counts], Field(max_length=_MOST_LEVELS)]


class SummaryQuestion(_Part):
    """One question of a wave.

    Attributes:
        name, label: of the column.
        levels: the answers.
        edges: upper ends of the bands of a number except the last; None of categories.
        respondents: who answered, with the noise of about one person.
        worth: independent respondents that weigh as much (Kish).
        hits: of each answer, weighted to the respondents; None where five persons are not there.
        effects: design effect of each answer.
        freedom: degrees of freedom of each answer's error.
        by: the same by banner column.
    """

    name: ColumnName
    label: str | None = Field(default=None, max_length=4096)
    levels: Annotated[list[str], Field(min_length=2, max_length=_MOST_LEVELS)]
    edges: list[float] | None = Field(default=None, max_length=MOST_BANDS - 1)
    respondents: _Count
    worth: _Count
    hits: _Counts
    effects: _Counts
    freedom: _Counts
    by: Annotated[dict[ColumnName, BannerCells], Field(max_length=MOST_BANNERS)] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> SummaryQuestion:
        size = len(self.levels)
        lists = [self.hits, self.effects, self.freedom]
        lists += [row for cells in self.by.values() for row in cells.hits]
        if any(len(one) != size for one in lists):
            raise ValueError("each list of a question has one item for each of its levels")
        if self.edges is not None and len(self.edges) != size - 1:
            raise ValueError("edges has one item less than levels")
        if any(len(cells.hits) != len(cells.respondents) for cells in self.by.values()):
            raise ValueError("hits and respondents have one item for each level of a banner column")
        return self


class SummaryWave(_Part):
    """One wave: who was asked and what they answered.

    Attributes:
        label: of the wave.
        rows: with the noise of about one person.
        clusters: sampling points; None where rows are their own.
        fingerprint: SHA-256 of names, labels and levels of the questions.
        attack: AUC of an attacker who knows a person's whole record and the population.
        banner: columns by whose levels the answers are shown.
        questions: by place in the table.
    """

    label: _Label
    rows: _Count
    clusters: int | None = Field(default=None, ge=1)
    fingerprint: str = Field(pattern=r"^[0-9a-f]{64}$")
    attack: float = Field(ge=0, le=1)
    banner: list[ColumnName] = Field(max_length=MOST_BANNERS)
    questions: Annotated[list[SummaryQuestion], Field(max_length=2_000)]


class WaveSummary(_Part):
    """The waves of a survey, the earliest first; without waves, `reason` says why not.

    column: of the waves in the table; None where the table is one wave.
    """

    version: Literal[1] = 1
    column: ColumnName | None = None
    waves: Annotated[list[SummaryWave], Field(max_length=MOST_WAVES)]
    reason: str | None = Field(default=None, max_length=512)

    @model_validator(mode="after")
    def _check_order(self) -> WaveSummary:
        labels = self.labels
        if len(set(labels)) < len(labels):
            raise ValueError("each wave has a label of its own")
        return self

    @property
    def labels(self) -> list[str]:
        """The labels of the waves, the earliest first."""
        return [one.label for one in self.waves]

    def questions(self) -> dict[str, SummaryQuestion]:
        """Return each question as its newest wave has it, by name."""
        return {one.name: one for wave in self.waves for one in wave.questions}

    def content(self) -> bytes:
        """Return the bytes that are stored and whose digest is signed."""
        return canonical(self.model_dump(mode="json"))

    def digest(self) -> str:
        """Return the SHA-256 of the content, in hex."""
        return hashlib.sha256(self.content()).hexdigest()


def canonical(document: Any) -> bytes:
    """Return a JSON document in the one form that its digest is of."""
    text = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def digest_of(document: Any) -> str:
    """Return the SHA-256 of a JSON document's canonical form, in hex."""
    return hashlib.sha256(canonical(document)).hexdigest()


def later(label: str, than: str) -> bool:
    """Return whether a wave's label is later: by number where both are, else by text."""
    try:
        return float(label) > float(than)
    except ValueError:
        return label > than
