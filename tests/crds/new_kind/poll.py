"""Poll: a question to a model."""

from typing import ClassVar, Literal

from pydantic import Field

from simulacra_crds.kinds.base import WorkStatus
from simulacra_crds.kinds.result import Result, ResultSpec
from simulacra_schema.base import ColumnName, Figures


class PollSpec(ResultSpec):
    """The question."""

    question: ColumnName = Field(description="The column.")


class PollStatus(WorkStatus):
    """The state."""

    poll: Figures | None = None


class Poll(Result):
    """A poll."""

    PLURAL: ClassVar[str] = "polls"

    kind: Literal["Poll"] = "Poll"
    spec: PollSpec
    status: PollStatus = Field(default_factory=PollStatus)
