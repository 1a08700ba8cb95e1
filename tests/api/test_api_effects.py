"""Effect estimates: validation, answer, list, erasure."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from effect_results import ANSWERED, FIGURES, TEXTS, effect_result, partly_answered
from simulacra_api.effects.schemas import EffectRequest
from simulacra_api.tenancy.repository import snake_case
from simulacra_crds.kube.client import EFFECT_ESTIMATES
from simulacra_crds.tasks import ESTIMATE

QUESTION = {
    "treatment": "price",
    "value": 9,
    "baseline": 5,
    "outcome": "segment",
    "outcome_level": "loyal",
}


async def _request(http: httpx2.AsyncClient, dataset: str, key: str, body: Any) -> httpx2.Response:
    return await http.post(
        f"/v1/datasets/{dataset}/effects", json=body, headers={"Idempotency-Key": key}
    )


@pytest.mark.one_case_real
@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"treatment": "none"}, ["/treatment"]),
        ({"treatment": "id"}, ["/treatment"]),
        ({"value": "dear"}, ["/value"]),
        ({"value": 5}, ["/baseline"]),
        ({"value": True}, ["/value"]),
        ({"outcome": "none"}, ["/outcome"]),
        ({"outcome": "price", "outcome_level": None}, ["/outcome"]),
        ({"outcome_level": None}, ["/outcome_level"]),
        ({"outcome_level": "nobody"}, ["/outcome_level"]),
        ({"segment": "none"}, ["/segment"]),
        ({"segment": "price"}, ["/segment"]),
        ({"by": ["region", "none"]}, ["/by/1"]),
        ({"by": ["region", "region"]}, ["/by/1"]),
        ({"by": ["price", "segment"]}, ["/by/0", "/by/1"]),
        ({"by": ["region", "loyalty", "id"]}, ["/by"]),
        ({"by": ["region"], "segment": "loyalty"}, ["/by"]),
        (
            {
                "treatment": "segment",
                "value": "x",
                "baseline": "loyal",
                "outcome": "price",
                "outcome_level": "1",
            },
            ["/value", "/outcome_level"],
        ),
        ({"before": ["nosuch"]}, ["/before/0"]),
        ({"before": ["region", "price"]}, ["/before/1"]),
        ({"before": ["segment"]}, ["/before/0"]),
        ({"before": ["id"]}, ["/before/0"]),
        ({"before": ["region", "region"]}, ["/before/1"]),
        ({"before": ["region"], "after": ["region"]}, ["/after/0"]),
        ({"after": ["loyalty"], "dont_know": ["region", "loyalty"]}, ["/dont_know/1"]),
        ({"dont_know": ["loyalty"], "negative_controls": ["loyalty"]}, ["/negative_controls/0"]),
        ({"blocks": [["region"], ["price", "nosuch"], ["region"]]}, ["/blocks/1/1", "/blocks/2/0"]),
        ({"blocks": [["region"], ["price"], ["loyalty"]], "before": ["loyalty"]}, ["/before/0"]),
        ({"blocks": [[]]}, ["/blocks/0"]),
        ({"negative_controls": ["region"]}, ["/negative_controls/0"]),
        ({"negative_controls": ["segment"]}, ["/negative_controls/0"]),
        ({"negative_controls": ["loyalty"] * 9}, ["/negative_controls"]),
        ({"population": "everybody"}, ["/population"]),
        ({"instrument": "none"}, ["/instrument"]),
        ({"instrument": "region"}, ["/instrument"]),
        ({"instrument": "loyalty", "after": ["loyalty"]}, ["/instrument"]),
        ({"instrument": "loyalty", "by": ["region"]}, ["/by"]),
        ({"parallel_trends": {"none": 3}}, ["/parallel_trends/none"]),
        ({"parallel_trends": {"region": "north"}}, ["/parallel_trends/region"]),
        ({"parallel_trends": {"loyalty": 0}}, ["/parallel_trends/loyalty"]),
        ({"parallel_trends": {"loyalty": "soon"}}, ["/parallel_trends/loyalty"]),
        ({"value": "5.0"}, ["/baseline"]),
        ({"parallel_trends": {"loyalty": 11}}, ["/parallel_trends/loyalty"]),
        ({"parallel_trends": {"loyalty": 3}, "instrument": "loyalty"}, ["/instrument"]),
        ({"parallel_trends": {"loyalty": 3, "region": "north"}}, ["/parallel_trends"]),
        ({"before": "region"}, ["/before"]),
        ({"retention_seconds": 604_801}, ["/retention_seconds"]),
        ({"color": 1}, ["/color"]),
    ],
)
async def test_each_wrong_field_is_named(
    world: Any,
    http: httpx2.AsyncClient,
    ready: str,
    key: str,
    change: dict[str, Any],
    pointers: list[str],
) -> None:
    answer = await _request(http, ready, key, QUESTION | change)
    assert (answer.status_code, answer.json()["code"]) == (400, "simio_invalid_field"), answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers
    made = [item async for item in world.cluster.list(EFFECT_ESTIMATES, "tenant-acme")]
    labels = [item["metadata"].get("labels", {}) for item in made]
    assert ready not in [one.get("simulacra.dev/dataset") for one in labels]


@pytest.mark.parametrize(("given", "level"), [(5, "5"), (5.0, "5"), (True, "true"), ("5", "5")])
def test_an_outcome_level_may_be_a_number_or_a_boolean(given: object, level: str) -> None:
    asked = EffectRequest.model_validate(QUESTION | {"outcome_level": given})
    assert asked.outcome_text() == f"segment={level}"


async def test_effect_from_request_to_erasure(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    question = QUESTION | {"by": ["region", "loyalty"]}
    asked = await _request(http, ready, key, question)
    assert asked.status_code == 202, asked.text
    effect, job = asked.json()["effect_id"], asked.json()["job_id"]
    assert asked.headers["location"] == f"{world.url}/v1/jobs/{job}"
    assert (await _request(http, ready, key, question)).json() == asked.json()
    assert (await _request(http, ready, key, question | {"value": 8})).json()[
        "code"
    ] == "simio_idempotency_conflict"
    waiting = await http.get(f"/v1/effects/{effect}")
    assert (waiting.json()["status"], waiting.json()["ace"]) == ("queued", None)
    assert waiting.headers["retry-after"] == "2"
    spec = (await world.cluster.get(EFFECT_ESTIMATES, effect, "tenant-acme"))["spec"]
    assert (spec["treatment"], spec["value"], spec["outcome"]) == (
        "price",
        {"number": 9},
        "segment=loyal",
    )

    await acme.estimate(effect)
    assert (await http.get(f"/v1/jobs/{job}")).json()["effect_id"] == effect
    shown = (await http.get(f"/v1/effects/{effect}")).json()
    assert shown["ace"] == FIGURES
    loyal, switcher = shown["segments"]
    assert (loyal["level"], loyal["thin_support"], loyal["difference"]) == ("loyal", True, None)
    assert (loyal["alone"], switcher["alone"]) == ({"low": -0.55, "high": -0.25}, None)
    assert (shown["by"], spec["by"]) == (["region", "loyalty"],) * 2
    assert shown["groups_differ"]["p"] == 0.02
    assert shown["elasticity"]["value"] == -0.71
    assert switcher["difference"] == {"effect": 0.5, "low": 0.1, "high": 0.9}
    assert shown["unshown_segments"] == ["new"]
    assert (shown["identified"], shown["method"], shown["warnings"]) == (True, "aipw", ["few rows"])
    listed = (await http.get(f"/v1/effects?dataset_id={ready}&status=ready")).json()["items"]
    assert [item["effect_id"] for item in listed] == [effect]
    async with world.client("globex") as other:
        for call in (other.get, other.delete):
            assert (await call(f"/v1/effects/{effect}")).json()["code"] == "simio_effect_not_found"

    erased = asyncio.gather(acme.erase(EFFECT_ESTIMATES, effect))
    assert (await http.delete(f"/v1/effects/{effect}")).status_code == 204
    await erased
    assert (await http.get(f"/v1/effects/{effect}")).status_code == 404


async def test_key_of_a_request_from_before_the_statements_is_still_good(
    http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    asked = await _request(http, ready, key, QUESTION)
    plain = QUESTION | {"before": [], "after": [], "by": [], "population": "all"}
    assert (await _request(http, ready, key, plain)).json() == asked.json()
    other = await _request(http, ready, key, QUESTION | {"before": ["region"]})
    assert other.json()["code"] == "simio_idempotency_conflict"


async def test_a_stated_design_is_stored_with_its_author_and_repeated(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    plain = (await _request(http, ready, key, QUESTION)).json()["effect_id"]
    shown = (await http.get(f"/v1/effects/{plain}")).json()
    assert not {"instrument", "parallel_trends"} & shown.keys()
    for at, design in enumerate(
        ({"parallel_trends": {"loyalty": 3}}, {"instrument": "region=north"})
    ):
        made = (await _request(http, ready, f"{key}-{at}", QUESTION | design)).json()["effect_id"]
        shown = (await http.get(f"/v1/effects/{made}")).json()
        assert design.items() <= shown.items()
        spec = (await world.cluster.get(EFFECT_ESTIMATES, made, "tenant-acme"))["spec"]
        stored = [spec.get(name) for name in ("parallelTrends", "instrument")]
        assert stored == [[{"loyalty": {"number": 3}}, None], [None, "region=north"]][at]
        assert spec["statedBy"]


async def test_numbers_as_text_are_numbers(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str
) -> None:
    asked = QUESTION | {"value": "9", "baseline": "5.0", "parallel_trends": {"loyalty": "3"}}
    made = await _request(http, ready, key, asked)
    assert made.status_code == 202, made.text
    effect = made.json()["effect_id"]
    spec = (await world.cluster.get(EFFECT_ESTIMATES, effect, "tenant-acme"))["spec"]
    assert [spec["value"], spec["baseline"]] == [{"number": 9}, {"number": 5}]
    assert spec["parallelTrends"] == {"loyalty": {"number": 3}}


async def test_failed_effect_gives_the_reason(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    effect = (await _request(http, ready, key, QUESTION)).json()["effect_id"]
    await acme.fail(EFFECT_ESTIMATES, effect, "RequestInvalid", "nobody paid 9", "/value")
    shown = (await http.get(f"/v1/effects/{effect}")).json()
    assert shown["error"] == {
        "code": "simio_invalid_field",
        "detail": "nobody paid 9",
        "pointer": "/value",
        "errors": [],
    }
    assert shown["ace"] is None


async def test_effect_is_refused_until_the_dataset_is_ready(
    http: httpx2.AsyncClient, uploaded: str, key: str
) -> None:
    refused = await _request(http, uploaded, key, QUESTION)
    assert (refused.status_code, refused.json()["code"]) == (409, "simio_dataset_not_ready")


async def test_usual_order_is_a_question_until_it_is_confirmed(
    http: httpx2.AsyncClient, ready: str
) -> None:
    found = (await http.get(f"/v1/datasets/{ready}/usual-order")).json()
    placed = [name for block in found["blocks"] for name in block]
    assert {"region", "price"} <= set(placed)
    assert placed.index("region") < placed.index("price")
    assert (len(found["reasons"]), found["question"][-1]) == (len(placed), ".")


async def test_statements_reach_the_resource_and_the_answer(
    world: Any, http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    stated = {
        "before": ["region"],
        "after": ["segment"],
        "dont_know": ["loyalty"],
        "blocks": [["region"], ["price"]],
        "population": "treated",
    }
    effect = (await _request(http, ready, key, QUESTION | stated)).json()["effect_id"]
    spec = (await world.cluster.get(EFFECT_ESTIMATES, effect, "tenant-acme"))["spec"]
    assert (spec["before"], spec["after"], spec["dontKnow"]) == (
        ["region"],
        ["segment"],
        ["loyalty"],
    )
    assert (spec["population"], spec["statedBy"]) == ("treated", "client.acme")
    shown = (await http.get(f"/v1/effects/{effect}")).json()
    assert {name: shown[name] for name in stated} == stated
    assert shown["verdict"] is None

    await acme.estimate(effect)
    shown = (await http.get(f"/v1/effects/{effect}")).json()
    assert shown["verdict"] == {
        "kind": "assumed",
        "text": TEXTS["assumed"],
        "rests_on": [
            {
                "earlier": ["region"],
                "later": ["price"],
                "origin": "request",
                "author": "client",
                "author_kind": None,
                "time": None,
            }
        ],
        "asks": None,
    }
    assert (shown["precision"], shown["effective_rows"]) == ("clear", 41.5)
    assert shown["union"] == {"low": -0.6, "high": -0.2}
    assert [one["adjustment"] for one in shown["alternatives"]] == [["region"], []]
    assert shown["checks"][0]["outcome"] == "passed"
    assert shown["sensitivity"]["yardsticks"][0]["column"] == "region"
    assert shown["open_columns"] == ["id"]
    assert list(shown).index("verdict") < list(shown).index("ace")


@pytest.mark.parametrize(
    "kind", ["suggested", "usual order", "open", "contradicted", "unanswerable"]
)
async def test_only_an_assumed_effect_is_called_identified_and_has_a_point(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any, kind: str
) -> None:
    effect = (await _request(http, ready, key, QUESTION)).json()["effect_id"]
    await acme.estimate(effect, kind)
    shown = (await http.get(f"/v1/effects/{effect}")).json()
    assert (shown["verdict"]["kind"], shown["identified"]) == (kind, False)
    assert shown["verdict"]["asks"] == "region"
    figures = [shown[name] for name in (
        "ace", "union", "alternatives", "segments", "unshown_segments", "groups_differ",
        "elasticity", "sensitivity",
    )]  # fmt: skip
    is_spanned = kind in ("suggested", "usual order", "open")
    assert [figure is not None for figure in figures] == [is_spanned] * 7 + [False]
    if is_spanned:
        assert shown["ace"] == FIGURES | {"effect": None}
        assert shown["elasticity"]["value"] is None
        assert shown["segments"][1]["difference"] == {"effect": None, "low": 0.1, "high": 0.9}
    assert "-0.4" not in json.dumps(shown | {"verdict": None})


@pytest.mark.parametrize("kind", ["open", "contradicted"])
async def test_estimate_of_the_former_release_is_shown_with_its_figures(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any, kind: str
) -> None:
    effect = (await _request(http, ready, key, QUESTION)).json()["effect_id"]
    await acme.estimate(effect, kind)
    stored = json.dumps(effect_result(kind).to_wire()).encode()
    await acme.write(EFFECT_ESTIMATES, effect, ESTIMATE, stored)
    shown = (await http.get(f"/v1/effects/{effect}")).json()
    assert (shown["verdict"]["kind"], shown["ace"]) == (kind, FIGURES)
    assert [one["effect"] for one in shown["segments"]] == [-0.4, -0.4]


async def test_estimate_says_whom_it_is_for_and_its_status_has_no_names(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    effect = (await _request(http, ready, key, QUESTION)).json()["effect_id"]
    await acme.estimate(effect)
    assert (await http.get(f"/v1/effects/{effect}")).json()["answered"] is None
    stored = partly_answered()
    await acme.write(EFFECT_ESTIMATES, effect, ESTIMATE, json.dumps(stored.to_wire()).encode())
    shown = (await http.get(f"/v1/effects/{effect}")).json()
    assert shown["answered"] == snake_case(ANSWERED)
    assert shown["answered"]["text"] in shown["verdict"]["text"]
    assert shown["answered"]["why"] in shown["verdict"]["text"]
    status = stored.summary.to_wire()
    assert (status["everybodyLow"], status["everybodyHigh"]) == (-0.8, 0.3)
    assert "region" not in json.dumps(status)


async def test_estimate_made_before_verdicts_is_never_upgraded(
    http: httpx2.AsyncClient, ready: str, key: str, acme: Any
) -> None:
    effect = (await _request(http, ready, key, QUESTION)).json()["effect_id"]
    await acme.estimate(effect, None)
    shown = (await http.get(f"/v1/effects/{effect}")).json()
    assert (shown["status"], shown["verdict"], shown["identified"]) == ("ready", None, False)
    assert (shown["ace"], shown["union"], shown["precision"]) == (FIGURES, None, None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("regions", 'Did you mean "region"?'),
        ("zzzzzz", "See the dataset's schema"),
    ],
)
async def test_unknown_column_gets_the_closest_name(
    http: httpx2.AsyncClient, ready: str, key: str, name: str, text: str
) -> None:
    answer = await _request(http, ready, key, QUESTION | {"dont_know": [name]})
    (error,) = answer.json()["errors"]
    assert (error["pointer"], text in error["detail"]) == ("/dont_know/0", True)
