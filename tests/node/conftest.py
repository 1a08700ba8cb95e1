"""The cluster, the release that most tests share, and a customer of it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import node_servers
from node import CANARY, CLUSTER_VARIABLE, VALUES_VARIABLE, Node
from prometheus import Prometheus
from simulacra import Client


@pytest.fixture(scope="session")
def node() -> Node:
    """An empty cluster."""
    if VALUES_VARIABLE not in os.environ:
        pytest.skip("no cluster with a node: run `make e2e`")
    return Node()


@pytest.fixture(scope="session")
def release(node: Node) -> Node:
    """The chart on an empty cluster; test_node_product.py ends with a check of what it leaves.

    The canary lives once, while the first tests run.
    """
    node.apply("install", *CANARY)
    return node


@pytest.fixture(scope="session")
def customer(release: Node) -> Iterator[tuple[Client, str]]:
    """A client of an approved customer, and the tenant's name."""
    with release.api():
        client, tenant = release.sign_up("Acme Research")
    with client:
        yield client, tenant


@pytest.fixture(scope="session")
def prometheus(release: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus on this machine that scrapes the pods of the chart's ServiceMonitors."""
    assert release
    if CLUSTER_VARIABLE not in os.environ:
        pytest.skip("this machine does not reach the cluster's pods")
    with Prometheus(tmp_path_factory.mktemp("prometheus")).running() as one:
        yield one


@pytest.fixture(scope="session")
def servers(node: Node) -> Iterator[None]:
    """A store and a key provider outside the release, which outlive it."""
    with node_servers.servers(node):
        yield
