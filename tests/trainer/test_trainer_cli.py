"""The command line: a table in, a table out, exit codes and messages that say what to do."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from simulacra_trainer.__main__ import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b", "c"], 900, p=[0.6, 0.3, 0.1])
    price = np.round(np.where(group == "c", 8, 5) + rng.gamma(2, 0.5, 900), 2)
    table = pa.table({"group": group, "price": price, "visits": rng.poisson(3, 900)})
    pq.write_table(table, folder / "seed.parquet")
    assert (
        main(
            [
                "fit",
                "--data",
                str(folder / "seed.parquet"),
                "--out",
                str(folder / "model"),
                "--seed",
                "2",
            ]
        )
        == 0
    )
    return folder


def write(folder: Path, name: str, content: object) -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def generate(folder: Path, *more: str, rows: int = 200, out: str = "out.parquet") -> int:
    return main(
        [
            "generate",
            "--model",
            str(folder / "model"),
            "--rows",
            str(rows),
            "--out",
            str(folder / out),
            *more,
        ]
    )


def test_generate_writes_the_rows_asked_for_and_tells_how_far_it_is(folder: Path, capsys) -> None:
    assert generate(folder) == 0
    table = pq.read_table(folder / "out.parquet")
    assert table.num_rows == 200
    assert table.column_names == ["group", "price", "visits"]
    captured = capsys.readouterr()
    assert "100 % generating" in captured.err
    assert captured.out == ""


def test_that_the_engine_is_compiled_first_is_said_where_nothing_is_compiled(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    assert generate(folder) == 0
    assert "compiled the first time" in capsys.readouterr().err
    (tmp_path / "walk").mkdir()
    (tmp_path / "walk" / "walk.walk-1.py311.nbi").touch()
    assert generate(folder) == 0
    assert "compiled" not in capsys.readouterr().err


def test_the_suffix_of_the_file_decides_its_format(folder: Path, capsys) -> None:
    for suffix in ("parquet", "csv", "arrow"):
        assert generate(folder, "--seed", "3", out=f"rows.{suffix}") == 0
    stored = pq.read_table(folder / "rows.parquet")
    with pa.ipc.open_file(folder / "rows.arrow") as file:
        assert file.read_all().to_pylist() == stored.to_pylist()
    assert pa.csv.read_csv(folder / "rows.csv").to_pylist() == stored.to_pylist()
    for name in ("rows.xlsx", "rows", "rows.CSVX"):
        with pytest.raises(SystemExit) as caught:
            generate(folder, out=name)
        assert caught.value.code == 2
        assert "--out: name the file .parquet, .csv, .arrow" in capsys.readouterr().err
        assert not (folder / name).exists()


def test_a_seed_decides_the_rows(folder: Path) -> None:
    for out, seed in (("one.parquet", "7"), ("two.parquet", "7"), ("three.parquet", "8")):
        assert generate(folder, "--seed", seed, out=out) == 0
    one, two, three = (pq.read_table(folder / f"{n}.parquet") for n in ("one", "two", "three"))
    assert one.equals(two)
    assert not one.equals(three)


def test_conditions_and_do_from_files(folder: Path, capsys) -> None:
    conditions = {
        "categorical": {"group": {"c": 0.5}},
        "numeric": {"price": {"min": 8.49, "max": 8.49}},
    }
    do = {"visits": 2}
    files = [
        "--conditions",
        write(folder, "c.json", conditions),
        "--do",
        write(folder, "d.json", do),
    ]
    assert generate(folder, *files) == 0
    table = pq.read_table(folder / "out.parquet")
    assert table.column("group").to_pylist().count("c") == 100
    assert set(table.column("price").to_pylist()) == {8.49}
    assert set(table.column("visits").to_pylist()) == {2}
    assert json.loads(capsys.readouterr().out)["status"] == "exact"


def test_the_reports_of_model_and_rows(folder: Path, capsys) -> None:
    conditions = write(folder, "c.json", {"categorical": {"group": {"c": 0.5}}})
    do = write(folder, "d.json", {"visits": 2})
    page, figures = folder / "rows.html", folder / "rows.json"
    for path in (page, figures):
        assert generate(folder, "--conditions", conditions, "--do", do, "--report", str(path)) == 0
    found = json.loads(figures.read_text())
    assert found["asked"] == {
        "rows": 200,
        "seed": 0,
        "interventions": {"visits": 2},
        "counterfactual": False,
        "compared": 200,
    }
    assert found["conditions"]["conditions"][0]["attained"] == 0.5
    assert [column["column"] for column in found["fidelity"]["columns"]] == ["price"]
    assert 0 < found["fidelity"]["univariate"]["floor"] < 20
    assert 0 <= found["privacy"]["exact_copies"] <= 1
    assert found["privacy"]["of_model"]["dcr_rows"] > 0
    assert "<h1>Report of a generation</h1>" in page.read_text()
    assert main(["report", "--model", str(folder / "model"), "--out", str(page)]) == 0
    assert "<h1>Quality report</h1>" in page.read_text()
    with pytest.raises(SystemExit) as ended:
        generate(folder, "--report", str(folder / "rows.pdf"))
    assert ended.value.code == 2
    assert "ends in .html or .json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"categorical": {"group": {"zzz": 0.5}}}, "/conditions/categorical/group/zzz"),
        ({"numeric": {"price": {"min": 900}}}, "/conditions/numeric/price"),
        ({"categorical": {"group": {"a": 1.5}}}, "categorical/group/a"),
        ({"shares": {}}, "shares"),
        ("{not json", "--conditions: the file is not JSON"),
    ],
)
def test_wrong_conditions_end_with_2_and_name_the_field(
    folder: Path, capsys, content: object, said: str
) -> None:
    assert (
        generate(folder, "--conditions", write(folder, "bad.json", content), out="never.parquet")
        == 2
    )
    assert said in capsys.readouterr().err
    assert not (folder / "never.parquet").exists()
    assert not list(folder.glob("*.part"))


def test_other_wrong_parameters_end_with_2(folder: Path, capsys) -> None:
    assert generate(folder, "--do", write(folder, "d.json", [1])) == 2
    assert generate(folder, "--do", write(folder, "d.json", {"price": "cheap"})) == 2
    assert generate(folder, "--conditions", str(folder / "missing.json")) == 2
    assert main(["fit", "--data", str(folder / "missing.csv"), "--out", str(folder / "m2")]) == 2
    assert (
        main(
            [
                "generate",
                "--model",
                str(folder / "nowhere"),
                "--rows",
                "5",
                "--out",
                str(folder / "x.csv"),
            ]
        )
        == 2
    )
    for rows in ("0", "-3", "1.5", "many", "10000001"):
        with pytest.raises(SystemExit) as caught:
            main(
                [
                    "generate",
                    "--model",
                    str(folder / "model"),
                    "--rows",
                    rows,
                    "--out",
                    str(folder / "x.csv"),
                ]
            )
        assert caught.value.code == 2
    assert "a whole number from 1 to 10000000 is needed" in capsys.readouterr().err
    assert not (folder / "x.csv").exists()


def test_estimate_writes_json(folder: Path, capsys) -> None:
    model = ["estimate", "--model", str(folder / "model")]
    assert (
        main([*model, "--treatment", "group=c", "--baseline", "group=a", "--outcome", "price"]) == 0
    )
    estimate = json.loads(capsys.readouterr().out)["estimate"]
    assert estimate["low"] < 3 < estimate["high"]
    assert estimate["rows"] > 0
    for wrong in (
        ["--treatment", "group=c", "--baseline", "visits=1", "--outcome", "price"],
        ["--treatment", "group", "--baseline", "group=a", "--outcome", "price"],
        ["--treatment", "visits=many", "--baseline", "visits=1", "--outcome", "price"],
        ["--treatment", "group=c", "--baseline", "group=zzz", "--outcome", "price"],
        ["--treatment", "group=c", "--baseline", "group=a", "--outcome", "nothing"],
    ):
        assert main([*model, *wrong]) == 2
        assert "error: " in capsys.readouterr().err


def test_data_that_are_no_table_end_with_42(folder: Path, capsys) -> None:
    path = folder / "broken.csv"
    path.write_bytes(b"\x00\x01\x02" * 1000)
    assert main(["fit", "--data", str(path), "--out", str(folder / "m3")]) == 42
    assert "error: " in capsys.readouterr().err
    assert not (folder / "m3").exists()


def test_help_names_every_command_and_option(capsys) -> None:
    for arguments in (
        ["--help"],
        ["fit", "--help"],
        ["generate", "--help"],
        ["estimate", "--help"],
        ["run", "--help"],
    ):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
    said = capsys.readouterr().out
    for word in (
        "--knowledge",
        "--conditions",
        "--do",
        "--segment",
        "--baseline",
        "SIMULACRA_TASK",
    ):
        assert word in said
