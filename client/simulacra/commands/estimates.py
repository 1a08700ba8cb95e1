"""Commands for estimates: effects, and shares of answers in segments; list them."""

import json
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from simulacra.commands import options as opt
from simulacra.commands.asked import as_number, check_names
from simulacra.commands.lists import add_list
from simulacra.commands.options import blocks_of, columns, option
from simulacra.commands.output import note, print_result
from simulacra.commands.used_model import SavedModel, SavedSeed, TableOrModel, used_model
from simulacra.named_values import NUMERIC, by_name, column_named, interventions_of, level_named
from simulacra.target_shares import targets_of

app = typer.Typer()


@app.command("estimate", hidden=True)  # what Python calls it
@app.command(
    epilog="Example: simulacra effect survey --treatment education_years --value 16"
    " --baseline 12 --outcome tv_hours"
)
def effect(
    *,
    dataset_id: TableOrModel = None,
    model: SavedModel = None,
    treatment: Annotated[str, option("Column to intervene on.")],
    value: Annotated[str, option("Treatment value: a number or a level.")],
    baseline: Annotated[str, option("Value to compare with.")],
    outcome: opt.Outcome,
    outcome_level: opt.OutcomeLevel = None,
    by: Annotated[
        str | None,
        option("One or two columns: the effect in each of their groups.", metavar="COL[,COL]"),
    ] = None,
    segment: Annotated[
        str | None, option("Earlier name of --by with one column.", hidden=True)
    ] = None,
    picture: Annotated[
        Path | None, option("Write a picture of all intervals to this file (SVG).")
    ] = None,
    before: Annotated[
        str | None, option("Columns settled before the treatment, with commas between them.")
    ] = None,
    after: Annotated[str | None, option("Columns that the treatment may have changed.")] = None,
    dont_know: opt.DontKnow = None,
    blocks: opt.Blocks = None,
    population: opt.Whose = None,
    negative_controls: Annotated[
        str | None,
        option("Columns that the treatment cannot change; name them in before or after, too."),
    ] = None,
    instrument: Annotated[
        str | None,
        option(
            "Column that is as good as random given --before, and moves the outcome only through"
            " the treatment: you state this.",
            metavar="COL[=LEVEL]",
        ),
    ] = None,
    parallel_trends: Annotated[
        str | None,
        option(
            "Column of the waves, and the first wave in which those with --value had the treatment:"
            " you state that both groups would else have changed alike.",
            metavar="COL=WAVE",
        ),
    ] = None,
    seed: SavedSeed = None,
    key: opt.Key = None,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
) -> None:
    """Estimate an average causal effect, wait for it, and print what it rests on."""
    with used_model(dataset_id, model, connection, as_json, key=key, seed=seed) as used:
        known = by_name(used.schema)
        is_number = known[column_named(treatment, known, "--treatment")]["kind"] in NUMERIC
        lists = {
            "before": columns(before),
            "after": columns(after),
            "dont_know": columns(dont_know),
            "negative_controls": columns(negative_controls),
            "by": columns(by),
        }
        placed = blocks_of(blocks)
        waves = interventions_of(parallel_trends or [], used.schema, "--parallel-trends")
        check_names(known, outcome=outcome, segment=segment, **lists, blocks=[*chain(*placed)])
        found = used.ask(
            "effect",
            treatment=treatment,
            value=as_number(value, "treatment") if is_number else value,
            baseline=as_number(baseline, "treatment") if is_number else baseline,
            outcome=outcome,
            outcome_level=outcome_level,
            segment=segment,
            population=population,
            blocks=placed,
            instrument=instrument,
            parallel_trends=waves or None,
            **lists,
        )
        if picture is not None and (drawn := found.picture()):
            picture.write_text(drawn, encoding="utf-8")
            note(f"Wrote {picture}.")
        elif picture is not None:
            note("No picture: the answer has no interval.")
        print_result(found, as_json)


add_list(app, "effect", "effect estimates", "No effect estimates yet.")


@app.command(
    epilog="Example: simulacra boost survey --segment region=pacific,female=1 --questions happiness"
)
def boost(
    *,
    dataset_id: TableOrModel = None,
    model: SavedModel = None,
    segment: Annotated[
        str,
        option(
            "One or two columns as COL=LEVEL, with commas between them; COL alone stands for"
            " each of its levels. With a wave beside them, earlier waves help; WAVE=next alone is"
            " the wave after the newest one."
        ),
    ],
    questions: Annotated[
        str, option("Columns whose answers are certified, with commas between them.")
    ],
    targets: Annotated[
        str | None,
        option(
            "With WAVE=next: who will be asked, as shares of one or two columns, a sheet of"
            " quotas or JSON. Like the newest wave if absent.",
            metavar="FILE",
        ),
    ] = None,
    conditions_out: Annotated[
        Path | None, option("Write the conditions for `generate --conditions` to this file.")
    ] = None,
    key: opt.Key = None,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
) -> None:
    """Certify shares of answers in segments: interval, worth, and whether that is better."""
    wanted: dict[str, list[str]] = {}
    for part in columns(segment):
        name, _, level = part.partition("=")
        wanted.setdefault(name, []).extend([level] if level else [])
    with used_model(dataset_id, model, connection, as_json, key=key) as used:
        known = by_name(used.schema)
        check_names(known, segment=[*wanted], questions=columns(questions))
        for name, levels in wanted.items():
            for level in levels:
                if level != "next":  # of a wave, which the service knows
                    level_named(level, name, known, "--segment")
        shares = None if targets is None else targets_of(targets, "--targets")
        asked = {"segment": wanted, "questions": columns(questions), "targets": shares}
        found = used.ask("segment", **asked)
        if conditions_out is not None and found.conditions is None:
            note("No conditions: they need a single segment whose shares are certified.")
        elif conditions_out is not None:
            conditions_out.write_text(json.dumps(found.conditions, indent=2))
            note(f"Wrote {conditions_out}.")
        print_result(found, as_json)


@app.command(epilog="Example: simulacra prices survey --method van_westendorp")
def prices(
    *,
    dataset_id: TableOrModel = None,
    model: SavedModel = None,
    method: Annotated[
        str | None,
        option(
            "van_westendorp (four prices a person) or gabor_granger (who would buy at a price); the"
            " one that names of columns tell if absent."
        ),
    ] = None,
    price_columns: Annotated[
        str | None,
        option(
            "Columns with commas between them: too cheap, cheap, expensive, too expensive; or one"
            " for each price, or one with the highest price. By their names if absent.",
            "--columns",
        ),
    ] = None,
    at: Annotated[
        str | None, option("Price of each column of gabor_granger; from their names if absent.")
    ] = None,
    buys: Annotated[
        str | None, option("Answers that mean buying, with commas between them.")
    ] = None,
    key: opt.Key = None,
    connection: opt.Connect = None,
    as_json: opt.AsJson = False,
) -> None:
    """Answer a price question: the prices of van Westendorp, or demand by price."""
    named = columns(price_columns)
    asked: dict[str, object] = {
        "method": method,
        "columns": named,
        "prices": [as_number(one, "price") for one in columns(at)],
        "buys": columns(buys),
    }
    with used_model(dataset_id, model, connection, as_json, key=key) as used:
        check_names(by_name(used.schema), columns=named)
        given = {name: value for name, value in asked.items() if value}
        print_result(used.ask("segment", prices=given), as_json)


add_list(app, "segment", "segment estimates", "No segment estimates yet.")
