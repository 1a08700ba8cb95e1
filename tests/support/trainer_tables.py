"""Tables for the engine's tests, in clean types with their schema."""

import numpy as np
import pyarrow as pa

from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema


def levels_column(
    name: str, values: list[str | None], kind: str = "categorical"
) -> tuple[pa.Array, ColumnSchema]:
    array = pa.array(values, pa.string())
    known = [v for v in values if v is not None]
    names = sorted(set(known))
    codes = pa.array([None if v is None else names.index(v) for v in values], pa.int32())
    levels = [LevelSchema(value=n, share=known.count(n) / len(known)) for n in names]
    missing = array.null_count / len(values)
    schema = ColumnSchema(
        name=name, kind=kind, storage="string", levels=levels, missing_share=missing
    )
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string())), schema


def numbers_column(
    name: str, values: np.ndarray, decimals: int | None = None
) -> tuple[pa.Array, ColumnSchema]:
    missing = np.isnan(values)
    known = values[~missing]
    whole = decimals == 0
    array = pa.array(values, pa.float64(), mask=missing)
    schema = ColumnSchema(
        name=name,
        kind="integer" if whole else "numeric",
        storage="int64" if whole else "double",
        minimum=float(known.min()) if known.size else None,
        maximum=float(known.max()) if known.size else None,
        decimals=decimals,
        missing_share=float(missing.mean()),
    )
    return array.cast(pa.int64()) if whole else array, schema


def clean(*columns: tuple[pa.Array, ColumnSchema]) -> tuple[pa.Table, TableSchema]:
    table = pa.table([array for array, _ in columns], names=[schema.name for _, schema in columns])
    return table, TableSchema(rows=table.num_rows, columns=[schema for _, schema in columns])


def survey(n: int, seed: int) -> tuple[pa.Table, TableSchema]:
    """A confounded survey, 8 % missing.

    Age affects segment and spend; price affects spend; city determines region.
    """
    rng = np.random.default_rng(seed)
    age = np.clip(np.round(rng.normal(45, 16, n)), 18, 90)
    city = rng.choice(
        ["ada", "bor", "cel", "dun", "ell", "fay"], n, p=[0.3, 0.25, 0.2, 0.15, 0.07, 0.03]
    )
    region = np.where(np.isin(city, ["ada", "cel"]), "north", "south")
    genz = rng.random(n) < 1 / (1 + np.exp((age - 30) / 5))
    segment = np.where(genz, "switcher", np.where(rng.random(n) < 0.5, "loyal", "none"))
    price = np.round(np.exp(rng.normal(1.6, 0.3, n)), 2)
    spend = 200 - 2 * age - 12 * price + 25 * (region == "north") + rng.normal(0, 12, n)
    spend = np.round(np.maximum(spend, 0), 1)
    income = np.where(rng.random(n) < 0.08, np.nan, np.round(np.exp(rng.normal(10, 0.5, n)), -2))
    return clean(
        numbers_column("age", age, 0),
        levels_column("city", list(city)),
        levels_column("region", list(region)),
        levels_column("segment", list(segment)),
        numbers_column("price", price, 2),
        numbers_column("spend", spend, 1),
        numbers_column("income", income, 0),
    )
