"""The answer sheet as one HTML file without script, from `templates/sheet.html.j2`."""

from __future__ import annotations

from functools import cache

from jinja2 import Template

from simulacra_schema.sheets import SheetResult
from simulacra_trainer.effects.words import figure, interval, listed, percent
from simulacra_trainer.report.html import page_environment
from simulacra_trainer.sheet import drawing

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


def render_sheet(sheet: SheetResult) -> str:
    """Return the sheet as a self-contained HTML document that prints well."""
    return _template().render(sheet=sheet, scale=drawing.interval_scale(sheet.levers))


@cache
def _template() -> Template:
    # The styles are those of the report, so that both can be handed over together.
    environment = page_environment("simulacra_trainer.sheet", "simulacra_trainer.report")
    environment.globals.update(
        BAR_WIDTH=drawing.BAR_WIDTH,
        HEIGHT=drawing.HEIGHT,
        ORIGINS=ORIGINS,
        PAD=drawing.PAD,
        POPULATIONS=POPULATIONS,
        STRIP=drawing.STRIP,
        WIDTH=drawing.WIDTH,
        contrast=drawing.contrast,
        draw_curve=drawing.draw_curve,
        draw_propensities=drawing.draw_propensities,
        figure=figure,
        interval=interval,
        level=drawing.level,
        listed=listed,
        percent=percent,
        place=drawing.place,
    )
    return environment.get_template("sheet.html.j2")
