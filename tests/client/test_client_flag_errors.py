"""Errors of the service in the command line: flags, and no JSON pointer."""

from __future__ import annotations

from typing import Any

import pytest
import typer

from simulacra.commands.flag_errors import flag_of, in_flags
from simulacra.commands.session import errors_reported
from simulacra.errors import ApiError, JobFailed
from simulacra_schema.questions.rows import RowsQuestion
from simulacra_schema.table import ColumnSchema, LevelSchema, TableSchema

SCHEMA = TableSchema(
    rows=9,
    columns=[
        ColumnSchema(name="age", kind="numeric", storage="double", minimum=18, maximum=80),
        ColumnSchema(
            name="row_count",
            kind="categorical",
            storage="string",
            levels=[LevelSchema(value="a/b", share=1)],
        ),
    ],
)


def refusal(conditions: dict[str, object], do: dict[str, object], persons: int | None) -> ApiError:
    """Return what the service answers to a request that does not match the schema."""
    asked = {"conditions": conditions, "interventions": do, "persons": persons}
    found = RowsQuestion[Any].model_validate(asked).faults(SCHEMA)
    errors = [one.model_dump(include={"pointer", "detail"}) for one in found]
    problem = {"code": "simio_invalid_field", "detail": f"{len(errors)} invalid field(s)."}
    return ApiError(400, problem | {"errors": errors})


def test_refused_request_names_flags(capsys: pytest.CaptureFixture[str]) -> None:
    conditions = {
        "numeric": {"age": {"min": 99}},
        "categorical": {"row_count": {"a/c": 0.5}, "age": {"9": 0.1}},
    }
    with pytest.raises(typer.Exit), errors_reported():
        raise refusal(conditions, {"agee": 3}, persons=4)
    said = capsys.readouterr().err
    for words in (
        "--range age: The range is outside of the data (18 to 80).",
        "--share row_count=a/c: The column has no such level of five persons or more."
        ' Did you mean "a/b"?',
        "--share age: The column is numeric; use --range.",
        '--do agee: The schema has no such column. Did you mean "age"?',
        "--persons: No column says which person a row belongs to, so rows cannot be linked; give"
        " --rows.",
    ):
        assert words in said
    assert "/conditions" not in said


def test_a_column_keeps_its_name() -> None:
    error = refusal({"numeric": {"row_coun": {"min": 1}}}, {}, None)
    assert 'Did you mean "row_count"?' in in_flags(error)


def test_a_price_question_names_flags() -> None:
    wrong = {"pointer": "/prices/buys", "detail": "Leave prices and buys out."}
    assert in_flags(ApiError(400, {"detail": "1 invalid field(s).", "errors": [wrong]})).endswith(
        "--buys: Leave --at and --buys out."
    )


def test_failed_job_names_flags() -> None:
    detail = "/conditions/numeric/age: no row meets it"
    failed = JobFailed({"job_id": "job-1", "error": {"code": "simio_infeasible", "detail": detail}})
    assert in_flags(failed) == "simio_infeasible: --range age: no row meets it"


@pytest.mark.parametrize(
    ("pointer", "flag"),
    [
        ("/levers/0/before/1", "--lever-before"),
        ("/levers/0/column", "--lever"),
        ("/dont_know/2", "--dont-know"),
        ("/segment/0/column", "--segment"),
        ("/prices", "--method"),
        ("/prices/columns/0", "--columns"),
        ("/prices/prices", "--at"),
        ("/schema/fields/0/type", "/schema/fields/0/type"),  # of the file of --describe
        ("", ""),
    ],
)
def test_other_pointers(pointer: str, flag: str) -> None:
    assert flag_of(pointer) == flag
