"""The real kubectl, command by command."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

MANIFEST = """
apiVersion: contract.test/v1
kind: Widget
metadata: {name: one, labels: {app: x}}
spec: {colour: red, parts: [{name: p, weight: 2, note: own}]}
"""
JOB = """
apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  suspend: true
  template: {spec: {restartPolicy: Never, containers: [{name: main, image: busybox}]}}
"""
SECRET = """
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {a: b}
"""


@pytest.fixture
def kubectl(cluster: Any, ns: str) -> Any:
    """kubectl in the test's namespace."""

    def run(*arguments: str, **more: Any) -> str:
        done: str = cluster.kubectl("-n", ns, *arguments, **more)
        return done

    return run


def test_kubectl_applies_gets_and_deletes(kubectl: Any) -> None:
    assert kubectl("apply", "-f", "-", stdin=MANIFEST) == "widget.contract.test/one created\n"
    assert kubectl("apply", "-f", "-", stdin=MANIFEST) == "widget.contract.test/one unchanged\n"
    heavier = MANIFEST.replace("weight: 2", "weight: 3")
    assert kubectl("apply", "-f", "-", stdin=heavier) == "widget.contract.test/one configured\n"
    head, row = kubectl("get", "wd").splitlines()
    assert head.split() == ["NAME", "COLOUR", "READY", "AGE"]
    assert row.split()[:2] == ["one", "red"]
    assert kubectl("get", "widgets", "-o", "wide").splitlines()[0].split() == [
        "NAME",
        "COLOUR",
        "READY",
        "SIZE",
        "AGE",
    ]
    assert kubectl("get", "widget/one", "-o", "name") == "widget.contract.test/one\n"
    assert (
        json.loads(kubectl("get", "widget", "one", "-o", "json"))["spec"]["parts"][0]["weight"] == 3
    )
    assert "kind: Widget" in kubectl("get", "widget", "one", "-o", "yaml")
    assert "one" in kubectl("get", "contract")
    assert kubectl("get", "wd", "-l", "app=x", "-o", "name").count("one") == 1
    assert kubectl("get", "wd", "--field-selector", "spec.colour=blue", "-o", "name") == ""
    assert 'widget.contract.test "one" deleted' in kubectl("delete", "widget", "one")
    assert "not found" in kubectl("get", "widget", "one", ok=False)


def test_kubectl_creates_and_replaces(kubectl: Any) -> None:
    kubectl("create", "-f", "-", stdin=MANIFEST)
    assert "already exists" in kubectl("create", "-f", "-", stdin=MANIFEST, ok=False)
    assert "replaced" in kubectl(
        "replace", "-f", "-", stdin=MANIFEST.replace("weight: 2", "weight: 4")
    )


def test_kubectl_explains_an_invalid_object(kubectl: Any) -> None:
    pink = MANIFEST.replace("colour: red", "colour: pink")
    assert 'spec.colour: Unsupported value: "pink"' in kubectl(
        "apply", "-f", "-", stdin=pink, ok=False
    )
    odd = MANIFEST.replace("colour: red", "colour: red, odd: 1")
    assert 'unknown field "spec.odd"' in kubectl("apply", "-f", "-", stdin=odd, ok=False)


