"""Lines that are not rows, columns without names, code pages, worksheets: what is read of them."""

from __future__ import annotations

from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulacra_intake.errors import InputError
from simulacra_intake.limits import MIB
from simulacra_intake.raw_table import NOTES
from simulacra_intake.read import open_table, read_table
from simulacra_intake.readers.code_pages import NAMES, code_page
from simulacra_intake.readers.layout import find_layout
from simulacra_intake.readers.sniff import encoding_of
from simulacra_schema.formats.file_labels import declared_of
from simulacra_schema.table import TableSchema
from simulacra_trainer.cleaning.clean import clean_table

pytestmark = pytest.mark.usefixtures("exact_counts")

ROWS = [f"{20 + i % 40},{i * 7 % 100 / 4},{'abc'[i % 3]}" for i in range(60)]


def read(tmp_path: Path, text: str, encoding: str = "utf-8") -> pa.Table:
    path = tmp_path / "upload"
    path.write_bytes(text.encode(encoding))
    return read_table(path)


def notes(table: pa.Table) -> str:
    return table.schema.metadata.get(NOTES, b"").decode()


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("cp1252", "Größe;Straße;Müller;5 €;„Zitat“ – ja"),
        ("cp1252", "très;élève;où;garçon;cœur;3º"),
        ("cp1252", "¿qué?;mañana;año"),
        ("cp1252", "muito satisfação;não;coração;às vezes;corações"),
        ("cp1252", "5 €;10 €"),
        ("cp1250", "Łódź;Gdańsk;mężczyzna;źle;ważne"),
        ("cp1250", "Plzeň;muž;žena;říjen;spíše ano"),
        ("iso8859-2", "Łódź;Świdnica;źle;ważne;śledź;Šumava"),
        ("cp1250", "nő;férfi;Győr;elégedett"),
        ("cp1251", "Москва;мужчина;не знаю"),
        ("koi8-r", "Москва;мужчина;не знаю"),
        ("cp1253", "Αθήνα;άνδρας;Θεσσαλονίκη"),
        ("cp1254", "İstanbul;kadın;hayır;güneş"),
        ("mac_roman", "Größe;Straße;Müller;für"),
        ("cp1252", "36,8 °C;Persil®;12 m²;città"),
        ("cp1252", "N° client;Âge;Réachat"),
        ("cp1252", "Nº;Mª Ángeles;España"),
        ("cp1250", "Łódź;36 °C;Persil®;źle"),
    ],
)
def test_a_code_page_is_told_by_its_words(page: str, words: str) -> None:
    data = ("ort;n\n" + words).encode(page)
    found = code_page([data])
    assert found is not None
    assert data.decode(found) == data.decode(page)


@pytest.mark.parametrize("encoding", ["shift_jis", "cp1256"])
def test_a_script_that_no_page_holds_is_no_page(encoding: str) -> None:
    words = {"shift_jis": "東京;大阪;男性", "cp1256": "ذكر;أنثى;القاهرة"}[encoding]
    assert code_page([words.encode(encoding)]) is None


def test_the_page_is_read_and_noted(tmp_path: Path) -> None:
    text = "miasto;n\n" + "".join(f"{['Łódź', 'Gdańsk'][i % 2]};{i % 5}\n" for i in range(30))
    table = read(tmp_path, text, "cp1250")
    assert table["miasto"][0].as_py() == "Łódź"
    assert "Windows-1250" in notes(table)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_cyrillic_utf16_without_a_mark_is_read(tmp_path: Path, encoding: str) -> None:
    text = "город;число\n" + "".join(f"Москва{'аб'[i % 2]};{i}\n" for i in range(200))
    assert read(tmp_path, text, encoding)["город"][1].as_py() == "Москваб"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_of_east_asia_without_a_mark_is_read(tmp_path: Path, encoding: str) -> None:
    text = "이름;번호\n" + "".join(f"김철수😀{'가나'[i % 2]};{i}\n" for i in range(600))
    assert read(tmp_path, text, encoding)["이름"][1].as_py() == "김철수😀나"
    text = "姓名,城市\r\n" + "".join(f"王小明{i},北京市\r\n" for i in range(200))
    assert read(tmp_path, text, encoding)["城市"][1].as_py() == "北京市"


