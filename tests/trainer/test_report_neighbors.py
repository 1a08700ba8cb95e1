import numpy as np
import pyarrow as pa
import pytest

from simulacra_schema.table import ColumnSchema, TableSchema
from simulacra_trainer.report import equal_halves_dcr
from simulacra_trainer.report.attackers import neighbors
from simulacra_trainer.report.attackers.neighbors import nearer_share, nearest, place


def mixed(rows: int, seed: int, missing: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "x": pa.array(rng.normal(size=rows), mask=rng.random(rows) < missing),
            "k": pa.array(
                rng.choice(list("abc"), rows), mask=rng.random(rows) < missing
            ).dictionary_encode(),
            "y": pa.array(rng.integers(0, 50, rows)),
        }
    )


KINDS = {"x": "numeric", "k": "categorical", "y": "integer"}
SCHEMA = TableSchema(
    rows=0, columns=[ColumnSchema(name=n, kind=k, storage="") for n, k in KINDS.items()]
)


def brute_force(rows: pa.Table, others: pa.Table, scale: pa.Table) -> np.ndarray:
    def spread(name):
        return np.std([v for v in scale.column(name).to_pylist() if v is not None])

    sx, sy = spread("x"), spread("y")
    result = []
    for a in rows.to_pylist():
        best = np.inf
        for b in others.to_pylist():
            d = float(a["k"] != b["k"]) + ((a["y"] - b["y"]) / sy) ** 2
            if (a["x"] is None) != (b["x"] is None):
                d += 1
            elif a["x"] is not None:
                d += ((a["x"] - b["x"]) / sx) ** 2
            best = min(best, d)
        result.append(np.sqrt(best))
    return np.array(result)


def test_distances_equal_brute_force():
    rows, others = mixed(40, 1, missing=0.2), mixed(60, 2, missing=0.2)
    a, b = place(others, [rows, others], ["x", "k", "y"])
    assert nearest(a, b)[0] == pytest.approx(brute_force(rows, others, others), rel=1e-4, abs=1e-5)


def test_ties_are_counted():
    others = pa.table({"x": [1.0, 1.0, 5.0]})
    a, b = place(others, [pa.table({"x": [1.0, 5.0]}), others], ["x"])
    distance, ties = nearest(a, b)
    assert distance.tolist() == [0, 0]
    assert ties.tolist() == [2, 1]


@pytest.mark.parametrize("part", [0.0, 0.2, 1.0])
def test_share_rises_by_half_of_the_copied_fraction(part):
    a, b, fresh = mixed(2_000, 1), mixed(2_000, 2), mixed(2_000, 3)
    copies = round(2_000 * part)
    synthetic = pa.concat_tables([a.slice(0, copies), fresh.slice(copies)])
    share, _ = equal_halves_dcr(a, b, synthetic, SCHEMA, np.random.default_rng(0))
    assert share == pytest.approx(0.5 + part / 2, abs=0.03)


@pytest.mark.parametrize(("part", "judged"), [(0.0, 6_000), (0.5, 2_000)])
def test_all_rows_are_tested_unless_copying_is_clear(part, judged, monkeypatch):
    a, b = mixed(2_000, 1), mixed(2_000, 2)
    fresh = mixed(6_000, 3)
    copies = a.take(np.random.default_rng(1).integers(0, 2_000, round(6_000 * part)))
    synthetic = pa.concat_tables([copies, fresh.slice(len(copies))])
    seen = []
    monkeypatch.setattr(neighbors, "BATCH_ROWS", 1_000)
    credit = neighbors._credit
    monkeypatch.setattr(
        neighbors, "_credit", lambda rows, *sides: seen.append(len(rows[0])) or credit(rows, *sides)
    )
    share, error = equal_halves_dcr(a, b, synthetic, SCHEMA, np.random.default_rng(0))
    assert sum(seen) <= judged
    assert (sum(seen) == 6_000) is (part == 0.0)
    assert share == pytest.approx(0.5 + part / 2, abs=5 * error)
    assert error < 0.5 / np.sqrt(sum(seen)) + 1e-9


def share_of(points):
    """Return the DCR share of placed rows, and its standard error: rows, seen rows, unseen rows."""
    drawn, seen, unseen = points
    base = len(seen[0]) / (len(seen[0]) + len(unseen[0]))
    return nearer_share(nearest(drawn, seen), nearest(drawn, unseen), base)


def test_unequal_sides_are_scaled_to_equal_halves():
    a, b, fresh = mixed(3_000, 1), mixed(600, 2), mixed(3_000, 3)
    synthetic = pa.concat_tables([a.slice(0, 900), fresh.slice(900)])
    share, error = share_of(place(a, [synthetic, a, b], ["x", "k", "y"]))
    assert share == pytest.approx(0.65, abs=3 * error)
    assert 0 < error < 0.03


def test_tied_rows_of_discrete_tables_do_not_count_as_copies():
    rng = np.random.default_rng(0)
    tables = [
        pa.table({"k": pa.array(rng.choice(list("abc"), n)).dictionary_encode()})
        for n in (500, 1_000, 100)
    ]
    share, _ = share_of(place(tables[1], tables, ["k"]))
    assert share == pytest.approx(0.5, abs=0.05)


def test_empty_columns_and_sides_give_finite_figures():
    nothing = {"x": pa.nulls(5, pa.float64()), "k": pa.nulls(5, pa.string()).dictionary_encode()}
    gone = pa.table(nothing | {"y": pa.nulls(5, pa.int64())})
    assert equal_halves_dcr(gone, gone, gone, SCHEMA, np.random.default_rng(0))[0] == 0.5
    with pytest.raises(ValueError, match="needs rows"):
        equal_halves_dcr(gone, gone.slice(0, 0), gone, SCHEMA, np.random.default_rng(0))
