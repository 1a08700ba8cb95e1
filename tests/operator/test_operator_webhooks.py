"""Webhooks: pending messages, signatures, allowed addresses and delivery through failures."""

from __future__ import annotations

import asyncio
import base64
import json
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from standardwebhooks import Webhook

from operator_bench import World, fail, ready
from operator_facts import CREATED, SECRET, ended, iso, resource
from simulacra_crds import rotation_notice
from simulacra_crds.kinds.base import ANNOTATION_CANCELLED, LABEL_DATASET, LABEL_TENANT, utcnow
from simulacra_crds.kube.client import (
    CONFIGMAPS,
    DATASETS,
    GENERATION_JOBS,
    MODELS,
    ApiResource,
    Object,
)
from simulacra_crds.public_address import is_public
from simulacra_crds.webhook import (
    ALLOW_PRIVATE_VARIABLE,
    DISABLED,
    NOTIFIED,
    SELECTOR,
    WebhookTarget,
    check_url,
    id_of,
    manifest,
    sealing_purpose,
)
from simulacra_custody.keys.sealed_secrets import seal
from simulacra_operator.observed.custom_resource import CustomResource, parse
from simulacra_operator.tasks.cleanup import delete_notices
from simulacra_operator.tasks.webhooks import delivery
from simulacra_operator.tasks.webhooks.pending import Message, job_ends, pending
from simulacra_operator.tasks.webhooks.send import Forbidden, send

KEY = "whsec_" + base64.b64encode(b"k" * 32).decode()


def webhook(*events: Any, created: Any = CREATED, name: str = "a" * 24, **notes: str) -> Object:
    body = manifest(
        name, (LABEL_TENANT, "acme"), "sealed", list(events or ("job.ready", "job.failed"))
    )
    body["metadata"] |= {
        "creationTimestamp": iso(created),
        "namespace": "tenant-acme",
        "annotations": notes,
    }
    return body


def messages_of(subjects: list[CustomResource], *hooks: Object) -> list[Message]:
    return list(pending(job_ends(subjects), hooks))


def test_a_datasets_job_ends_with_its_model() -> None:
    dataset, model = ended("Dataset", "ds-1"), ended("Model", "mdl-1")
    assert messages_of([dataset], webhook()) == []
    waiting = parse(resource("Model", "mdl-1", None, {"phase": "Running"}))
    assert messages_of([dataset, waiting], webhook()) == []
    (one,) = messages_of([dataset, model], webhook())
    message = json.loads(one.body)
    assert message["type"] == "job.ready"
    assert message["data"] == {"job_id": "job-ds-1", "status": "ready", "dataset_id": "ds-1"}
    (failed,) = messages_of([dataset, ended("Model", "mdl-1", well=False)], webhook())
    assert failed.end.event == "job.failed"
    (early,) = messages_of([ended("Dataset", "ds-1", well=False)], webhook())
    assert early.end.event == "job.failed"


def test_a_message_holds_ids_and_a_status_and_no_data() -> None:
    generation = ended("GenerationJob", "gen-1", labels={LABEL_DATASET: "ds-1"})
    effect = ended("EffectEstimate", "eff-1", labels={LABEL_DATASET: "ds-1"})
    segment = ended("SegmentEstimate", "seg-1", labels={LABEL_DATASET: "ds-1"})
    sheet = ended("AnswerSheet", "sht-1", labels={LABEL_DATASET: "ds-1"})
    ends = [generation, effect, segment, sheet]
    messages = [json.loads(one.body) for one in messages_of(ends, webhook())]
    assert [message["data"] for message in messages] == [
        {"job_id": "job-gen-1", "status": "ready", "dataset_id": "ds-1", "generation_id": "gen-1"},
        {"job_id": "job-eff-1", "status": "ready", "dataset_id": "ds-1", "effect_id": "eff-1"},
        {"job_id": "job-seg-1", "status": "ready", "dataset_id": "ds-1", "segment_id": "seg-1"},
        {"job_id": "job-sht-1", "status": "ready", "dataset_id": "ds-1", "sheet_id": "sht-1"},
    ]
    assert all(set(message) == {"type", "timestamp", "data"} for message in messages)
    assert SECRET not in json.dumps(messages)


