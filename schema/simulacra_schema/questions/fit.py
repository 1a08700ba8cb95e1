"""What a fit follows: causal knowledge, family, privacy."""

from typing import Literal

from pydantic import Field

from simulacra_schema.base import KubeModel, no_default, optional, optional_list
from simulacra_schema.faults import Fault, Question
from simulacra_schema.questions.knowledge import Knowledge, KnowledgeRecord, check_knowledge
from simulacra_schema.table import TableSchema

FamilyName = Literal["auto", "forest", "neural"]
PrivacyLevel = Literal["standard", "strict"]
STRICT_OR_PRIVATE = (
    "privacyLevel strict cannot be combined with privacy, whose rows are not in the model; set one"
)
STRICT_NEEDS_FOREST = (
    "privacyLevel strict needs family forest, or auto without GPUs; the other family is not tuned"
)


class DifferentialPrivacy(KubeModel):
    """(epsilon, delta)-differential privacy of a fit, for replacing one row."""

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
        description="Probability that the bound fails, 1e-12 to 1e-3; default 1e-6. Keep it far "
        "below one over the number of rows.",
    )


class FitQuestion(Question):
    """How to fit: family, causal knowledge, privacy, seed."""

    family: FamilyName = Field(default="auto", description="auto: forest on CPUs, neural on GPUs.")
    knowledge: Knowledge = Field(
        default_factory=Knowledge, description="Causal knowledge of the user; binding for the fit."
    )
    stated: list[KnowledgeRecord] = optional_list(
        "Who stated each part of the knowledge; answers repeat it. The API fills it.", max_length=5
    )
    privacy: DifferentialPrivacy | None = optional(
        "Learn from differentially private marginals instead of the rows. Schema and "
        "row count are not covered. Not with more than one worker."
    )
    privacy_level: PrivacyLevel = Field(
        default="standard",
        description="What privacy tuning demands of small tables. standard: attackers gain no more "
        "than a tolerance. strict: besides, at most 0.53 of the rows are nearer to the rows that "
        "the model saw, which costs realism. Not with privacy, nor with family neural. standard "
        "when absent.",
        json_schema_extra=no_default,
    )
    seed: int = Field(
        default=0, ge=0, le=2**31 - 1, description="Random seed, 0 to 2147483647; default 0."
    )

    def faults(self, schema: TableSchema) -> list[Fault]:
        """Return what the schema says against the knowledge; pointers begin in it."""
        return check_knowledge(self.knowledge, schema)


def check_strict(family: FamilyName, privacy: DifferentialPrivacy | None, gpu: int) -> None:
    """Raise a ValueError if a fit with these cannot be strict: nothing would be tuned."""
    if privacy is not None:
        raise ValueError(STRICT_OR_PRIVATE)
    if family == "neural" or (family == "auto" and gpu > 0):
        raise ValueError(STRICT_NEEDS_FOREST)
