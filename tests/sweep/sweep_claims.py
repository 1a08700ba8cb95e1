"""What the product says of rows, computed again from the rows and the upload alone.

Nothing here imports the product. Each function yields what does not agree.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

Frame = pd.DataFrame
Json = Mapping[str, Any]
WEIGHT = "evidence_weight"
PAIR = ("pair", "world")
LONG = 6
"""Letters of a word that stands in a text by its own meaning, and not by chance."""
READ = {
    "datasets": "schema.json",
    "models": "report.json",
    "generationjobs": "artifact",
    "effectestimates": "estimate.json",
    "segmentestimates": "segments.json",
    "answersheets": "sheet.json",
}
"""Kinds of a dataset and its results, and what the doors read of each."""


def level(verdicts: Any, code: str) -> str | None:
    """Return the level of a verdict."""
    return next((one["level"] for one in verdicts or () if one["code"] == code), None)


def sentence(verdicts: Any, code: str) -> str:
    """Return the sentence of a verdict."""
    return next((one["sentence"] for one in verdicts or () if one["code"] == code), "")


def number_of(pattern: str, text: str) -> float | None:
    """Return the number that a pattern finds in a sentence."""
    found = re.search(pattern, text)
    return None if found is None else float(found[1].replace(",", ""))


def own_columns(rows: Frame) -> pd.DataFrame:
    """Return the rows without the columns that the product adds."""
    added = [WEIGHT, *(PAIR if [*rows.columns[:2]] == [*PAIR] else ())]
    return rows.drop(columns=[name for name in added if name in rows])


def comparable(one: pd.Series, other: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return two columns of one kind: numbers, dates or texts; yes/no and 1.0 are texts."""
    if all(pd.api.types.is_numeric_dtype(of) or of.isna().all() for of in (one, other)):
        return pd.to_numeric(one).astype(float), pd.to_numeric(other).astype(float)
    kinds = [of.dtype.kind for of in (one, other)]
    if "M" in kinds:
        return tuple(
            pd.to_datetime(of, errors="coerce").dt.tz_localize(None).astype("M8[us]")
            for of in (one, other)
        )  # type: ignore[return-value]
    return one.astype(object).map(_text), other.astype(object).map(_text)


def level_text(value: object) -> object:
    """Return a level as conditions and rows write it."""
    return _text(value)


def _text(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)) or value == "":
        return None
    try:
        return f"{float(str(value)):.9g}"
    except ValueError:
        return str(value)


# Rows


def shape(upload: Frame, rows: Frame, made: Json, beside: Sequence[str | None]) -> Iterator[str]:
    """Check the number of rows and the columns; those beside the questions are not generated."""
    asked = made["row_count"] if made.get("persons") is None else len(rows)
    if not len(rows) == asked == made["rows"]:
        yield f"{asked} rows asked, {made['rows']} reported, {len(rows)} in the file"
    expected, found = [n for n in upload if n not in beside], [*own_columns(rows)]
    if expected != found:
        yield f"columns differ: {sorted({*expected} ^ {*found})[:5] or 'order'}"


def raked(rows: Frame, targets: Json) -> Iterator[str]:
    """Compare generated shares with those that the upload was raked to, within .1."""
    for column, shares in targets.items():
        found = rows[column].value_counts(normalize=True)
        for level, share in shares.items():
            if abs(found.get(level, 0.0) - share) > 0.1:
                yield f"{column}: {level} is {found.get(level, 0.0):.3f}, raked to {share}"


def design(upload: Frame, cluster: str, stratum: str, report: Json) -> Iterator[str]:
    """Compare the design of a report with the upload: counts, and effects of shares of two levels.

    The effect is the variance of the clusters' shares, of one size and without weights, over that
    of as many independent rows; the report's is shrunk, from few clusters.
    """
    said, worth = report.get("design") or {}, report.get("worth") or {}
    counts = {"clusters": upload[cluster].nunique(), "strata": upload[stratum].nunique()}
    for name, real in counts.items():
        if said.get(name) != real:
            yield f"{real} {name}, the report says {said.get(name)}"
    if worth.get("basis") != "design" or worth["respondents"] > len(upload):
        yield f"{worth.get('respondents')} respondents by {worth.get('basis')}"
    effects = {one["column"]: one["design_effect"] for one in said.get("questions", ())}
    for name in upload.columns.difference([cluster, stratum]):
        first = upload[name] == upload[name].iloc[0]
        if upload[name].nunique() != 2:
            continue
        shares = first.groupby([upload[stratum], upload[cluster]]).mean().groupby(level=0)
        within = float((shares.var() * shares.size() / counts["clusters"] ** 2).sum())
        own = within * len(upload) / (first.mean() * (1 - first.mean()))
        if not max(own, 1.0) / 2 < effects[name] < max(own, 1.0) * 2:
            yield f"{name}: design effect {own:.2f}, the report says {effects[name]:.2f}"


