"""The registry of kinds: one entry a kind, from which every list of kinds derives.

Names and ids, API paths, fixed fields, tasks, reconcilers, webhooks, job bodies, quotas and the
chart's roles read it. `CONTRIBUTING.md` says what else a new kind needs.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulacra_crds.kinds.access_request import AccessRequest
from simulacra_crds.kinds.answer_sheet import AnswerSheet
from simulacra_crds.kinds.base import Resource, RetainedSpec
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.kinds.model import Model
from simulacra_crds.kinds.result import Result
from simulacra_crds.kinds.segment_estimate import SegmentEstimate
from simulacra_crds.kinds.tenant import Tenant


@dataclass(frozen=True)
class KindInfo:
    """What every package knows of a kind.

    Attributes:
        task: task of its one Job; empty for a kind without bytes and without a Job.
        noun: name of the resource in the REST API; empty for a kind without a job there.
        prefix: first part of its ids in the REST API.
        title: of one result, for people, with its article.
        changeable: fields of spec that may change, besides retention and suspend. The others are
            fixed at creation, because the work is done once.
    """

    resource: type[Resource]
    task: str = ""
    noun: str = ""
    prefix: str = ""
    title: str = ""
    changeable: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Name of the kind."""
        return self.resource.__name__

    @property
    def module(self) -> str:
        """Name of its modules in `simulacra_crds.kinds` and `simulacra_operator.kinds`."""
        return self.resource.__module__.rpartition(".")[2]

    @property
    def collection(self) -> str:
        """Last part of its path in the REST API."""
        return f"{self.noun}s"

    @property
    def id_field(self) -> str:
        """Field of REST bodies that has its id."""
        return f"{self.noun}_id"

    @property
    def is_result(self) -> bool:
        """Whether it uses a Model, which it outlives once its work has ended."""
        return issubclass(self.resource, Result)

    @property
    def fixed(self) -> tuple[str, ...]:
        """Fields of spec, as Kubernetes writes them, that cannot change after creation."""
        spec = self.resource.model_fields["spec"].annotation
        if spec is None or not self.task:
            return ()
        free = {*RetainedSpec.model_fields, *self.changeable}
        fields = spec.model_fields.items()
        return tuple(str(field.alias) for name, field in fields if name not in free)


REGISTRY = (
    KindInfo(AccessRequest),
    KindInfo(Tenant),
    KindInfo(
        Dataset,
        task="prepare",
        noun="dataset",
        prefix="ds",
        changeable=("source", "table_description", "hold", "keep_source"),
    ),
    KindInfo(Model, task="fit"),
    KindInfo(
        GenerationJob,
        task="generate",
        noun="generation",
        prefix="gen",
        title="a generation",
        changeable=("evidence",),
    ),
    KindInfo(
        EffectEstimate, task="estimate", noun="effect", prefix="eff", title="an effect estimate"
    ),
    KindInfo(
        SegmentEstimate, task="boost", noun="segment", prefix="seg", title="a segment estimate"
    ),
    KindInfo(AnswerSheet, task="sheet", noun="sheet", prefix="sht", title="an answer sheet"),
)
"""All kinds, in the order to apply their CRDs."""
KINDS = tuple(info.resource for info in REGISTRY)
BY_KIND = {info.kind: info for info in REGISTRY}
WORK = tuple(info for info in REGISTRY if info.task)
"""Kinds with bytes, whose work is one Job: their finalizer stays until the bytes are erased."""
RESULTS = {info.kind: info.resource for info in WORK if issubclass(info.resource, Result)}
"""Kinds that outlive their Model once their work has ended, by name."""
WITH_JOB = tuple(info for info in WORK if info.noun)
"""Kinds with a job in the REST API."""

if TYPE_CHECKING:
    Noun = str
    Plural = str
    Task = str
else:
    from typing import Literal

    Noun = Literal[tuple(info.noun for info in WITH_JOB)]
    Plural = Literal[tuple(info.resource.PLURAL for info in WORK)]
    Task = Literal[tuple(info.task for info in WORK)]
