"""Models that the engine's tests share, fit once."""

import os
from collections.abc import Iterator
from io import BufferedReader
from typing import Any

import pytest

from simulacra_crds.tasks import FitRequest
from simulacra_intake import read
from simulacra_intake.readers.parse import parse
from simulacra_intake.readers.stated_layout import StatedLayout
from simulacra_intake.sandbox.child_process import Answer
from simulacra_intake.scratch import EncryptedFile, buffered_writer
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from trainer_tables import survey


@pytest.fixture(scope="session")
def trained() -> TrainedModel:
    table, schema = survey(3000, seed=1)
    return fit_model(table, schema, FitRequest(seed=1))


@pytest.fixture(scope="module")
def exact_counts() -> Iterator[None]:
    """Take the noise away from counts, where a test is about what they count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("simulacra_trainer.cell_keys.NOISE", 0.0)
        yield


@pytest.fixture(scope="module", autouse=True)
def _parsed_here() -> Iterator[None]:
    """Parse uploads in this process, not in the confined child that tests/intake is about."""

    def parse_here(
        _: str, kind: str, source: BufferedReader, sink: EncryptedFile, __: Any, layout: str
    ) -> Answer:
        written = EncryptedFile(os.dup(sink.fileno()), sink.key, writable=True)
        with buffered_writer(written) as out:
            parse(source.raw, kind, out, True, StatedLayout.from_json(layout))
        return Answer(refused=False, text=b"")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read, "run_confined", parse_here)
        yield