def test_only_subscribed_and_unnotified_webhooks_get_a_message() -> None:
    generation = ended("GenerationJob", "gen-1", annotations={NOTIFIED: "b" * 24})
    assert len(messages_of([generation], webhook(), webhook(name="c" * 24))) == 2
    assert messages_of([generation], webhook(name="b" * 24)) == []  # notified before
    assert messages_of([generation], webhook("job.failed")) == []  # another subscription
    assert (
        messages_of([generation], webhook(created=CREATED + timedelta(minutes=2))) == []
    )  # created later
    assert messages_of([generation], webhook(**{DISABLED: iso(CREATED)})) == []
    assert (
        messages_of([ended("GenerationJob", "gen-1", deletionTimestamp=iso(CREATED))], webhook())
        == []
    )


def test_a_cancelled_job_counts_as_failed() -> None:
    body = resource(
        "GenerationJob",
        "gen-1",
        None,
        {"phase": "Running"},
        annotations={ANNOTATION_CANCELLED: iso(CREATED)},
    )
    (message,) = messages_of([parse(body)], webhook())
    assert (message.end.event, message.end.at) == ("job.failed", CREATED)


def test_a_message_keeps_its_id_and_each_webhook_has_its_own() -> None:
    subject = ended("GenerationJob", "gen-1")
    first, again = messages_of([subject], webhook()), messages_of([subject], webhook())
    assert first[0].id == again[0].id != messages_of([subject], webhook(name="b" * 24))[0].id


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.5.5",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a00:1",
        "2002:7f00:1::",
        "168.63.129.16",
        "192.0.0.8",
        "192.0.0.192",
        "192.0.2.1",
        "192.31.196.1",
        "192.52.193.1",
        "192.88.99.1",
        "192.175.48.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "240.0.0.1",
        "::7f00:1",
        "::ffff:192.0.0.192",
        "64:ff9b::c000:c0",
        "64:ff9b:1::808:808",
        "100::1",
        "100:0:0:1::1",
        "2001::1",
        "2001:1::1",
        "2001:db8::1",
        "2002:808:808::1",
        "2620:4f:8000::1",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fec0::1",
    ],
)
def test_private_addresses_are_recognized(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "192.0.1.1",
        "2606:4700::1111",
        "2001:4860::1",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
    ],
)
def test_public_addresses_are_recognized(address: str) -> None:
    assert is_public(address)


BAD_URLS = [
    "http://hooks.example.com/",
    "ftp://hooks.example.com/",
    "https://",
    "https://user:word@hooks.example.com/",
    "https://hooks.example.com/#x",
    "https://hooks.example.com:0/",
    "https://hooks.example.com:99999/",
    "https://localhost/",
    "https://api.localhost./",
    "https://metadata.google.internal/",
    "https://kubernetes.default.svc/",
    "https://simulacra/",
    "https://127.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://127.0.0.0x1/",
    "https://[::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://169.254.169.254/latest",
    "https://192.0.0.192/opc/v2/instance/",
    "https://192.88.99.1/",
    "https://[fec0::1]/",
    "https://[3fff::1]/",
    "https://hooks.example.com/ x",
    "https://hooks.example.com/\r\nX: y",
    "https://h\u00f6rbert.example/",
    "https://hooks.example.com/" + "x" * 1024,
    "https://" + "x" * 64 + ".example.com/",
    "https://hooks..example.com/",
    "https://[",
    "not a url",
]


@pytest.mark.parametrize("url", BAD_URLS)
async def test_a_forbidden_url_is_refused_and_never_called(url: str) -> None:
    with pytest.raises(ValueError):
        check_url(url, allow_private=False)
    with pytest.raises(Forbidden):
        await send(WebhookTarget(url=url, secret=KEY), "msg_1", b"{}", allow_private=False)