def test_lines_above_the_header_are_left_out(tmp_path: Path) -> None:
    text = "Export of 3 May, wave 2\n\n;;\nage;score;group\n" + "\n".join(
        row.replace(",", ";") for row in ROWS
    )
    table = read(tmp_path, text)
    assert table.column_names == ["age", "score", "group"]
    assert table.num_rows == 60
    assert "lines above the column names were left out: 2" in notes(table)


def test_a_first_row_of_another_width_is_still_an_error(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="as many cells as there are column names"):
        read(tmp_path, "age,score\n" + "\n".join(ROWS))


def test_further_header_lines_become_labels(tmp_path: Path) -> None:
    text = "Q1,Q2,Q3\nHow old are you?,Your score,Your group\n" + "\n".join(ROWS)
    table = read(tmp_path, text)
    assert table.num_rows == 60
    assert declared_of(table.schema.field("Q1")).label == "How old are you?"
    assert "further header lines were read as labels: 1" in notes(table)
    schema = clean_table(table).schema
    assert schema.columns[2].label == "Your group"


def test_export_marks_are_no_label(tmp_path: Path) -> None:
    marks = ",".join(f'"{{""ImportId"": ""{name}""}}"' for name in ("a", "b", "c"))
    text = f"Q1,Q2,Q3\nAge,Score,Group\n{marks}\n" + "\n".join(ROWS)
    table = read(tmp_path, text)
    assert table.num_rows == 60
    assert declared_of(table.schema.field("Q3")).label == "Group"


def test_a_name_above_several_columns_is_joined_with_the_line_below(tmp_path: Path) -> None:
    rows = [f"{i},{i % 7},{i % 3},{i % 2}" for i in range(40)]
    text = "id,Media,,done\n,TV,Radio,\n" + "\n".join(rows)
    # The second line names columns of numbers only where it is filled.
    table = read(tmp_path, text.replace(",TV,Radio,\n", "number,TV,Radio,flag\n"))
    assert table.column_names == ["id", "Media: TV", "Media: Radio", "done"]


def test_a_line_below_names_the_columns_that_the_first_leaves_out(tmp_path: Path) -> None:
    row = "{},10.0.0.{},Nike,,{}\n"
    rows = "".join(row.format(100 + i, i % 9, "Puma" if i % 3 else "") for i in range(60))
    table = read(tmp_path, "Respondent,Address,Brands,,\n,,Nike,Asics,Puma\n" + rows)
    assert table.column_names[2:] == ["Brands: Nike", "Brands: Asics", "Brands: Puma"]
    assert table.num_rows == 60


def test_a_first_row_of_answers_is_no_header_line(tmp_path: Path) -> None:
    text = "a,b,c\nRefused,k.A.,another\n" + "\n".join(ROWS)
    assert read(tmp_path, text).num_rows == 61
    text = "a,b,c\n65+,>90,another\n" + "\n".join(ROWS)
    assert read(tmp_path, text).num_rows == 61


@pytest.mark.parametrize(
    "below",
    [
        "Total,1234.5,\n",
        "Summe,,\n",
        "\nn = 60\nSource: own survey, 2024\n",
        "\nFor internal use only\n",
    ],
)
def test_lines_below_the_rows_are_left_out(tmp_path: Path, below: str) -> None:
    table = read(tmp_path, "age,score,group\n" + "\n".join(ROWS) + "\n" + below)
    assert table.num_rows == 60
    assert "totals and notes below the rows were left out" in notes(table)


