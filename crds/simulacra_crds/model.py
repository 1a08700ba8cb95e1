"""Model: a causal generative model fit on one Dataset."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from simulacra_crds.base import (
    AGE,
    EXPIRES,
    PHASE,
    PROGRESS,
    READY,
    REASON,
    ColumnName,
    KubeModel,
    Name,
    PrinterColumn,
    Resource,
    RetainedSpec,
    WorkStatus,
)

FamilyName = Literal["auto", "forest", "neural"]
Tier = Annotated[list[ColumnName], Field(min_length=1, max_length=300)]


class Edge(KubeModel):
    """A directed causal edge between two columns."""

    source: ColumnName
    target: ColumnName


class Knowledge(KubeModel):
    """What the user knows about causes; binding for the fit.

    tiers: earlier tiers are never caused by later ones (demographics first, outcomes last).
    """

    tiers: list[Tier] = Field(default_factory=list, max_length=32)
    required: list[Edge] = Field(default_factory=list, max_length=1000)
    forbidden: list[Edge] = Field(default_factory=list, max_length=1000)


class DifferentialPrivacy(KubeModel):
    """What one row of the table may change at most: (epsilon, delta)-differential privacy, rows replaced."""

    epsilon: float = Field(ge=0.01, le=100, allow_inf_nan=False)
    delta: float = Field(default=1e-6, ge=1e-12, le=1e-3, allow_inf_nan=False)


class ObjectRef(KubeModel):
    """The name of another resource in the same namespace."""

    name: Name


class ModelResources(KubeModel):
    """What the fit Job asks of a node."""

    cpu: str | None = Field(default=None, max_length=32, pattern=r"^[0-9]+m?$")
    memory: str | None = Field(default=None, max_length=32, pattern=r"^[0-9]+(Ki|Mi|Gi)?$")
    gpu: int = Field(default=0, ge=0, le=64)


class ModelSpec(RetainedSpec):
    """How to fit. Everything but retention and suspend is fixed at creation."""

    dataset_ref: ObjectRef
    family: FamilyName = Field(default="auto", description="auto: forest on CPUs, neural on GPUs.")
    knowledge: Knowledge = Field(default_factory=Knowledge)
    privacy: DifferentialPrivacy | None = Field(
        default=None,
        description="Learn from differentially private marginals instead of the rows. Schema and row count are not "
        "covered.",
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    resources: ModelResources = Field(default_factory=ModelResources)


class ModelStatus(WorkStatus):
    """What is true of a model.

    Conditions: DatasetReady, Fitted, Ready (both). Figures are fidelity and privacy, never column names.
    """

    family: FamilyName | None = None
    figures: dict[str, float] = Field(default_factory=dict, max_length=32)


class Model(Resource):
    """A fitted generator of a tenant's dataset."""

    PLURAL: ClassVar[str] = "models"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("mdl",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Dataset", type="string", json_path=".spec.datasetRef.name"),
        PHASE,
        READY,
        PROGRESS,
        PrinterColumn(name="Family", type="string", json_path=".status.family", priority=1),
        REASON,
        EXPIRES,
        AGE,
    )
    SELECTABLE_FIELDS: ClassVar[tuple[str, ...]] = (".spec.datasetRef.name", ".status.phase")

    kind: Literal["Model"] = "Model"
    spec: ModelSpec
    status: ModelStatus = Field(default_factory=ModelStatus)
