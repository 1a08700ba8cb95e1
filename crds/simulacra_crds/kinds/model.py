"""Model: a causal generative model fit on one Dataset."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from simulacra_crds.kinds.base import (
    AGE,
    EXPIRES,
    PHASE,
    PROGRESS,
    READY,
    REASON,
    VERDICTS,
    Name,
    PrinterColumn,
    RetainedSpec,
    WorkResource,
    WorkStatus,
)
from simulacra_schema.base import Figures, KubeModel, VerdictLevels, no_default, optional, ruled
from simulacra_schema.questions.fit import (
    STRICT_NEEDS_FOREST,
    STRICT_OR_PRIVATE,
    FamilyName,
    FitQuestion,
    check_strict,
)

NodeLabel = Annotated[str, Field(max_length=316)]
NodeLabelValue = Annotated[str, Field(max_length=63)]

_WORKERS_NEED_NEURAL = "resources.workers above 1 needs family neural; one pod fits the others"
_ONE_PRIVATE_WORKER = (
    "privacy needs resources.workers 1, because each worker would add noise of its own"
)
_OWN_PRIORITY = (
    "resources.priorityClass must not begin with system-; name a PriorityClass of the cluster's own"
)
_LEAST_MEMORY = "resources.memory is 512Mi at least; a pod needs half of it before it reads a row"
_GI, _MI, _KI = (
    f"self.memory.endsWith('{unit}') ? int(self.memory.replace('{unit}', '')) * {scale}"
    for unit, scale in (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10))
)
_BYTES = f"({_GI} : {_MI} : {_KI} : int(self.memory))"
_STANDARD = "!has(self.privacyLevel) || self.privacyLevel != 'strict'"
_ON_GPU = "has(self.resources) && has(self.resources.gpu) && self.resources.gpu > 0"
_NEURAL = f"has(self.family) && (self.family == 'neural' || self.family == 'auto' && {_ON_GPU})"
_ONE_WORKER = "!has(self.resources) || !has(self.resources.workers) || self.resources.workers == 1"


class ObjectRef(KubeModel):
    """The name of another resource in the same namespace."""

    name: Name = Field(description="Name of the resource, in the same namespace.")


class Toleration(KubeModel):
    """A taint of nodes that the pods tolerate, as Kubernetes writes it."""

    key: str = Field(min_length=1, max_length=316, description="Key of the taint.")
    operator: Literal["Exists", "Equal"] = Field(
        default="Equal", description="Equal: the value counts; Exists: any value."
    )
    value: str | None = optional("Value of the taint, for operator Equal.", max_length=63)
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = optional(
        "Effect of the taint; any when absent."
    )


class ModelResources(KubeModel):
    """Requests of the fit Job; each of its workers requests all of it."""

    model_config = ruled(
        (
            "!has(self.priorityClass) || !self.priorityClass.startsWith('system-')",
            _OWN_PRIORITY,
        ),
        (f"!has(self.memory) || {_BYTES} >= {512 << 20}", _LEAST_MEMORY),
    )

    cpu: str | None = optional(
        "Requested cores, such as 2 or 500m.", max_length=32, pattern=r"^[0-9]+m?$"
    )
    memory: str | None = optional(
        "Limit of memory, such as 8Gi; 512Mi at least.",
        max_length=12,
        pattern=r"^[0-9]+(Ki|Mi|Gi)?$",
    )
    gpu: int = Field(
        default=0,
        ge=0,
        le=64,
        description="GPUs (nvidia.com/gpu) of one worker, 0 to 64; default 0. It trains on one.",
    )
    workers: Literal[1, 2, 4, 8] = Field(
        default=1,
        description="Pods that fit together, each on its own GPU or CPUs: 1, 2, 4 or 8; default 1. "
        "More than 1 needs family neural.",
        json_schema_extra=no_default,
    )
    node_selector: dict[NodeLabel, NodeLabelValue] = Field(
        default_factory=dict,
        max_length=8,
        description="Labels of the nodes, added to the installation's.",
    )
    tolerations: list[Toleration] = Field(
        default_factory=list, max_length=8, description="Tolerations, added to the installation's."
    )
    priority_class: str | None = optional(
        "PriorityClass, instead of the installation's.", min_length=1, max_length=63
    )

    @model_validator(mode="after")
    def _check_priority(self) -> ModelResources:
        if self.priority_class and self.priority_class.startswith("system-"):
            raise ValueError(_OWN_PRIORITY)
        return self


class _DatasetUseSpec(RetainedSpec):
    dataset_ref: ObjectRef = Field(description="The Dataset to fit on, in the same namespace.")


class ModelSpec(FitQuestion, _DatasetUseSpec):
    """How to fit. All fields except retention and suspend are fixed at creation."""

    model_config = ruled(
        (f"{_ONE_WORKER} || self.family == 'neural'", _WORKERS_NEED_NEURAL),
        (f"!has(self.privacy) || {_ONE_WORKER}", _ONE_PRIVATE_WORKER),
        (f"{_STANDARD} || !has(self.privacy)", STRICT_OR_PRIVATE),
        (f"{_STANDARD} || !({_NEURAL})", STRICT_NEEDS_FOREST),
    )

    resources: ModelResources = Field(
        default_factory=ModelResources,
        description="Requests of the fit Job, for each worker; the product chooses when absent.",
    )

    @model_validator(mode="after")
    def _check_workers(self) -> ModelSpec:
        if self.resources.workers > 1 and self.family != "neural":
            raise ValueError(_WORKERS_NEED_NEURAL)
        if self.resources.workers > 1 and self.privacy is not None:
            raise ValueError(_ONE_PRIVATE_WORKER)
        return self

    @model_validator(mode="after")
    def _check_privacy_level(self) -> ModelSpec:
        if self.privacy_level == "strict":
            check_strict(self.family, self.privacy, self.resources.gpu)
        return self


class ModelStatus(WorkStatus):
    """The state of a model.

    Conditions: DatasetReady, Fitted, Ready (both); Failed, if the work failed for good. Figures
    are fidelity and privacy; their names are never column names.
    """

    family: FamilyName | None = optional("The family that was fit.")
    figures: Figures = Field(
        default_factory=dict,
        description="Fidelity and privacy of generated tables, by name of the figure.",
    )
    verdicts: VerdictLevels | None = optional(
        "The verdicts on generated rows when the fit ended, in words."
    )


class Model(WorkResource):
    """A fitted generator of a tenant's dataset."""

    PLURAL: ClassVar[str] = "models"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("mdl",)
    PRINTER_COLUMNS: ClassVar[tuple[PrinterColumn, ...]] = (
        PrinterColumn(name="Dataset", json_path=".spec.datasetRef.name"),
        PHASE,
        READY,
        PROGRESS,
        PrinterColumn(name="Family", json_path=".status.family", priority=1),
        *VERDICTS,
        REASON,
        EXPIRES,
        AGE,
    )
    SELECTABLE_FIELDS: ClassVar[tuple[str, ...]] = (".spec.datasetRef.name", ".status.phase")

    kind: Literal["Model"] = "Model"
    spec: ModelSpec
    status: ModelStatus = Field(default_factory=ModelStatus)
