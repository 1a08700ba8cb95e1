"""The product against its own OpenAPI document; `scripts/fuzz_api.py` runs longer."""

import re
from pathlib import Path

import pytest

from installation import Installation
from schemathesis_run import run

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
ALONE = True


@pytest.mark.timeout(420)
def test_product_conforms_to_its_openapi_document(
    shared_installation: Installation, tmp_path: Path
) -> None:
    done = run(
        shared_installation, "--max-examples", "3", "--seed", "1", folder=tmp_path, timeout=400
    )
    assert done.returncode == 0, done.stdout
    tested = re.search(r"Tested: (\d+)", done.stdout)
    assert tested is not None
    assert int(tested[1]) >= 48
    assert "Stateful" in done.stdout
    log = (shared_installation.data_dir / "logs" / "api.log").read_text()
    accepted = ("/v1/datasets", "/v1/uploads", "/v1/datasets/{dataset_id}/generations")
    for route in accepted:  # valid requests were accepted
        assert any(
            f'"route": "{route}", "status": 20' in line and "POST" in line
            for line in log.splitlines()
        ), route
