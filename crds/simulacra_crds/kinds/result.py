"""What all results of a Model share: its name in spec, and a life that is longer than its."""

from typing import ClassVar

from pydantic import Field

from simulacra_crds.kinds.base import (
    AGE,
    EXPIRES,
    PHASE,
    READY,
    REASON,
    PrinterColumn,
    RetainedSpec,
    WorkResource,
)
from simulacra_crds.kinds.model import ObjectRef
from simulacra_schema.base import KubeModel, optional


def result_columns(*own: PrinterColumn) -> tuple[PrinterColumn, ...]:
    """Return the columns of `kubectl get` for a kind of results, with those that it alone has."""
    model = PrinterColumn(name="Model", json_path=".spec.modelRef.name")
    return (model, PHASE, READY, *own, REASON, EXPIRES, AGE)


class ResultSpec(RetainedSpec):
    """The common spec of results."""

    model_ref: ObjectRef = Field(description="The Model to use, in the same namespace.")


class StatedSpec(KubeModel):
    """Who stated what a question states."""

    stated_by: str | None = optional(
        "Who stated the lists; the answer repeats it. The API fills in its client.", max_length=256
    )


class Result(WorkResource):
    """A resource that one Job makes with a Model. It outlives its Model once that Job has ended."""

    SELECTABLE_FIELDS: ClassVar[tuple[str, ...]] = (".spec.modelRef.name", ".status.phase")

    spec: ResultSpec
