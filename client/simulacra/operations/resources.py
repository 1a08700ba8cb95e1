"""What takes the id of any resource: its prefix tells the kind."""

from __future__ import annotations

from simulacra.core import Ask, Steps, ask
from simulacra.models import Document, Report
from simulacra.operations.common import KINDS, delete_at, get_one, path_of


def get(resource_id: str) -> Steps[Document]:
    """Return a dataset, a generation, an effect estimate or a job, told by its id."""
    path = path_of(resource_id, tuple(KINDS))
    kind = next(found for prefix, (_, found) in KINDS.items() if resource_id.startswith(prefix))
    return get_one(path, kind)


def report(resource_id: str) -> Steps[Report]:
    """Return the fidelity and privacy report of a dataset's model, or of a generation (with asked and attained)."""
    return get_one(f"{path_of(resource_id, ('ds-', 'gen-'))}/report", Report)


def report_page(resource_id: str) -> Steps[str]:
    """Return the same report as one HTML page that stands by itself."""
    path = f"{path_of(resource_id, ('ds-', 'gen-'))}/report"
    return (yield from ask(Ask("GET", path, headers={"Accept": "text/html"}))).text


def delete(resource_id: str, *, timeout: float = 120.0) -> Steps[None]:
    """Delete a dataset (ds-...), a generation (gen-...) or an effect estimate (eff-...), told by its id."""
    return delete_at(path_of(resource_id, ("ds-", "gen-", "eff-")), timeout)
