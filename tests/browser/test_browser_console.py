"""The console in a real browser on a real installation: upload to erasure, errors, isolation."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from browser import WIDTHS, Tab, assert_accessible, take_screenshot
from installation import SURVEY, Installation, eventually, survey_part
from simulacra import Client

pytestmark = [pytest.mark.browser, pytest.mark.e2e]
MAX_WIRE_BYTES = 300_000
Open = Callable[..., Tab]


def link(page: Page, name: str, bar: str = "Dataset") -> Locator:
    return page.get_by_role("navigation", name=bar, exact=True).get_by_role("link", name=name)


def show(page: Page, place: str) -> None:
    """Go to a view of the open console, which stays signed in."""
    page.evaluate("place => { location.hash = '#/' + place; }", place)


def slide(slider: Locator, value: str) -> None:
    slider.fill(value)
    expect(slider).to_have_value(value)


@pytest.fixture
def enter(open_tab: Open, client: Client) -> Callable[[str], Tab]:
    """Sign in with a login link and open a view of the console."""

    def entered(place: str = "") -> Tab:
        tab = open_tab(client.console_link()["url"])
        tab.page.get_by_role("button", name="Sign in with the link").click()
        expect(tab.page.get_by_role("navigation", name="Console")).to_be_visible()
        show(tab.page, place)
        return tab

    return entered


def test_sign_in_reports_errors_and_lasts_until_sign_out(
    open_tab: Open, installation: Installation
) -> None:
    known = installation.connection
    tab = open_tab("/console")
    tab.expected = {401}
    assert_accessible(tab, "sign-in")
    tab.sign_in(known["client_id"], "simsec_wrong")
    expect(tab.page.get_by_role("alert")).to_contain_text(
        "Unknown client_id or wrong client_secret."
    )
    tab.page.get_by_role("button", name="Use a token instead").click()
    tab.page.get_by_label("Access token").fill("not-a-token")
    tab.page.get_by_role("button", name="Sign in").click()
    expect(tab.page.get_by_role("alert")).to_be_visible()
    tab.page.get_by_role("button", name="Use client credentials").click()
    eventually(lambda: b"#code=" in installation.said)
    link = re.findall(rb"http\S+#code=\S+", installation.said)[0].decode()
    tab.page.goto(link)
    offered = tab.page.get_by_role("group", name="Login link")
    expect(offered).to_contain_text(f"This link signs you in as {known['client_id']}.")
    assert tab.page.url.endswith("/console")  # no code in the address or its history entry
    offered.get_by_role("button", name="Sign in with the link").click()
    expect(tab.page.get_by_role("heading", name="Datasets")).to_be_visible()
    expect(
        tab.page.get_by_text("Nothing is stored: no dataset, no model, no generated rows.")
    ).to_be_visible()
    assert_accessible(tab, "empty")
    kept = tab.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]")
    assert kept == [0, 0, ""]
    tab.page.reload()
    expect(tab.page.get_by_role("heading", name="Datasets")).to_be_visible()

    other = open_tab(link)
    other.expected = {401}
    other.page.get_by_role("button", name="Sign in with the link").click()
    expect(other.page.get_by_role("alert")).to_contain_text("not valid, was used, or has expired")
    other.page.get_by_role("button", name="Do not use it").click()
    expect(other.page.get_by_label("Client secret")).to_be_visible()
    command = [str(Path(sys.executable).with_name("simulacra")), "console", "--connection"]
    file = installation.data_dir / "connection.json"
    printed = subprocess.run([*command, str(file)], capture_output=True, text=True, check=True)
    other.page.goto(json.loads(printed.stdout)["url"])  # only the fragment changes: no reload
    other.page.get_by_role("button", name="Sign in with the link").click()
    expect(other.page.get_by_role("heading", name="Datasets")).to_be_visible()

    tab.page.get_by_role("button", name="Sign out").click()
    expect(tab.page.get_by_label("Client secret")).to_be_visible()
    tab.page.reload()
    expect(tab.page.get_by_label("Client secret")).to_be_visible()
    logs = "".join(one.read_text() for one in (installation.data_dir / "logs").iterdir())
    assert "/console/session" in logs
    assert link.rpartition(".")[2] not in logs


NO_CHILDREN_OF_BOTH_AGES = '{"forbidden": {"babies": {"min": 1}, "teens": {"min": 1}}}'


def test_upload_describe_generate_download_and_erase(
    enter: Callable[[str], Tab], client: Client, tmp_path: Path
) -> None:
    tab = enter("")
    tab.expected = {404}  # the console polls an erasure until the resource is gone
    page = tab.page
    small = tmp_path / "survey.csv"  # fewer rows fit faster
    small.write_text("\n".join(SURVEY.read_text().splitlines()[:601]) + "\n")
    page.get_by_label("After reading").select_option("hold")
    page.get_by_label("Table to upload").set_input_files(small)
    label = page.get_by_label("Label of happiness")
    expect(label).to_be_enabled(timeout=60_000)
    label.fill("How happy people are")
    label.blur()
    missing = page.get_by_label("Missing values of tv_hours")
    missing.fill("-1, 99")
    missing.blur()
    emptied = page.get_by_label("Missing values of job_prestige")
    for text in ("98", ""):  # whoever empties the list says that nothing is detected as missing
        emptied.fill(text)
        emptied.blur()
        expect(emptied).to_have_value(text)
    rule, add = page.get_by_label("Rule as JSON"), page.get_by_role("button", name="Add a rule")
    rules = page.get_by_role("region", name="Rules of the table")
    rule.fill("babies")
    add.click()
    expect(page.get_by_role("alert")).to_contain_text("Write the rule as JSON")
    for text in ('{"then": {"teens": {"max": 0}}}', NO_CHILDREN_OF_BOTH_AGES):
        rule.fill(text)
        add.click()
    expect(rules.get_by_role("row", name="stated")).to_have_count(2)
    rules.get_by_role("button", name="Remove").first.click()
    expect(rules.get_by_role("row", name="stated")).to_have_count(1)
    shares = page.get_by_label("Shares of the population as JSON")
    for text in ("sex", '{"happiness": {"very happy": 0.4}}'):
        shares.fill(text)
        page.get_by_role("button", name="Add shares").click()
        if text == "sex":
            expect(page.get_by_role("alert")).to_contain_text("Write the shares as JSON")
    raked = page.get_by_role("region", name="Shares of the population")
    expect(raked.get_by_role("row", name="happiness: very happy")).to_contain_text("40 %")
    page.get_by_role("button", name="Confirm and fit").click()
    expect(page.get_by_role("navigation", name="Dataset")).to_be_visible(timeout=240_000)
    page.get_by_role("heading", name="happiness").click()
    expect(page.get_by_text("How happy people are")).to_be_visible()
    fields = client.describe(page.url.split("/")[-1])["schema"]["fields"]
    stated = {field["name"]: field.get("missingValues") for field in fields}
    assert stated["tv_hours"] == ["", "-1", "99"]
    assert stated["job_prestige"] == [""]
    expect(raked).to_contain_text("40 %")
    expect(rules.get_by_role("row", name="stated")).to_contain_text("never babies")
    expect(page.get_by_text("600 rows, 22 columns")).to_be_visible()  # raked weight too
    expect(page.get_by_role("heading", name="survey.csv", level=1)).to_be_visible()
    page.get_by_label("Keep for").select_option("7 days")
    expect(page.get_by_text(re.compile("erased in 6 d"))).to_be_visible()

    link(page, "Generate").click()
    page.get_by_label("Add a condition on").select_option("happiness")
    share = page.get_by_label("very happy, percent")
    share.fill("50")
    share.blur()
    expect(page.get_by_role("slider", name="very happy")).to_have_value("50")
    expect(page.get_by_text("Sum 50 %; the other levels share 50 %")).to_be_visible()
    page.get_by_label("Add a condition on").select_option("tv_hours")
    slide(page.get_by_role("slider", name="At most"), "4")
    page.get_by_label("Set a column").select_option("education_years")
    page.get_by_label("do(education_years)", exact=True).fill("16")
    expect(page.get_by_text("These conditions can be met exactly.")).to_be_visible()
    expect(page.get_by_role("region", name="Sampled rows").get_by_role("row")).to_have_count(9)
    page.get_by_label("Rows", exact=True).fill("600")
    page.get_by_label("Seed").fill("7")
    page.get_by_role("button", name="Generate").click()

    expect(page.get_by_role("heading", name="Download")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("row", name="happiness = very happy")).to_contain_text("50 %50 %")
    expect(page.get_by_role("heading", name="600 rows of survey.csv")).to_be_visible()
    expect(page.get_by_text("Seed 7")).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    saved.value.save_as(tmp_path / "rows.csv")
    page.get_by_role("button", name="Preview the rows").click()
    expect(page.get_by_role("region", name="First rows").get_by_role("row")).to_have_count(9)
    marginal = page.get_by_role("listitem").filter(
        has=page.get_by_role("heading", name="happiness")
    )
    expect(marginal).to_contain_text("very happy50 %")
    rows = list(csv.DictReader((tmp_path / "rows.csv").open()))
    assert len(rows) == 600
    assert sum(row["happiness"] == "very happy" for row in rows) == 300
    assert {row["education_years"] for row in rows} == {"16"}
    assert {row["tv_hours"] for row in rows} <= {"0", "1", "2", "3", "4"}
    assert not any(float(row["babies"] or 0) and float(row["teens"] or 0) for row in rows)

    with page.expect_download() as report:
        page.get_by_role("button", name="Save the full report").click()
    report.value.save_as(tmp_path / "report.html")
    for text in (
        "<h1>Report of a generation</h1>",
        "share of very happy",
        "do(column = value)",
    ):
        assert text in (tmp_path / "report.html").read_text()

    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Keep").click()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Erase").click()
    expect(page.get_by_text("Erased and verified absent.")).to_be_visible()
    with page.expect_download() as proof:
        page.get_by_role("button", name="Save the signed certificate").click()
    assert proof.value.suggested_filename.startswith("erasure-gen-")
    page.get_by_role("link", name="Back").click()
    expect(page.get_by_text("No generated tables yet.")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Erase").click()
    expect(page.get_by_text("Erased and verified absent.")).to_be_visible()
    page.get_by_role("link", name="Back").click()
    expect(page.get_by_text("Nothing is stored: no dataset")).to_be_visible()
    link(page, "Audit trail", "Console").click()
    erased = page.get_by_role("region", name="Erasure certificates")
    expect(erased.get_by_role("heading", level=3).first).to_contain_text("Dataset and model")
    expect(erased.get_by_role("heading", name="Samples, erased at once")).to_be_visible()


def test_known_causes_are_stated_refused_and_changed(
    enter: Callable[[str], Tab], client: Client, tmp_path: Path
) -> None:
    """Stated before the upload, refused when contradictory, and changed for an existing model."""
    tab = enter("")
    tab.expected = {400, 409}
    page = tab.page
    small = survey_part(tmp_path / "survey.csv", ("female", "income", "happiness", "tv_hours"))
    page.get_by_label("State known causes first").check()
    page.get_by_label("Table to upload").set_input_files(small)
    for tier, name in ((1, "female"), (2, "income")):
        page.get_by_role("button", name="Add a block").click()
        page.get_by_label(f"Add to block {tier}", exact=True).select_option(name)
    required = page.get_by_role("region", name="Required")

    def require(source: str, target: str) -> None:
        required.get_by_label("From").select_option(source)
        required.get_by_label("To", exact=True).select_option(target)
        required.get_by_role("button").last.click()

    def fit() -> None:
        page.get_by_role("button", name="Fit with this").click()
        page.get_by_role("button", name="Fit again").click()

    require("income", "female")
    assert_accessible(tab, "knowledge")
    page.get_by_role("button", name="Upload survey.csv").click()
    expect(page.get_by_role("alert")).to_contain_text("contradicts the tiers", timeout=120_000)
    page.get_by_label("Remove income → female").click()
    page.get_by_role("button", name="Fit with this").click()
    link(page, "Causal graph").click(timeout=120_000)
    expect(page.get_by_text("The model was fit with the knowledge below")).to_be_visible()
    require("income", "female")
    fit()
    expect(page.get_by_role("alert")).to_contain_text("contradicts the tiers")
    page.get_by_role("button", name="Keep this model").click()
    page.get_by_role("button", name="Discard changes").click()
    require("income", "tv_hours")
    fit()
    expect(page.get_by_text(re.compile("Fit again|Erasing the previous model"))).to_have_count(
        0, timeout=60_000
    )
    made = page.url.split("/")[-2]
    client.wait(f"job-{made}", timeout=120)
    expect(required.get_by_text("income → tv_hours")).to_be_visible(timeout=60_000)
    known = client.knowledge(made)
    assert known == {
        "tiers": [["female"], ["income"]],
        "required": [{"source": "income", "target": "tv_hours"}],
        "forbidden": [],
        "confirmed": [],
        "background": "ask",
    }
    directed = {
        (edge["source"], edge["target"])
        for edge in client.graph(made).edges
        if edge["state"] != "undecided"
    }
    assert ("income", "tv_hours") in directed
    client.delete(made)


def test_effect_is_asked_again_with_what_came_first(
    enter: Callable[[str], Tab], dataset: str
) -> None:
    tab = enter(f"datasets/{dataset}/effects")
    page = tab.page
    page.get_by_label("Treatment").select_option("education_years")
    page.get_by_label("Value", exact=True).fill("16")
    page.get_by_label("Baseline").fill("12")
    page.get_by_label("Outcome", exact=True).select_option("tv_hours")
    page.get_by_text("Which of these were already so before education_years").click()
    expect(page.get_by_label("tv_hours (outcome)").locator("option")).to_have_text(
        ["Not stated", "After", "Don't know"]
    )
    for name in ("year", "female", "black", "region_at_16", "both_parents_at_16"):
        page.get_by_label(name, exact=True).select_option("before")
    page.get_by_label("job_prestige", exact=True).select_option("dont_know")
    page.get_by_role("button", name="The others: after").click()
    page.get_by_role("button", name="Estimate").click()
    cards = page.get_by_role("listitem").filter(has_text="education_years: 16 instead of 12")
    expect(cards.first).to_contain_text("All that is left open", timeout=120_000)
    expect(cards.first).to_contain_text("Adjusted for all but job_prestige")
    question = cards.first.get_by_role("group", name="What to state next")
    expect(question).to_contain_text("Does job_prestige come before or after education_years?")
    expect(question.get_by_role("button")).to_have_text(["Before", "After"])
    question.get_by_role("button", name="After").click()
    expect(cards).to_have_count(2)
    stated = cards.filter(has_text="If education_years comes before tv_hours, as you said")
    expect(stated).to_have_count(1, timeout=120_000)
    expect(stated.get_by_role("group", name="What to state next")).to_have_count(0)
    stated.get_by_text("What it rests on, and what was checked").click()
    expect(stated).to_contain_text("year, female, black, region_at_16, both_parents_at_16 before")
    assert_accessible(tab, "answers")


def test_quota_of_a_cell_is_asked_and_met(
    enter: Callable[[str], Tab], dataset: str, tmp_path: Path
) -> None:
    tab = enter(f"datasets/{dataset}/generate")
    page = tab.page
    page.get_by_label("Add a quota of a cell, beginning with").select_option("job_prestige")
    for end, value in (("min", "20"), ("max", "40")):
        field = page.get_by_label(f"job_prestige, {end}")
        field.fill(value)
        field.blur()
    quota = page.get_by_role("group", name="Quota 1")
    quota.get_by_label("And").select_option("happiness")
    quota.get_by_label("happiness", exact=True).select_option("very happy")
    share = quota.get_by_label("Share of all rows, percent")
    share.fill("25")
    share.blur()
    expect(page.get_by_text("These conditions can be met exactly.")).to_be_visible(timeout=60_000)
    assert_accessible(tab, "quotas")
    page.get_by_label("Rows", exact=True).fill("400")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("heading", name="Download")).to_be_visible(timeout=60_000)
    cell = "job_prestige 20 to 40 and happiness very happy"
    expect(page.get_by_role("row", name=cell)).to_contain_text("25 %25 %")
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    saved.value.save_as(tmp_path / "rows.csv")
    rows = list(csv.DictReader((tmp_path / "rows.csv").open()))
    asked = [row for row in rows if row["happiness"] == "very happy" and row["job_prestige"]]
    assert sum(20 <= int(row["job_prestige"]) <= 40 for row in asked) == 100


def test_draft_from_a_description_is_saved_or_says_what_lacks(
    enter: Callable[[str], Tab], tmp_path: Path
) -> None:
    tab = enter("")
    page, path = tab.page, tmp_path / "questionnaire.json"
    page.get_by_text("Draft from a description").click()
    path.write_text('{"fields": [{"name": "brand", "type": "string"}]}')
    page.get_by_label("Description").set_input_files(path)
    tab.expected = {422}
    page.get_by_role("button", name="Draw rows").click()
    expect(page.get_by_role("alert")).to_contain_text('A draft needs the levels of "brand"')
    path.write_text('{"fields": [{"name": "brand", "categories": ["A", "B"]}]}')
    page.get_by_label("Description").set_input_files([])
    page.get_by_label("Description").set_input_files(path)
    page.get_by_label("Rows of the draft").fill("40")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Draw rows").click()
    expect(page.get_by_text("draft.csv has 40 rows.")).to_be_visible()
    saved.value.save_as(tmp_path / "draft.csv")
    rows = list(csv.DictReader((tmp_path / "draft.csv").open()))
    assert [row["brand"] for row in rows].count("A") == 20
    assert {row["draft"] for row in rows} == {"no respondent's data"}
    assert_accessible(tab, "draft")


def test_gaps_are_completed_without_showing_a_row(
    enter: Callable[[str], Tab], dataset: str, tmp_path: Path
) -> None:
    tab = enter(f"datasets/{dataset}/complete")
    page = tab.page
    page.get_by_label("Columns to fill").select_option(["owns_gun", "job_prestige"])
    page.get_by_label("How often each gap is filled").fill("2")
    assert_accessible(tab, "complete")
    page.get_by_role("button", name="Complete", exact=True).click()
    filled = page.get_by_role("region", name="Filled columns")
    expect(filled.get_by_role("row", name="owns_gun")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("one alone is too sure")).to_be_visible()
    expect(page.get_by_role("heading", name="Download")).to_be_visible()
    expect(page.get_by_role("heading", name="Report")).to_have_count(0)
    assert_accessible(tab, "completion")
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    saved.value.save_as(tmp_path / "filled.csv")
    header = next(csv.reader((tmp_path / "filled.csv").open()))
    assert header == ["row", "implicate", "job_prestige", "owns_gun"]


def test_effect_by_segment_graph_and_quality_report(
    enter: Callable[[str], Tab], dataset: str, tmp_path: Path
) -> None:
    page = enter(f"datasets/{dataset}/effects").page
    page.get_by_label("Treatment").select_option("education_years")
    page.get_by_label("Value", exact=True).fill("16")
    page.get_by_label("Baseline").fill("12")
    page.get_by_label("Outcome", exact=True).select_option("happiness")
    page.get_by_label("Level of the outcome").select_option("very happy")
    page.get_by_label("Groups by").select_option("region")
    page.get_by_role("button", name="Estimate").click()
    card = page.get_by_role("listitem").filter(has_text="on happiness=very happy")
    table = card.get_by_role("region", name="Effect eff-")
    # Eight of nine regions have 20 effective persons in each arm; the ninth is only named.
    expect(table.get_by_role("row").filter(has_text="region: ")).to_have_count(8, timeout=120_000)
    expect(card).to_contain_text("Not shown, too small")
    link(page, "Causal graph").click()
    expect(page.get_by_role("img", name="Causal graph")).to_be_visible()
    page.get_by_label("Look at").select_option("happiness")
    page.get_by_text("The edges as a table").click()
    for row in page.get_by_role("region", name="Edges").locator("tbody tr").all_inner_texts():
        assert "happiness" in row
    link(page, "Quality").click()
    expect(page.get_by_text("Exact copies")).to_be_visible()
    pictures = page.get_by_role("region", name="Real beside generated").get_by_role("listitem")
    expect(pictures.filter(has_text="happiness").get_by_text("very happy")).to_be_visible()
    expect(page.get_by_role("img", name="Distances to the nearest training row")).to_be_visible()
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the full report").click()
    saved.value.save_as(tmp_path / "report.html")
    assert "<h1>Quality report</h1>" in (tmp_path / "report.html").read_text()


def test_results_of_an_expired_dataset_are_found(
    enter: Callable[[str], Tab],
    open_tab: Open,
    installation: Installation,
    client: Client,
    tmp_path: Path,
) -> None:
    made = client.upload(survey_part(tmp_path / "small.csv", rows=300))
    client.wait(made.job_id, timeout=120)
    rows = client.generate(made.dataset_id, 40)
    asked = {"treatment": "education_years", "value": 16, "baseline": 12, "outcome": "tv_hours"}
    effect = client.estimate(made.dataset_id, **asked)
    for one in (rows, effect):
        client.wait(one.job_id, timeout=120)
    client.extend(made.dataset_id, 10)  # older than that
    eventually(lambda: made.dataset_id not in {one.dataset_id for one in client.datasets()}, 240)
    tab = enter("")
    left = tab.page.get_by_role("region", name="From expired datasets")
    expect(left).to_contain_text("education_years: 16 instead of 12, on tv_hours")
    assert_accessible(tab, "expired-datasets")
    left.get_by_role("link", name=rows.generation_id).click()
    expect(tab.page.get_by_role("heading", name="Download")).to_be_visible()
    shown = open_tab("/custody")
    known = installation.connection
    shown.sign_in(known["client_id"], known["client_secret"])
    kept = shown.page.get_by_role("article").filter(has_text=made.dataset_id)
    expect(kept).to_contain_text("Expired")
    expect(kept).to_contain_text("Effect estimate")
    expect(kept).to_contain_text("40 rows")
    client.delete(rows.generation_id)
    client.delete(effect.effect_id)


def test_errors_are_shown_as_sentences(
    enter: Callable[[str], Tab], dataset: str, tmp_path: Path
) -> None:
    tab = enter("")
    tab.expected = {400, 404}
    page = tab.page
    bad = tmp_path / "picture.csv"
    bad.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(400))
    page.get_by_label("Table to upload").set_input_files(bad)
    expect(page.get_by_role("alert")).to_contain_text(re.compile(r"\w+ .*\."))
    show(page, "datasets/ds-" + "0" * 24)
    expect(page.get_by_role("alert")).to_contain_text("No such dataset")
    show(page, f"datasets/{dataset}/generate")
    page.get_by_label("Add a condition on").select_option("happiness")
    for level in ("very happy", "pretty happy"):
        slide(page.get_by_role("slider", name=level), "80")
    expect(page.get_by_text("The shares sum to 160 %. Lower one of them.")).to_be_visible()
    expect(page.get_by_role("alert").first).to_contain_text(
        "The shares sum to 1.6; the limit is 1."
    )
    assert_accessible(tab, "error")

    def deleting(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"status": "deleting"})

    def erased(route: Route) -> None:
        route.fulfill(status=404, json={"detail": "No such dataset."})

    page.route(f"**/v1/datasets/{dataset}", deleting)
    show(page, "")
    show(page, f"datasets/{dataset}")
    expect(page.get_by_text("Being erased: its key first")).to_be_visible()
    expect(page.get_by_role("button", name="Delete")).to_have_count(0)
    page.unroute(f"**/v1/datasets/{dataset}")
    page.route(f"**/v1/datasets/{dataset}", erased)
    expect(page.get_by_text("It is erased.")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_job_can_be_cancelled(enter: Callable[[str], Tab], client: Client, dataset: str) -> None:
    asked = client.generate(dataset, 900_000)
    page = enter(f"generations/{asked['generation_id']}").page
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Failed")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text(re.compile("cancel", re.IGNORECASE))
    client.delete_generation(asked["generation_id"])


def compare_one_lever(tab: Tab, client: Client, dataset: str) -> None:
    """Ask for a sheet of one lever with its own order, on a phone's width."""
    page = tab.page
    size = page.viewport_size
    assert size
    page.set_viewport_size({"width": WIDTHS["phone"], "height": 900})
    expect(page.get_by_role("button", name="Compare")).to_be_disabled()  # no outcome is meant yet
    page.get_by_label("Outcome", exact=True).select_option("tv_hours")
    page.get_by_text("Which of these were already so before any lever").click()
    page.get_by_text("Compare only some levers").click()
    for name in ("income", "education_years", "happiness"):
        page.get_by_label("Add a lever").select_option(name)
    for name, focused in (("income", "education_years"), ("happiness", "")):
        page.get_by_role("button", name=f"Remove the lever {name}").press("Enter")
        button = page.get_by_role("button", name=f"Remove the lever {focused}")
        expect(button if focused else page.get_by_label("Add a lever")).to_be_focused()
    lever = page.get_by_role("group", name="education_years")
    lever.get_by_label("Values to compare").select_option("Two of my own")
    expect(lever.get_by_label("Value", exact=True)).to_have_value("16")  # the quartiles
    lever.get_by_label("Instead of").fill("11")
    for label, names in (("Before it", ("year", "female")), ("After it", ("tv_hours",))):
        for name in names:
            lever.get_by_label(label, exact=True).select_option(name)
    lever.get_by_role("button", name="Remove female").press("Enter")
    expect(lever.get_by_label("Before it", exact=True)).to_be_focused()
    assert_accessible(tab, "sheets")
    for name, left in (("education_years", "A lever"), ("female", "Not stated")):
        choice = page.get_by_label(name, exact=True).locator("option").first
        expect(choice).to_have_text(left)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="What changes")).to_be_visible()
    (made,) = client.sheets(dataset_id=dataset)
    asked = client.get(made.sheet_id)["asked"]
    client.cancel(made.job_id)
    fields = ("column", "value", "baseline", "before", "after")
    own = [[one[name] for name in fields] for one in asked]
    assert own == [["education_years", 16, 11, ["year"], ["tv_hours"]]]
    page.set_viewport_size(size)


