"""Documents of the API that views of the console show."""

from __future__ import annotations

import json
from typing import Any

from effect_results import effect_result, sheet_result
from simulacra_api.sheets.routes import _answer
from simulacra_api.tenancy.repository import snake_case
from simulacra_schema.claims import mask_unclaimed

Json = dict[str, Any]
DATASET = "ds-111111111111111111111111"
EFFECT = "eff-111111111111111111111111"
SHEET = "sht-111111111111111111111111"
PATH = f"/v1/datasets/{DATASET}"
COMMON = {
    "dataset_id": DATASET,
    "job_id": f"job-{DATASET}",
    "status": "ready",
    "created_at": "2026-03-02T09:30:00Z",
    "expires_at": "2126-03-02T09:30:00Z",
}


def listed(*items: Json) -> Json:
    """Return a list of one page."""
    return {"items": list(items), "next_cursor": None}


def dataset(**more: Any) -> Json:
    """Return a dataset that is ready."""
    found = {"rows": 40, "columns": 65, "bytes": 900, "retention_seconds": 86_400}
    return COMMON | found | {"source_kept": False, "model": {"family": "forest"}} | more


def schema(columns: int) -> Json:
    """Return a schema of scales of five levels and numbers, with long names."""
    levels = [{"value": f"answer number {at}", "share": 0.2} for at in range(5)]
    scale = {"kind": "ordinal", "levels": levels, "storage": "string"}
    number = {"kind": "numeric", "levels": [], "storage": "double", "minimum": 0, "maximum": 10}
    shown = [
        {"name": f"how_much_do_you_agree_{at}", "learned": True, "missing_share": 0.1}
        | (scale if at % 2 else number)
        for at in range(columns)
    ]
    cleaning = [{"column": shown[0]["name"], "action": "spaces were removed", "count": 3}]
    return {"rows": 40, "columns": shown, "cleaning": cleaning}


def description(columns: int) -> Json:
    """Return what the columns of `schema` were read as."""
    fields = [
        {
            "name": one["name"],
            "type": "number" if one["kind"] == "numeric" else "string",
            "title": "How much do you agree with this statement?",
            "missingValues": ["", "98"],
            "x-simulacra": {"source": {"type": "detected"}, "evidence": {"type": "all numbers"}},
        }
        for one in schema(columns)["columns"]
    ]
    return {"name": "survey.csv", "schema": {"fields": fields}}


def effect(kind: str = "open", **more: Any) -> Json:
    """Return an effect with three adjustment sets left open."""
    found = snake_case(mask_unclaimed(effect_result(kind)).to_wire())
    found["ace"] = found.pop("estimate")
    head = {"effect_id": EFFECT, "population": "all"}
    lists: Json = {name: [] for name in ("before", "after", "dont_know", "negative_controls")}
    return COMMON | head | lists | found | more


def usual_order() -> Json:
    """Return a usual order of some of 65 columns."""
    blocks = [["how_much_do_you_agree_0", "how_much_do_you_agree_1"], ["how_much_do_you_agree_2"]]
    rest = [f"how_much_do_you_agree_{at}" for at in range(3, 65)]
    question = "Is this the order? Nothing rests on it until you say so, or correct it."
    return {"blocks": blocks, "reasons": [], "unplaced": rest, "question": question}


def sheet(*kinds: str) -> Json:
    """Return an answer sheet with a lever of each verdict."""
    found = snake_case(json.loads(sheet_result().model_dump_json(by_alias=True)))
    results = (sheet_result(kind) for kind in kinds)
    wires = (json.loads(one.model_dump_json(by_alias=True)) for one in results)
    found["levers"] = [_answer(lever) for one in wires for lever in snake_case(one)["levers"]]
    return COMMON | {"sheet_id": SHEET} | found


def views() -> Json:
    """Return the answers behind the views of a dataset of 65 columns."""
    return {
        PATH: dataset(),
        f"{PATH}/schema": schema(65),
        f"{PATH}/description": description(65),
        f"{PATH}/usual-order": usual_order(),
        "/v1/effects": listed(effect()),
        f"/v1/effects/{EFFECT}": effect(),
        "/v1/sheets": listed(sheet("assumed", "open")),
        f"/v1/sheets/{SHEET}": sheet("assumed", "open", "contradicted", "unanswerable"),
    }


def waves() -> Json:
    """Return the part `waves` of a report: one answer of a long name moved, thirty did not."""
    answers = [
        {
            "column": f"how_much_do_you_agree_{at}",
            "answer": "completely_" * 4,
            "shares": [0.3, None, 0.31, 0.55 if at == 0 else 0.3],
            "margins": [0.05, None, 0.05, 0.05],
            "change": 0.24,
            "low": 0.1,
            "high": 0.38,
            "verdict": "no sign" if at else "moved",
            "earlier": None,
            "composition": None,
            "sentence": f"how_much_do_you_agree_{at} {'rose' if at == 0 else 'did not move'}.",
        }
        for at in range(31)
    ]
    return {
        "column": "wave",
        "waves": [{"wave": f"2025-Q{at}", "rows": 400, "tested": at != 2} for at in range(1, 5)],
        "newest": "2025-Q4",
        "before": "2025-Q3",
        "background": ["age"],
        "answers": answers,
        "sentence": "Wave 2025-Q4 beside wave 2025-Q3: of 31 answers 1 moved.",
        "to_confirm": ["Q9 looks like the question Q7 of earlier waves (the name is another)"],
    }
