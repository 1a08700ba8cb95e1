"""The attacks of `counting_attack` through a running service: `simulacra up`, the client and Jobs.

    python tests/support/service_attack.py [--persons 6] [--seconds 900] [--threads 4]

Starts a service in a temporary folder, uploads 700 people, asks, and prints for each attack how
many of the respondents and of people not in the table it reads, with the requests so far. Each
request is a Job of some seconds; the same attacks run by the thousand on the trainer's functions,
which these Jobs call.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import counting_attack as attacks
from installation import Installation
from simulacra import ApiError, Client

Json = Mapping[str, Any]


@dataclass
class OfService:
    """The answers of a service about one dataset, as `counting_attack.Answers`."""

    client: Client
    dataset: str
    asked: int = 0

    def probe(self, conditions: Json, do: Json | None = None) -> Json:
        """Return feasibility and attainment of some rows; empty if they were refused."""
        self.asked += 1
        of = {name: one for name, one in conditions.items() if not isinstance(one, tuple)}
        ranges = {
            name: {"min": one[0], "max": one[1]}
            for name, one in conditions.items()
            if isinstance(one, tuple)
        }
        asked = {"categorical": of, "numeric": ranges}
        try:
            found = self.client.probe(
                self.dataset, 2, conditions=asked, interventions=dict(do or {}), seed=1
            )
        except ApiError as error:
            if error.status >= 500:  # on a busy machine a probe ends after 30 seconds
                raise
            return {}
        attained = found["attainment"] or {}
        return {**found, "backing": attained.get("backing", 0.0)}

    def segments(self, columns: Mapping[str, list[str]], question: str) -> list[Json]:
        """Return the certified shares."""
        self.asked += 1
        made = self.client.boost(self.dataset, columns, [question])
        self.client.wait(made["job_id"])
        return list(self.client.segment(made["segment_id"])["shares"])

    def effect(self, **asked: Any) -> Json:
        """Return the answer to a question of effect; empty if it was refused."""
        self.asked += 1
        outcome, _, level = str(asked.pop("outcome")).partition("=")
        made = self.client.estimate(
            self.dataset, **asked, outcome=outcome, outcome_level=level or None
        )
        self.client.wait(made["job_id"])
        return dict(self.client.effect(made["effect_id"]))

    def plain(self, **asked: Any) -> float | None:
        """Return the plain difference of the arms of an effect; None if it is not said."""
        found = self.effect(**asked).get("naive")
        return None if found is None else float(found)

    def sheet(self, levers: list[Json], level: str) -> Json:
        """Return the answer sheet of an illness, with its levers as the trainer has them."""
        self.asked += 1
        made = self.client.ask_sheet(
            self.dataset, outcome="illness", outcome_level=level, levers=levers
        )
        self.client.wait(made["job_id"])
        found = dict(self.client.sheet(made["sheet_id"]))
        return found | {"levers": [{**one, "answer": one} for one in found["levers"]]}


def one_window(answers: Any, person: Any) -> dict[str, float]:
    """Return the change of the share of the healthy as the person changes arms; else nothing."""
    moved = [
        answers.plain(
            treatment="income",
            value=person.income + attacks.REACHES[1] + beside,
            baseline=person.income - attacks.REACHES[1] + beside,
            outcome="illness=none",
        )
        for beside in (-0.25, 0.25)
    ]
    step = 0.0 if None in moved else moved[0] - moved[1]
    return {level: step if level == "none" else -step for level in attacks.ILLNESSES}


ATTACKS: Mapping[str, Callable[[OfService], attacks.Attack]] = {
    "permuted": attacks.Permuted,
    "readout": lambda _: attacks.readout,
    "refusals": lambda _: attacks.refusals,
    "sheets": lambda _: attacks.sheets,
    "one_window": lambda _: one_window,
}


def main() -> None:
    """Start a service, attack it and print what is read."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--persons", type=int, default=6, help="of each kind, an even number")
    parser.add_argument("--seconds", type=float, default=900.0, help="stop after")
    parser.add_argument("--threads", type=int, default=4, help="persons attacked at once")
    parser.add_argument("--attacks", nargs="+", choices=ATTACKS, default=[*ATTACKS])
    asked = parser.parse_args()
    began = time.monotonic()
    table = attacks.people(4)
    groups = [
        (kind, attacks.singled_out(of, asked.persons))
        for kind, of in (("members", table), ("others", attacks.people(5)))
    ]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        client = stack.enter_context(Installation(Path(folder) / "data").serving())
        answers = OfService(client, client.fit(table).dataset_id)
        pool = stack.enter_context(ThreadPoolExecutor(asked.threads))
        for name, (kind, persons) in itertools.product(asked.attacks, groups):
            if time.monotonic() - began > asked.seconds:
                break
            attack = ATTACKS[name](answers)
            found = attacks.hits(answers, persons, attack, pool.map)
            line = {"attack": name, "of": kind, "read": found, "persons": len(persons)}
            line |= {"requests": answers.asked, "seconds": time.monotonic() - began}
            print(json.dumps(line), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