def waves(upload: Frame, wave: str, moved: str, said: Json | None) -> Iterator[str]:
    """Compare what a report says of waves with the upload, in which one answer of yes/no moved.

    Shares may differ by three persons, whose noise they have.
    """
    if said is None:
        yield "the report has no waves"
        return
    last, before = sorted(upload[wave].unique())[:-3:-1]
    if (said["newest"], said["before"]) != (str(last), str(before)):
        yield f"{said['newest']} beside {said['before']}; the waves are {last} and {before}"
    for one in said["answers"]:
        if upload[one["column"]].dtype != object:
            continue
        said_as = upload[one["column"]]
        if "before" in one:
            said_as = said_as.fillna(upload[one["before"]])
        hit = (said_as == one["answer"]).groupby(upload[wave]).mean()
        rows = upload.groupby(wave).size()
        for real, share, count in zip(hit, one["shares"], rows, strict=True):
            if share is not None and abs(share - real) > 4 / count:
                yield f"{one['column']}: {one['answer']} is {real:.3f}, the report says {share}"
        true = hit[last] - hit[before]
        if not one["low"] - 0.01 <= true <= one["high"] + 0.01:
            yield f"{one['column']}: {one['answer']} moved by {true:.3f}, outside its interval"
    gaps = {c for c in upload if upload[c].isna().groupby(upload[wave]).all().any()}
    if any(None in one["shares"] for one in said["answers"] if one["column"] in gaps):
        yield "a question that was renamed is not compared with its earlier waves"
    found = [one["column"] for one in said["answers"] if one["verdict"] == "moved"]
    if moved not in found:
        yield f"{moved} moved, the report names {found}"


def summary(upload: Frame, wave: str | None, said: Json, weighted: bool) -> Iterator[str]:
    """Compare the newest wave of a summary with the upload, as far as words are words there.

    Counts may differ by five persons: noise of the count and of the respondents. Weighted shares
    are not those of the rows.
    """
    newest = said["waves"][-1]
    rows = upload if wave is None else upload[upload[wave].astype(str) == newest["label"]]
    if abs(newest["rows"] - len(rows)) > 5:
        yield f"wave {newest['label']} has {len(rows)} rows, the summary says {newest['rows']}"
    if newest["attack"] > 0.67:
        yield f"the attacker has an AUC of {newest['attack']}"
    for question in newest["questions"]:
        cells = [question["hits"], *(row for by in question["by"].values() for row in by["hits"])]
        least = min((hits for row in cells for hits in row if hits is not None), default=5.0)
        is_weighted = question["worth"] < 0.99 * question["respondents"]
        if least < (1.5 if is_weighted else 4.0):  # five persons of little weight
            yield f"{question['name']}: a cell of {least} persons is in it"
        if weighted or question["name"] not in rows or rows[question["name"]].dtype != object:
            continue
        real = rows[question["name"]].value_counts()
        if question["edges"] is not None or not set(question["levels"]) <= set(real.index):
            continue
        for level, hits in zip(question["levels"], question["hits"], strict=True):
            share = real[level] / max(real.sum(), 1)
            if hits is not None and abs(hits / question["respondents"] - share) > 5 / real.sum():
                yield f"{question['name']}: {level} is {share:.3f}, the summary says {hits}"


def kinds(upload: Frame, rows: Frame) -> Iterator[str]:
    """Check that numbers stay numbers, and that a column of few words gets no other words."""
    for name in own_columns(rows):
        real, drawn = upload[name].dropna(), rows[name].dropna()
        if pd.api.types.is_numeric_dtype(real):
            if len(real) and pd.to_numeric(drawn, errors="coerce").isna().any():
                yield f"{name} has texts among numbers"
            continue
        new = {*drawn.astype(str)} - {*real.astype(str)}
        if real.dtype.kind != "M" and 0 < real.nunique() <= 12 and new:
            yield f"{name} has {len(new)} levels that the upload does not have"


def conditions(rows: Frame, request: Json, made: Json) -> Iterator[str]:
    """Recompute every share and range of an attainment."""
    attained = (made.get("attainment") or {}).get("conditions", ())
    for column, levels in request["categorical"].items():
        for name, asked in levels.items():
            share = float((rows[column].map(_text) == _text(name)).mean())
            said = next((one for one in attained if one.get("level") == name), None)
            if abs(share - asked) * len(rows) > 1:
                yield f"{column}: asked {asked:.3f}, {share:.3f} in the rows"
            if said is None or abs(said["attained"] - share) > 1e-6:
                yield f"{column}: attained is not the share in the rows ({share:.3f})"
    for column, ends in request["numeric"].items():
        low, high = ends.get("min"), ends.get("max")
        values = rows[column].astype(float)
        inside = values.between(-np.inf if low is None else low, np.inf if high is None else high)
        said = next((one for one in attained if one["column"] == column), None)
        if not inside.all() and (said is None or said["met"]):
            yield f"{column}: {int((~inside).sum())} rows outside the range that is met"
        if said is None or abs(said["attained"] - inside.mean()) > 1e-6:
            yield f"{column}: attained is not the share of rows in the range ({inside.mean():.3f})"


