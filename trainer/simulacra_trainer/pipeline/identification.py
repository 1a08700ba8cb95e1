"""What rows under do() rest on: what the graph settles, and what no data can tell."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from simulacra_crds.contract.tasks import GenerateRequest
from simulacra_crds.kinds.base import KubeModel
from simulacra_trainer.pipeline.fit import TrainedModel

COUNTERFACTUAL_ASSUMPTION = (
    "A pair rests on more than data can show: each number, ordered level and yes/no keeps its rank"
    " among those that the same causes allow, other levels follow Gumbel-max noise, and no common"
    " cause is missing. Averages over the twins are those of rows under the intervention; what"
    " happens to one row is an assumption."
)


class Identification(KubeModel):
    """Whether the causal graph settles what the interventions change; the artifact of that name.

    assumption: what twins take for granted, in a counterfactual; warnings: what is not settled, in
    plain words. It names columns: customer data.
    """

    identified: bool
    assumption: str | None = None
    warnings: list[str] = Field(default_factory=list)


def identify(trained: TrainedModel, request: GenerateRequest) -> Identification | None:
    """Return what the interventions of a request rest on; None where there are none.

    Rows under do() need the direct causes of what is set (truncated factorisation: Pearl, 2009, ch.
    3). A pair needs the mechanism of every column that changes as well, and so the direction of
    every edge there.
    """
    if not request.interventions:
        return None
    open_ends = [*_open_causes(trained, request)]
    if request.counterfactual:
        open_ends += _open_mechanisms(trained, request)
    assumption = COUNTERFACTUAL_ASSUMPTION if request.counterfactual else None
    warnings = [*open_ends, *_outside(trained, request)]
    return Identification(identified=not open_ends, assumption=assumption, warnings=warnings)


def _open_causes(trained: TrainedModel, request: GenerateRequest) -> Iterator[str]:
    for name in request.interventions:
        if len(trained.graph.possible_parents(name, 2)) > 1:
            yield (
                f"The data do not settle which way edges at {name!r} point, so what changes with it"
                " rests on the order that was chosen. State what you know as tiers, required or"
                " forbidden edges."
            )


def _open_mechanisms(trained: TrainedModel, request: GenerateRequest) -> Iterator[str]:
    changed = {after for name in request.interventions for after in trained.graph.descendants(name)}
    edges = [edge for edge in trained.graph.undecided if changed.intersection(edge)]
    if edges:
        shown = ", ".join(f"{a!r} and {b!r}" for a, b in edges[:3])
        yield (
            f"The data do not settle which way {len(edges)} edge(s) among columns that change point"
            f" ({shown}): the twins' averages stand, how single rows change does not."
        )


def _outside(trained: TrainedModel, request: GenerateRequest) -> Iterator[str]:
    for name, value in request.interventions.items():
        column = trained.schema.find(name)
        if (
            column is None
            or not column.is_numeric
            or column.minimum is None
            or column.maximum is None
        ):
            continue
        if not column.minimum <= float(value) <= column.maximum:
            yield (
                f"{name!r} was between {column.minimum:.6g} and {column.maximum:.6g}: what lies"
                " beyond is an extrapolation."
            )
