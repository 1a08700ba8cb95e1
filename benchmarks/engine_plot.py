"""Plot of the result of benchmarks/engine.py: realism against privacy, and CPU time of a fit.

python engine_plot.py OUT.png < rows.json
"""

from __future__ import annotations

import json
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt

MARKS = "osD^vPX"


def main(out: str) -> None:
    """Read rows from standard input and write the picture."""
    rows = [row for row in json.load(sys.stdin) if "fit_cpu_s" in row["figures"]]
    engines = list(dict.fromkeys(row["engine"] for row in rows))
    tables = list(dict.fromkeys(row["table"] for row in rows))
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for i, engine in enumerate(engines):
        mine = [row["figures"] for row in rows if row["engine"] == engine]
        judged = [f for f in mine if "c2st_auc" in f]
        style = {"color": f"C{i}", "marker": MARKS[i % len(MARKS)], "label": engine}
        left.scatter([f["c2st_auc"] for f in judged], [f["dcr_share"] for f in judged], **style)
        right.scatter([f["fit_cpu_s"] for f in mine], [f["rows_per_s"] for f in mine], **style)
    left.axhline(0.5, color="gray", lw=0.7)
    left.axvline(0.5, color="gray", lw=0.7)
    left.set(
        xlabel="C2ST AUC (0.5: cannot be told from real)", ylabel="DCR share (0.5: no copying)"
    )
    right.set(xlabel="fit, CPU seconds", ylabel="rows a second", xscale="log", yscale="log")
    right.legend(title=", ".join(tables), fontsize=8)
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main(sys.argv[1])
