"""The release, installed once for all tests of this folder; and two tenants."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from node import VALUES_VARIABLE, Node
from simulacra import Client


@pytest.fixture(scope="session")
def node() -> Node:
    """The chart on an empty cluster; what is left is looked at by the last test."""
    if VALUES_VARIABLE not in os.environ:
        pytest.skip("no cluster with a node: run `make e2e`")
    one = Node()
    one.apply("install")
    return one


@pytest.fixture(scope="session")
def customer(node: Node) -> Iterator[tuple[Client, str]]:
    """A customer who signed up and was approved; and the tenant's name."""
    with node.api():
        client, tenant = node.sign_up("Acme Research")
    with client:
        yield client, tenant