def quotas(rows: Frame, asked: Sequence[Json], made: Json) -> Iterator[str]:
    """Count the cell of every quota again."""
    said = (made.get("attainment") or {}).get("quotas") or []
    if len(said) != len(asked):
        yield f"{len(asked)} quotas are asked for, {len(said)} are answered"
        return
    for at, (quota, one) in enumerate(zip(asked, said, strict=True), 1):
        inside = pd.Series(True, index=rows.index)
        for column, part in quota["where"].items():
            if "levels" in part:
                inside &= rows[column].map(_text).isin([_text(level) for level in part["levels"]])
            else:
                inside &= rows[column].astype(float).between(part["min"], part["max"])
        count = int(inside.sum())
        if set(one["where"]) != set(quota["where"]):
            yield f"quota {at}: its columns are called {sorted(one['where'])}"
        if one["rows"] != count or abs(one["attained"] - count / len(rows)) > 1e-6:
            yield f"quota {at}: {one['rows']} rows are said, {count} are there"
        low = quota.get("share", quota.get("min", 0.0)) * len(rows)
        high = quota.get("share", quota.get("max", 1.0)) * len(rows)
        if (low - 1 < count < high + 1) != one["met"] or not (one["met"] or one.get("why")):
            yield f"quota {at}: {count} rows of {low:.1f} to {high:.1f}, and met is {one['met']}"


def completion(given: Frame, long: Frame, column: str, known: set[str]) -> Iterator[str]:
    """Look that every row is there once as given and twice filled, and that no answer changed."""
    if list(long["implicate"]) != [one for one in range(3) for _ in range(len(given))]:
        yield f"implicates 0 to 2 of {len(given)} rows are not there once each"
        return
    for number, one in long.groupby("implicate"):
        for name in given.columns:
            if [*map(_text, given[name])] != [*map(_text, one[name])]:  # a map makes None NaN
                yield f"{name}: an answer that was given changed in implicate {number}"
        answers = one[column]
        if number and answers.isna().any():
            yield f"{column}: {answers.isna().sum()} gaps are left in implicate {number}"
        if strange := {_text(answer) for answer in answers.dropna()} - known:
            yield f"{column}: {len(strange)} levels that nobody gave in implicate {number}"


def open_pair(pairs: list[Json], x: str, y: str) -> Iterator[str]:
    """Look that an open pair has bounds, which a table meets, and no figure."""
    if [(one["first"], one["second"], one["verdict"]) for one in pairs] != [(x, y, "open")]:
        yield f"{x} and {y} are not the one open pair"
        return
    cells = pairs[0]["cells"]
    if any(cell["figure"] is not None or cell["low"] is not None for cell in cells):
        yield f"{x} and {y}: an open pair has a figure"
    if any(not 0 <= cell["least"] <= cell["most"] <= 1 for cell in cells):
        yield f"{x} and {y}: bounds that no share meets"
    if not sum(c["least"] for c in cells) - 0.01 <= 1 <= sum(c["most"] for c in cells) + 0.01:
        yield f"{x} and {y}: bounds that no table meets"
    for level in ("odd", "even"):  # half the rows each
        some = [cell for cell in cells if cell["first"] == level]
        if not sum(c["least"] for c in some) - 0.01 <= 0.5 <= sum(c["most"] for c in some) + 0.01:
            yield f"{x} and {y}: bounds without the half that says {level}"