def test_kubectl_edits(kubectl: Any, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text(
        "#!/bin/sh\nsed -i 's/size: 3/size: 12/; s/backoffLimit: 6/backoffLimit: 2/' \"$1\"\n"
    )
    editor.chmod(0o755)
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    kubectl("apply", "-f", "-", stdin=JOB)
    kubectl("edit", "widget", "one", KUBE_EDITOR=str(editor))
    kubectl("edit", "job", "j", KUBE_EDITOR=str(editor))
    assert kubectl("get", "wd", "one", "-o", "jsonpath={.spec.size}") == "12"
    assert kubectl("get", "job", "j", "-o", "jsonpath={.spec.backoffLimit}") == "2"


def test_kubectl_patches_labels_and_annotates(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    kubectl("apply", "-f", "-", stdin=JOB)
    kubectl("apply", "-f", "-", stdin=SECRET)
    for target in ("widget/one", "job/j", "secret/s"):
        kubectl("label", target, "tier=gold")
        kubectl("annotate", target, "note=seen")
        kubectl("label", target, "tier-")
        found = json.loads(kubectl("get", target, "-o", "json"))["metadata"]
        assert "tier" not in found.get("labels", {})
        assert found["annotations"]["note"] == "seen"
    kubectl(
        "patch",
        "wd",
        "one",
        "--type=json",
        "-p",
        '[{"op":"replace","path":"/spec/size","value":4}]',
    )
    kubectl("patch", "job", "j", "-p", '{"spec":{"backoffLimit":1}}')
    kubectl(
        "patch",
        "wd",
        "one",
        "--type=merge",
        "--subresource=status",
        "-p",
        '{"status":{"phase":"Set"}}',
    )
    assert kubectl("get", "wd", "one", "-o", "jsonpath={.spec.size} {.status.phase}") == "4 Set"


def test_kubectl_waits_for_a_condition_and_for_deletion(
    kubectl: Any, cluster: Any, ns: str
) -> None:
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    assert "timed out" in kubectl(
        "wait", "--for=condition=Ready", "wd/one", "--timeout=1s", ok=False
    )
    ready = '{"status":{"conditions":[{"type":"Ready","status":"True"}]}}'
    kubectl("patch", "wd", "one", "--type=merge", "--subresource=status", "-p", ready)
    assert "condition met" in kubectl("wait", "--for=condition=Ready", "wd/one", "--timeout=10s")
    kubectl("delete", "wd", "one", "--wait=false")
    kubectl("wait", "--for=delete", "wd/one", "--timeout=10s")


def test_kubectl_describe_shows_the_object_and_its_events(
    kubectl: Any, cluster: Any, ns: str
) -> None:
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    found = json.loads(kubectl("get", "wd", "one", "-o", "json"))["metadata"]
    involved = {
        "apiVersion": "contract.test/v1",
        "kind": "Widget",
        "name": "one",
        "namespace": ns,
        "uid": found["uid"],
    }
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e1"},
        "involvedObject": involved,
        "type": "Warning",
        "reason": "Tested",
        "message": "looked at",
        "source": {"component": "suite"},
        "firstTimestamp": found["creationTimestamp"],
        "lastTimestamp": found["creationTimestamp"],
        "count": 1,
        "reportingComponent": "",
        "reportingInstance": "",
    }
    cluster.call("POST", f"/api/v1/namespaces/{ns}/events", event, 201)
    described = kubectl("describe", "wd", "one")
    assert "Colour:  red" in described.replace("Colour:   ", "Colour:  ")
    assert "looked at" in described
    kubectl("apply", "-f", "-", stdin=JOB)
    assert "Backoff Limit:" in kubectl("describe", "job", "j")
    kubectl("apply", "-f", "-", stdin=SECRET)
    assert "a:  1 bytes" in kubectl("describe", "secret", "s")
    assert "Status:       Active" in cluster.kubectl("describe", "ns", ns)
    listed = kubectl("events", "--for", "widget/one")
    assert "Tested" in listed
    assert "looked at" in kubectl("get", "events")


def test_kubectl_explains_and_lists_api_resources(cluster: Any) -> None:
    explained = cluster.kubectl("explain", "widget.spec")
    assert "What is wanted." in explained
    assert "-required-" in explained
    assert "enum: red, green, blue" in explained
    assert "spec" in cluster.kubectl("explain", "jobs", "--recursive")
    listed = cluster.kubectl(
        "api-resources", "--api-group=contract.test", "-o", "wide"
    ).splitlines()
    assert listed[1].split()[:5] == ["widgets", "wd", "contract.test/v1", "true", "Widget"]
    assert "contract.test/v1" in cluster.kubectl("api-versions")


def test_kubectl_delete_follows_its_cascade_option(kubectl: Any, cluster: Any) -> None:
    for mode in ("background", "foreground", "orphan"):
        kubectl("apply", "-f", "-", stdin=JOB)
        if mode != "background" and not cluster.collects:
            continue
        kubectl("delete", "job", "j", f"--cascade={mode}", "--timeout=40s")
        assert "not found" in kubectl("get", "job", "j", ok=False)


def test_kubectl_watch_prints_changes(cluster: Any, kubectl: Any, ns: str, tmp_path: Path) -> None:
    kubectl("apply", "-f", "-", stdin=MANIFEST)
    binary = Path(sys.executable).with_name("kubectl")
    out = tmp_path / "out"
    command = [
        str(binary),
        "--kubeconfig",
        str(cluster.kubeconfig),
        "-n",
        ns,
        "get",
        "wd",
        "-w",
        "--output-watch-events",
    ]
    with out.open("wb") as file:
        process = subprocess.Popen(command, stdout=file)
        try:
            await_text(out, "ADDED")
            kubectl("patch", "wd", "one", "--type=merge", "--subresource=status", "-p",
                    '{"status":{"conditions":[{"type":"Ready","status":"False"}]}}')  # fmt: skip
            await_text(out, "MODIFIED")
            kubectl("delete", "wd", "one")
            await_text(out, "DELETED")
        finally:
            process.terminate()
            process.wait(60)
    lines = [line.split() for line in out.read_text().splitlines()]
    assert lines[0] == ["EVENT", "NAME", "COLOUR", "READY", "AGE"]
    assert [line[0] for line in lines[1:]] == ["ADDED", "MODIFIED", "DELETED"]
    assert lines[2][3] == "False"


def await_text(file: Path, text: str) -> None:
    """Wait until the file contains the text."""
    deadline = time.monotonic() + 60
    while text not in file.read_text():
        assert time.monotonic() < deadline, file.read_text()
        time.sleep(0.05)


def test_kubectl_dry_run_and_diff_store_nothing(kubectl: Any) -> None:
    assert "(server dry run)" in kubectl("apply", "--dry-run=server", "-f", "-", stdin=MANIFEST)
    assert "not found" in kubectl("get", "wd", "one", ok=False)
