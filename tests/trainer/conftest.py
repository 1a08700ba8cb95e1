"""Models that the engine's tests share, fit once."""

from collections.abc import Iterator

import pytest

from parsed_here import parsed_here
from simulacra_crds.tasks import FitRequest
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
    with parsed_here():
        yield
