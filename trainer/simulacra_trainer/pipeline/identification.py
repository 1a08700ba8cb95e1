"""Identification of rows under do(): what the graph settles and what remains an assumption."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from simulacra_crds.contract.tasks import GenerateRequest
from simulacra_crds.kinds.base import KubeModel
from simulacra_trainer.pipeline.trained_model import TrainedModel

COUNTERFACTUAL_ASSUMPTION = (
    "Pairs need assumptions that data cannot test: each number, ordered level and yes/no keeps its"
    " rank among rows with the same causes, other levels follow Gumbel-max noise, and no common"
    " cause is missing. Averages over twins equal those of rows under the intervention; the change"
    " of a single row is an assumption."
)


class Identification(KubeModel):
    """Artifact: whether the causal graph determines the effects of the interventions.

    assumption: of counterfactual twins; warnings: what the graph leaves open. Both name columns, so
    this is customer data.
    """

    identified: bool
    assumption: str | None = None
    warnings: list[str] = Field(default_factory=list)


def identify(trained: TrainedModel, request: GenerateRequest) -> Identification | None:
    """Return the identification of a request; None without interventions.

    Rows under do() need the direct causes of the fixed columns (truncated factorization: Pearl,
    2009, ch. 3). Pairs also need the mechanism of every column that changes, and so the direction
    of every edge there.
    """
    if not request.interventions:
        return None
    undetermined = [*_open_causes(trained, request)]
    if request.counterfactual:
        undetermined += _open_mechanisms(trained, request)
    assumption = COUNTERFACTUAL_ASSUMPTION if request.counterfactual else None
    warnings = [*undetermined, *_extrapolations(trained, request)]
    return Identification(identified=not undetermined, assumption=assumption, warnings=warnings)


def _open_causes(trained: TrainedModel, request: GenerateRequest) -> Iterator[str]:
    for name in request.interventions:
        if len(trained.graph.possible_parents(name, 2)) > 1:
            yield (
                f"The data do not determine the direction of edges at {name!r}, so its effects"
                " depend on the chosen order. State what you know as tiers, required or forbidden"
                " edges."
            )


def _open_mechanisms(trained: TrainedModel, request: GenerateRequest) -> Iterator[str]:
    changed = {after for name in request.interventions for after in trained.graph.descendants(name)}
    edges = [edge for edge in trained.graph.undecided if changed.intersection(edge)]
    if edges:
        shown = ", ".join(f"{a!r} and {b!r}" for a, b in edges[:3])
        yield (
            f"The data do not determine the direction of {len(edges)} edge(s) among the columns"
            f" that change ({shown}): averages over twins hold, changes of single rows may not."
        )


def _extrapolations(trained: TrainedModel, request: GenerateRequest) -> Iterator[str]:
    for name, value in request.interventions.items():
        column = trained.schema.find(name)
        if column is None or not column.is_numeric:
            continue
        low, high = column.minimum, column.maximum
        if low is not None and high is not None and not low <= float(value) <= high:
            yield (
                f"The data have {name!r} between {low:.6g} and {high:.6g};"
                f" {float(value):.6g} is an extrapolation."
            )
