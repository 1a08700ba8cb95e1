"""Routes of segment estimates."""

from __future__ import annotations

from simulacra_api.results.routes import result_routes
from simulacra_api.segments.service import SEGMENTS_KIND

router = result_routes(SEGMENTS_KIND)
