"""Words of fewer than five persons come out of no door, in tables of any kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyreadstat
import pytest

from simulacra_crds.tasks import FitRequest, GenerateRequest
from simulacra_intake.description.complete import complete
from simulacra_intake.description.statements import state
from simulacra_intake.errors import InputError
from simulacra_intake.output.files import write_tables
from simulacra_intake.output.restore import restore
from simulacra_intake.read import open_table
from simulacra_intake.rows_of_persons import effective_persons
from simulacra_schema.description import parse_description
from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.pipeline.fit import fit_model
from simulacra_trainer.pipeline.generate import generate_rows, plan_generation
from simulacra_trainer.report import build_report, render_html
from simulacra_trainer.report.facts import columns_read
from simulacra_trainer.report.left_out import left_out

pytestmark = pytest.mark.usefixtures("exact_counts")

ROWS = 300
NAMES = ["Abel", "Brandt", "Claus", "Dorn", "Ebert", "Funk", "Gross", "Hahn"]
FIRMS = [f"Firma {name} & Söhne" for name in NAMES]
CITIES = ["Bonn", "Kiel", "Jena"]


def table(weights: bool = False, **columns: list[object]) -> pa.Table:
    rng = np.random.default_rng(4)
    plain = {
        "age": rng.integers(18, 80, ROWS).tolist(),
        "income": np.round(rng.lognormal(7, 0.4, ROWS), 2).tolist(),
    }
    heavy = {"w": rng.uniform(0.5, 1.5, ROWS).tolist()} if weights else {}
    return pa.table({**plain, **heavy, **columns})


def words(rare: list[str], frequent: list[str] = CITIES) -> list[str | None]:
    """Return frequent words with rare ones among them, each once."""
    found: list[str | None] = [frequent[i % len(frequent)] for i in range(ROWS)]
    for i, word in enumerate(rare):
        found[7 + 11 * i] = word
    return found


def cleaned(name: str, values: list[object], weights: str | None = None) -> CleanTable:
    raw = table(weights is not None, **{name: values})
    return clean_table(raw, weights=weights)


def column_of(found: CleanTable, name: str) -> ColumnSchema:
    column = found.schema.find(name)
    assert column is not None
    return column


def held(found: CleanTable, name: str) -> set[str]:
    return set(found.table.column(name).to_pylist())


def everything(found: CleanTable) -> str:
    """Return all that a clean table tells: values, dictionaries, schema, notes, metadata."""
    words = [
        c.combine_chunks().dictionary.to_pylist()
        for c in found.table.columns
        if pa.types.is_dictionary(c.type)
    ]
    return repr((found.table.to_pydict(), words, found.schema, found.table.schema.metadata))


def test_rare_words_are_one_level_with_their_share() -> None:
    found = cleaned("employer", words(FIRMS))
    last = column_of(found, "employer").levels[-1]
    assert (last.value, last.pooled) == ("(other)", 8)
    assert last.share == pytest.approx(8 / ROWS)
    assert held(found, "employer") == {*CITIES, "(other)"}
    assert not any(firm in everything(found) for firm in FIRMS)
    note = next(n for n in found.schema.cleaning if n.column == "employer")
    assert note.action == "words of fewer than 5 persons are one level, (other)"
    assert note.count == 8


def test_words_of_fewer_than_five_persons_in_all_are_drawn_from_the_others() -> None:
    found = cleaned("employer", words(FIRMS[:4]))
    column = column_of(found, "employer")
    assert set(column.level_values()) == held(found, "employer") == set(CITIES)
    assert sum(level.share for level in column.levels) == pytest.approx(1)
    note = next(n for n in found.schema.cleaning if n.column == "employer")
    assert note.count == 0  # it would count one to four persons


def test_rare_level_of_a_scale_becomes_its_neighbor() -> None:
    scale = ["never", "rarely", "sometimes", "often", "always"]
    values = [scale[1 + i % 3] for i in range(ROWS)]
    values[5] = values[9] = "always"
    found = cleaned("how_often", values)
    column = column_of(found, "how_often")
    assert column.kind == "ordinal"
    assert column.level_values() == ["rarely", "sometimes", "often"]
    assert found.table.column("how_often").to_pylist()[5] == "often"


def test_answer_of_one_person_to_yes_or_no_is_not_learned() -> None:
    found = cleaned("in_prison", ["yes" if i == 3 else "no" for i in range(ROWS)])
    column = column_of(found, "in_prison")
    assert (column.kind, column.constant, column.learned) == ("constant", "no", False)
    assert "'yes'" not in everything(found)


def test_rare_options_are_left_out_everywhere() -> None:
    options = ["radio", "tv", "papers", "podcasts"]
    cells = [";".join(o for k, o in enumerate(options) if i >> k & 1) for i in range(ROWS)]
    cells[4] = cells[8] = "tv;ham radio"
    found = cleaned("media", cells)
    column = column_of(found, "media")
    assert column.kind == "multi"
    assert set(column.level_values()) == set(options)
    assert "ham radio" not in everything(found)


def test_words_that_are_all_rare_are_not_learned() -> None:
    values = [f"Köchin {'abcdefgh'[i % 8]}{i // 24}" for i in range(ROWS)]
    found = cleaned("job", values)
    assert not column_of(found, "job").learned
    assert "Köchin" not in everything(found)


def test_code_for_no_answer_of_one_person_becomes_a_gap() -> None:
    values: list[object] = [str(round(20 + i * 0.37, 1)) for i in range(ROWS)]
    values[3:15] = ["don't know"] * 12
    values[40] = "prefer not to say"
    found = cleaned("size", values)
    column = column_of(found, "size")
    assert [one.value for one in column.specials] == ["don't know"]
    assert "prefer not" not in everything(found)


def test_rare_postcodes_are_their_form() -> None:
    codes = [f"0{2 + i % 3}1{i % 2}0" for i in range(ROWS)]
    codes[10], codes[20], codes[30] = "99999", "88888", "77777"
    found = cleaned("zip", codes)
    assert not any(code in everything(found) for code in ("99999", "88888", "77777"))


def test_persons_are_counted_by_kish_under_weights() -> None:
    groups = np.array([0] * 5 + [1] * 6)
    heavy = np.array([1.0] * 5 + [20.0] + [1.0] * 5)
    found = effective_persons(groups, None, heavy, 3)
    assert found[0] == 5.0
    assert found[1] == pytest.approx(25**2 / 405)
    assert found[2] == 0.0
    persons = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 8])
    assert effective_persons(groups, persons, np.ones(11), 2)[0] == pytest.approx(25 / 7)


def test_word_of_five_persons_stays_and_of_four_does_not() -> None:
    found = cleaned("employer", words([FIRMS[0]] * 5 + [FIRMS[1]] * 4 + [FIRMS[2]]))
    assert held(found, "employer") == {*CITIES, FIRMS[0], "(other)"}


def test_the_level_is_in_the_language_of_the_table() -> None:
    raw = table(employer=words(FIRMS), member=["ja" if i % 2 else "nein" for i in range(ROWS)])
    assert "(sonstige)" in column_of(clean_table(raw), "employer").level_values()


def test_rows_of_a_person_count_once() -> None:
    who = [f"C{i // 3:04d}" for i in range(ROWS)]
    values = words([])
    values[30:36] = [FIRMS[0]] * 6  # of two persons
    raw = table(customer_id=who, employer=values)
    found = clean_table(raw)
    assert found.schema.persons == 100
    assert FIRMS[0] not in everything(found)
    # A level of its own would tell what the two answered.
    assert sorted(column_of(found, "employer").level_values()) == sorted(CITIES)


def rows(found: CleanTable, **request: object) -> pa.Table:
    fit = FitRequest.model_validate({"family": "forest", "seed": 1})
    model = fit_model(found.table, found.schema, fit)
    asked = GenerateRequest.model_validate({"rowCount": 10 * ROWS, "seed": 2, **request})
    return pa.concat_tables(generate_rows(model, plan_generation(model, asked)))


def test_no_rare_word_is_generated_and_the_group_keeps_its_share() -> None:
    rng = np.random.default_rng(1)
    values = words(FIRMS)
    for i in np.flatnonzero(rng.random(ROWS) < 0.2):
        values[i] = f"Hof {i}"
    found = cleaned("employer", values)
    drawn = rows(found).column("employer").to_pylist()
    assert set(drawn) == {*CITIES, "(other)"}
    real = found.table.column("employer").to_pylist().count("(other)") / ROWS
    assert drawn.count("(other)") / len(drawn) == pytest.approx(real, abs=0.03)


def test_a_table_of_generated_rows_keeps_its_level() -> None:
    found = cleaned("employer", words([*(["(other)"] * 20), *FIRMS[:2]]))
    column = column_of(found, "employer")
    assert column.level_values().count("(other)") == 1
    other = next(level for level in column.levels if level.value == "(other)")
    assert other.pooled is None or other.share == pytest.approx(22 / ROWS)


def test_schema_of_older_services_is_read() -> None:
    found = cleaned("employer", words(FIRMS)).schema.model_dump()
    for column in found["columns"]:
        for level in column["levels"]:
            level.pop("pooled")
    assert TableSchema.model_validate(found).find("employer") is not None


def stated(values: list[object], publish: object, name: str = "country") -> CleanTable:
    field = {"name": name, "x-simulacra": {"publish": publish}}
    raw = table(**{name: values})
    description = parse_description({"fields": [field]})
    return clean_table(raw, statements=state(description, raw.column_names))


def test_public_levels_come_out_unlinked_and_their_presence_is_told() -> None:
    found = stated(words(FIRMS), True)
    column = column_of(found, "country")
    assert column.published is not None
    assert (set(column.published.words), column.published.listed) == (set(FIRMS), False)
    assert column.published.single == 8
    note = next(
        n.action for n in found.schema.cleaning if n.column == "country" and "public" in n.action
    )
    assert "8 public levels of the table, 8 of them of one person" in note
    drawn = restore(found.table, found.schema, rng=np.random.default_rng(1))
    assert set(drawn.column("country").to_pylist()) <= {*CITIES, *FIRMS}
    assert set(drawn.column("country").to_pylist()) & set(FIRMS)


def test_a_list_of_public_levels_does_not_tell_which_are_present() -> None:
    everywhere = [*CITIES, *FIRMS, *(f"Land {i}" for i in range(60))]
    found = stated(words(FIRMS), everywhere)
    column = column_of(found, "country")
    assert column.published is not None
    assert column.published.words == everywhere[len(CITIES) :]
    assert column.published.single == 0
    big = pa.concat_tables([found.table] * 100)
    drawn = restore(big, found.schema, rng=np.random.default_rng(1)).column("country").to_pylist()
    present, absent = (sum(drawn.count(one) for one in of) / len(of)
                       for of in (FIRMS, everywhere[-60:]))  # fmt: skip
    assert present == pytest.approx(absent, rel=0.4)


def test_personal_data_and_numbers_are_not_published() -> None:
    mails = [f"person{i}@mail.example" for i in range(ROWS)]
    numbers = [1.5 * i for i in range(ROWS)]
    for name, values, said in (
        ("email", mails, "never published"),
        ("size", numbers, "Only columns of categories"),
    ):
        with pytest.raises(InputError) as refused:
            stated(values, True, name=name)
        assert said in refused.value.detail
        assert refused.value.pointer == "/fields/0/x-simulacra/publish"


def test_statement_is_recorded_as_the_users() -> None:
    field = {"name": "country", "x-simulacra": {"publish": ["Bonn", "Rom"]}}
    raw = table(country=words(FIRMS))
    description = parse_description({"fields": [field]})
    statements = state(description, raw.column_names)
    schema = clean_table(raw, statements=statements).schema
    document = complete(schema, raw.column_names, {}, description, statements)
    own = document["schema"]["fields"][-1]["x-simulacra"]
    assert (own["publish"], own["source"]["publish"]) == (["Bonn", "Rom"], "user")
    again = parse_description(document)
    assert again.fields[-1].extension.publish == ["Bonn", "Rom"]


def test_public_words_of_one_person_count_in_the_report() -> None:
    found = stated(words(FIRMS), True)
    picture = left_out(found.table, found.table, found.schema, columns_read(found.schema), [])
    column = next(one for one in picture["columns"] if one["column"] == "country")
    assert column["pooled"] == {
        "level": "(other)",
        "words": 8,
        "rows": pytest.approx(0.0267, abs=1e-4),
    }
    assert column["single_levels"] == 8
    assert column["single_rows"] == pytest.approx(8 / ROWS, abs=1e-3)
    report = build_report(found.table, None, found.table, found.schema) | {"left_out": picture}
    page = " ".join(render_html(report).split())
    assert "the levels of country are public. Those of fewer than five persons, 3 % of the" in page
    assert (
        "one of 8 levels of the table, so rows tell that these are present; about 8 are of" in page
    )
    listed = stated(words(FIRMS), [*FIRMS, "Rom"])
    picture = left_out(listed.table, listed.table, listed.schema, columns_read(listed.schema), [])
    assert picture["single_columns"] == 0


@pytest.mark.parametrize("spare", [True, False])
def test_codes_of_rare_words_are_written_only_from_a_list_with_more(
    tmp_path: Path, spare: bool
) -> None:
    rng = np.random.default_rng(1)
    job = rng.choice([1.0, 2.0, 3.0], ROWS)
    job[:6] = [11, 12, 13, 14, 15, 16]
    labels = {1.0: "clerk", 2.0: "nurse", 3.0: "farmer"}
    labels |= {float(code): f"rare job {code}" for code in range(11, 18 if spare else 17)}
    frame = pd.DataFrame(
        {"job": job, "age": rng.integers(20, 80, ROWS) * 1.0, "x": rng.random(ROWS)}
    )
    path = tmp_path / "jobs.sav"
    measure = {"job": "nominal"}
    pyreadstat.write_sav(
        frame, str(path), variable_value_labels={"job": labels}, variable_measure=measure
    )
    found = clean_table(open_table(path))
    write_tables([restore(found.table, found.schema, rng=rng)], path)
    rows, file = pyreadstat.read_sav(str(path), apply_value_formats=True)
    assert (rows["job"] == "(other)").sum() == 6
    kept = [label for label in file.variable_value_labels["job"].values() if "rare" in label]
    assert len(kept) == (7 if spare else 0)
