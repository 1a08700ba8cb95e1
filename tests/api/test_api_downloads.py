"""Downloads: links, formats, ranges, tampered and missing artifacts."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import time
from typing import Any

import httpx2
import numpy as np
import openpyxl
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet as pq
import pyreadstat
import pytest
import pytest_asyncio

from simulacra_api.auth.signing import SigningKeyStore
from simulacra_api.generations.downloads import make_link
from simulacra_crds.kube.client import GENERATION_JOBS
from simulacra_custody.refs import ResourceRef
from simulacra_schema.cell_text import with_form
from simulacra_schema.formats.csv_dialect import with_dialect
from simulacra_schema.table import CellForm, CsvDialect

ROWS = pa.table(
    {
        "segment": pa.array(["loyal", 'genz, "switcher"', None] * 40).dictionary_encode(),
        "price": [5.49, None, 1.0] * 40,
        "n": pa.array([1, 2, 3] * 40),
    }
)


async def _generation(http: httpx2.AsyncClient, dataset: str, key: str) -> str:
    answer = await http.post(
        f"/v1/datasets/{dataset}/generations",
        json={"row_count": 120},
        headers={"Idempotency-Key": key},
    )
    return str(answer.json()["generation_id"])


@pytest_asyncio.fixture(loop_scope="session")
async def generation(http: httpx2.AsyncClient, ready: str, key: str) -> str:
    return await _generation(http, ready, key)


async def _link(http: httpx2.AsyncClient, generation: str) -> str:
    return str((await http.get(f"/v1/generations/{generation}")).json()["artifact_url"])


def _as(url: str, file_format: str) -> str:
    return url.replace("format=parquet", f"format={file_format}")


@pytest.mark.parametrize("parts", [1, 3])
async def test_every_format_has_all_rows(
    http: httpx2.AsyncClient, generation: str, acme: Any, parts: int
) -> None:
    await acme.generate(generation, [ROWS] * parts)
    url = await _link(http, generation)
    expected = pa.concat_tables([ROWS] * parts).combine_chunks()
    plain = expected.set_column(0, "segment", expected["segment"].cast(pa.string()))

    parquet = await http.get(url)
    assert pq.read_table(io.BytesIO(parquet.content)).equals(expected)
    arrow = await http.get(_as(url, "arrow"))
    assert arrow.headers["content-type"] == "application/vnd.apache.arrow.file"
    assert pyarrow.feather.read_table(io.BytesIO(arrow.content)).equals(plain)
    csv = await http.get(_as(url, "csv"))
    assert csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert csv.headers["content-disposition"].endswith('.csv"')
    options = pyarrow.csv.ConvertOptions(strings_can_be_null=True)
    assert pyarrow.csv.read_csv(io.BytesIO(csv.content), convert_options=options).equals(plain)
    sav = await http.get(_as(url, "sav"))
    columns, _ = pyreadstat.read_sav(io.BytesIO(sav.content), output_format="dict")
    assert [word or None for word in columns["segment"]] == plain["segment"].to_pylist()
    prices = np.array(columns["price"], np.float64)
    assert np.array_equal(prices, plain["price"].to_numpy(), equal_nan=True)
    xlsx = await http.get(_as(url, "xlsx"))
    assert xlsx.headers["content-disposition"].endswith('.xlsx"')
    header, *rows = openpyxl.load_workbook(io.BytesIO(xlsx.content))["Rows"].values
    assert header == ("segment", "price", "n")
    assert rows == [tuple(row.values()) for row in plain.to_pylist()]


async def test_a_workbook_of_too_many_rows_is_refused_before_it_is_sent(
    http: httpx2.AsyncClient, generation: str, acme: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulacra_api.generations.downloads.MAX_SHEET_ROWS", 100)
    await acme.generate(generation, [ROWS])
    url = await _link(http, generation)
    refused = await http.get(_as(url, "xlsx"))
    assert refused.status_code == 400
    assert "1,048,575" in refused.json()["detail"]
    assert (await http.get(_as(url, "sav"))).status_code == 200


async def test_stored_rows_have_digest_ranges_and_head(
    http: httpx2.AsyncClient, generation: str, acme: Any
) -> None:
    (file,) = await acme.generate(generation, [ROWS])
    url = await _link(http, generation)
    head = await http.head(url)
    whole = await http.get(url)
    digest = base64.b64encode(hashlib.sha256(file).digest()).decode()
    for answer in (head, whole):
        assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
        assert answer.headers["content-length"] == str(len(file))
        assert answer.headers["accept-ranges"] == "bytes"
    assert head.content == b""
    for asked, expected in (
        ("10-19", file[10:20]),
        ("-5", file[-5:]),
        (f"{len(file) - 3}-", file[-3:]),
        ("0-", file),
    ):
        part = await http.get(url, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, expected)
    assert part.headers["content-range"] == f"bytes 0-{len(file) - 1}/{len(file)}"
    beyond = await http.get(url, headers={"Range": f"bytes={len(file)}-"})
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(file)}")
    changed = await http.get(url, headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (changed.status_code, changed.content) == (200, file)
    csv = await http.head(_as(url, "csv"))
    assert "repr-digest" not in csv.headers


async def test_link_needs_valid_signature_time_and_token_of_the_tenant(
    world: Any,
    http: httpx2.AsyncClient,
    generation: str,
    ready: str,
    acme: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await acme.generate(generation, [ROWS])
    url = await _link(http, generation)
    async with httpx2.AsyncClient() as stranger:
        assert (await stranger.get(url)).status_code == 401
    async with world.client("globex") as other:
        answer = await other.get(url)
        assert (answer.status_code, answer.json()["code"]) == (404, "simio_generation_not_found")
    second = await _generation(http, ready, "another-key")
    await acme.generate(second, [ROWS])
    swapped = url.replace(generation, second)
    later = url.replace("expires=", "expires=9")
    for wrong in (swapped, later, url[:-2] + "xx"):
        answer = await http.get(wrong)
        assert (answer.status_code, answer.json()["code"]) == (403, "simio_artifact_link_invalid")
    assert (await http.get(url.partition("?")[0])).status_code == 400

    uid = (await world.cluster.get(GENERATION_JOBS, generation, "tenant-acme"))["metadata"]["uid"]
    link_key = (await SigningKeyStore(world.cluster).current()).link_key
    monkeypatch.setattr("simulacra_api.generations.downloads.time.time", lambda: 1_000_000.0)
    old, _ = make_link(link_key, url.partition("?")[0], tenant="acme", uid=uid, file_format="csv")
    monkeypatch.undo()
    assert time.time() > 1_000_000
    assert (await http.get(old)).status_code == 403


async def test_download_is_refused_before_the_end_and_after_a_failure(
    world: Any, http: httpx2.AsyncClient, generation: str, acme: Any
) -> None:
    await acme.generate(generation, [ROWS])
    url = await _link(http, generation)
    for phase, code in (
        ("Running", "simio_generation_not_ready"),
        ("Failed", "simio_generation_failed"),
    ):
        await acme.status(GENERATION_JOBS, generation, phase=phase)
        answer = await http.get(url)
        assert (answer.status_code, answer.json()["code"]) == (409, code)


async def _path(world: Any, generation: str) -> Any:
    uid = (await world.cluster.get(GENERATION_JOBS, generation, "tenant-acme"))["metadata"]["uid"]
    return (
        world.folder
        / "store"
        / ResourceRef("acme", "generationjobs", uid).artifact("parts/00000.parquet").key
    )


@pytest.mark.parametrize("file_format", ["parquet", "csv"])
async def test_tampered_or_missing_artifact_is_a_500(
    world: Any, http: httpx2.AsyncClient, generation: str, acme: Any, file_format: str
) -> None:
    await acme.generate(generation, [ROWS])
    url, path = _as(await _link(http, generation), file_format), await _path(world, generation)
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    answer = await http.get(url)
    assert (answer.status_code, answer.json()["code"]) == (500, "simio_artifact_corrupt")
    path.unlink()
    answer = await http.get(url)
    assert (answer.status_code, answer.json()["code"]) == (500, "simio_artifact_corrupt")


async def test_fault_in_the_last_of_many_frames_is_a_500(
    world: Any, http: httpx2.AsyncClient, generation: str, acme: Any
) -> None:
    noise = pa.table(
        {"x": [hashlib.sha256(str(row).encode()).hexdigest() for row in range(60_000)]}
    )
    await acme.generate(generation, [noise])
    url, path = await _link(http, generation), await _path(world, generation)
    assert path.stat().st_size > 2 << 20
    content = bytearray(path.read_bytes())
    content[-40] ^= 1
    path.write_bytes(content)
    for headers in ({}, {"Range": "bytes=-9"}):
        answer = await http.get(url, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (500, "simio_artifact_corrupt")
    first = await http.get(url, headers={"Range": "bytes=0-3"})
    assert (first.status_code, first.content) == (206, b"PAR1")


async def test_download_is_audited(
    world: Any, http: httpx2.AsyncClient, generation: str, acme: Any
) -> None:
    await acme.generate(generation, [ROWS])
    await http.get(await _link(http, generation))
    uid = (await world.cluster.get(GENERATION_JOBS, generation, "tenant-acme"))["metadata"]["uid"]
    lines = [line for line in world.audit_text().splitlines() if uid in line]
    assert ["resource.created" in lines[0], "artefact.read" in lines[-1]] == [True, True]
    assert "genz" not in world.audit_text()


FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\tx", "\rx", "\n=1", "=", "-"]
HARMLESS = ["a=1", "-5", "+3.5", "-1e9", "'=1", "", "x-1", " =1"]


@pytest.mark.parametrize("encoded", [False, True])
async def test_safe_csv_quotes_formulas_and_leaves_numbers(
    http: httpx2.AsyncClient, generation: str, acme: Any, encoded: bool
) -> None:
    texts = pa.array([*FORMULAS, *HARMLESS, None])
    numbers = [-1.5] * len(texts)
    table = pa.table({"=text": texts.dictionary_encode() if encoded else texts, "n": numbers})
    await acme.generate(generation, [table] * 2)
    url = _as(await _link(http, generation), "csv")
    safe = (await http.get(f"{url}&safe=true")).text
    rows = list(csv.reader(io.StringIO(safe, newline="")))
    assert rows[0] == ["'=text", "n"]
    assert [row[0] for row in rows[1:]] == 2 * [*(f"'{one}" for one in FORMULAS), *HARMLESS, ""]
    assert {row[1] for row in rows[1:]} == {"-1.5"}
    plain = list(csv.reader(io.StringIO((await http.get(url)).text, newline="")))
    assert [row[0] for row in plain[1:]] == 2 * [*FORMULAS, *HARMLESS, ""]


async def test_csv_has_the_dialect_of_the_upload_unless_plain(
    http: httpx2.AsyncClient, generation: str, acme: Any
) -> None:
    form = CellForm(decimal=",", group=".", decimals=2)
    field = with_form(pa.field("rent", pa.float64()), form)
    dialect = CsvDialect(delimiter=";", decimal=",")
    schema = with_dialect(pa.schema([field, pa.field("city", pa.string())]), dialect)
    table = pa.table([pa.array([1234.5, 9.25]), pa.array(["a;b", "c"])], schema=schema)
    await acme.generate(generation, [table] * 2)
    url = _as(await _link(http, generation), "csv")
    own = (await http.get(url)).text.splitlines()
    assert own[:3] == ['"rent";"city"', '"1.234,50";"a;b"', '"9,25";"c"']
    plain = (await http.get(f"{url}&plain=true")).text.splitlines()
    assert plain[:3] == ['"rent","city"', '1234.5,"a;b"', '9.25,"c"']


async def test_safe_changes_no_other_format(
    http: httpx2.AsyncClient, generation: str, acme: Any
) -> None:
    await acme.generate(generation, [ROWS] * 2)
    url = _as(await _link(http, generation), "arrow")
    assert (await http.get(f"{url}&safe=true")).content == (await http.get(url)).content
