"""The sweep: tables of every shape through every door, as a customer goes.

A few tables in `make test`, all of them in `make sweep` (SIMULACRA_SWEEP=all, or names of tables).
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from sweep_doors import DOORS
from sweep_place import Place
from sweep_run import PAGE, Result, sweep_all, write_page
from sweep_tables import SMALL, TABLES, Table

from installation import Installation
from real_cluster import TOOL, Product, RealCluster

ASKED = os.environ.get("SIMULACRA_SWEEP", "")
NAMES = [
    one.name
    for one in TABLES
    if ASKED == "all" or one.name in (ASKED.split(",") if ASKED else SMALL)
]
KNOWN: dict[str, set[str]] = {}
"""Doors at which something of a table does not agree yet; the page says what."""
CHOSEN = [one for one in TABLES if one.name in NAMES]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Result]:
    """Take the tables through the doors once; the full run writes the page."""
    folder = tmp_path_factory.mktemp("sweep")
    with ExitStack() as stack:
        embedded = Installation(folder / "data")
        embedded.start()
        stack.callback(embedded.stop)
        places = [_embedded(embedded, folder, stack)] * 2
        if ASKED and TOOL.exists() and any(one.real for one in CHOSEN):
            places[1] = _real(folder, stack)
        work = [(one, places[one.real]) for one in CHOSEN]
        found = sweep_all(work)
        if ASKED:
            write_page(found)
    return {one.table: one for one in found}


def _embedded(installation: Installation, folder: Path, stack: ExitStack) -> Place:
    client = stack.enter_context(installation.client())
    kubeconfig = Path(installation.connection["kubeconfig"])
    return stack.enter_context(Place(client, kubeconfig, folder / "embedded").open())


def _real(folder: Path, stack: ExitStack) -> Place:
    cluster = RealCluster(folder / "cluster")
    stack.enter_context(cluster.running())
    cluster.install()
    secret = ("secret", "generic", "simulacra-pods", "--from-literal=AWS_PROFILE=platforms")
    cluster.kubectl("create", *secret, "-n", "simulacra-system")
    product = Product(cluster, folder / "product")
    stack.enter_context(product.running())
    client, _ = product.sign_up("Sweep Research")
    stack.enter_context(client)
    place = Place(client, cluster.kubeconfig, folder / "real", is_real=True)
    return stack.enter_context(place.open())


@pytest.mark.e2e
@pytest.mark.sweep
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("name", NAMES)
def test_every_place_agrees_on_the_table(results: dict[str, Result], name: str) -> None:
    found = results[name]
    assert {door for door, _ in found.findings} == KNOWN.get(name, set()), "\n".join(found.lines())


@pytest.mark.skipif(TOOL.exists(), reason="")
@pytest.mark.skipif(not ASKED, reason="only the full sweep has a real control plane")
def test_real_control_plane_is_there() -> None:
    pytest.skip("no real kube-apiserver: ../shared/bin/cluster is not there")


@pytest.mark.parametrize("table", TABLES, ids=lambda one: str(one.name))
def test_table_holds_what_its_rows_must_hold(table: Table) -> None:
    frame = table.frame()
    found = [hold.check(frame, frame) for hold in table.holds if "no text" not in hold.name]
    assert not [*filter(None, found)]


@pytest.mark.parametrize("table", TABLES, ids=lambda one: str(one.name))
def test_check_finds_a_table_whose_columns_are_shuffled(table: Table) -> None:
    """Of all checks that compare columns, none passes when each column is shuffled by itself."""
    frame, rng = table.frame(), np.random.default_rng(1)
    mixed = frame.apply(lambda column: column.sample(frac=1, random_state=rng).to_numpy())
    joint = [hold for hold in table.holds if hold.is_joint]
    assert not [hold.name for hold in joint if hold.check(frame, mixed) is None]


def test_page_has_the_tables_and_doors_of_the_code() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert [cell.strip() for cell in lines[0].strip("|").split("|")[1:]] == [
        one.name for one in DOORS
    ]
    assert [line.split("|")[1].strip(" *") for line in lines[1:]] == [one.name for one in TABLES]