def worth(
    upload: Frame, rows: Frame, made: Json, weight: str | None, subject: str | None
) -> Iterator[str]:
    """Compare the sum of the weights with every place that says what rows are worth."""
    evidence, verdicts = made.get("evidence") or {}, made.get("verdicts")
    said = evidence.get("worth")
    unit = "pair" if made.get("counterfactual") else "row"
    weights = rows[WEIGHT] if WEIGHT in rows else pd.Series(dtype=float)
    if unit == "pair":
        weights = weights[rows[rows.columns[1]] == rows[rows.columns[1]].iloc[0]]
    is_empty = not len(weights) or bool(weights.isna().all())
    if level(verdicts, "worth") == "unknown" and not (said is None and is_empty):
        yield "worth is unknown, and the rows have weights"
    if (
        "worth" in sentence(verdicts, "worth")
        and said is None
        and level(verdicts, "worth") != "unknown"
    ):
        yield "worth has a level without a figure"
    if said is None:
        if not is_empty:
            yield "no worth is stated, and the rows have weights"
        return
    total = float(weights.sum())
    if not math.isclose(total, said, rel_tol=0.01, abs_tol=0.5):
        yield f"worth {said:.1f}, the weights sum to {total:.1f}"
    if total > len(weights) + 1e-6:
        yield f"{len(weights)} rows are worth {total:.1f}"
    most = respondents(upload, weight, subject)
    if total > most * 1.001 and evidence.get("basis") != "segment":
        yield f"worth {total:.1f}, the upload has {most:.1f} respondents"
    for text in (sentence(verdicts, "worth"), evidence.get("sentence") or ""):
        stated = number_of(r"worth ([\d,]+) respondent", text)
        if stated is not None and abs(stated - said) > 0.51:
            yield f"a sentence says {stated:.0f} respondents, the figure is {said:.1f}"
        if "not measured" in text:
            yield "a sentence says that worth was not measured, and there is a figure"


def respondents(upload: Frame, weight: str | None, subject: str | None) -> float:
    """Return Kish's number of independent respondents of the upload."""
    each = upload[weight] if weight else pd.Series(1.0, upload.index)
    totals = each.groupby(upload[subject]).sum() if subject else each
    return float(totals.sum() ** 2 / (totals**2).sum())


