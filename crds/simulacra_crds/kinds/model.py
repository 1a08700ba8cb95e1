"""Model: a causal generative model fit on one Dataset."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from simulacra_crds.kinds.base import (
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
NodeLabel = Annotated[str, Field(max_length=316)]
NodeLabelValue = Annotated[str, Field(max_length=63)]
Tier = Annotated[list[ColumnName], Field(min_length=1, max_length=300)]

_WORKERS_NEED_NEURAL = (
    "resources.workers above 1 needs family neural: other families are fit by one pod"
)
_WORKERS_ARE_NOT_PRIVATE = (
    "more than one worker is not offered with privacy: each would draw noise of its own"
)
_PRIORITY_IS_THEIRS = (
    "resources.priorityClass must not be one of the system's (system-...); name one of your own"
)


class Edge(KubeModel):
    """A directed causal edge between two columns."""

    source: ColumnName = Field(description="The column that causes.")
    target: ColumnName = Field(description="The column that is caused.")


class Knowledge(KubeModel):
    """What the user knows about causes; binding for the fit."""

    tiers: list[Tier] = Field(
        default_factory=list,
        max_length=32,
        description="Lists of columns; a tier is never caused by a later one (demographics first, outcomes last).",
    )
    required: list[Edge] = Field(
        default_factory=list, max_length=1000, description="Edges that the graph must have."
    )
    forbidden: list[Edge] = Field(
        default_factory=list, max_length=1000, description="Edges that it must not have."
    )


class DifferentialPrivacy(KubeModel):
    """What one row of the table may change at most: (epsilon, delta)-differential privacy, rows replaced."""

    epsilon: float = Field(
        ge=0.01,
        le=100,
        allow_inf_nan=False,
        description="Bound of the privacy loss, 0.01 to 100; smaller is stricter.",
    )
    delta: float = Field(
        default=1e-6,
        ge=1e-12,
        le=1e-3,
        allow_inf_nan=False,
        description="Chance that the bound fails, 1e-12 to 1e-3; default 1e-6. Keep it far below one over the rows.",
    )


class ObjectRef(KubeModel):
    """The name of another resource in the same namespace."""

    name: Name = Field(description="Name of the resource, in the same namespace.")


class Toleration(KubeModel):
    """A taint of nodes that the pods put up with, as Kubernetes writes it."""

    key: str = Field(min_length=1, max_length=316, description="Key of the taint.")
    operator: Literal["Exists", "Equal"] = Field(
        default="Equal", description="Equal: the value counts; Exists: any value."
    )
    value: str | None = Field(
        default=None, max_length=63, description="Value of the taint, where operator is Equal."
    )
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; any when absent."
    )


class ModelResources(KubeModel):
    """What the fit Job asks of nodes; each of its workers asks for all of it."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.priorityClass) || !self.priorityClass.startsWith('system-')",
                    "message": _PRIORITY_IS_THEIRS,
                }
            ]
        }
    )

    cpu: str | None = Field(
        default=None,
        max_length=32,
        pattern=r"^[0-9]+m?$",
        description="Cores that are requested, 2 or 500m.",
    )
    memory: str | None = Field(
        default=None,
        max_length=32,
        pattern=r"^[0-9]+(Ki|Mi|Gi)?$",
        description="Memory that it may use, 8Gi.",
    )
    gpu: int = Field(
        default=0,
        ge=0,
        le=64,
        description="GPUs (nvidia.com/gpu) of one worker, 0 to 64; default 0. It trains on one of them.",
    )
    workers: Literal[1, 2, 4, 8] = Field(
        default=1,
        description="Pods that fit together, each on its own GPU or CPUs: 1, 2, 4 or 8; default 1. More need family "
        "neural.",
    )
    node_selector: dict[NodeLabel, NodeLabelValue] = Field(
        default_factory=dict,
        max_length=8,
        description="Labels of the nodes, added to the installation's.",
    )
    tolerations: list[Toleration] = Field(
        default_factory=list, max_length=8, description="Added to the installation's."
    )
    priority_class: str | None = Field(
        default=None,
        min_length=1,
        max_length=63,
        description="PriorityClass, in the place of the installation's.",
    )

    @model_validator(mode="after")
    def _priority_is_not_the_systems(self) -> ModelResources:
        if self.priority_class and self.priority_class.startswith("system-"):
            raise ValueError(_PRIORITY_IS_THEIRS)
        return self


class ModelSpec(RetainedSpec):
    """How to fit. Everything but retention and suspend is fixed at creation."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!has(self.resources) || !has(self.resources.workers) || self.resources.workers == 1"
                    " || self.family == 'neural'",
                    "message": _WORKERS_NEED_NEURAL,
                },
                {
                    "rule": "!has(self.privacy) || !has(self.resources) || !has(self.resources.workers)"
                    " || self.resources.workers == 1",
                    "message": _WORKERS_ARE_NOT_PRIVATE,
                },
            ]
        }
    )

    dataset_ref: ObjectRef = Field(
        description="The Dataset that it is fit on, in the same namespace."
    )
    family: FamilyName = Field(default="auto", description="auto: forest on CPUs, neural on GPUs.")
    knowledge: Knowledge = Field(
        default_factory=Knowledge,
        description="What the user knows about causes; binding for the fit.",
    )
    privacy: DifferentialPrivacy | None = Field(
        default=None,
        description="Learn from differentially private marginals instead of the rows. Schema and row count are not "
        "covered. Not with more than one worker.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Decides all that is random, 0 to 2147483647; default 0.",
    )
    resources: ModelResources = Field(
        default_factory=ModelResources,
        description="What the fit Job asks of nodes, each worker all of it; the product's own figures when absent.",
    )

    @model_validator(mode="after")
    def _workers_need_neural(self) -> ModelSpec:
        if self.resources.workers > 1 and self.family != "neural":
            raise ValueError(_WORKERS_NEED_NEURAL)
        if self.resources.workers > 1 and self.privacy is not None:
            raise ValueError(_WORKERS_ARE_NOT_PRIVATE)
        return self


class ModelStatus(WorkStatus):
    """What is true of a model.

    Conditions: DatasetReady, Fitted, Ready (both). Figures are fidelity and privacy, never column names.
    """

    family: FamilyName | None = Field(default=None, description="The engine that was fit.")
    figures: dict[str, float] = Field(
        default_factory=dict,
        max_length=32,
        description="Fidelity and privacy of what it generates, by name of the figure.",
    )


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
