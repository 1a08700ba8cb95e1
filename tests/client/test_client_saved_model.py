"""The commands without a service: fit a model into a folder, then ask it with --model."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

import simulacra
from simulacra.cli import app
from simulacra.engine import errors


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    rng = np.random.default_rng(0)
    group = rng.choice(["a", "b", "c"], 900, p=[0.6, 0.3, 0.1])
    price = np.round(np.where(group == "c", 8, 5) + rng.gamma(2, 0.5, 900), 2)
    table = pa.table({"group": group, "price": price, "visits": rng.poisson(3, 900)})
    pq.write_table(table, folder / "seed.parquet")
    done = run("fit", folder / "seed.parquet", "-o", folder / "model", "--seed", "2")
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["rows"] == 900
    assert [one.split(":")[0] for one in said["verdicts"]] == ["likeness", "privacy", "worth"]
    assert "900 rows; 3 of 3 columns are learned" in done.stderr
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def write(folder: Path, name: str, content: object) -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def generate(folder: Path, *more: str | Path, rows: int = 200, out: str = "out.parquet") -> Result:
    model = folder / "model"
    return run("generate", "--model", model, "--rows", str(rows), "-o", folder / out, *more)


def test_rows_are_written_and_described_as_by_the_service(folder: Path) -> None:
    done = generate(folder)
    assert done.exit_code == 0, done.stderr
    table = pq.read_table(folder / "out.parquet")
    assert table.num_rows == 200
    assert table.column_names == ["group", "price", "visits", "evidence_weight"]
    made = json.loads(done.stdout)
    assert (made["status"], made["rows"], made["attainment"]) == ("ready", 200, None)
    assert "respondents; use evidence_weight as frequency weights." in done.stderr
    assert generate(folder, "--no-evidence").exit_code == 0
    assert pq.read_table(folder / "out.parquet").column_names == ["group", "price", "visits"]


def test_the_first_run_says_that_it_compiles_the_engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cold in (True, False):
        monkeypatch.setattr("simulacra_trainer.kernel_cache.is_cold", lambda cold=cold: cold)
        says = "note: compiling the engine for the first run" in generate(folder).stderr
        assert says == cold


def test_the_suffix_of_the_file_sets_its_format(folder: Path) -> None:
    for suffix in ("parquet", "csv", "arrow"):
        done = generate(folder, "--seed", "3", out=f"rows.{suffix}")
        assert done.exit_code == 0
        assert ("read_csv" in done.stderr) == (suffix == "csv")
    stored = pq.read_table(folder / "rows.parquet")
    with pa.ipc.open_file(folder / "rows.arrow") as file:
        assert file.read_all().to_pylist() == stored.to_pylist()
    assert pa.csv.read_csv(folder / "rows.csv").to_pylist() == stored.to_pylist()
    done = generate(folder, out="rows.ods")
    assert done.exit_code == 2
    assert "the suffix must be .parquet, .csv, .arrow, .sav or .xlsx." in done.stderr
    assert not (folder / "rows.ods").exists()


def test_the_same_seed_gives_the_rows_of_the_sdk(folder: Path) -> None:
    for out, seed in (("one.parquet", "7"), ("two.parquet", "7"), ("three.parquet", "8")):
        assert generate(folder, "--seed", seed, out=out).exit_code == 0
    one, two, three = (pq.read_table(folder / f"{n}.parquet") for n in ("one", "two", "three"))
    assert one.equals(two)
    assert not one.equals(three)
    rows = simulacra.load(folder / "model").generate(200, seed=7)
    assert rows.table.to_pylist() == one.to_pylist()


def test_conditions_come_from_flags_or_files_and_reports_are_written(folder: Path) -> None:
    conditions = {
        "categorical": {"group": {"c": 0.5}},
        "numeric": {"price": {"min": 8.49, "max": 8.49}},
    }
    files = (write(folder, "c.json", conditions), write(folder, "d.json", {"visits": 2}))
    flags = ("--share", "group=c=0.5", "--range", "price=8.49:8.49", "--do", "visits=2")
    page, figures = folder / "rows.html", folder / "rows.json"
    for asked, report in ((("--conditions", files[0], "--do", files[1]), page), (flags, figures)):
        done = generate(folder, *asked, "--report", report)
        assert done.exit_code == 0, done.stderr
        table = pq.read_table(folder / "out.parquet")
        assert table.column("group").to_pylist().count("c") == 100
        assert set(table.column("price").to_pylist()) == {8.49}
        assert set(table.column("visits").to_pylist()) == {2}
        assert json.loads(done.stdout)["attainment"]["status"] == "exact"
    assert "<h1>Report of a generation</h1>" in page.read_text()
    found = json.loads(figures.read_text())
    assert [one["attained"] for one in found["conditions"]["conditions"]] == [0.5, 1.0]
    assert found["privacy"]["of_model"]["dcr_rows"] > 0
    asked = ("--share", "group=c=0.5", "--do", "visits=2", "--report", figures)
    assert generate(folder, *asked).exit_code == 0
    found = json.loads(figures.read_text())
    counts = {"rows": 200, "persons": None, "compared": 200, "reweighted": True}
    how = {"seed": 0, "interventions": {"visits": 2}, "counterfactual": False}
    assert found["asked"] == counts | how
    assert [column["column"] for column in found["fidelity"]["columns"]] == ["price"]
    done = generate(folder, "--report", folder / "rows.pdf")
    assert (done.exit_code, done.stderr) == (2, "rows.pdf: the suffix must be .html or .json.\n")


def test_pairs_are_written_of_an_intervention_only(folder: Path) -> None:
    done = generate(folder, "--do", "visits=2", "--counterfactual", rows=50)
    assert done.exit_code == 0, done.stderr
    names = pq.read_table(folder / "out.parquet").column_names
    assert names == ["pair", "world", "group", "price", "visits", "evidence_weight"]
    said = "--counterfactual: A counterfactual needs at least one intervention.\n"
    done = generate(folder, "--counterfactual", out="never.parquet")
    assert (done.exit_code, done.stderr) == (2, said)


def test_the_report_and_the_schema_of_a_model_are_printed(folder: Path) -> None:
    model, page = folder / "model", folder / "model.html"
    report = json.loads(run("report", "--model", model).stdout)
    assert report["fidelity"]["univariate"]["error"] > 0
    assert run("report", "--model", model, "--html", page).exit_code == 0
    assert "<h1>Quality report</h1>" in page.read_text()
    schema = json.loads(run("schema", "--model", model).stdout)
    assert [one["name"] for one in schema["columns"]] == ["group", "price", "visits"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"categorical": {"group": {"zzz": 0.5}}}, "--share group=zzz: "),
        ({"numeric": {"price": {"min": 900}}}, "--range price: "),
        ({"categorical": {"group": {"a": 1.5}}}, "--share group=a: "),
        ({"shares": {}}, "/conditions/shares: "),
        ("{not json", "is not a JSON"),
    ],
)
def test_wrong_conditions_exit_2_and_name_the_flag(
    folder: Path, content: object, said: str
) -> None:
    bad = write(folder, "bad.json", content)
    done = generate(folder, "--conditions", bad, out="never.parquet")
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert not (folder / "never.parquet").exists()
    assert not list(folder.glob("*.part"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rows", "5"), "give either TABLE or --model"),
        (("survey", "--model", "MODEL", "--rows", "5"), "give either TABLE or --model"),
        (("--model", "MODEL", "--rows", "5"), "without a service nothing else keeps them"),
        (("--model", "MODEL", "--rows", "5", "-o", "x.csv", "--key", "k"), "only a service has it"),
        (("--model", "MODEL", "--rows", "5", "-o", "x.csv", "--safe"), "only a service has it"),
        (
            ("--model", "MODEL", "--rows", "0", "-o", "x.csv"),
            "should be greater than or equal to 1",
        ),
        (("--model", "MODEL", "--rows", "10000001", "-o", "x.csv"), "--rows: "),
        (("--model", "MODEL", "--persons", "5", "-o", "x.csv"), "--persons: No column says which"),
        (("--model", "MODEL", "--rows", "5", "--do", "price=cheap", "-o", "x.csv"), "not a number"),
        (("--model", "nowhere", "--rows", "5", "-o", "x.csv"), "does not exist"),
        (("--model", ".", "--rows", "5", "-o", "x.csv"), "model directory cannot be read"),
    ],
)
def test_wrong_parameters_exit_2_with_what_to_do(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(folder)
    words = [str(folder / "model") if word == "MODEL" else word for word in arguments]
    done = run("generate", *words)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert not (folder / "x.csv").exists()


def test_an_effect_is_printed_as_by_the_service(folder: Path) -> None:
    ask = ("effect", "--model", folder / "model", "--treatment", "group", "--outcome", "price")
    values = ("--value", "c", "--baseline", "a")
    done = run(*ask, *values, "--before", "visits", "--after", "price", "--seed", "1")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert "visits" in answer["adjustment"]
    assert answer["ace"]["low"] < 3 < answer["ace"]["high"]
    assert answer["ace"]["rows"] > 0
    for wrong, said in (
        (("--value", "c", "--baseline", "zzz"), "--baseline: "),
        ((*values, "--segment", "nothing"), "--segment: the table has no column nothing."),
        ((*values, "--before", "visit"), "Did you mean visits?"),
    ):
        done = run(*ask, *wrong)
        assert done.exit_code == 2
        assert said in done.stderr


def test_stated_designs_are_asked_by_flags(folder: Path) -> None:
    ask = ("effect", "--model", folder / "model", "--outcome", "price")
    waves = (*ask, "--treatment", "group", "--value", "c", "--baseline", "a", "--parallel-trends")
    answer = json.loads(run(*waves, "visits=3").stdout)
    assert (answer["verdict"]["kind"], answer["method"]) == ("parallel trends", "did")
    assert answer["ace"]["low"] < 0 < answer["ace"]["high"]
    assert answer["parallel_trends"] == {"visits": 3}
    number = (*ask, "--treatment", "visits", "--value", "4", "--baseline", "2", "--instrument")
    answer = json.loads(run(*number, "group=c").stdout)
    assert answer["verdict"]["kind"] == "unanswerable"
    assert "group=c hardly moves visits" in answer["verdict"]["text"]
    for wrong, said in (
        ((*waves, "visit=3"), "--parallel-trends: the table has no column visit."),
        ((*waves, "visits=often"), "--parallel-trends"),
        ((*waves, "visits=-1"), "--parallel-trends visits: No wave comes before this one"),
        ((*number, "group"), "--instrument: An instrument must be a number"),
        ((*number, "price"), "--instrument: This is the treatment or the outcome."),
    ):
        done = run(*wrong)
        assert done.exit_code == 2
        assert said in done.stderr


def test_shares_of_segments_are_printed(folder: Path) -> None:
    ask = ("boost", "--model", folder / "model", "--questions", "visits", "--segment")
    done = run(*ask, "group=a", "--conditions-out", folder / "cond.json")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["summary"]["intervals"] == len(answer["shares"]) > 0
    assert json.loads((folder / "cond.json").read_text())["categorical"]["group"] == {"a": 1.0}
    for wrong, flag in (("group=zzz", "--segment: "), ("nothing", "--segment: "), ("visits", "--")):
        done = run(*ask, wrong)
        assert done.exit_code == 2
        assert done.stderr.splitlines()[-1].startswith(flag)  # a cold engine has a note before
    assert run(*ask, "").exit_code == 2


def test_a_price_question_is_answered(folder: Path) -> None:
    ask = ("prices", "--model", folder / "model", "--method", "gabor_granger", "--columns")
    done = run(*ask, "price")
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)["price_answer"]
    assert answer["question"]["columns"] == ["price"]
    assert answer["curves"][0]["values"][0] > answer["curves"][0]["values"][-1]
    unknown, none = run(*ask, "prise"), run(*ask[:3])
    assert "--columns: the table has no column prise. Did you mean price?" in unknown.stderr
    assert "No names or labels tell the columns of a price question" in none.stderr
    assert (unknown.exit_code, none.exit_code) == (2, 2)
    assert "the price is numeric" in run(*ask, "price", "--at", "x").stderr


def test_a_sheet_is_printed_and_its_files_are_written(folder: Path, tmp_path: Path) -> None:
    ask = ("sheet", "--model", folder / "model", "--outcome", "visits", "--after", "visits")
    files = ("--html", tmp_path / "s.html", "--xlsx", tmp_path / "s.xlsx")
    done = run(*ask, "--lever", "group", *files)
    assert done.exit_code == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["levers"][0]["treatment"] == "group"
    assert answer["text"] in (tmp_path / "s.html").read_text()
    assert (tmp_path / "s.xlsx").read_bytes().startswith(b"PK")
    for wrong, flag in (("nothing", "--lever: "), ("visits", "--after: ")):
        done = run(*ask, "--lever", wrong)
        assert done.exit_code == 2
        assert done.stderr.splitlines()[-1].startswith(flag)  # a cold engine has a note before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--privacy", "strict", "--epsilon", "1"), "--privacy: strict cannot be combined with"),
        (("--privacy", "strict", "--family", "neural"), "--privacy: strict needs family forest"),
        (("--privacy", "strict", "--gpus", "1"), "--privacy: strict needs family forest"),
        (("--epsilon", "0"), "--epsilon: Input should be greater than or equal to 0.01"),
        (("--weights", "nothing"), "no column 'nothing'"),
        (("--drop", "visit"), '--drop visit: The table has no such column. Did you mean "visits"?'),
        (("--missing", "visit=3"), "--missing visit=3: The table has no such column."),
    ],
)
def test_wrong_options_of_a_fit_exit_2_and_name_the_flag(
    folder: Path, options: tuple[str, ...], said: str
) -> None:
    done = run("fit", folder / "seed.parquet", "-o", folder / "m4", *options)
    assert done.exit_code == 2
    assert said in done.stderr
    assert not (folder / "m4").exists()


def test_data_that_is_not_a_table_is_refused(folder: Path) -> None:
    path = folder / "broken.csv"
    path.write_bytes(b"\x00\x01\x02" * 1000)
    done = run("fit", path, "-o", folder / "m3")
    assert done.exit_code == 2
    said = "The file is binary data, not a table. Export it as CSV or Parquet and upload that.\n"
    assert done.stderr == said
    assert not (folder / "m3").exists()


def test_a_description_is_printed_that_is_taken_again(folder: Path) -> None:
    source = ("describe", "--source", folder / "seed.parquet")
    printed = run(*source).stdout
    stated = write(folder, "stated.json", printed)
    assert run(*source, "--describe", stated).stdout == printed
    schema = json.loads(run(*source, "--schema", "--strict").stdout)
    assert [one["name"] for one in schema["columns"]] == ["group", "price", "visits"]
    write(folder, "stated.json", {"fields": [{"name": "nobody"}]})
    done = run(*source, "--describe", stated)
    assert done.exit_code == 2
    assert "/fields/0/name: The table has no such column." in done.stderr
    assert "--source" in run("describe").stderr
    assert "go with --source" in run("describe", "survey", "--schema").stderr


def test_without_the_engine_the_command_says_how_to_install_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errors, "find_spec", lambda name: None)
    done = run("schema", "--model", folder / "model")
    assert done.exit_code == 2
    assert "Without a server this needs the engine. Run pip install" in done.stderr


def test_options_of_a_fit_reach_the_engine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, object] = {}

    def fit_model(source: Path, **options: object) -> None:
        seen.update(options)
        raise ValueError("seen")

    monkeypatch.setattr("simulacra.commands.fit.fit_model", fit_model)
    private = ("--epsilon", "1", "--delta", "1e-5", "--family", "neural", "--gpus", "2")
    known = ("--knowledge", write(folder, "k.json", {"tiers": []}), "--background", "auto")
    done = run("fit", folder / "seed.parquet", "-o", folder / "m5", *private, *known)
    assert (done.exit_code, done.stderr.splitlines()[0]) == (2, "seen")
    wanted = {"epsilon": 1.0, "delta": 1e-5, "family": "neural", "gpus": 2, "privacy": "standard"}
    assert {name: seen[name] for name in wanted} == wanted
    assert (seen["knowledge"], seen["background"]) == ({"tiers": []}, "auto")
    assert seen["checkpoints"] == folder / "m5" / "checkpoints"


def test_gaps_are_filled_and_knowledge_is_printed_without_a_service(folder: Path) -> None:
    model, given, out = folder / "model", folder / "gaps.csv", folder / "done.parquet"
    rows = pq.read_table(folder / "seed.parquet").slice(0, 40).to_pandas()
    rows.loc[:9, "visits"] = None
    rows.to_csv(given, index=False)
    done = run("complete", "--model", model, "--given", given, "-m", "2", "-o", out)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["completion"]["filled"] == 10
    filled = pq.read_table(out).to_pandas()
    assert filled.implicate.value_counts().to_dict() == {0: 40, 1: 40, 2: 40}
    assert filled[filled.implicate > 0].notna().all().all()
    said = run("knowledge", "--model", model)
    assert json.loads(said.stdout)["tiers"] == []
    usual = run("knowledge", "--model", model, "--usual-order")
    assert "question" in json.loads(usual.stdout)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("-o", "x.csv"), "--given"),
        (("-o", "x.csv", "--given", "MODEL/../seed.parquet", "--retention-hours", "2"), "only a"),
        (("-o", "x.doc", "--given", "MODEL/../seed.parquet"), ".parquet"),
    ],
)
def test_wrong_options_of_a_local_completion_exit_2(
    folder: Path, more: tuple[str, ...], says: str
) -> None:
    given = [one.replace("MODEL", str(folder / "model")) for one in more]
    done = run("complete", "--model", folder / "model", *given)
    assert done.exit_code == 2
    assert says in done.stderr


def test_quotas_are_checked_and_met_without_a_service(folder: Path) -> None:
    sheet = write(folder, "quotas.csv", "group,price,share\nc,8.5..9.5,30%\n,<=6,\n")
    assert generate(folder, "--quota", sheet).exit_code == 2  # a cell without a share
    sheet = write(folder, "quotas.csv", "group,price,share\nc,8.5..9.5,30%\n,<=6,0.4\n")
    done = generate(folder, "--quota", sheet, "--quota", "visits=0|1:<=20%", "--seed", "1")
    assert done.exit_code == 0, done.stderr
    table = pq.read_table(folder / "out.parquet").to_pandas()
    assert ((table["group"] == "c") & table["price"].between(8.5, 9.5)).sum() == 60
    assert (table["price"] <= 6).sum() == 80
    assert (table["visits"] <= 1).sum() <= 40
    model = folder / "model"
    done = run("quota", "check", "--model", model, "--quota", sheet, "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, found["feasible"], len(found["quotas"])) == (0, True, 2)
    assert 5 < found["quotas"][0]["backing"] < 60
    assert "real rows are in the cell group c and price 8.5 to 9.5" in done.stderr
    done = run(
        "quota", "check", "--model", model, "--quota", "price=..6:70%", "--quota", "price=7..:40%"
    )
    assert done.exit_code == 2
    assert "have no row in common and need 110 %" in done.stderr
    assert done.stderr.startswith("--quota 1")
    assert run("quota", "check", "--model", model).exit_code == 2


def test_a_quota_that_nobody_meets_is_told_with_its_reason(folder: Path) -> None:
    cell = "group=a,price=18..:10%"
    done = run("quota", "check", "--model", folder / "model", "--quota", cell)
    assert done.exit_code in (2, 3)
    assert "price" in done.stdout + done.stderr
