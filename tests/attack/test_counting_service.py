"""The attacks of `test_counting` through a running service, a few requests of each.

`tests/support/service_attack.py` runs more of them as a script.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from counting_attack import people, singled_out
from installation import Installation
from service_attack import OfService, one_window

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OfService]:
    """Answers of a service about 700 people."""
    with Installation(tmp_path_factory.mktemp("counting") / "data").serving() as client:
        yield OfService(client, client.fit(people(4)).dataset_id)


def test_a_service_says_nothing_of_one_person(answers: OfService) -> None:
    person = next(singled_out(people(4), 4).itertuples())
    assert set(one_window(answers, person).values()) == {0.0}
    known = {"sex": {person.sex: 1.0}, "ward": {person.ward: 1.0}}
    found = answers.probe({**known, "age": (int(person.age), int(person.age))})
    assert "backing_rows" not in (found["attainment"] or {})
    assert found["backing"] == float(f"{found['backing']:.2g}")
