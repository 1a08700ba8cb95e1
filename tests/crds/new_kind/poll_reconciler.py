"""Poll: once its Model is Ready, a `poll` Job answers."""

from simulacra_operator.work.questions import question
from simulacra_schema.base import ColumnName, KubeModel


class PollRequest(KubeModel):
    """Parameters."""

    question: ColumnName


KIND = question(PollRequest, "poll")