@pytest.mark.parametrize("address", ["192.0.0.192", "192.88.99.1", "fec0::1", "3fff::1"])
async def test_a_name_that_leads_to_a_special_address_is_never_called(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also beside a public one: names may be resolved differently each time (DNS rebinding)."""

    async def resolve(*_: Any, **__: Any) -> list[Any]:
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        return [(*kind, (one, 443)) for one in ("1.1.1.1", address)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    target = WebhookTarget(url="https://hooks.example.com/", secret=KEY)
    with pytest.raises(Forbidden):
        await send(target, "msg_1", b"{}", allow_private=False)


@dataclass
class Receiver:
    """An HTTP server that checks signatures with the reference library."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[str, Any]] = field(default_factory=list)
    hang: float = 0.0

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {
            name: request.headers[name]
            for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        }
        self.got.append((headers["webhook-id"], Webhook(KEY).verify(body, headers)))
        await asyncio.sleep(self.hang)
        status = self.answers.pop(0) if self.answers else 204
        return web.Response(
            status=status, headers={"Location": self.url + "/elsewhere"} if status == 302 else {}
        )


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/{tail:.*}", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield receiver
    await runner.cleanup()


async def test_a_message_verifies_with_the_reference_library(receiver: Receiver) -> None:
    target = WebhookTarget(url=receiver.url + "/hook?x=1", secret=KEY)
    assert await send(target, "msg_1", b'{"type":"job.ready"}', allow_private=True) == 204
    assert receiver.got == [("msg_1", {"type": "job.ready"})]


async def test_redirects_are_not_followed_and_a_timeout_is_no_response(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = WebhookTarget(url=receiver.url, secret=KEY)
    receiver.answers = [302]
    assert await send(target, "msg_1", b"{}", allow_private=True) == 302
    assert len(receiver.got) == 1
    monkeypatch.setattr("simulacra_operator.tasks.webhooks.send.TIMEOUT_S", 0.3)
    receiver.hang = 2.0
    assert await send(target, "msg_1", b"{}", allow_private=True) == 0
    nobody = WebhookTarget(url="http://127.0.0.1:9/", secret=KEY)
    assert await send(nobody, "msg_1", b"{}", allow_private=True) == 0


async def test_a_name_with_a_private_address_is_not_called(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(receiver.url.rpartition(":")[2])
    answers = [[("1.1.1.1", port), ("127.0.0.1", port)]]

    async def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in answers[0]]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    target = WebhookTarget(url=f"https://hooks.example.com:{port}/", secret=KEY)
    with pytest.raises(Forbidden):
        await send(target, "msg_1", b"{}", allow_private=False)
    assert receiver.got == []


@pytest.fixture
def private(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOW_PRIVATE_VARIABLE, "true")


async def _register(world: World, url: str, *events: Any) -> str:
    """Create a webhook as the API does."""
    name = "d" * 24
    target = WebhookTarget(url=url, secret=KEY).model_dump_json().encode()
    sealed = seal(world.custody.keys, world.tenant, sealing_purpose(name), target)
    hook = manifest(
        name, (LABEL_TENANT, world.tenant), sealed, list(events or ("job.ready", "job.failed"))
    )
    assert url not in str(hook)
    assert KEY not in str(hook)
    made = await world.cluster.create(CONFIGMAPS, hook, world.namespace)
    return id_of(made)


@pytest.mark.timeout(600)
async def test_messages_survive_failures_and_a_killed_operator(
    private: None, world: World, receiver: Receiver
) -> None:
    await world.create_tenant()
    name = await _register(world, receiver.url)
    receiver.answers = [500]
    await world.upload("ds-1")
    await world.model("mdl-1", "ds-1")
    await world.reaches(MODELS, "mdl-1", ready)

    async def tried() -> bool:
        return bool(receiver.got)

    await world.until(tried, 90, lambda: "nothing was sent")
    assert world.operator.end(signal.SIGKILL)
    await world.generation("gen-1", "mdl-1", "ds-1")
    world.operator.start()
    await world.reaches(DATASETS, "ds-1", lambda one: name in _notified(one))
    await world.reaches(GENERATION_JOBS, "gen-1", lambda one: name in _notified(one))
    ids = [message for message, _ in receiver.got]
    # The first one is repeated with its id, by the killed operator too if that was slow to die.
    assert sorted(Counter(ids).values()) in ([1, 2], [1, 3])
    assert {body["data"]["job_id"] for _, body in receiver.got} == {"job-ds-1", "job-gen-1"}
    await asyncio.sleep(2 * delivery.POLL_S)
    assert len(receiver.got) == len(ids)
    logged = world.operator.log.read_text()
    assert receiver.url not in logged
    assert KEY not in logged


@pytest.mark.timeout(600)
async def test_a_rotated_secret_is_told_once_and_its_notice_is_deleted(
    private: None, world: World, receiver: Receiver
) -> None:
    await world.create_tenant()
    name = await _register(world, receiver.url, "credential.rotated")
    body = rotation_notice.notice(world.tenant, "client.acme", "rot-1")
    made = await world.cluster.create(CONFIGMAPS, body, world.namespace)
    notice = made["metadata"]["name"]

    async def noted() -> bool:
        found = await world.cluster.get(CONFIGMAPS, notice, world.namespace)
        return name in (found["metadata"].get("annotations") or {}).get(NOTIFIED, "")

    await world.until(noted, 90, lambda: "nothing was noted")
    ((_, message),) = receiver.got
    assert message["type"] == "credential.rotated"
    assert message["data"] == {"client_id": "client.acme", "rotation_id": "rot-1"}
    for late in (timedelta(), rotation_notice.LIFETIME + timedelta(minutes=1)):
        assert await world.cluster.find(CONFIGMAPS, notice, world.namespace) is not None
        await delete_notices(world.cluster, lambda late=late: utcnow() + late)  # type: ignore[misc]
    assert await world.cluster.find(CONFIGMAPS, notice, world.namespace) is None
    assert len(receiver.got) == 1


@pytest.mark.timeout(600)
async def test_a_webhook_that_answers_410_is_disabled(
    private: None, world: World, receiver: Receiver
) -> None:
    await world.create_tenant()
    name = await _register(world, receiver.url)
    receiver.answers = [410]
    world.pods.plays["prepare"] = fail(42, "UploadInvalid")
    await world.upload("ds-1")
    await world.reaches(
        CONFIGMAPS,
        f"webhook-{name}",
        lambda one: DISABLED in one["metadata"].get("annotations", {}),
    )
    await world.upload("ds-2")
    await world.reaches(
        DATASETS, "ds-2", lambda one: one.get("status", {}).get("phase") == "Failed"
    )
    await asyncio.sleep(2 * delivery.POLL_S)
    assert [body["type"] for _, body in receiver.got] == ["job.failed"]


@pytest.mark.timeout(600)
async def test_private_addresses_are_not_called_without_the_setting(
    world: World, receiver: Receiver
) -> None:
    await world.create_tenant()
    await _register(world, receiver.url.replace("http:", "https:"))
    world.pods.plays["prepare"] = fail(42, "UploadInvalid")
    await world.upload("ds-1")

    async def refused() -> bool:
        return "webhook address forbidden" in world.operator.log.read_text()

    await world.until(refused, 90, lambda: "the webhook was not polled")
    assert receiver.got == []


@pytest.mark.parametrize(
    "data", [None, {}, {"events": "x", "sealed": "s"}, {"events": "5", "sealed": "s"}]
)
async def test_an_invalid_webhook_config_map_does_not_block_others(data: Object | None) -> None:
    """Anybody may create a ConfigMap with this label: it must not stop the operator."""
    strange = webhook()
    strange["metadata"]["namespace"] = "default"
    near = {**webhook(name="b" * 24), "data": data}

    class Server:
        async def list(
            self, what: ApiResource, namespace: str | None = None, labels: str = ""
        ) -> AsyncIterator[Object]:
            if what == CONFIGMAPS and labels == SELECTOR:
                for one in (strange, near, webhook()):
                    yield one
            elif what == GENERATION_JOBS:
                status = {"phase": "Ready", "finishedAt": iso(CREATED)}
                yield resource("GenerationJob", "gen-1", None, status, namespace=namespace)

    delivered: list[tuple[str, str]] = []

    async def deliver(found: list[Message]) -> None:
        delivered.extend((id_of(one.webhook), one.end.object.namespace or "") for one in found)

    working = delivery.WebhookDelivery(Server(), None, allow_private=False)  # type: ignore[arg-type]
    working._deliver_all = deliver  # type: ignore[method-assign]
    await working.poll()
    await asyncio.sleep(0)
    assert delivered == [("a" * 24, "tenant-acme")]


def _notified(body: Object) -> str:
    return str((body["metadata"].get("annotations") or {}).get(NOTIFIED, ""))
