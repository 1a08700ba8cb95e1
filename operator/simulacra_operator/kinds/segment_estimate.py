"""SegmentEstimate: once its Model is Ready, a `boost` Job certifies the shares of its segments."""

from simulacra_crds.tasks import BoostRequest
from simulacra_operator.work.questions import question

KIND = question(BoostRequest, "segments")
"""Segment estimates."""