def test_totals_between_rows_are_kept_or_refused(tmp_path: Path) -> None:
    text = "age,score,group\n" + "\n".join(["Total,5,", *ROWS])
    assert read(tmp_path, text).num_rows == 61
    with pytest.raises(Exception, match="as many cells as there are column names"):
        read(tmp_path, "age,score,group\n" + "\n".join([*ROWS[:30], "Total", *ROWS[30:]]))
    with pytest.raises(Exception, match="as many cells as there are column names"):
        read(tmp_path, "age,score,group\n" + "\n".join([*ROWS, "4711"]))  # cut off


def test_a_level_named_like_a_total_is_a_row(tmp_path: Path) -> None:
    rows = [f"{['Total Oil', 'Shell'][i % 2]},{i},{i % 4}" for i in range(41)]
    assert read(tmp_path, "firm,n,k\n" + "\n".join(rows)).num_rows == 41


def test_columns_without_a_name_are_indexes_or_left_out(tmp_path: Path) -> None:
    rows = [f"{i},{row},," for i, row in enumerate(ROWS)]
    table = read(tmp_path, ",age,score,group,,\n" + "\n".join(rows))
    clean = clean_table(table).schema
    assert [column.name for column in clean.columns] == ["(index)", "age", "score", "group"]
    assert clean.columns[0].kind == "identifier"
    said = [note.action for note in clean.cleaning]
    assert "a column of row numbers without a name was named (index)" in said
    assert "an empty column without a name was left out: (column 5)" in said


def test_a_filled_column_without_a_name_is_named_by_its_place(tmp_path: Path) -> None:
    table = read(tmp_path, "age,,group\n" + "\n".join(ROWS))
    assert clean_table(table).schema.columns[1].name == "(column 2)"


def test_the_second_column_of_a_name_is_numbered(tmp_path: Path) -> None:
    table = read(tmp_path, "Q5,Q5,Q5 (2)\n" + "\n".join(ROWS))
    assert table.column_names == ["Q5", "Q5 (3)", "Q5 (2)"]
    assert "'Q5 (3)'" in notes(table)
    path = tmp_path / "twice.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(range(30))] * 2, names=["a", "a"]), path)
    assert read_table(path).column_names == ["a", "a (2)"]


def test_the_largest_worksheet_is_read_below_its_title(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["How to read this workbook"])
    data = book.create_sheet("Answers")
    for row in [["Export 2024"], [], ["age", "score"], *([i, i / 4] for i in range(30))]:
        data.append(row)
    data.append(["Total", 108.75])
    data.append(["Source: own survey"])
    book.save(tmp_path / "t.xlsx")
    table = read_table(tmp_path / "t.xlsx")
    assert table.column_names == ["age", "score"]
    assert table.num_rows == 31
    assert "'Answers' was read; left out: 'Sheet'" in notes(table)


@pytest.fixture
def answers() -> dict[str, list[object]]:
    return {
        "flag": [None if i % 7 == 0 else i % 2 for i in range(80)],
        "age": [18 + i * 13 % 60 for i in range(80)],
        "score": [None if i % 9 == 0 else i % 5 + 0.25 for i in range(80)],
        "group": ["abc"[i % 3] for i in range(80)],
        "zip": [f"0{1000 + i % 12}" for i in range(80)],
        "day": [f"2024-03-{1 + i % 28:02d}" for i in range(80)],
    }


def kinds(schema: TableSchema) -> list[tuple[object, ...]]:
    return [
        (c.name, c.kind, c.level_values(), c.minimum, c.maximum, c.decimals, c.missing_share)
        for c in schema.columns
    ]


