"""Command line of the trainer: files, exit codes and messages."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from simulacra_trainer import cli
from simulacra_trainer.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b", "c"], 900, p=[0.6, 0.3, 0.1])
    price = np.round(np.where(group == "c", 8, 5) + rng.gamma(2, 0.5, 900), 2)
    table = pa.table({"group": group, "price": price, "visits": rng.poisson(3, 900)})
    pq.write_table(table, folder / "seed.parquet")
    files = ("--data", folder / "seed.parquet", "--out", folder / "model")
    assert run("fit", *files, "--seed", "2") == 0
    return folder


def run(*arguments: str | Path) -> int:
    return main([str(one) for one in arguments])


def write(folder: Path, name: str, content: object) -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def generate(folder: Path, *more: str, rows: int = 200, out: str = "out.parquet") -> int:
    model = folder / "model"
    return run("generate", "--model", model, "--rows", str(rows), "--out", folder / out, *more)


def test_generate_writes_the_requested_rows_and_prints_its_progress(folder: Path, capsys) -> None:
    assert generate(folder) == 0
    table = pq.read_table(folder / "out.parquet")
    assert table.num_rows == 200
    assert table.column_names == ["group", "price", "visits", "evidence_weight"]
    captured = capsys.readouterr()
    assert "100 % generating" in captured.err
    assert "respondents; use evidence_weight as frequency weights." in captured.err
    assert captured.out == ""
    assert generate(folder, "--no-evidence") == 0
    assert pq.read_table(folder / "out.parquet").column_names == ["group", "price", "visits"]
    assert "respondents" not in capsys.readouterr().err


def test_the_first_run_says_that_it_compiles_the_engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for cold in (True, False):
        monkeypatch.setattr(cli, "is_cold", lambda cold=cold: cold)
        assert generate(folder) == 0
        says = "note: compiling the engine for the first run" in capsys.readouterr().err
        assert says == cold


def test_the_suffix_of_the_file_sets_its_format(folder: Path, capsys) -> None:
    for suffix in ("parquet", "csv", "arrow"):
        assert generate(folder, "--seed", "3", out=f"rows.{suffix}") == 0
    stored = pq.read_table(folder / "rows.parquet")
    with pa.ipc.open_file(folder / "rows.arrow") as file:
        assert file.read_all().to_pylist() == stored.to_pylist()
    assert pa.csv.read_csv(folder / "rows.csv").to_pylist() == stored.to_pylist()
    for name in ("rows.ods", "rows", "rows.CSVX"):
        with pytest.raises(SystemExit) as caught:
            generate(folder, out=name)
        assert caught.value.code == 2
        assert (
            "--out: the file name must end in .parquet, .csv, .arrow, .sav, .xlsx"
            in capsys.readouterr().err
        )
        assert not (folder / name).exists()


def test_the_same_seed_gives_the_same_rows(folder: Path) -> None:
    for out, seed in (("one.parquet", "7"), ("two.parquet", "7"), ("three.parquet", "8")):
        assert generate(folder, "--seed", seed, out=out) == 0
    one, two, three = (pq.read_table(folder / f"{n}.parquet") for n in ("one", "two", "three"))
    assert one.equals(two)
    assert not one.equals(three)


def test_conditions_and_interventions_are_read_from_files(folder: Path, capsys) -> None:
    conditions = {
        "categorical": {"group": {"c": 0.5}},
        "numeric": {"price": {"min": 8.49, "max": 8.49}},
    }
    files = (write(folder, "c.json", conditions), write(folder, "d.json", {"visits": 2}))
    assert generate(folder, "--conditions", files[0], "--do", files[1]) == 0
    table = pq.read_table(folder / "out.parquet")
    assert table.column("group").to_pylist().count("c") == 100
    assert set(table.column("price").to_pylist()) == {8.49}
    assert set(table.column("visits").to_pylist()) == {2}
    assert json.loads(capsys.readouterr().out)["status"] == "exact"


def test_reports_of_rows_and_of_the_model_are_written(folder: Path, capsys) -> None:
    conditions = write(folder, "c.json", {"categorical": {"group": {"c": 0.5}}})
    do = write(folder, "d.json", {"visits": 2})
    page = folder / "rows.html"
    figures = folder / "rows.json"
    for path in (page, figures):
        assert generate(folder, "--conditions", conditions, "--do", do, "--report", str(path)) == 0
    found = json.loads(figures.read_text())
    assert found["asked"] == {
        "rows": 200,
        "persons": None,
        "seed": 0,
        "interventions": {"visits": 2},
        "counterfactual": False,
        "compared": 200,
        "reweighted": True,
    }
    assert found["conditions"]["conditions"][0]["attained"] == 0.5
    assert [column["column"] for column in found["fidelity"]["columns"]] == ["price"]
    assert 0 < found["fidelity"]["univariate"]["floor"] < 20
    assert 0 <= found["privacy"]["exact_copies"] <= 1
    assert found["privacy"]["of_model"]["dcr_rows"] > 0
    assert "<h1>Report of a generation</h1>" in page.read_text()
    assert run("report", "--model", folder / "model", "--out", page) == 0
    assert "<h1>Quality report</h1>" in page.read_text()
    with pytest.raises(SystemExit) as ended:
        generate(folder, "--report", str(folder / "rows.pdf"))
    assert ended.value.code == 2
    assert "--report: name an .html or .json file" in capsys.readouterr().err


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
def test_wrong_conditions_exit_2_and_name_the_field(
    folder: Path, capsys, content: object, said: str
) -> None:
    bad = write(folder, "bad.json", content)
    assert generate(folder, "--conditions", bad, out="never.parquet") == 2
    assert said in capsys.readouterr().err
    assert not (folder / "never.parquet").exists()
    assert not list(folder.glob("*.part"))


def test_other_wrong_parameters_exit_2(folder: Path, capsys) -> None:
    assert generate(folder, "--do", write(folder, "d.json", [1])) == 2
    assert generate(folder, "--do", write(folder, "d.json", {"price": "cheap"})) == 2
    assert generate(folder, "--conditions", str(folder / "missing.json")) == 2
    assert run("fit", "--data", folder / "missing.csv", "--out", folder / "m2") == 2
    here = ("--rows", "5", "--out", folder / "x.csv")
    assert run("generate", "--model", folder / "nowhere", *here) == 2
    for rows in ("0", "-3", "1.5", "many", "10000001"):
        with pytest.raises(SystemExit) as caught:
            run("generate", "--model", folder / "model", "--rows", rows, *here[2:])
        assert caught.value.code == 2
    assert "must be a whole number from 1 to 10000000" in capsys.readouterr().err
    persons = ("--persons", "5", "--out", folder / "x.csv")
    assert run("generate", "--model", folder / "model", *persons) == 2
    assert "/persons: No column says which person" in capsys.readouterr().err
    assert not (folder / "x.csv").exists()


def test_estimate_prints_json(folder: Path, capsys) -> None:
    model = ("estimate", "--model", folder / "model")
    effect = ("--treatment", "group=c", "--baseline", "group=a", "--outcome", "price")
    assert run(*model, *effect, "--before", "visits", "--after", "price") == 0
    answer = json.loads(capsys.readouterr().out)
    estimate = answer["estimate"]
    assert "visits" in answer["adjustment"]
    assert answer["verdict"]["kind"] == estimate["verdict"]
    assert estimate["low"] < 3 < estimate["high"]
    assert estimate["rows"] > 0
    for wrong in (
        ["--treatment", "group=c", "--baseline", "visits=1", "--outcome", "price"],
        ["--treatment", "group", "--baseline", "group=a", "--outcome", "price"],
        ["--treatment", "visits=many", "--baseline", "visits=1", "--outcome", "price"],
        ["--treatment", "group=c", "--baseline", "group=zzz", "--outcome", "price"],
        ["--treatment", "group=c", "--baseline", "group=a", "--outcome", "nothing"],
        [*effect, "--before", "nothing"],
    ):
        assert run(*model, *wrong) == 2
        assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("other", [("--epsilon", "1"), ("--family", "neural"), ("--gpus", "1")])
def test_strict_privacy_is_refused_where_nothing_is_tuned(
    folder: Path, capsys, other: tuple[str, str]
) -> None:
    files = ("--data", folder / "seed.parquet", "--out", folder / "m4")
    assert run("fit", *files, "--privacy", "strict", *other) == 2
    assert "--privacy: strict" in capsys.readouterr().err


def test_boost_prints_json(folder: Path, capsys) -> None:
    model = ("boost", "--model", folder / "model", "--questions", "visits")
    assert run(*model, "--segment", "group=a") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["summary"]["intervals"] == len(answer["shares"]) > 0
    assert answer["conditions"]["categorical"]["group"] == {"a": 1.0}
    for wrong in ("group=zzz", "nothing", "visits", ""):
        assert run(*model, "--segment", wrong) == 2
        assert "error: " in capsys.readouterr().err


def test_sheet_prints_json_and_writes_its_files(folder: Path, tmp_path: Path, capsys) -> None:
    model = ("sheet", "--model", folder / "model", "--outcome", "visits")
    files = ("--html", tmp_path / "s.html", "--xlsx", tmp_path / "s.xlsx")
    assert run(*model, "--levers", "group", "--after", "visits", *files) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["levers"][0]["answer"]["treatment"] == "group"
    assert answer["text"] in (tmp_path / "s.html").read_text()
    assert (tmp_path / "s.xlsx").read_bytes().startswith(b"PK")
    for wrong in ("nothing", "visits"):
        assert run(*model, "--levers", wrong) == 2
        assert "error: " in capsys.readouterr().err


def test_data_that_is_not_a_table_exits_42(folder: Path, capsys) -> None:
    path = folder / "broken.csv"
    path.write_bytes(b"\x00\x01\x02" * 1000)
    assert run("fit", "--data", path, "--out", folder / "m3") == 42
    assert "error: " in capsys.readouterr().err
    assert not (folder / "m3").exists()


def test_help_names_every_command_and_option(capsys) -> None:
    for command in ([], ["fit"], ["generate"], ["estimate"], ["run"]):
        with pytest.raises(SystemExit) as caught:
            main([*command, "--help"])
        assert caught.value.code == 0
    said = capsys.readouterr().out
    options = ("--knowledge", "--conditions", "--do", "--segment", "--baseline")
    for word in (*options, "SIMULACRA_TASK"):
        assert word in said
