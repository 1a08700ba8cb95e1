"""Erasure certificates: found by their tenant only, listed in pages, verified offline."""

from __future__ import annotations

import copy
import json
import shlex
import uuid
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from proofs import KEYS, Proofs
from simulacra.certificates import verify_absence, verify_certificate
from simulacra.cli import app
from simulacra_crds.kube.client import TENANTS
from simulacra_custody.audit.checkpoints import Checkpoint
from simulacra_custody.audit.installation_keys import InstallationKeys
from simulacra_custody.audit.signed_note import VerifierKey, open_note
from terminals import on_terminal

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def issued(
    world: Any, count: int, tenant: str = "acme"
) -> tuple[Proofs, list[tuple[str, str]]]:
    """Issue certificates for erased resources; return their ids and uids, oldest first."""
    owner = (await world.cluster.get(TENANTS, tenant))["metadata"]["uid"]
    proofs, names = Proofs(world.folder / "audit"), []
    await proofs.publish(world.cluster)
    for _ in range(count):
        names.append((f"ds-{uuid.uuid4().hex[:24]}", str(uuid.uuid4())))
        proofs.certify(owner, *names[-1])
    return proofs, names


async def test_certificate_is_found_by_id_and_uid_and_verifies(world: Any) -> None:
    _, [(name, uid)] = await issued(world, 1)
    async with world.client() as http:
        body = (await http.get(f"/v1/erasure-certificates/{name}")).json()
        assert (await http.get(f"/v1/erasure-certificates/{uid}")).json() == body
        keys = (await http.get("/.well-known/simulacra-keys.json")).json()
    assert verify_certificate(body, keys) == body["statement"]
    assert (body["resource_id"], body["uid"], body["statement"]["objects"]) == (name, uid, 3)
    assert "d" not in keys["keys"][0], "the private part"


async def test_unknown_certificate_and_one_of_another_tenant_are_a_404(world: Any) -> None:
    _, [(name, _)] = await issued(world, 1)
    async with world.client("globex") as http:
        answers = [
            await http.get(f"/v1/erasure-certificates/{one}") for one in (name, "ds-" + "0" * 24)
        ]
        listed = (await http.get("/v1/erasure-certificates")).json()["items"]
    assert [one.status_code for one in answers] == [404, 404]
    assert {one.json()["code"] for one in answers} == {"simio_certificate_not_found"}
    assert name not in [one["resource_id"] for one in listed]


async def test_pages_list_all_certificates_newest_first(world: Any) -> None:
    _, names = await issued(world, 5)
    found, path = [], "/v1/erasure-certificates?limit=2"
    async with world.client() as http:
        while path:
            answer = await http.get(path)
            found += [(one["resource_id"], one["uid"]) for one in answer.json()["items"]]
            path = answer.links.get("next", {}).get("url", "")
        assert (await http.get("/v1/erasure-certificates?cursor=nonsense")).status_code == 400
    assert len(found) == len(set(found))
    assert [one for one in found if one in names] == names[::-1]


async def test_reused_id_shows_its_newest_certificate(world: Any) -> None:
    proofs, [(name, _)] = await issued(world, 1)
    owner, second = (await world.cluster.get(TENANTS, "acme"))["metadata"]["uid"], str(uuid.uuid4())
    proofs.certify(owner, name, second)
    async with world.client() as http:
        assert (await http.get(f"/v1/erasure-certificates/{name}")).json()["uid"] == second


async def test_checkpoint_is_public_and_signed(world: Any, http: Any) -> None:
    proofs, _ = await issued(world, 0)
    proofs.checkpoint()
    answer = await http.get("/.well-known/simulacra-checkpoint", headers={"Authorization": ""})
    key = VerifierKey.parse(
        (await http.get("/.well-known/simulacra-keys.json")).json()["audit_log"]
    )
    assert Checkpoint.parse(open_note(answer.content, key)).size > 0


