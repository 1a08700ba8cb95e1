"""The custom resources as pydantic models; `KINDS` is all of them, in the order to apply CRDs."""

from __future__ import annotations

from simulacra_crds.kinds.access_request import AccessRequest
from simulacra_crds.kinds.answer_sheet import AnswerSheet
from simulacra_crds.kinds.base import Resource
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.effect_estimate import EffectEstimate
from simulacra_crds.kinds.generation_job import GenerationJob
from simulacra_crds.kinds.model import Model
from simulacra_crds.kinds.segment_estimate import SegmentEstimate
from simulacra_crds.kinds.tenant import Tenant

KINDS: tuple[type[Resource], ...] = (
    AccessRequest,
    Tenant,
    Dataset,
    Model,
    GenerationJob,
    EffectEstimate,
    SegmentEstimate,
    AnswerSheet,
)
