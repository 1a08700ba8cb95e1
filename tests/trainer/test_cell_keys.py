"""Cell keys: the same noise for the same persons, and no count by subtracting cells."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from simulacra_crds.tasks import BoostRequest
from simulacra_schema.questions.segments import SegmentColumn
from simulacra_trainer.cell_keys import METADATA, NOISE, noise_of, noisy_count, person_keys
from simulacra_trainer.cleaning.clean import CleanTable, clean_table
from simulacra_trainer.segments.cells import level_codes, segmentation
from simulacra_trainer.segments.certify import FEW
from simulacra_trainer.segments.estimate import certify_segments
from simulacra_trainer.segments.few_counts import shown_counts

REGIONS = ("north", "south", "east", "west", "isles")
ILLNESSES = ("none", "asthma", "diabetes", "hiv")


def people(seed: int, rows: int = 700) -> pa.Table:
    """Seven persons of a hundred live on the isles, some of them alone in their cell."""
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "person": np.arange(rows),
            "sex": rng.choice(["f", "m"], rows),
            "region": rng.choice(REGIONS, rows, p=[0.3, 0.3, 0.2, 0.19, 0.01]),
            "illness": rng.choice(ILLNESSES, rows, p=[0.7, 0.15, 0.12, 0.03]),
            "age": rng.integers(18, 90, rows),
        }
    )


def surveyed(seed: int) -> CleanTable:
    """A clean table of these persons, with a secret of its own."""
    return clean_table(people(seed).drop_columns("person"))


def with_secret(clean: CleanTable, seed: int) -> CleanTable:
    """The table with a secret that each run of a test has."""
    secret = {METADATA: np.random.default_rng(seed).bytes(32)}
    return CleanTable(clean.table.replace_schema_metadata(secret), clean.schema)


def counts(
    clean: CleanTable, columns: list[str], question: str, answer: str
) -> dict[tuple[str, ...], float]:
    """Return the noisy count of an answer by segment."""
    cells = segmentation(clean.table, clean.schema, columns)
    hit = level_codes(clean.table, question, [answer]) == 0
    found, _ = cells.noisy_counts(hit, np.ones(hit.size, np.bool_))
    names = [[cells.levels[c][g] for g in cells.groups[c]] for c in range(len(columns))]
    return dict(zip(zip(*names, strict=True), found.tolist(), strict=True))


def test_the_same_persons_have_the_same_noise_however_they_are_named() -> None:
    clean = surveyed(1)
    order = np.random.default_rng(0).permutation(clean.table.num_rows)
    moved = CleanTable(clean.table.take(pa.array(order)), clean.schema)
    one = counts(clean, ["sex", "region"], "illness", "asthma")
    assert counts(moved, ["sex", "region"], "illness", "asthma") == one
    other = counts(clean, ["region", "sex"], "illness", "asthma")
    assert {(sex, region): found for (region, sex), found in other.items()} == one


def test_another_secret_gives_another_noise() -> None:
    first, again = surveyed(1), surveyed(1)
    assert first.table.schema.metadata[METADATA] != again.table.schema.metadata[METADATA]
    keys = [person_keys(clean.table, clean.schema) for clean in (first, again)]
    assert np.mean(keys[0] == keys[1]) < 0.01


def test_a_table_of_an_older_release_has_noise_of_its_own() -> None:
    clean = surveyed(1)
    bare = clean.table.replace_schema_metadata(None)
    keys = person_keys(bare, clean.schema)
    assert np.array_equal(keys, person_keys(bare, clean.schema))
    assert np.unique(keys).size > 500  # equal answers have equal keys


def test_rows_of_a_person_have_one_key() -> None:
    raw = people(2)
    several = clean_table(pa.concat_tables([raw, raw]))
    if several.schema.subject() is None:
        raise AssertionError("the table should have a subject")
    keys = person_keys(several.table, several.schema)
    assert np.array_equal(keys[:700], keys[700:])
    assert noisy_count(np.concatenate([keys[:5], keys[:5]])) == noisy_count(keys[:5]) + 5


def test_noise_is_about_one_person() -> None:
    keys = np.arange(100_000, dtype=np.uint64)
    noise = noise_of(keys)
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - np.sqrt(NOISE**2 + 1 / 12)) < 0.02


def test_no_count_exceeds_the_rows_of_the_table() -> None:
    clean = surveyed(1)
    everyone = np.ones(clean.table.num_rows, np.bool_)
    totals = []
    for seed in range(30):
        secret = with_secret(clean, seed)
        cells = segmentation(secret.table, secret.schema, [])
        totals.append(float(cells.noisy_counts(everyone, everyone)[1][0]))
    assert max(totals) == everyone.size > min(totals)


def test_hidden_cells_are_not_read_by_subtraction() -> None:
    exact, alone, nobody = [], [], []
    for seed in range(20):
        clean = with_secret(surveyed(seed), seed)
        real = clean.table.to_pylist()
        for illness in ILLNESSES:
            total = counts(clean, ["sex"], "illness", illness)
            cells = counts(clean, ["sex", "region"], "illness", illness)
            for sex in "fm":
                rest = total[sex,] - sum(cells[sex, region] for region in REGIONS[:4])
                mine = sum(
                    row["sex"] == sex and row["region"] == "isles" and row["illness"] == illness
                    for row in real
                )
                exact.append(round(rest) == mine)
                if mine < 2:
                    (alone if mine else nobody).append(rest)
    read = np.asarray(alone)[:, None] - np.asarray(nobody)
    auc = np.mean((read > 0) + 0.5 * (read == 0))
    assert np.mean(exact) < 0.25
    assert 0.5 < auc < 0.75


def test_segments_of_few_respondents_are_not_counted() -> None:
    clean = with_secret(surveyed(3), 3)
    trained = SimpleNamespace(table=clean.table, schema=clean.schema, report={}, figures={})
    segment = [SegmentColumn(column="sex"), SegmentColumn(column="region")]
    found = certify_segments(trained, BoostRequest(segment=segment, questions=["illness"]))
    few = [one for one in found.shares if one.respondents < FEW]
    assert few
    for one in few:
        assert one.respondents == 0
        assert one.own is None
        assert "fewer than 5 respondents" in one.text
        assert one.worth <= 1
    assert all(one.respondents == round(one.respondents) for one in found.shares)


def test_shown_counts_of_few_are_what_the_totals_expect() -> None:
    """With the counts of few, and whoever is there, those that are shown make up their totals."""
    clean = with_secret(surveyed(6), 6)
    found = {}
    for columns in (["sex"], ["region"], ["sex", "region"]):
        cells = segmentation(clean.table, clean.schema, columns)
        codes = level_codes(clean.table, "illness", ILLNESSES)
        said, asked = shown_counts(clean.table, clean.schema, cells, codes, len(ILLNESSES))
        shape = [len(of) for of in cells.levels]
        found[*columns] = said.reshape(*shape, -1)
        short = asked - said.sum(axis=1)
        assert np.all(np.abs(short[asked >= FEW]) < 5)
        assert np.all(said[asked < FEW] < FEW)
    rest = found["sex",] - found["sex", "region"].sum(axis=1)
    hidden = found["sex", "region"] < FEW
    assert hidden.any()
    bound = hidden.any(axis=1) & (found["sex",] >= FEW)
    assert np.median(np.abs(rest[bound])) < 0.5
