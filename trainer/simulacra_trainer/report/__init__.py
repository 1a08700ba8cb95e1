"""The quality report: fidelity, privacy, conditions and causal graph."""

from simulacra_trainer.report.attackers.neighbors import equal_halves_dcr, is_within_bar
from simulacra_trainer.report.build import build_report, figures
from simulacra_trainer.report.html import render_html
from simulacra_trainer.report.privacy import exact_copies

__all__ = [
    "build_report",
    "equal_halves_dcr",
    "exact_copies",
    "figures",
    "is_within_bar",
    "render_html",
]