def test_every_view_is_accessible(
    enter: Callable[[str], Tab], client: Client, dataset: str, generation: str
) -> None:
    tab = enter("")
    expect(tab.page.locator("a.item")).to_have_count(1)
    take_screenshot(tab.page, "console-datasets")
    tab.page.get_by_text("More options").click()
    assert_accessible(tab, "datasets")
    tab.page.locator("a.item").click()
    views = {"Schema": "Find a column", "Causal graph": "Look at", "Effects": "Treatment"}
    for name, label in views.items():
        link(tab.page, name).click()
        expect(tab.page.get_by_label(label)).to_be_visible()
        take_screenshot(
            tab.page, f"console-{name.lower().replace(' ', '-')}", whole=name == "Causal graph"
        )
        assert_accessible(tab, name)
    link(tab.page, "Answer sheets").click()
    expect(tab.page.get_by_label("Outcome", exact=True)).to_be_visible()
    compare_one_lever(tab, client, dataset)
    link(tab.page, "Quality").click()
    expect(tab.page.get_by_role("heading", name="Real beside generated")).to_be_visible()
    take_screenshot(tab.page, "console-quality", whole=True)
    assert_accessible(tab, "quality")
    link(tab.page, "Generate").click()
    tab.page.get_by_label("Add a condition on").select_option("happiness")
    slide(tab.page.get_by_role("slider", name="very happy"), "50")
    tab.page.get_by_label("Set a column").select_option("education_years")
    expect(tab.page.get_by_text("These conditions can be met exactly.")).to_be_visible()
    tab.page.get_by_label("Counterfactual").check()
    sampled = tab.page.get_by_role("region", name="Sampled rows")
    expect(sampled.get_by_role("cell", name="counterfactual").first).to_be_visible()
    take_screenshot(tab.page, "console-generate")
    assert_accessible(tab, "generate")
    tab.page.locator("a.item").first.click()
    expect(tab.page.get_by_role("heading", name="Download")).to_be_visible()
    take_screenshot(tab.page, "console-generation")
    tab.page.get_by_role("button", name="Preview the rows").click()
    expect(tab.page.get_by_role("img", name="mean").first).to_be_visible()
    assert_accessible(tab, "generation")
    link(tab.page, "Audit trail", "Console").click()
    expect(tab.page.get_by_role("cell", name="artefact.written").first).to_be_visible()
    expect(tab.page.get_by_role("cell", name="artefact.read")).to_have_count(0)
    tab.page.get_by_label("Show reads too").check()
    expect(tab.page.get_by_role("cell", name="artefact.read").first).to_be_visible()
    expect(tab.page.get_by_text("Kept for 400 days.")).to_be_visible()
    expect(tab.page.get_by_text("Nobody has, or had, support access.")).to_be_visible()
    take_screenshot(tab.page, "console-audit")
    assert_accessible(tab, "audit")


