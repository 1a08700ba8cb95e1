"""Completed rows: the filled cells of the service, joined to the rows that the caller has.

The service returns only what it filled, so the join is made here. A cell that was given is never
changed: a filled cell stands only where the given rows have a gap.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from simulacra import tables
from simulacra.inference import Estimate, pool_filled
from simulacra.optional import optional

ROW, IMPLICATE = "row", "implicate"
WRITTEN: tuple[Literal["parquet", "csv", "arrow"], ...] = ("parquet", "csv", "arrow")
"""Formats of completed tables."""
_ENCODINGS = ("utf-8-sig", "cp1252")
_DELIMITERS = ",;\t|"


Shape = Callable[[Any], Any]
"""Makes a frame of the caller's kind from a `pyarrow.Table`."""


def as_it_is(rows: Any) -> Any:
    """Return an Arrow table for callers who gave a file or an Arrow table."""
    return rows


def shape_of(source: Any) -> Shape:
    """Return the function that makes a frame of the kind of the given rows."""
    kind = type(source).__module__.partition(".")[0]
    return {"pandas": tables.to_pandas, "polars": tables.to_polars}.get(kind, as_it_is)


class Completed:
    """Rows whose gaps were filled m times.

    Attributes:
        given: the rows as they were given, a `pyarrow.Table`.
        filled: the filled cells, a `pyarrow.Table`: row (from 0), implicate (from 1), and the
            filled columns, null where a row has no gap or nothing possible was found.
        report: gaps, cells filled, and by column worth and check.
        generation_id: of the completion on the service.
        given_id: of the dataset with the given rows; the donors' own where none was uploaded.
    """

    def __init__(
        self,
        given: Any,
        filled: Any,
        report: Mapping[str, Any],
        *,
        generation_id: str | None = None,
        given_id: str | None = None,
        shape: Shape = as_it_is,
    ) -> None:
        """Take the rows and what was filled in; `shape` makes the caller's frames of tables.

        Raises:
            ValueError: the rows are not those that the service read.
        """
        if report["rows"] != given.num_rows:
            raise ValueError(
                f"The service read {report['rows']:,} rows, and {given.num_rows:,} were read here, "
                "so the filled cells cannot be joined. Give a table without title lines, totals, "
                "empty rows and repeated column names."
            )
        self.given, self.filled, self.report = given, filled, dict(report)
        self.generation_id, self.given_id = generation_id, given_id
        self._shape = shape

    @property
    def columns(self) -> list[str]:
        """The filled columns."""
        return list(self.filled.column_names[2:])

    @property
    def tables(self) -> list[Any]:
        """The m completed tables, of the type of the given rows."""
        return [self._shape(one) for one in self._implicates()]

    @property
    def pairs(self) -> list[dict[str, Any]]:
        """What may be said of each pair: both columns, verdict, text, and cells with bounds."""
        return list(self.report.get("pairs", ()))

    def pair(self, x: str, y: str) -> dict[str, Any]:
        """Return what may be said of one pair, whichever column was named first.

        Raises:
            KeyError: the completion was not asked about it.
        """
        for one in self.pairs:
            if {one["first"], one["second"]} == {x, y}:
                return one
        raise KeyError(f"{x} and {y} are no pair of this completion; ask with pairs=")

    def long(self) -> Any:
        """Return all tables below one another, `implicate` first: 0 as given, 1 to m completed.

        It is a `pyarrow.Table`; with renamed columns, R's `mice::as.mids` (.imp, .id) and SPSS
        (Imputation_) read it. Its schema metadata name the assumed pairs (simulacra.assumed).
        """
        pa = optional("pyarrow")
        given, _ = _of_one_type(self.given, self.filled)
        parts = []
        for number, one in enumerate([given, *self._implicates()]):
            name = _free_name(IMPLICATE, one.column_names)
            column = pa.array([number] * one.num_rows, pa.int32())
            parts.append(one.add_column(0, name, column))
        table = pa.concat_tables(parts)
        assumed = [
            f"{one['first']} * {one['second']}" for one in self.pairs if one["verdict"] == "assumed"
        ]
        if not assumed:
            return table
        said = {**(table.schema.metadata or {}), "simulacra.assumed": "\n".join(assumed)}
        return table.replace_schema_metadata(said)

    def pool(self, statistic: Callable[[Any], tuple[Any, Any]]) -> Estimate:
        """Combine a statistic of the m tables by Rubin's rules, as `inference.pool_filled`.

        Args:
            statistic: returns the estimate and its variance from one completed table: numbers, or
                arrays of them.

        Raises:
            ModuleNotFoundError: numpy or scipy is missing; the message says what to install.
        """
        found = [statistic(one) for one in self.tables]
        rows = self.given.num_rows
        return pool_filled([one for one, _ in found], [one for _, one in found], rows=rows)

    def sentences(self) -> Iterator[str]:
        """Yield what was filled and what it is worth, a sentence a column, then the warnings."""
        report = self.report
        yield (
            f"{report['rows']:,} rows with {report['gaps']:,} gaps: {report['filled']:,} filled, "
            f"{report['implicates']} times each."
        )
        for one in report["columns"]:
            worth, check = one.get("worth"), one.get("check")
            said = f"{one['column']}: {one['filled']:,} of {one['gaps']:,} gaps filled"
            said += f", worth {worth:,.0f} respondents" if worth is not None else ""
            held = f"; 80 % sets held {check['share']:.0%} of known answers" if check else ""
            yield f"{said}{held}."
        for one in self.pairs:
            bounds = f"bounds {one['width']:.3f} wide, {one['plain']:.3f} without common columns"
            yield f"{one['first']} * {one['second']}: {bounds}. {one['text']}"
        yield from report.get("warnings", ())

    def _implicates(self) -> list[Any]:
        pc = optional("pyarrow.compute")
        given, filled = _of_one_type(self.given, self.filled)
        number = filled.column(1)
        numbers = range(1, self.report["implicates"] + 1)
        return [_joined(given, filled.filter(pc.equal(number, one))) for one in numbers]

    def __repr__(self) -> str:
        name = type(self).__name__
        rows, gaps = self.report["rows"], self.report["gaps"]
        return f"{name}({rows:,} rows, {gaps:,} gaps, {self.report['implicates']} implicates)"


