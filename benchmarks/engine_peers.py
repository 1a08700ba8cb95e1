"""One peer of benchmarks/engine.py, fit and sampled in its own process and environment.

    python engine_peers.py PEER --train T.parquet --out S.parquet --seconds 90

Prints one JSON line: fit_wall_s, fit_cpu_s, rows_per_s. The peers: sequential CART (the method of
R's synthpop, Nowok et al., 2016), SDV's Gaussian copula, and TabularARGN (mostlyai-engine), which
is stopped after --seconds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

Sampler = Callable[[int], pd.DataFrame]
MIN_LEAF = 5


def cart(table: pd.DataFrame, _seconds: float) -> Sampler:
    """Fit a tree per column over the columns before it; draw from the rows of a leaf."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    codes = {name: _codes(table[name]) for name in table}
    models = []
    for i, name in enumerate(table.columns[1:], start=1):
        known = np.column_stack([codes[before] for before in table.columns[:i]])
        numeric = pd.api.types.is_numeric_dtype(table[name]) and table[name].nunique() > 20
        kind = DecisionTreeRegressor if numeric else DecisionTreeClassifier
        target = codes[name] if numeric else np.unique(codes[name], return_inverse=True)[1]
        tree = kind(min_samples_leaf=MIN_LEAF, random_state=0).fit(known, target)
        leaf = tree.apply(known)
        order = np.argsort(leaf, kind="stable")
        models.append(
            (tree, order, np.searchsorted(leaf[order], np.arange(tree.tree_.node_count + 1)))
        )

    def sample(n: int) -> pd.DataFrame:
        rng = np.random.default_rng(1)
        donors = [rng.integers(0, len(table), n)]
        drawn = np.empty((n, table.shape[1]))
        drawn[:, 0] = codes[table.columns[0]][donors[0]]
        for i, (tree, order, start) in enumerate(models, start=1):
            leaf = tree.apply(drawn[:, :i])
            donors.append(
                order[start[leaf] + (rng.random(n) * (start[leaf + 1] - start[leaf])).astype(int)]
            )
            drawn[:, i] = codes[table.columns[i]][donors[i]]
        return pd.DataFrame(
            {c: table[c].to_numpy()[d] for c, d in zip(table.columns, donors, strict=True)}
        )

    return sample


def _codes(column: pd.Series) -> np.ndarray:
    if pd.api.types.is_numeric_dtype(column):
        values = column.astype(float)
        return values.fillna(values.min() - 1).to_numpy()
    return pd.factorize(column, sort=True)[0].astype(float)


def copula(table: pd.DataFrame, _seconds: float) -> Sampler:
    """Fit SDV's GaussianCopulaSynthesizer with its defaults."""
    from sdv.metadata import Metadata
    from sdv.single_table import GaussianCopulaSynthesizer

    model = GaussianCopulaSynthesizer(Metadata.detect_from_dataframes({"table": table}))
    model.fit({"table": table})
    return lambda n: model.sample(n)["table"]


def argn(table: pd.DataFrame, seconds: float) -> Sampler:
    """Fit TabularARGN with its defaults; stop training after `seconds`."""
    from mostlyai import engine

    engine.set_random_state(0)
    workspace = Path(tempfile.mkdtemp(prefix="argn-"))
    engine.split(workspace_dir=workspace, tgt_data=table, model_type="TABULAR")
    engine.analyze(workspace_dir=workspace)
    engine.encode(workspace_dir=workspace)
    engine.train(workspace_dir=workspace, max_training_time=seconds / 60)

    def sample(n: int) -> pd.DataFrame:
        engine.generate(workspace_dir=workspace, sample_size=n)
        return pd.read_parquet(workspace / "SyntheticData")

    return sample


PEERS = {"CART": cart, "GaussianCopula": copula, "TabularARGN": argn}


def main() -> None:
    """Fit, draw rows, write them, print the times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("peer", choices=list(PEERS))
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=int, help="rows to draw; default: of the training table")
    parser.add_argument("--seconds", type=float, default=90.0)
    args = parser.parse_args()
    table = pd.read_parquet(args.train)
    np.random.seed(0)  # SDV draws from the global generator
    wall, cpu = time.perf_counter(), time.process_time()
    sample = PEERS[args.peer](table, args.seconds)
    fitted = {"fit_wall_s": time.perf_counter() - wall, "fit_cpu_s": time.process_time() - cpu}
    began = time.perf_counter()
    drawn = sample(args.rows or len(table))
    rate = len(drawn) / (time.perf_counter() - began)
    drawn[table.columns].to_parquet(args.out, index=False)
    print(json.dumps({**fitted, "rows_per_s": rate}))


if __name__ == "__main__":
    main()