def test_one_table_has_the_same_kinds_from_every_source(
    tmp_path: Path, answers: dict[str, list[object]]
) -> None:
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    frame = pandas.DataFrame(answers)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    from_csv, from_parquet = (
        clean_table(read_table(tmp_path / name)).schema for name in ("t.csv", "t.parquet")
    )
    from_pandas = clean_table(pa.Table.from_pandas(frame)).schema
    from_polars = clean_table(polars.DataFrame(answers).to_arrow()).schema
    assert from_csv.find("flag").kind == "integer"  # type: ignore[union-attr]
    assert kinds(from_csv) == kinds(from_parquet) == kinds(from_pandas) == kinds(from_polars)
    assert from_parquet.find("flag").storage == "double"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("first", "name"),
    [
        ([*range(40)], "(index)"),
        ([*range(5_000, 5_040)], "(index)"),
        ([9 * i for i in range(40)], "(index)"),
        ([1_700 + 13 * i % 997 for i in range(40)], "(column 1)"),
    ],
    ids=["from 0", "part of a table", "after a filter", "incomes"],
)
def test_only_row_numbers_without_a_name_are_an_index(
    first: list[int], name: str, tmp_path: Path
) -> None:
    rows = [f"{number},{row}" for number, row in zip(first, ROWS[:40], strict=True)]
    clean = clean_table(read(tmp_path, ",age,score,group\n" + "\n".join(rows))).schema
    assert clean.columns[0].name == name
    assert clean.columns[0].learned == (name != "(index)")


def test_a_table_read_column_by_column_is_cleaned_like_one_in_memory(tmp_path: Path) -> None:
    lines = [f"{i};{i % 7},25;;x{i % 3};{1 + i % 28:02d}.03.2024" for i in range(60)]
    path = tmp_path / "export.csv"
    path.write_text("\n".join([";Betrag;;Gruppe;Tag", *lines]))
    streamed, whole = clean_table(open_table(path)), clean_table(read_table(path))
    assert streamed.schema == whole.schema
    assert streamed.table.equals(whole.table)
    assert streamed.schema.columns[0].name == "(index)"
    assert [column.kind for column in streamed.schema.columns[1:]] == [
        "numeric",
        "categorical",
        "datetime",
    ]


@pytest.mark.parametrize(
    ("encoding", "head"),
    [
        ("gb18030", "您的姓名,您的性别,满意度,所在省份,非常满意,不满意,广东,一般"),
        ("gb18030", "北京,上海,广东,南京,河南,海南,湖北,天津"),
        ("big5", "編號,姓名,性別,滿意度,居住縣市,非常滿意,不滿意,台北市"),
        ("cp932", "回答者番号,氏名,性別,とても満足,やや不満,お住まい"),
        ("euc_jp", "回答者番号,氏名,性別,とても満足,やや不満,お住まい"),
        ("cp949", "번호,이름,성별,만족도,거주지,매우 만족,불만족"),
    ],
)
def test_chinese_japanese_and_korean_files_are_read(
    tmp_path: Path, encoding: str, head: str
) -> None:
    lines = [
        ",".join(str(i % 9 + place) for place in range(head.count(",") + 1)) for i in range(60)
    ]
    text = "\n".join([head, *lines])
    assert encoding_of(b"", iter([text.encode(encoding)])) == encoding
    table = read(tmp_path, text, encoding)
    assert table.column_names == head.split(",")
    assert "was read as" in notes(table)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1252", "Stadt;Straße\nKöln;süß"),
        ("cp1252", "id;price\n1;5 €\n2;£7"),
        ("cp1250", "miasto;odpowiedź\nŁódź;średnio\nKraków;źle"),
        ("cp1251", "Город;Ответ\nМосква;Да\nКазань;Не знаю"),
        ("cp874", "เมือง,คำตอบ\nกรุงเทพ,ดีมาก\nเชียงใหม่,ไม่ดี\nภูเก็ต,พอใช้"),
        ("cp1256", "المدينة,الجواب\nالقاهرة,جيد\nالرياض,ممتاز\nبيروت,سيئ"),
        ("iso8859-5", "Город;Ответ\nМосква;Да\nКазань;Не знаю\nОмск;Хорошо"),
    ],
)
def test_other_alphabets_are_not_read_as_chinese(encoding: str, text: str) -> None:
    try:
        found = encoding_of(b"", iter([text.encode(encoding)]))
    except InputError:
        found = None  # no page of this kind is read
    assert found == (encoding if encoding in NAMES else None)