def read_rows(path: Path) -> Any:
    """Return a CSV, Parquet, Arrow, .xlsx or .sav file as a `pyarrow.Table`, to join cells to it.

    Raises:
        ValueError: a file of another kind, or a CSV that cannot be read.
        ModuleNotFoundError: a reader is missing; the message says what to install.
    """
    if path.suffix == ".parquet":
        return tables.read(path)
    if path.suffix == ".xlsx":
        return _read_xlsx(path)
    if path.suffix == ".sav":
        return _read_sav(path)
    if path.suffix in (".arrow", ".feather"):
        return optional("pyarrow.feather").read_table(path)
    if path.suffix != ".csv":
        raise ValueError(f"{path.name}: give a .csv, .parquet, .arrow, .xlsx or .sav file.")
    return _read_csv(path)


def write_rows(table: Any, path: Path) -> None:
    """Write a table as one of WRITTEN, by the suffix."""
    if path.suffix == ".csv":
        optional("pyarrow.csv").write_csv(table, path)
    elif path.suffix == ".arrow":
        optional("pyarrow.feather").write_feather(table, path)
    else:
        optional("pyarrow.parquet").write_table(table, path)


def _read_csv(path: Path) -> Any:
    pa, csv = optional("pyarrow"), optional("pyarrow.csv")
    content = path.read_bytes()
    for encoding in _ENCODINGS:
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise ValueError(f"{path.name}: the encoding is not known. Save it as UTF-8.")
    header = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=header.count)
    convert = csv.ConvertOptions(
        decimal_point="," if delimiter == ";" else ".",
        null_values=[""],
        strings_can_be_null=True,
    )
    parse = csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
    try:
        source = pa.BufferReader(text.encode())
        return csv.read_csv(source, parse_options=parse, convert_options=convert)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path.name}: {error}. Save it as Parquet.") from None


