"""The table of `rules.py` in SDV, with the constraints that say the same, if it is installed."""

from __future__ import annotations

import resource
import tempfile
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from sdv.cag import FixedCombinations, FixedIncrements, Inequality
from sdv.metadata import Metadata
from sdv.single_table import GaussianCopulaSynthesizer

ROWS = 100_000


def cpu() -> float:
    """Return CPU seconds of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def main() -> None:
    """Fit and draw; print seconds and violations."""
    frame = pd.read_csv(Path(tempfile.gettempdir()) / "rules.csv", parse_dates=["start", "end"])
    frame["cents"] = (frame.price * 4).round().astype(int)  # SDV's increments are whole
    kinds = {"employed": "categorical", "country": "categorical", "city": "categorical"}
    columns = {name: {"sdtype": kinds.get(name, "numerical")} for name in frame.columns}
    for name in ("start", "end"):
        columns[name] = {"sdtype": "datetime", "datetime_format": "%Y-%m-%d"}
    metadata = Metadata.load_from_dict({"tables": {"rules": {"columns": columns}}})
    model = GaussianCopulaSynthesizer(metadata)
    model.add_constraints(
        [
            Inequality(low_column_name="education", high_column_name="age"),
            Inequality(low_column_name="start", high_column_name="end"),
            FixedCombinations(column_names=["country", "city"]),
            FixedIncrements(column_name="cents", increment_value=2),
        ]
    )
    began = cpu()
    model.fit({"rules": frame.assign(cents=frame.cents * 2)})
    fitted = cpu() - began
    began = cpu()
    rows = model.sample(ROWS)["rules"]
    drawn = cpu() - began
    combinations = set(zip(frame.country, frame.city, strict=True))
    listed = [one in combinations for one in zip(rows.country, rows.city, strict=True)]
    print(f"SDV {version('sdv')}: fit {fitted:.1f} s, {ROWS} rows {drawn:.1f} s")
    print("education above age", int((rows.education > rows.age).sum()))
    print("education + 6 above age", int((rows.education + 6 > rows.age).sum()))
    print("end before start", int((rows.end < rows.start).sum()))
    print("combinations", ROWS - sum(listed))
    print("hours of not employed", int(((rows.employed == "no") & rows.hours.notna()).sum()))
    print("sums", int(((rows.food + rows.rent - rows.spent).abs() > 0.006).sum()))
    print("70 and employed", int(((rows.age >= 70) & (rows.employed == "yes")).sum()))
    print("repeated block, line", int(rows.duplicated(["block", "line"]).sum()))


if __name__ == "__main__":
    main()