STREAMED = """async ([link, id, secret]) => {
    const main = document.querySelector('script[src$="console/main.js"]').src;
    const { signIn } = await import(main.replace("console/main.js", "api.js"));
    const session = await signIn(id, secret);
    const folder = await navigator.storage.getDirectory();
    const handle = await folder.getFileHandle("rows", { create: true });
    await session.save(link, "rows", handle);
    return (await handle.getFile()).text();
}"""


def test_large_download_streams_to_a_file(
    open_tab: Open, installation: Installation, client: Client, generation: str
) -> None:
    known = installation.connection
    tab = open_tab("/console")
    tab.page.get_by_role("button", name="Sign in").wait_for()
    link = f"{client.generation(generation).artifact_url}&format=csv"
    text = tab.page.evaluate(STREAMED, [link, known["client_id"], known["client_secret"]])
    assert len(text.splitlines()) == 401


def test_another_tenant_sees_no_data(
    open_tab: Open, installation: Installation, dataset: str, generation: str, tmp_path: Path
) -> None:
    with installation.add_tenant("rival") as rival:
        tab = open_tab(f"/console#/datasets/{dataset}")
        tab.expected = {404}
        tab.sign_in(*_credentials(rival))
        page = tab.page
        expect(page.get_by_role("alert")).to_contain_text("No such dataset")
        for place in (f"datasets/{dataset}/generate", f"generations/{generation}"):
            show(page, place)
            expect(page.get_by_role("alert")).to_contain_text(
                re.compile("No such (dataset|generation)")
            )
        show(page, "")
        expect(page.get_by_text("Nothing is stored: no dataset")).to_be_visible()
        hostile = tmp_path / "hostile.csv"
        lines = SURVEY.read_text().splitlines()[:400]
        hostile.write_text(
            "\n".join([lines[0].replace("region,", "<img src=x onerror=alert(1)>,", 1), *lines[1:]])
        )
        page.get_by_label("Table to upload").set_input_files(hostile)
        expect(page.get_by_role("status").filter(has_text="Fitting the model")).to_be_visible(
            timeout=60_000
        )
        expect(page.get_by_role("heading", name="<img src=x onerror=alert(1)>")).to_be_visible(
            timeout=120_000
        )
        assert page.locator("main img").count() == 0


