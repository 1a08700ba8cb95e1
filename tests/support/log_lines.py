"""Lines of the log as API, operator and trainer write them."""

from __future__ import annotations

import pytest

from simulacra_crds.logs import LineFormatter


def written(caplog: pytest.LogCaptureFixture, logger: str = "simulacra") -> str:
    """Return the lines of the product's own loggers whose names begin so."""
    form = LineFormatter().format
    return "\n".join(form(one) for one in caplog.records if one.name.startswith(logger))
