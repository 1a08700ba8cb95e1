"""The product against its own OpenAPI document; `scripts/fuzz_api.py` is the long run."""

from pathlib import Path

import pytest

from installation import Installation
from schemathesis_run import run

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.mark.timeout(420)
def test_the_product_keeps_what_its_document_says(shared_installation: Installation, tmp_path: Path) -> None:
    done = run(shared_installation, "--max-examples", "3", "--seed", "1", folder=tmp_path, timeout=400)
    assert done.returncode == 0, done.stdout
    assert "Tested: 4" in done.stdout
    assert "Stateful" in done.stdout
    log = (shared_installation.data_dir / "logs" / "api.log").read_text()
    for route in ("/v1/datasets", "/v1/datasets/{dataset_id}/generations"):  # it came as far as work that was accepted
        assert any(f'"route": "{route}", "status": 20' in line and "POST" in line for line in log.splitlines()), route