def test_page_blocks_inline_script_and_is_small(
    browser: Browser, installation: Installation
) -> None:
    tab = Tab(browser, installation.connection["api_url"])
    answers: list[Any] = []
    tab.page.on("requestfinished", lambda one: answers.append(one))
    page = tab.page.goto("/console")
    tab.page.wait_for_load_state("networkidle")
    assert page is not None
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    sizes = [answer.sizes() for answer in answers]
    assert (
        0
        < sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes)
        < MAX_WIRE_BYTES
    )
    assert tab.wrong == []
    inline = "() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.head.append(s); return window.ran ?? 0; }"  # noqa: E501
    assert tab.page.evaluate(inline) == 0
    assert any("Content Security Policy" in text for text in tab.wrong)
    tab.close()


def _credentials(client: Client) -> tuple[str, str]:
    known = client._http.auth._connection  # type: ignore[union-attr]
    return known.client_id, known.client_secret


def test_large_upload_continues_after_an_interruption(
    open_tab: Open, installation: Installation, tmp_path: Path
) -> None:
    """Pieces are 4 KiB and retries end after 0.5 s, so a small file and a short outage suffice."""
    tab = open_tab("/custody")
    tab.expected = {503}
    page, offsets, keys = tab.page, list[int](), set[str]()
    waiting: list[Route] = []
    unavailable = [True]

    def shorten(route: Route) -> None:
        script = route.fetch().text()
        for name, value in (
            ("PIECE_BYTES", "4096"),
            ("GIVE_UP_SECONDS", "0.5"),
            ("PAUSE_SECONDS", "0.1"),
        ):
            script, count = re.subn(rf"(const {name} = )[^;]+", rf"\g<1>{value}", script)
            assert count == 1
        route.fulfill(body=script, content_type="text/javascript")

    def piece(route: Route) -> None:
        if route.request.method != "PATCH":
            route.continue_()
            return
        offsets.append(int(route.request.headers["upload-offset"]))
        if len(offsets) == 4:
            waiting.append(route)
        elif len(offsets) == 2 or (
            len(offsets) > 4 and unavailable
        ):  # the upload continues at once after the first
            route.fulfill(status=503, body="{}")
        else:
            route.continue_()

    def begin(route: Route) -> None:
        keys.add(route.request.headers["idempotency-key"])
        route.continue_()

    page.route("**/assets/api.js", shorten)
    page.route("**/v1/uploads", begin)
    page.route("**/v1/uploads/*", piece)
    page.goto("/console")
    tab.sign_in(installation.connection["client_id"], installation.connection["client_secret"])
    large = tmp_path / "large.csv"
    large.write_text("a,b\n" + "".join(f"{row % 7},{row % 5}\n" for row in range(4500)))
    page.get_by_label("Table to upload").set_input_files(large)
    expect(page.get_by_role("progressbar", name="Upload")).to_be_visible()
    expect(page.get_by_role("status").filter(has_text="large.csv")).to_contain_text("% sent")
    while not waiting:
        page.wait_for_timeout(50)
    waiting.pop().fulfill(status=503, body="{}")
    expect(page.get_by_role("alert")).to_be_visible()
    assert offsets[:4] == [0, 4096, 4096, 8192]
    assert set(offsets[4:]) == {8192}

    unavailable.clear()
    offsets[4:] = []
    page.get_by_label("Table to upload").set_input_files(large)
    expect(page.get_by_role("navigation", name="Dataset")).to_be_visible(timeout=120_000)
    assert offsets[4:] == [8192, 12288, 16384]
    assert len(keys) == 1
    made = page.url.split("/")[-1]
    with installation.client() as client:
        assert client.dataset(made).bytes == large.stat().st_size
        client.delete(made)