def test_two_titles_with_a_colon_are_no_groups() -> None:
    rows = [["a", "b", "c", "d", "e", "f", "g", "h"], *[list("12345678")] * 3]
    titles = ["Survey: spring", "", "", "", "", "Client: none", "", ""]
    assert find_layout([titles, *rows]).names == rows[0]
    assert find_layout([["Firm", *titles[1:5], "Client", "", ""], *rows]).names[5] == "Client: f"


def test_words_above_the_names_group_them(tmp_path: Path) -> None:
    lines = ["Sample of March;;;;;;;;", "Firm;;;;Contact;;;;", "No;Name;Size;City;Name;Phone;A;B;C"]
    rows = [f"{i};n{i % 3};{i % 5};x;m{i % 4};{i};{i % 2};2;3" for i in range(60)]
    table = read(tmp_path, "\n".join([*lines, *rows]))
    assert table.column_names[:5] == [
        "Firm: No",
        "Firm: Name",
        "Firm: Size",
        "Firm: City",
        "Contact: Name",
    ]
    assert table.num_rows == 60


def test_sentences_below_a_worksheet_are_no_rows(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in [["id", "age", "town"], *([i, 20 + i % 40, "ab"[i % 2]] for i in range(60))]:
        sheet.append(row)
    for line in (["Total", 2400], [], ["Numbers screened before delivery."]):
        sheet.append(line)
    book.save(tmp_path / "upload.xlsx")
    table = read_table(tmp_path / "upload.xlsx")
    assert table.num_rows == 60
    assert "left out: 2" in notes(table)


def test_a_column_before_the_groups_has_its_own_name(tmp_path: Path) -> None:
    lines = [";Firm;;Contact;;", "ID;Name;Size;Phone;Visits;Orders"]
    rows = [f"{i};n{i % 3};{i % 5};{i};{i % 2};2" for i in range(60)]
    table = read(tmp_path, "\n".join([*lines, *rows]))
    assert table.column_names[:3] == ["ID", "Firm: Name", "Firm: Size"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_names_that_stand_among_the_rows_again_are_no_row(
    tmp_path: Path, encoding: str, end: str
) -> None:
    names = "Größe_m2;Miete;Ort"
    rows = [f"{20 + i % 40},5;{300 + 5 * (i % 17)};{'abc'[i % 3]}" for i in range(60)]
    mark = "\ufeff" if encoding.startswith("utf") else ""
    text = end.join([names, *rows[:30], mark + names, *rows[30:], ""])
    table = read(tmp_path, text, encoding)
    assert table.num_rows == 60
    assert "stand among the rows again" in notes(table)
    schema = clean_table(table).schema
    assert [column.kind for column in schema.columns][:2] == ["numeric", "integer"]
    plain = read(tmp_path, "\n".join([names, *rows]))
    assert "stand among the rows again" not in notes(plain)


def test_names_that_stand_again_across_two_blocks_are_found(tmp_path: Path) -> None:
    """A file is looked through in blocks of 1 MiB."""
    names, row = "size;rent;town", "12,5;300;" + "x" * 1_000
    rows = [row] * (MIB // (len(row) + 1) - 1)
    before = len("\n".join([names, *rows, ""]))
    rows[0] += "x" * (MIB - before - len(names) // 2)
    table = read(tmp_path, "\n".join([names, *rows, names, *rows[:40], ""]))
    assert table.num_rows == len(rows) + 40
    assert "stand among the rows again" in notes(table)


def test_who_ticked_every_option_is_no_line_of_names(tmp_path: Path) -> None:
    names = ["Radio", "Television", "Newspaper"]
    rows = [[name if i % (k + 2) else "" for k, name in enumerate(names)] for i in range(60)]
    table = read(tmp_path, "\n".join(",".join(row) for row in [names, *rows]))
    assert table.num_rows == 60
    assert "stand among the rows again" not in notes(table)
