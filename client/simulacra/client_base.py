"""What both clients have: how they are made, and a method for each operation."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from simulacra import operations
from simulacra.connection import Connection
from simulacra.operation import Operation


class ClientBase:
    """A tenant's view of the service."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @classmethod
    def from_environment(cls) -> Self:
        """Connect as `Connection.from_environment` says; often to the last `simulacra up`."""
        return cls(Connection.from_environment())

    @classmethod
    def from_connection(cls, path: str | Path) -> Self:
        """Connect with the `connection.json` of `simulacra up`."""
        return cls(Connection.from_file(path))

    @property
    def api_url(self) -> str:
        """Address of the service."""
        return self._connection.api_url

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.api_url})"

    upload = Operation(operations.uploads.upload)
    datasets = Operation(operations.datasets.datasets)
    dataset = Operation(operations.datasets.dataset)
    get = Operation(operations.resources.get)
    schema = Operation(operations.datasets.schema)
    describe = Operation(operations.datasets.describe)
    report = Operation(operations.resources.report)
    report_page = Operation(operations.resources.report_page)
    graph = Operation(operations.datasets.graph)
    summary = Operation(operations.datasets.summary)
    knowledge = Operation(operations.datasets.knowledge)
    usual_order = Operation(operations.datasets.usual_order)
    refit = Operation(operations.datasets.refit)
    kept_options = Operation(operations.datasets.kept_options)
    extend = Operation(operations.datasets.extend)
    generate = Operation(operations.generations.generate)
    generations = Operation(operations.generations.generations)
    generation = Operation(operations.generations.generation)
    probe = Operation(operations.generations.probe)
    download = Operation(operations.generations.download)
    table = Operation(operations.generations.table)
    to_pandas = Operation(operations.generations.to_pandas)
    to_polars = Operation(operations.generations.to_polars)
    complete = Operation(operations.completions.complete)
    start_completion = Operation(operations.completions.start_completion)
    send_given = Operation(operations.completions.send_given)
    completed = Operation(operations.completions.completed)
    estimate = Operation(operations.questions.estimate)
    effects = Operation(operations.questions.effects)
    effect = Operation(operations.questions.effect)
    boost = Operation(operations.questions.boost)
    segments = Operation(operations.questions.segments)
    segment = Operation(operations.questions.segment)
    ask_sheet = Operation(operations.questions.ask_sheet)
    sheets = Operation(operations.questions.sheets)
    sheet = Operation(operations.questions.sheet)
    sheet_page = Operation(operations.questions.sheet_page)
    sheet_workbook = Operation(operations.questions.sheet_workbook)
    sheet_program = Operation(operations.questions.sheet_program)
    jobs = Operation(operations.jobs.jobs)
    job = Operation(operations.jobs.job)
    wait = Operation(operations.jobs.wait)
    cancel = Operation(operations.jobs.cancel)
    delete = Operation(operations.resources.delete)
    delete_dataset = Operation(operations.datasets.delete_dataset)
    delete_generation = Operation(operations.generations.delete_generation)
    delete_effect = Operation(operations.questions.delete_effect)
    delete_segment = Operation(operations.questions.delete_segment)
    delete_sheet = Operation(operations.questions.delete_sheet)
    erasure_certificate = Operation(operations.account.erasure_certificate)
    erasure_certificates = Operation(operations.account.erasure_certificates)
    live_keys_root = Operation(operations.account.live_keys_root)
    audit_checkpoint = Operation(operations.account.audit_checkpoint)
    trust_package = Operation(operations.account.trust_package)
    explain = Operation(operations.account.explain)
    published_keys = Operation(operations.account.published_keys)
    usage = Operation(operations.account.usage)
    audit_events = Operation(operations.account.audit_events)
    audit_page = Operation(operations.account.audit_page)
    support_access = Operation(operations.account.support_access)
    webhooks = Operation(operations.account.webhooks)
    create_webhook = Operation(operations.account.create_webhook)
    delete_webhook = Operation(operations.account.delete_webhook)
    console_link = Operation(operations.account.console_link)
