"""Conditions met exactly: minimum-KL raking of a pool of model rows, with whole-row quotas."""

from simulacra_trainer.conditions.attainment import AttainmentDetail, ConditionOutcome
from simulacra_trainer.conditions.plan import RowPlan, plan_rows
from simulacra_trainer.conditions.support import InfeasibleError

__all__ = ["AttainmentDetail", "ConditionOutcome", "InfeasibleError", "RowPlan", "plan_rows"]
