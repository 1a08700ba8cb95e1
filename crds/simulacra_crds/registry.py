"""All kinds, in the order in which their CRDs are applied."""

from __future__ import annotations

from simulacra_crds.access_request import AccessRequest
from simulacra_crds.base import Resource
from simulacra_crds.dataset import Dataset
from simulacra_crds.effect_estimate import EffectEstimate
from simulacra_crds.generation_job import GenerationJob
from simulacra_crds.model import Model
from simulacra_crds.tenant import Tenant

KINDS: tuple[type[Resource], ...] = (AccessRequest, Tenant, Dataset, Model, GenerationJob, EffectEstimate)