def copies(upload: Frame, rows: Frame, verdicts: Any, learned: list[str]) -> Iterator[str]:
    """Compare exact matches with those of one half of the upload in the other."""
    names = [name for name in learned if name in rows and name in upload]
    if level(verdicts, "privacy") != "good" or len(names) < 2:
        return
    real = _keys(upload, rows, names)
    drawn = _keys(rows, upload, names)
    half = np.random.default_rng(0).permutation(len(real))
    seen, unseen = {*real[half[: len(real) // 2]]}, real[half[len(real) // 2 :]]
    base = float(np.mean([key in seen for key in unseen]))
    found = float(np.mean([key in seen for key in drawn]))
    slack = 3 * math.sqrt((max(base, 0.01)) / min(len(unseen), len(drawn)))
    if found > max(1.5 * base, base + 0.01) + slack:
        yield f"privacy good, {100 * found:.1f} % copies where {100 * base:.1f} % are by chance"


def _keys(frame: Frame, other: Frame, names: list[str]) -> np.ndarray:
    parts = [comparable(frame[name], other[name])[0].map(str) for name in names]
    return np.array(["|".join(cells) for cells in zip(*parts, strict=True)])


# Relations


def association(one: pd.Series, other: pd.Series) -> float:
    """Return |Spearman| of numbers and dates, else Cramér's V without its bias (Bergsma, 2013)."""
    both = pd.DataFrame({"a": one.to_numpy(), "b": other.to_numpy()}).dropna()
    if len(both) < 20 or both["a"].nunique() < 2 or both["b"].nunique() < 2:
        return 0.0
    if all(_is_ordered(both[name]) for name in "ab"):
        ranks = both.apply(lambda of: of.rank() if of.dtype.kind != "M" else of.astype("i8").rank())
        return abs(float(ranks.corr().iloc[0, 1]))
    coded = [_binned(both[name]) for name in "ab"]
    table = pd.crosstab(*coded).to_numpy(float)
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    n, (r, k) = table.sum(), table.shape
    phi = max(0.0, ((table - expected) ** 2 / expected).sum() / n - (r - 1) * (k - 1) / (n - 1))
    side = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    return math.sqrt(phi / side) if side > 0 else 0.0


def _is_ordered(of: pd.Series) -> bool:
    return of.dtype.kind in "iufM" and not pd.api.types.is_bool_dtype(of)


def _binned(of: pd.Series) -> pd.Series:
    if _is_ordered(of) and of.nunique() > 6:
        return pd.qcut(of.rank(method="first"), 5, labels=False)
    return of.astype(str)


def pairs_of(report: Json) -> list[Any]:
    """Return the pairs that a report lists: of linked rows their own."""
    is_linked = bool((report.get("asked") or {}).get("persons"))
    found = report.get("linked") if is_linked else report.get("worth")
    return (found or {}).get("pairs") or []


def relations(upload: Frame, rows: Frame, report: Json, names: list[str]) -> Iterator[str]:
    """Compute the strong pairs of the upload again, and compare what the report says of each."""
    words = {frozenset(one["columns"]): one["kept"] for one in pairs_of(report)}
    for a, b in combinations([name for name in names if name in rows][:16], 2):
        are_ordered = _is_ordered(upload[a]) and _is_ordered(upload[b])
        if not words or (not are_ordered and max(upload[n].nunique() for n in (a, b)) > 40):
            continue
        real = association(upload[a], upload[b])
        drawn = association(*(_typed(upload[name], rows[name]) for name in (a, b)))
        word = words.get(frozenset((a, b)), "not listed")
        if real >= 0.35 and drawn < 0.5 * real and word in ("kept", "not listed"):
            yield f"{a} and {b}: {real:.2f}, in the rows {drawn:.2f}; the report: {word}"


def _has_words(upload: pd.Series, rows: pd.Series) -> bool:
    """Return whether cells are words: numbers and dates have other tests."""
    are_dates = any(isinstance(value, datetime.date) for value in rows.dropna().head(1))
    return upload.dtype.kind not in "iufbM" and rows.dtype.kind != "M" and not are_dates


def _of_few(upload: Frame, rows: Frame, subject: str | None) -> Iterator[tuple[str, set[str]]]:
    """Yield the columns of words, with the words that one to four persons gave."""
    who = upload[subject] if subject else pd.Series(upload.index, upload.index)
    for name in upload:
        if name in rows and name != subject and _has_words(upload[name], rows[name]):
            persons = who.groupby(upload[name]).nunique()
            yield name, {str(word) for word in persons.index[persons < 5]}


def words_of_few(upload: Frame, rows: Frame, subject: str | None) -> Iterator[str]:
    """Look for words of one to four persons in rows."""
    for name, words in _of_few(upload, rows, subject):
        if found := words & {*map(str, rows[name].dropna())}:
            yield f"{name}: {len(found)} words of one to four persons in the rows"


def few_in_texts(
    upload: Frame, rows: Frame, texts: Mapping[str, str], subject: str | None
) -> Iterator[str]:
    """Look for words of one to four persons in answers, reports and pages, by their names."""
    for name, words in _of_few(upload, rows, subject):
        for place, text in texts.items():
            if found := {word for word in words if len(word) >= LONG and word in text}:
                yield f"{place}: {len(found)} words of one to four persons of {name}"


def _typed(real: pd.Series, drawn: pd.Series) -> pd.Series:
    return pd.to_datetime(drawn, errors="coerce") if real.dtype.kind == "M" else drawn


def stated_relations(rows: Frame, report: Json) -> Iterator[str]:
    """Evaluate the equations and orders that a report lists as kept in every row."""
    for one in report.get("relations") or ():
        text = str(one["relation"])
        found = re.fullmatch(r"(\w+) (=|<=|<) ([\w .+*/()-]+)", text)
        if one.get("violations") or found is None:
            continue
        left, sign, right = found.groups()
        names = set(re.findall(r"[A-Za-z_]\w*", f"{left} {right}"))
        if not names <= {*rows.columns} or any(rows[n].dtype.kind not in "iufM" for n in names):
            continue
        a, b = rows[left], rows.eval(right)
        tolerance = 10.0 ** -_decimals(rows[left]) if sign == "=" and a.dtype.kind != "M" else None
        wrong = (
            (a - b).abs() > tolerance * 1.01
            if tolerance
            else {"=": a != b, "<=": a > b, "<": a >= b}[sign]
        )
        count = int((wrong & a.notna() & b.notna()).sum())
        if count:
            yield f"{text}: 0 violations stated, {count} in {len(rows)} rows"


def _decimals(values: pd.Series) -> int:
    texts = values.dropna().astype(float).map(lambda value: f"{value:.6f}".rstrip("0"))
    return int(texts.str.partition(".")[2].str.len().max() or 0)


# Persons


def persons(upload: Frame, rows: Frame, made: Json, subject: str, schema: Json) -> Iterator[str]:
    """Check number, order and constancy of synthetic persons, and that none is a real one."""
    who = rows[subject]
    if who.nunique() != made["persons"]:
        yield f"{made['persons']} persons asked, {who.nunique()} in the rows"
    if int((who != who.shift()).sum()) != who.nunique():
        yield "the rows of a person do not stand together"
    real, drawn = len(upload) / upload[subject].nunique(), len(rows) / who.nunique()
    if not 0.7 < drawn / real < 1.4:
        yield f"{drawn:.2f} rows a person, {real:.2f} in the upload"
    constant = [one["name"] for one in schema["columns"] if one.get("per_person")]
    true = [n for n in upload if n != subject and (upload.groupby(subject)[n].nunique() <= 1).all()]
    for name in {*true} - {*constant}:
        if next((one["learned"] for one in schema["columns"] if one["name"] == name), False):
            yield f"{name} is constant within persons, and the schema does not say so"
    for name in constant:
        if name in rows and (count := int((rows.groupby(subject)[name].nunique() > 1).sum())):
            yield f"{name} is said to be constant within persons, and varies in {count}"


# Answers


def effect(found: Json, upload: Frame) -> Iterator[str]:
    """Check that an answer shows the figures that its verdict claims, and no others."""
    kind, ace, span = found["verdict"]["kind"], found.get("ace"), found.get("union")
    has = (ace is not None and ace.get("effect") is not None, span is not None)
    spanned = ("suggested", "usual order", "open")
    pointed = dict.fromkeys(("assumed", "instrument", "parallel trends"), (True, True))
    expected = pointed | dict.fromkeys(spanned, (False, True))
    if any((one["name"], one["outcome"]) == ("first stage", "failed") for one in found["checks"]):
        expected["instrument"] = (False, True)  # a weak one
    if has != expected.get(kind, (False, False)):
        yield f"verdict {kind}, point {has[0]}, interval {has[1]}"
    outcome = upload.get(found.get("outcome") or "")
    if span and outcome is not None and outcome.dtype.kind in "iuf":
        reach = float(outcome.max() - outcome.min())
        if not -reach <= span["low"] <= span["high"] <= reach:
            yield "the interval is wider than the outcome"
    yield from usual_order(found)
    yield from answered(found, upload)


def groups(found: Json) -> Iterator[str]:
    """Check the figures of groups: interval within interval, words of p, rounded counts."""
    shown, differ = found.get("segments") or [], found.get("groups_differ")
    if (differ is not None) != (len(shown) > 1):
        yield f"{len(shown)} groups shown, whether they differ: {differ}"
    if differ and ("differs" in differ["text"]) != (differ["p"] < 0.05):
        yield f"groups with p {differ['p']}: {differ['text']}"
    for one in shown:
        ends = [one["low"], one["alone"]["low"], one["alone"]["high"], one["high"]]
        if ends != sorted(ends):
            yield "the interval of a group alone is not within that of all together"
        if (one.get("effect") is not None) != (found["verdict"]["kind"] == "assumed"):
            yield f"verdict {found['verdict']['kind']}, point of a group {one.get('effect')}"
        if float(f"{one['rows']:.2g}") != one["rows"]:
            yield "a group has an exact count"
    if {one["level"] for one in shown} & {*(found.get("unshown_segments") or ())}:
        yield "a group is shown and not shown"


def usual_order(found: Json) -> Iterator[str]:
    """Check that an answer that presumes an order says so, has both intervals and no statement."""
    verdict, whole = found["verdict"], found.get("otherwise")
    presumed = [name for block in verdict.get("presumes") or () for name in block]
    if (verdict["kind"] == "usual order") != bool(presumed):
        yield f"verdict {verdict['kind']}, presumes {len(presumed)} columns"
    if not presumed:
        return
    if "presumes" not in verdict["text"] or "You have not confirmed it." not in verdict["text"]:
        yield "a usual order does not say that nobody confirmed it"
    if found["treatment"] not in presumed or len(presumed) != len(set(presumed)):
        yield "the presumed blocks lack the treatment, or have a column twice"
    span = found.get("union")
    if whole is None or not whole["low"] <= span["low"] <= span["high"] <= whole["high"]:
        yield "the interval whatever comes first lies within that of the usual order"


def answered(found: Json, upload: Frame) -> Iterator[str]:
    """Check that the verdict names whom an answer is for, and that they can be counted."""
    whom, ace = found.get("answered"), found.get("ace") or {}
    if whom is None:
        if "with the value that they lack" in str(found):
            yield "the verdict leaves people out, and no field says whom"
        return
    for words in (whom["text"], whom["why"]):
        if words not in found["verdict"]["text"]:
            yield "the verdict does not name whom it is for"
    if ace.get("support") is not None and abs(ace["support"] - whom["share"]) > 0.002:
        yield f"support {ace['support']}, answered for {whom['share']}"
    ends = [ace.get("everybody_low"), ace.get("everybody_high")]
    if None not in ends and ends != [whom["everybody"]["low"], whom["everybody"]["high"]]:
        yield "two intervals for everybody"
    columns = [*(found.get("adjustment") or ()), found.get("treatment"), found.get("outcome")]
    limits = [limit for group in whom["left_out"] for limit in group]
    is_whole = found.get("population", "all") == "all" and "weight" not in upload
    if not (limits and is_whole and all(name in upload for name in columns)):
        return
    known = upload.dropna(subset=[found["treatment"], found["outcome"]])
    out = pd.Series(data=False, index=known.index)
    for group in whom["left_out"]:
        out |= np.logical_and.reduce([_keeps(known[one["column"]], one) for one in group])
    if abs(1 - out.mean() - whom["share"]) > 0.05:
        yield f"answered for {whom['share']}, {1 - out.mean():.3f} of the upload keep its limits"


def _keeps(values: pd.Series, limit: Json) -> pd.Series:
    """Return which rows keep a limit of a group."""
    test, value = limit["test"], limit["value"]
    if test in ("<=", ">"):
        numbers = pd.to_numeric(values, errors="coerce")
        return numbers <= value if test == "<=" else numbers > value
    is_level = values.map(_text) == _text(value)
    return is_level if test == "=" else values.notna() & ~is_level


def do_support(effect_found: Json | None, made: Json) -> Iterator[str]:
    """Check that rows under do() claim no more than the effect of the same column.

    An effect also needs people with the value that it compares with; rows do not.
    """
    of_rows = ((made.get("identification") or {}).get("verdict") or {}).get("kind")
    of_effect = effect_found and effect_found["verdict"]["kind"]
    lacks_others = effect_found and f"have '{effect_found.get('baseline')}' (" in str(effect_found)
    is_silent = of_effect in ("unanswerable", "contradicted") and not lacks_others
    if is_silent and of_rows in ("assumed", "suggested", "open"):
        yield f"the effect is {of_effect}, rows under do() are {of_rows}"


def pair_changes(made: Json, drawn: Frame, do: Json) -> Iterator[str]:
    """Check that pairs state a reliability, and that rows that have the values stay."""
    said = made.get("identification") or {}
    told, kind = said.get("reliability"), (said.get("verdict") or {}).get("kind")
    if told is None or (told and kind not in ("assumed", "suggested")):
        yield f"pairs that are {kind} tell the reliability {told}"
    world = drawn[drawn.columns[1]]
    facts, twins = (
        drawn[world == name].reset_index(drop=True) for name in ("factual", "counterfactual")
    )
    had = pd.Series(True, index=facts.index)
    for name, value in do.items():
        had &= facts[name].map(_text) == _text(value)
    for name, share in (told or {}).items():
        if not 0 <= share <= 1 or (name not in said["assumption"] and len(told) <= 5):
            yield f"{name}: reliability {share} out of range, or not in words"
        if name in facts and not facts[name][had].equals(twins[name][had]):
            yield f"{name}: rows that have the values change"


NOISE = 5
"""Respondents that the noise of a count may add or take: five standard deviations."""


def segment(found: Json, upload: Frame, *, is_plain: bool) -> Iterator[str]:
    """Recompute respondents, own shares and verdicts of a segment estimate."""
    for one in found.get("shares") or ():
        text = f"{one['question']} = {one['answer']}"
        if not one["low"] - 1e-9 <= one["share"] <= one["high"] + 1e-9:
            yield f"{text}: the share is outside its interval"
        gain = one["worth"] / max(one["respondents"], 1e-9)
        said = {"no better": gain < 1.1, "slightly": 1.1 <= gain < 1.5, "boosted": gain >= 1.5}
        if one["respondents"] >= 5 and not said[one["verdict"]]:
            yield f"{text}: {one['verdict']} at {gain:.2f} times the respondents"
        if not is_plain:
            continue
        inside = upload
        for part in one["segment"]:
            inside = inside[inside[part["column"]].map(_text) == _text(part["level"])]
        answers = inside[one["question"]].dropna().map(_text)
        if abs(len(answers) - one["respondents"]) > NOISE:
            yield f"{text}: {one['respondents']:.0f} respondents stated, {len(answers)} are there"
        share = float((answers == _text(one["answer"])).mean())
        if one.get("own") and abs(one["own"]["share"] - share) > NOISE / max(len(answers), 1):
            yield f"{text}: own share {one['own']['share']:.3f}, {share:.3f} in the upload"


def demand(found: Json, most: pd.Series | None) -> Iterator[str]:
    """Recompute who pays each price at least, where the highest price of each person is known."""
    answer = found.get("price_answer")
    if answer is None:
        if not found["reason"]:
            yield "no demand, and no reason"
        return
    curve = answer["curves"][0]
    if any(after > before for before, after in pairwise(curve["values"])):
        yield "demand rises with the price"
    ends = zip(curve["low"], curve["values"], curve["high"], strict=True)
    if not all(low <= value <= high for low, value, high in ends):
        yield "demand is outside its band"
    if most is None or not pd.api.types.is_numeric_dtype(most):
        return
    for price, value in zip(answer["prices"], curve["values"], strict=True):
        share = float((most.dropna() >= price).mean())
        if abs(value - share) > 2 * NOISE / len(most):
            yield f"at {price}: {value:.3f} would buy, {share:.3f} in the upload"


def segments_of_a_wave(found: Json, upload: Frame, wave: str, moved: str) -> Iterator[str]:
    """Recompute who of earlier waves helped, and what moved; one answer did, in every segment."""
    last, before = sorted(upload[wave].unique())[:-3:-1]
    for one in found["shares"]:
        text = f"{one['question']} = {one['answer']}"
        inside = upload
        for part in one["segment"]:
            if part["column"] != wave:
                inside = inside[inside[part["column"]].map(_text) == _text(part["level"])]
        hit = (inside[one["question"]].map(_text) == _text(one["answer"])).groupby(inside[wave])
        earlier = int((inside[wave] != last).sum())
        if one["helped"] and abs(one["helped"] - earlier) > NOISE * upload[wave].nunique():
            yield f"{text}: {one['helped']:.0f} of earlier waves helped, {earlier} are there"
        if one["helped"] and "of earlier waves helped" not in one["text"]:
            yield f"{text}: the text does not say who helped"
        change, true = one["change"], float(hit.mean()[last] - hit.mean()[before])
        if change and not change["low"] - 0.02 <= true <= change["high"] + 0.02:
            yield f"{text}: moved by {true:.3f}, outside its interval"
    told = [one for one in found["shares"] if one["question"] == moved and one["change"]]
    if "moved" not in [one["change"]["verdict"] for one in told]:
        yield f"{moved} moved in no segment"


def next_wave(told: Json, upload: Frame, rows: Frame, wave: str) -> Iterator[str]:
    """Compare shares of the next wave with the newest one's, and rows of it with the shares."""
    newest = upload[upload[wave] == upload[wave].max()]
    if rows[wave].notna().any():
        yield "rows of the next wave name a wave"
    for one in told["shares"]:
        text = f"{one['question']} = {one['answer']} in the next wave"
        now, then = (
            float((of[one["question"]].dropna().map(_text) == _text(one["answer"])).mean())
            for of in (rows, newest)
        )
        if abs(now - one["share"]) > 0.01:
            yield f"{text}: {one['share']:.3f} told, {now:.3f} of the rows"
        if abs(then - one["next"]["carried"]) > NOISE / len(newest):
            yield f"{text}: {one['next']['carried']:.3f} carried forward, {then:.3f} in the upload"
        if not one["low"] < one["next"]["low80"] < one["share"] < one["next"]["high80"]:
            yield f"{text}: intervals that do not nest"
        better = one["next"]["error"] < one["next"]["carried_error"]
        if better != (one["verdict"] == "better than carrying the last wave forward"):
            yield f"{text}: the verdict is {one['verdict']}, its errors say otherwise"


def contradictions(report: Json) -> Iterator[str]:
    """Check the parts of one report against each other."""
    verdicts, of = report.get("verdicts") or (), report.get("worth") or {}
    is_unknown = level(verdicts, "worth") == "unknown"
    if is_unknown and (of.get("worth") is not None or of.get("for_inference") or of.get("ratio")):
        yield "worth is unknown, and the report has ratio, worth or for_inference"
    is_linked = bool((report.get("asked") or {}).get("persons"))
    missed = (report.get("linked") or {}).get("passes") is False
    if is_linked and missed and level(verdicts, "privacy") == "good":
        yield "linked rows exceed the limit, and their privacy is good"
    words = [one["kept"] for one in pairs_of(report)]
    text = sentence(verdicts, "likeness")
    harmed = words.count("lost") + words.count("weakened")
    if number_of(r"(\d+) % of their", text) == 100 and harmed and "lost" not in text:
        yield f"100 % of relations kept, {harmed} of {len(words)} pairs lost or weakened"
    stated = {
        "relations": (r"of ([\d,]+) relations? between", len(words)),
        "kept": (r"([\d,]+) of [\d,]+ relations? between", words.count("kept")),
        "weakened": (r"([\d,]+) weakened", words.count("weakened")),
        "lost": (r"([\d,]+) lost", words.count("lost")),
    }
    for word, (pattern, listed) in stated.items():
        said = number_of(pattern, text)
        if said is not None and said != listed:
            yield f"the sentence says {said:.0f} {word}, the report lists {listed}"


def unrecorded(resources: Iterable[Json], events: Iterable[Json], dataset: str) -> Iterator[str]:
    """Yield the documents of a dataset that the doors have read, and no audit record says so."""
    recorded = {(one.get("uid"), one.get("artefact")) for one in events}
    for one in resources:
        meta, kind = one["metadata"], f"{one['kind'].lower()}s"
        named = (meta["name"], meta.get("labels", {}).get("simulacra.dev/dataset"))
        is_read = dataset in named and one.get("status", {}).get("phase") == "Ready"
        if is_read and (meta["uid"], READ[kind]) not in recorded:
            yield f"{kind}: {READ[kind]} was read, and no record says so"