def _read_xlsx(path: Path) -> Any:
    """Return the first sheet, its first row as the names; whole numbers are integers."""
    pa, calamine = optional("pyarrow"), optional("python_calamine", "trainer")
    sheet = calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0)
    names, *rows = sheet.to_python()
    rows = [row for row in rows if any(cell != "" for cell in row)]
    columns = zip(*rows, strict=True) if rows else [[] for _ in names]
    try:
        arrays = [_array([None if cell == "" else cell for cell in cells]) for cells in columns]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ValueError(f"{path.name}: {error}. Save it as Parquet.") from None
    return pa.table(dict(zip(map(str, names), arrays, strict=True)))


def _array(cells: list[Any]) -> Any:
    """Return cells of a sheet as one type: text where some are."""
    is_whole = all(isinstance(cell, float) and cell.is_integer() for cell in cells if cell)
    if is_whole:
        cells = [None if cell is None else int(cell) for cell in cells]
    if any(isinstance(cell, str) for cell in cells):
        cells = [None if cell is None else _words(cell) for cell in cells]
    return optional("pyarrow").array(cells)


def _words(cell: Any) -> str:
    """Return a cell as its text; a whole number without a point, all of its digits."""
    return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell)


def _read_sav(path: Path) -> Any:
    """Return an SPSS file, with labels for the codes of a column that has one for each."""
    pa, pyreadstat = optional("pyarrow"), optional("pyreadstat", "trainer")
    columns, meta = pyreadstat.read_sav(path, output_format="dict")
    for name, cells in columns.items():
        known = [None if cell is None or cell != cell or cell == "" else cell for cell in cells]
        labels = meta.variable_value_labels.get(name, {})
        if labels and {cell for cell in known if cell is not None} <= labels.keys():
            known = [None if cell is None else labels[cell] for cell in known]
        columns[name] = known
    return pa.table(columns)


def _of_one_type(given: Any, filled: Any) -> tuple[Any, Any]:
    """Return both tables with the filled columns, each of one type for all implicates."""
    pa = optional("pyarrow")
    for at, name in enumerate(filled.column_names[2:], 2):
        values = _plain(filled.column(name))
        if name not in given.column_names:
            given = given.append_column(name, pa.nulls(given.num_rows, values.type))
            filled = filled.set_column(at, name, values)
            continue
        before = _plain(given.column(name))
        wanted = before.type if not pa.types.is_null(before.type) else values.type
        try:
            values = values.cast(wanted)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            are_numbers = _is_number(wanted) and _is_number(values.type)
            wanted = pa.float64() if are_numbers else pa.string()
            values = values.cast(wanted)
        place = given.column_names.index(name)
        given = given.set_column(place, name, before.cast(wanted))
        filled = filled.set_column(at, name, values)
    return given, filled


def _joined(given: Any, filled: Any) -> Any:
    """Return the given rows with the filled cells of one implicate; an answer is never changed."""
    pa, pc, np = optional("pyarrow"), optional("pyarrow.compute"), optional("numpy")
    place = np.full(given.num_rows, -1, dtype=np.int64)
    place[filled.column(0).to_numpy()] = np.arange(filled.num_rows)
    at = pa.array(place, mask=place < 0)
    for name in filled.column_names[2:]:
        values = filled.column(name).take(at)
        where = given.column_names.index(name)
        given = given.set_column(where, name, pc.coalesce(values, given.column(name)))
    return given


def _plain(column: Any) -> Any:
    """Return a column without a dictionary, in one piece."""
    pa = optional("pyarrow")
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _is_number(kind: Any) -> bool:
    pa = optional("pyarrow")
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _free_name(name: str, names: Sequence[str]) -> str:
    while name in names:
        name += "_"
    return name
