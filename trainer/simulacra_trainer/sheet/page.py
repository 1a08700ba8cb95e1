"""The answer sheet as one HTML file without script, from `templates/sheet.html.j2`.

Its pictures are SVG coordinates: intervals, curves, propensities.
"""

from collections.abc import Sequence
from functools import cache
from itertools import groupby

from jinja2 import Template

from simulacra_schema.sheets import Curve, CurvePoint, LeverAnswer, PropensityCounts, SheetResult
from simulacra_trainer.effects.words import figure, interval, listed, percent
from simulacra_trainer.report.html import page_environment

POPULATIONS = {
    "all": "everybody in the table",
    "treated": "those who have the value now",
    "overlap": "those who could have had either value",
}
ORIGINS = {
    "request": "said with this question",
    "tiers": "tiers of the model",
    "required": "required edges of the model",
    "proposed": "recognized as background and confirmed",
}
WIDTH, HEIGHT = 520, 180
PAD = 40
BAR_WIDTH = 260
STRIP = 60


def render_sheet(sheet: SheetResult) -> str:
    """Return the sheet as a self-contained HTML document that prints well."""
    return _template().render(sheet=sheet, scale=interval_scale(sheet.levers))


@cache
def _template() -> Template:
    # The styles are those of the report, so that both can be handed over together.
    environment = page_environment("simulacra_trainer.sheet", "simulacra_trainer.report")
    environment.globals.update(
        BAR_WIDTH=BAR_WIDTH,
        HEIGHT=HEIGHT,
        ORIGINS=ORIGINS,
        PAD=PAD,
        POPULATIONS=POPULATIONS,
        STRIP=STRIP,
        WIDTH=WIDTH,
    )
    of_words = (contrast, figure, interval, level, listed, percent)
    for helper in (*of_words, draw_curve, draw_propensities, place):
        environment.globals[helper.__name__] = helper
    return environment.get_template("sheet.html.j2")


def contrast(lever: LeverAnswer) -> str:
    """Return the lever and its two values in words."""
    answer = lever.answer
    return f"{answer.treatment}: {level(answer.value)}, not {level(answer.baseline)}"


def level(value: str | float) -> str:
    """Return a value of a lever as people write it."""
    return f"{value:.12g}" if isinstance(value, float) else value


def interval_scale(levers: Sequence[LeverAnswer]) -> tuple[float, float]:
    """Return the lowest and highest end of all intervals, 0 between them."""
    spans = [lever.answer.union for lever in levers if lever.answer.union is not None]
    low = min((span.low for span in spans), default=0.0)
    high = max((span.high for span in spans), default=0.0)
    low, high = min(low, 0.0), max(high, 0.0)
    return (low, high) if high > low else (low, low + 1.0)


def place(value: float, scale: tuple[float, float]) -> str:
    """Return the position of a value on a bar, in pixels."""
    low, high = scale
    return f"{BAR_WIDTH * (value - low) / (high - low):.1f}"


def draw_curve(curve: Curve) -> dict[str, object] | None:
    """Return bands, lines and dots of a curve; each run of points without a gap is one of each.

    None without two known points.
    """
    known = [point for point in curve.points if point.mean is not None]
    if len(known) < 2:
        return None
    left, right = curve.points[0].at, curve.points[-1].at
    lows = [point.low for point in known if point.low is not None]
    highs = [point.high for point in known if point.high is not None]
    bottom, top = min(lows), max(highs)

    def x(at: float) -> float:
        return PAD + (WIDTH - 2 * PAD) * (at - left) / (right - left)

    def y(value: float | None) -> float:
        height = (value or 0.0) - bottom
        return HEIGHT - PAD - (HEIGHT - 2 * PAD) * height / max(top - bottom, 1e-300)

    def path(points: Sequence[CurvePoint], field: str) -> list[str]:
        return [f"{x(point.at):.1f},{y(getattr(point, field)):.1f}" for point in points]

    runs = [
        list(run)
        for is_known, run in groupby(curve.points, lambda point: point.mean is not None)
        if is_known
    ]
    return {
        "bands": [" ".join(path(run, "low") + path(run, "high")[::-1]) for run in runs],
        "lines": [" ".join(path(run, "mean")) for run in runs],
        "dots": [path(run, "mean") for run in runs],
        "gaps": [f"{x(p.at):.1f}" for p in curve.points if p.mean is None],
        "ends": (left, right, bottom, top),
    }


def draw_propensities(counts: PropensityCounts) -> list[tuple[int, float, float]]:
    """Return the class, and the height of the bar of each arm, of each class of propensities."""
    arms = (counts.value, counts.baseline)
    most = [max(max(arm), 1) for arm in arms]
    return [
        (at, STRIP * one / most[0], STRIP * other / most[1])
        for at, (one, other) in enumerate(zip(*arms, strict=True))
    ]
