"""Models that the engine's tests share, fit once."""

import pytest

from simulacra_crds.contract.tasks import FitRequest
from simulacra_trainer.pipeline.fit import TrainedModel, fit_model
from trainer_tables import survey


@pytest.fixture(scope="session")
def trained() -> TrainedModel:
    table, schema = survey(3000, seed=1)
    return fit_model(table, schema, FitRequest(seed=1))
