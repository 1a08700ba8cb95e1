"""Views of the console on answers that these tests write; no service runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from browser import Tab, assert_accessible
from console_answers import (
    COMMON,
    DATASET,
    PATH,
    dataset,
    description,
    effect,
    listed,
    schema,
    views,
    waves,
)
from console_mock import BASE, MockedConsole
from effect_results import SHARE

pytestmark = pytest.mark.browser
Json = dict[str, Any]
LEVELS = ("good", "fair", "poor", "unknown")
COLUMNS = 65
BETTER = "better than carrying the last wave forward"


def verdict(level: str) -> Json:
    return {"code": "likeness", "level": level, "sentence": "A sentence.", "remedy": "Do this."}


@pytest.fixture
def console(browser: Browser) -> Iterator[Callable[[Json], MockedConsole]]:
    """Open consoles on answers; at the end, assert that none logged an error."""
    tabs: list[Tab] = []

    def opened(answers: Json, width: str = "desk") -> MockedConsole:
        tabs.append(Tab(browser, BASE, width))
        return MockedConsole(tabs[-1], answers)

    yield opened
    wrong = [text for tab in tabs for text in tab.wrong]
    for tab in tabs:
        tab.close()
    assert wrong == []


def test_unknown_verdict_looks_like_no_other_level(console: Callable[..., MockedConsole]) -> None:
    judged = dataset(model={"family": "forest", "verdicts": [verdict(one) for one in LEVELS]})
    one = console({"/v1/datasets": listed(judged)})
    one.show()
    dots = one.page.locator(".dot")
    expect(dots).to_have_count(len(LEVELS))
    looks = dots.evaluate_all(
        "all => all.map(one => { const s = getComputedStyle(one);"
        " return [s.backgroundColor, s.borderTopWidth].join(' '); })"
    )
    assert len(set(looks)) == len(LEVELS)
    assert looks[-1] == "rgba(0, 0, 0, 0) 2px"


def test_long_schema_is_a_line_for_each_column(console: Callable[..., MockedConsole]) -> None:
    one = console(views(), "phone")
    one.show(f"datasets/{DATASET}")
    names = one.page.locator(".columns h3")
    expect(names).to_have_count(COLUMNS)
    assert one.height() < COLUMNS * 60
    level = one.page.get_by_text("answer number 3").first
    expect(level).to_be_hidden()
    one.page.get_by_role("heading", name="how_much_do_you_agree_1", exact=True).click()
    expect(level).to_be_visible()
    expect(one.page.get_by_text("Read as words, answer; said by found").first).to_be_visible()
    one.page.get_by_label("Find a column").fill("agree_64")
    expect(names).to_have_count(1)
    one.page.get_by_role("button", name="Open all").click()
    assert_accessible(one.tab, "schema-lines")


def test_erased_upload_is_told_without_a_form(console: Callable[..., MockedConsole]) -> None:
    answers = views()
    one = console(answers)
    one.show(f"datasets/{DATASET}")
    expect(one.page.get_by_text("The upload is erased, so this dataset cannot")).to_be_visible()
    expect(one.page.get_by_role("textbox")).to_have_count(0)
    expect(one.page.locator("main :disabled")).to_have_count(0)
    kept = console(answers | {PATH: dataset(source_kept=True)})
    kept.show(f"datasets/{DATASET}")
    expect(kept.page.get_by_label("Missing values of how_much_do_you_agree_0")).to_be_enabled()
    held = console(answers | {PATH: dataset(status="held")}, "phone")
    held.show(f"datasets/{DATASET}")
    confirm = held.page.get_by_role("button", name="Confirm and fit")
    assert confirm.bounding_box()["y"] < 900  # type: ignore[index]


def test_waves_have_a_menu_of_earlier_questions(console: Callable[..., MockedConsole]) -> None:
    found = description(3)
    menu = "Earlier question of how_much_do_you_agree_2"
    answers = views() | {PATH: dataset(source_kept=True), f"{PATH}/description": found}
    alone = console(answers)
    alone.show(f"datasets/{DATASET}")
    expect(alone.page.get_by_label("Role of how_much_do_you_agree_2")).to_be_visible()
    expect(alone.page.get_by_label(menu)).to_have_count(0)
    note = "looks like the question Q7 of earlier waves (the name is another): confirm it"
    found["schema"]["fields"][2]["x-simulacra"] = {"evidence": {"type": note}}
    after = console(answers)  # a summary came with the table
    after.show(f"datasets/{DATASET}")
    after.page.get_by_label(menu).select_option("Q7")
    found["schema"]["fields"][0]["x-simulacra"] = {"role": "wave"}
    one = console(answers)
    one.show(f"datasets/{DATASET}")
    one.page.get_by_label(menu).select_option("how_much_do_you_agree_1")
    assert_accessible(one.tab, "reading-waves")
    one.page.get_by_role("button", name="Read again and fit").click()
    expect(one.page.get_by_text("No such thing.")).to_have_count(0)
    sent = one.sent[0]["schema"]["fields"][2]["x-simulacra"]
    assert sent["earlier"] == "how_much_do_you_agree_1"


def test_shares_join_those_that_are_stated(console: Callable[..., MockedConsole]) -> None:
    answers = views() | {PATH: dataset(source_kept=True), f"{PATH}/description": description(3)}
    one = console(answers, "phone")
    one.show(f"datasets/{DATASET}")
    field = one.page.get_by_label("Shares of the population as JSON")
    add = one.page.get_by_role("button", name="Add shares")
    quota = '{"where": {"age": {"max": 29}, "region": "north"}, "share": 0.06}'
    for text in ('{"sex": {"f": 0.51}}', f'{{"quotas": [{quota}], "trim": 5}}'):
        field.fill(text)
        add.click()
    rows = one.page.get_by_role("region", name="Shares of the population").get_by_role("rowheader")
    expect(rows).to_have_text(["sex: f", "age: ..29, region: north"])
    for text in ('{"sex": 0.51}', "5", "{}"):
        field.fill(text)
        add.click()
        expect(one.page.get_by_role("alert")).to_contain_text("Write the shares as JSON")
        expect(rows).to_have_count(2)


def test_pairs_are_named_and_removed_on_a_phone(console: Callable[..., MockedConsole]) -> None:
    given = dataset(dataset_id="ds-" + "9" * 24, purpose="given", rows=100)
    one = console(views() | {"/v1/datasets": listed(dataset(), given)}, "phone")
    one.show(f"datasets/{DATASET}/complete")
    page = one.page
    page.get_by_label("Rows", exact=True).select_option(index=1)
    for stated in ("nothing", "only the common columns connect them"):
        page.get_by_label("Column of the given rows").fill("status")
        page.get_by_label("Column of this table").fill("owns_gun")
        page.get_by_label("What you state of them").select_option(stated)
        page.get_by_role("button", name="Add the pair").press("Enter")
    pairs = page.get_by_role("list", name="Pairs").get_by_role("listitem")
    expect(pairs).to_have_count(2)
    expect(pairs.last).to_contain_text("status × owns_gun: only the common columns connect them")
    add = page.get_by_role("button", name="Add the pair")
    page.get_by_label("Column of the given rows").fill("status")
    page.get_by_label("Column of this table").fill("owns_gun")
    page.get_by_label("What you state of them").select_option("nobody gives these two answers")
    expect(add).to_be_disabled()  # it is about two answers
    page.get_by_label("Answer in the given rows").fill("high")
    page.get_by_label("Answer in this table").fill("yes")
    assert_accessible(one.tab, "pairs-phone")
    add.press("Enter")
    expect(pairs.last).to_contain_text("status = high × owns_gun = yes: never")
    page.get_by_role("button", name="Complete", exact=True).click()
    expect(page.get_by_text("No such thing.")).to_be_visible()
    pair = {"first": "status", "second": "owns_gun", "levels": ["high", "yes"]}
    assert one.sent[0]["given"]["impossible"] == [pair]
    pairs.last.get_by_role("button").press("Enter")
    expect(pairs).to_have_count(2)
    expect(page.get_by_label("Column of the given rows")).to_be_focused()


@pytest.mark.parametrize("place", ["sheets", "effects"])
def test_answers_fit_a_phone(console: Callable[..., MockedConsole], place: str) -> None:
    one = console(views(), "phone")
    one.show(f"datasets/{DATASET}/{place}")
    tables = one.page.get_by_role("region", name="Levers of" if place == "sheets" else "Effect eff")
    expect(tables.first).to_be_visible()
    hidden = tables.evaluate_all("all => all.map(one => one.scrollWidth - one.clientWidth)")
    assert max(hidden) <= 0
    assert_accessible(one.tab, f"{place}-phone")


def test_columns_are_put_into_blocks_by_keys_on_a_phone(
    console: Callable[..., MockedConsole],
) -> None:
    one = console(views(), "phone")
    one.show(f"datasets/{DATASET}/effects")
    page = one.page
    page.get_by_text("Or place all columns in blocks").click()
    blocks = page.get_by_role("region", name="Blocks")
    expect(blocks).to_contain_text("Is this the order?")
    blocks.get_by_role("button", name="Use this order").press("Enter")
    first = blocks.get_by_role("group", name="Block 1", exact=True)
    expect(first.get_by_role("listitem")).to_have_count(2)
    expect(blocks.get_by_role("button", name="Use this order")).to_have_count(0)
    free = blocks.get_by_role("group", name="Columns in no block")
    for at in (5, 6):
        free.get_by_role("button", name=f"how_much_do_you_agree_{at}", exact=True).press("Enter")
    last = blocks.get_by_role("group", name="Block 2", exact=True)
    last.get_by_role("button", name="Put 2 here").press("Enter")
    expect(last.get_by_role("listitem")).to_have_count(3)
    expect(last.get_by_role("list")).to_have_css("display", "flex")
    last.get_by_label("Remove how_much_do_you_agree_5").press("Enter")
    expect(free).to_contain_text("how_much_do_you_agree_5")
    assert_accessible(one.tab, "blocks-phone")


def test_usual_order_is_shown_and_accepted(console: Callable[..., MockedConsole]) -> None:
    presumed = [["region"], ["price", "brand"], ["segment"]]
    found = effect("usual order")
    found["verdict"]["presumes"] = presumed
    answers = views() | {"/v1/effects": listed(found), f"/v1/effects/{found['effect_id']}": found}
    one = console(answers, "phone")
    one.show(f"datasets/{DATASET}/effects")
    asked = one.page.get_by_role("group", name="Is this the order?")
    expect(asked).to_contain_text("region; then price, brand; then segment")
    expect(asked.get_by_role("button", name="Accept this order")).to_be_visible()
    asked.get_by_text("Correct it").click()
    expect(asked.get_by_label("Remove brand")).to_be_visible()
    assert_accessible(one.tab, "usual-order-phone")


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_a_design_is_stated_and_its_verdict_has_a_word(
    console: Callable[..., MockedConsole], width: str
) -> None:
    found = effect("parallel trends")
    answers = views() | {"/v1/effects": listed(found), f"/v1/effects/{found['effect_id']}": found}
    one = console(answers, width)
    one.show(f"datasets/{DATASET}/effects")
    expect(one.page.locator(".status.parallel-trends")).to_have_text("Parallel trends")
    one.page.get_by_text("Or state an instrument or parallel trends").click()
    one.page.get_by_label("Waves").select_option("how_much_do_you_agree_3")
    expect(one.page.get_by_label("First wave with the treatment")).to_be_visible()
    one.page.get_by_label("Waves").select_option("No waves")
    instrument = one.page.get_by_label("Instrument", exact=True)
    instrument.select_option("how_much_do_you_agree_4")
    level = one.page.get_by_label("Level of the instrument")
    expect(level).to_have_count(0)  # of a number
    instrument.select_option("how_much_do_you_agree_5")
    level.select_option("answer number 3")
    assert_accessible(one.tab, f"designs-{width}")
    with one.page.expect_request(lambda asked: asked.method == "POST") as sent:
        one.page.get_by_role("button", name="Estimate").click()
    body = sent.value.post_data_json
    assert body["instrument"] == "how_much_do_you_agree_5=answer number 3"
    assert "parallel_trends" not in body


def test_adjustment_sets_have_names_of_their_own(console: Callable[..., MockedConsole]) -> None:
    first = ["wave", "year", "age"]
    sets = [["region", "female"], ["region", "income"], ["income", "plan"], list("abcd")]
    found = effect()
    many = [f"column_{at}" for at in range(5)]
    base = found["alternatives"][0]
    alternatives = [{**base, "adjustment": [*first, *one, *many]} for one in sets]
    answers = views()
    answers["/v1/effects/" + found["effect_id"]] = effect(alternatives=alternatives, segments=[])
    one = console(answers)
    one.show(f"datasets/{DATASET}/effects")
    rows = one.page.get_by_role("region", name="Effect eff").locator("tbody th")
    expect(rows).to_have_count(1 + len(sets))
    names = rows.all_inner_texts()
    assert len(set(names)) == len(names)


def test_generations_are_listed_with_what_was_asked(console: Callable[..., MockedConsole]) -> None:
    made = COMMON | {
        "generation_id": "gen-111111111111111111111111",
        "row_count": 500,
        "rows": 500,
        "conditions": {"categorical": {"mood": {"sad": 0.3}}, "numeric": {"age": {"min": 18}}},
        "interventions": {"price": 5.49},
        "counterfactual": True,
    }
    old = COMMON | {"generation_id": "gen-2", "row_count": 500, "rows": 500}  # an older service
    one = console(views() | {"/v1/generations": listed(made, old)})
    one.show(f"datasets/{DATASET}/generate")
    items = one.page.get_by_role("region", name="Generated rows").get_by_role("listitem")
    expect(items.first).to_contain_text("mood sad 30 %, age ≥ 18, do(price = 5.49), in pairs")
    expect(items.last).to_contain_text("500 rowsgen-2")


def test_few_real_rows_behind_conditions_are_said(console: Callable[..., MockedConsole]) -> None:
    name = "gen-111111111111111111111111"
    outcome = {"column": "age", "minimum": 3, "maximum": 15, "asked": 1, "attained": 1, "met": True}
    made = COMMON | {"generation_id": name, "row_count": 9, "rows": 9, "seed": 1}
    made |= {"conditions": {}, "interventions": {}, "status": "ready"}
    for backing, count in ((1.0, 1), (60.0, 0), (None, 0)):
        attainment = {"conditions": [outcome], "backing": backing}
        one = console({f"/v1/generations/{name}": made | {"attainment": attainment}})
        one.show(f"generations/{name}")
        expect(one.page.get_by_role("region", name="Requested and attained")).to_be_visible()
        expect(one.page.get_by_text("Only about 1 real row is behind these")).to_have_count(count)


def test_estimates_without_a_dataset_are_shown_by_kind(
    console: Callable[..., MockedConsole],
) -> None:
    one = console(views() | {"/v1/datasets": listed()})
    one.show()
    left = one.page.get_by_role("region", name="From expired datasets")
    expect(left.locator("ul.stack")).to_have_count(2)  # effects and sheets, no segments
    expect(left.locator("ul.stack > *")).to_have_count(2)


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_what_moved_is_a_line_and_a_sentence_an_answer(
    console: Callable[..., MockedConsole], width: str
) -> None:
    one = console({**views(), f"{PATH}/report": {"waves": waves()}}, width)
    one.show(f"datasets/{DATASET}/quality")
    expect(one.page.get_by_role("heading", name="Waves")).to_be_visible()
    lines = one.page.locator(".wave-line")
    expect(lines).to_have_count(1)
    expect(lines.locator(".line")).to_have_count(2)  # a wave of few persons parts the line
    expect(one.page.get_by_text("how_much_do_you_agree_0 rose.")).to_be_visible()
    expect(one.page.get_by_text("not tested: 2025-Q2")).to_be_visible()
    expect(one.page.get_by_text("Q9 looks like the question Q7")).to_be_visible()
    one.page.get_by_role("button", name="Show all 31 answers").click()
    expect(lines).to_have_count(31)
    assert_accessible(one.tab, f"waves-{width}")


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_a_price_question_is_asked_and_shown_as_curves(
    console: Callable[..., MockedConsole], width: str
) -> None:
    question = {"method": "gabor_granger", "columns": ["buy 10", "buy 20", "buy 30"]}
    curves = [
        {"name": "would buy", "values": [0.7, 0.4], "low": [0.6, 0.3], "high": [0.8, 0.5]},
        {"name": "revenue", "values": [7.0, 8.0], "low": [6.0, 6.0], "high": [8.0, 10.0]},
    ]
    answer = {"question": question, "prices": [10, 20], "curves": curves, "points": []}
    found = COMMON | {"segment_id": "seg-1", "segment": [], "questions": [], "status": "ready"}
    found |= {"prices": {"columns": []}, "shares": [], "reason": None}
    found |= {"price_answer": answer | {"text": "At 10: 70.0 %.\nEach holds."}}
    shown = schema(6) | {"prices": [question]}
    answers = {f"{PATH}/schema": shown, "/v1/segments/seg-1": found, "/v1/segments": listed(found)}
    one = console(views() | answers, width)
    one.show(f"datasets/{DATASET}/segments")
    expect(one.page.get_by_role("heading", name="Prices: buy 10, buy 20")).to_be_visible()
    expect(one.page.get_by_text("At 10: 70.0 %.")).to_be_visible()
    expect(one.page.get_by_role("img")).to_have_count(2)
    expect(one.page.get_by_role("cell", name="70 % (60 % to 80 %)")).to_be_visible()
    assert_accessible(one.tab, f"prices-{width}")
    one.page.get_by_label("Prices", exact=True).select_option(
        "Gabor and Granger: buy 10, buy 20, buy 30"
    )
    with one.page.expect_request(lambda asked: asked.method == "POST") as sent:
        one.page.get_by_role("button", name="Ask prices").click()
    assert sent.value.post_data_json == {"prices": question}


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_gabor_granger_is_asked_of_columns_that_nobody_recognized(
    console: Callable[..., MockedConsole], width: str
) -> None:
    one = console(views() | {f"{PATH}/schema": schema(12)}, width)
    one.show(f"datasets/{DATASET}/segments")
    ask = one.page.get_by_role("button", name="Ask prices")
    form = one.page.locator("form", has=ask)
    form.get_by_label("Prices", exact=True).select_option(
        "Gabor and Granger: a column with the highest price"
    )
    form.get_by_label("Highest price").select_option("how_much_do_you_agree_4")
    with one.page.expect_request(lambda asked: asked.method == "POST") as sent:
        ask.click()
    whole = {"method": "gabor_granger", "columns": ["how_much_do_you_agree_4"]}
    assert sent.value.post_data_json == {"prices": whole}
    form.get_by_label("Prices", exact=True).select_option(
        "Gabor and Granger: a column for each price"
    )
    form.get_by_label("Prices asked about").fill("4")
    form.get_by_label("Prices asked about").press("Tab")
    form.get_by_label("Answers 2", exact=True).select_option("how_much_do_you_agree_11")
    for at in range(4):
        form.get_by_label(f"Price of answers {at + 1}").fill(str(5 * at + 5.5))
    form.get_by_label("Answers that mean buying").select_option(["answer number 4"])
    assert_accessible(one.tab, f"gabor-granger-{width}")
    with one.page.expect_request(lambda asked: asked.method == "POST") as sent:
        ask.click()
    columns = [f"how_much_do_you_agree_{at}" for at in (1, 11, 5, 7)]
    each = {"method": "gabor_granger", "columns": columns, "prices": [5.5, 10.5, 15.5, 20.5]}
    assert sent.value.post_data_json == {"prices": each | {"buys": ["answer number 4"]}}


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_a_segment_of_a_wave_says_who_helped_and_what_moved(
    console: Callable[..., MockedConsole], width: str
) -> None:
    shown = schema(6)
    shown["columns"][1] |= {"name": "quarter", "role": "wave"}
    change = {"since": "2025-Q3", "change": -0.041, "low": -0.09, "high": 0.01, "certified": -0.02}
    moved = SHARE | {"helped": 120.0, "change": change | {"verdict": "no sign"}}
    found = COMMON | {"segment_id": "seg-1", "segment": [{"column": "region", "levels": []}]}
    found |= {"questions": ["q"], "status": "ready", "shares": [moved, SHARE], "reason": None}
    answers = {f"{PATH}/schema": shown, "/v1/segments/seg-1": found, "/v1/segments": listed(found)}
    one = console(views() | answers, width)
    one.show(f"datasets/{DATASET}/segments")
    expect(one.page.get_by_label("Question")).not_to_have_value("quarter")
    one.page.get_by_label("In wave").select_option("quarter")
    one.page.get_by_label("Level of quarter").select_option("answer number 4")
    change = one.page.get_by_role("cell", name="-4.1 points (-9 to +1), no sign")
    expect(change).to_have_css("display", "table-cell")
    expect(one.page.get_by_role("cell", name="120", exact=True)).to_be_visible()
    assert_accessible(one.tab, f"segment-of-wave-{width}")
    one.page.get_by_label("Segment", exact=True).select_option("quarter")
    expect(one.page.get_by_label("In wave")).to_have_count(0)
    one.page.get_by_label("Level of quarter").select_option("The next wave")
    of = {"low80": 0.45, "high80": 0.55, "carried": 0.48, "error": 0.021, "carried_error": 0.03}
    found["shares"] = [SHARE | {"next": of, "verdict": BETTER}]
    one.show(f"datasets/{DATASET}")
    one.show(f"datasets/{DATASET}/segments")
    expect(one.page.get_by_role("cell", name="45 % to 55 %")).to_be_visible()
    expect(one.page.get_by_role("cell", name=BETTER)).to_be_visible()
    expect(one.page.get_by_text("Each interval holds by itself.")).to_be_visible()
    assert_accessible(one.tab, f"next-wave-{width}")