async def test_tampered_certificate_does_not_verify(world: Any) -> None:
    _, [(name, _)] = await issued(world, 1)
    async with world.client() as http:
        good = (await http.get(f"/v1/erasure-certificates/{name}")).json()
    keys = KEYS.public_document()
    other = copy.deepcopy(good)
    other["statement"]["objects"] = 4
    head, payload, signature = good["signature"].split(".")
    bad: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (other, keys),
        (good, InstallationKeys.generate().public_document()),
        (good | {"signature": f"{head}.{payload[:-2]}AA.{signature}"}, keys),
        (good | {"signature": f"{head}.{payload}.{'A' * 86}"}, keys),
        (good | {"signature": "eyJhbGciOiJub25lIn0.e30."}, keys),
        ({}, keys),
        (good, {}),
    ]
    for certificate, known in bad:
        with pytest.raises(ValueError, match=r"signature|statement|certificate"):
            verify_certificate(certificate, known)


async def test_verify_certificate_command_works_offline(world: Any, tmp_path: Path) -> None:
    _, [(name, _)] = await issued(world, 1)
    async with world.client() as http:
        good = (await http.get(f"/v1/erasure-certificates/{name}")).json()
    file, keys = tmp_path / "certificate.json", tmp_path / "keys.json"
    keys.write_text(json.dumps(KEYS.public_document()))
    file.write_text(json.dumps({"deleted": name, "certificate": good}))
    run = CliRunner().invoke(app, ["verify-certificate", str(file), "--keys", str(keys)])
    assert run.exit_code == 0, run.output
    assert f'"id": "{name}"' in run.output
    code, shown = on_terminal("verify-certificate", str(file), "--keys", str(keys))
    assert (code, f"dataset {name} of tenant acme" in shown) == (0, True), shown
    assert "The certificate is valid" in shown
    assert "artefacts" not in shown
    file.write_text(json.dumps(good | {"statement": {}}))
    assert (
        CliRunner().invoke(app, ["verify-certificate", str(file), "--keys", str(keys)]).exit_code
        == 1
    )


async def test_certificate_carries_an_absence_proof_once_a_root_is_signed(
    world: Any, http: Any, tmp_path: Path
) -> None:
    proofs, [(name, uid)] = await issued(world, 1)
    file, keys = tmp_path / "certificate.json", tmp_path / "keys.json"
    keys.write_text(json.dumps(KEYS.public_document()))
    command = ["verify-certificate", str(file), "--keys", str(keys)]
    proofs.publish_live_keys(("datasets", uid))
    async with world.client() as caller:
        path = f"/v1/erasure-certificates/{name}"
        file.write_text(json.dumps((await caller.get(path)).json()))
        run = CliRunner().invoke(app, command)
        assert (run.exit_code, "No absence proof" in run.stderr) == (0, True)
        again = shlex.quote(str(tmp_path / "certificate-proof.json"))
        assert f"  simulacra certificates {name} --json > {again}\n" in run.stderr
        for given, other in (("erasure-proof", "-2"), ("erasure-proof-2", "-3")):
            second = file.rename(tmp_path / f"{given}.json")
            run = CliRunner().invoke(app, ["verify-certificate", str(second), *command[2:]])
            proof = shlex.quote(str(tmp_path / f"erasure-proof{other}.json"))
            assert f"  simulacra certificates {name} --json > {proof}\n" in run.stderr
            second.rename(file)
        tree = proofs.publish_live_keys(("datasets", str(uuid.uuid4())))
        good = (await caller.get(path)).json()
    found = await http.get("/.well-known/simulacra-live-keys.json", headers={"Authorization": ""})
    root = verify_absence(good, KEYS.public_document())
    assert root == found.json()["statement"] == tree.stated.model_dump(mode="json")
    file.write_text(json.dumps(good))
    run = CliRunner().invoke(app, command)
    assert (run.exit_code, "The absence proof is valid" in run.stderr) == (0, True)
    good["absence_proof"]["neighbors"].clear()
    file.write_text(json.dumps(good))
    run = CliRunner().invoke(app, command)
    assert (run.exit_code, "absence proof is not valid" in run.stderr) == (1, True)
