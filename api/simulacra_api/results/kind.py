"""A kind of result over REST: its words, its bodies, and how a question becomes a resource."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, create_model
from pydantic.alias_generators import to_camel

from simulacra_api.http.etags import entity_tag
from simulacra_api.http.field_types import Retention, Status
from simulacra_api.http.pagination import Page
from simulacra_api.http.problems import invalid_fields
from simulacra_api.jobs.schemas import JobError
from simulacra_api.jobs.service import listed, shown
from simulacra_api.tenancy.create import (
    check_retention,
    create_from_model,
    find_created,
    usable_model,
)
from simulacra_api.tenancy.idempotency import request_digest
from simulacra_api.tenancy.repository import TenantRepository
from simulacra_crds.kinds.base import DEFAULT_RETENTION_SECONDS
from simulacra_crds.kinds.dataset import Dataset
from simulacra_crds.kinds.result import Result
from simulacra_crds.kube.client import CUSTOM, Object
from simulacra_crds.names import result_name
from simulacra_crds.registry import BY_KIND, KindInfo
from simulacra_schema.faults import Question
from simulacra_schema.questions.knowledge import check_edges
from simulacra_schema.questions.rows import plain
from simulacra_schema.table import TableSchema

R = TypeVar("R", bound=Result)
Q = TypeVar("Q", bound="QuestionBody")


class QuestionBody(Question):
    """What every question over REST has besides its own fields."""

    retention_seconds: Retention = DEFAULT_RETENTION_SECONDS


@dataclass(frozen=True)
class ResultKind(Generic[R, Q]):
    """A question to a model over REST.

    Attributes:
        kind: of the resource.
        asks: summary of the operation that creates one.
        creates, gets: descriptions of the operations that create and return one.
        question, body: request and answer.
        answer: returns the fields of the artifact, once there is one.
        spec: returns the fields of the spec that are not those of the question; the client's id
            goes with what it states.
        asked: returns the fields of the question that the body names otherwise than the spec.
        lists_questions: whether the items of its list repeat the request.
        added_later: fields that came to the question later, as in `request_digest`.
    """

    kind: type[R]
    asks: str
    creates: str
    gets: str
    question: type[Q]
    body: type[BaseModel]
    answer: Callable[[TenantRepository, R], Awaitable[Object]]
    spec: Callable[[Q, TableSchema, str], Object] = lambda *_: {}
    asked: Callable[[R], Object] = lambda _: {}
    lists_questions: bool = False
    added_later: Mapping[str, Any] = field(default_factory=dict)

    @property
    def info(self) -> KindInfo:
        """Its entry in the registry of kinds."""
        return BY_KIND[self.kind.__name__]

    @property
    def title(self) -> str:
        """Return its name for people, with its article."""
        return self.info.title

    def _model(self, suffix: str, text: str, base: type[BaseModel], **fields: Any) -> type[Any]:
        """Return the model of an answer, such as EffectList, with a docstring."""
        name = self.info.noun.capitalize() + suffix
        model = create_model(name, __base__=base, __doc__=text, **fields)
        return model

    def accepted(self) -> type[Any]:
        """Return the answer to a request, which the same Idempotency-Key gets again."""
        fields = {"job_id": str, "dataset_id": str, "status": (Status, "queued")}
        text = f"The answer to a request for {self.title}; the same Idempotency-Key gets the same."
        own = {self.info.id_field: str, **fields, "error": (JobError | None, None)}
        return self._model("Accepted", text, BaseModel, **own)

    def page(self) -> type[Any]:
        """Return the answer of the list."""
        fields = {"dataset_id": str, "job_id": str, "status": Status | Literal["deleting"]}
        own = {self.info.id_field: str, **fields, "created_at": datetime | None}
        article, name = self.title.split(" ", 1)
        item = self._model("Item", f"{article.capitalize()} {name} in a list.", BaseModel, **own)
        text = f"The tenant's {name}s, newest first."
        return self._model("List", text, Page, items=list[item])  # type: ignore[valid-type]

    async def create(
        self, repository: TenantRepository, dataset: Dataset, request: Q, key: str
    ) -> Object:
        """Create the resource of this Idempotency-Key, or return the one that it created before.

        Raises:
            Problem: 400 with one entry per wrong field, 409 for a dataset that is not ready or a
                key that was used for another request.
        """
        tenant, resource = repository.caller.tenant_name, CUSTOM[self.info.kind]
        name = result_name(self.info.kind, tenant, dataset.metadata.name, key)
        digest = request_digest(dataset, request, self.added_later)
        if existing := await find_created(repository, resource, name, digest):
            return existing
        await self.check_limits(repository, dataset, request)
        return await self.create_named(repository, dataset, request, name, digest)

    async def check_limits(self, repository: TenantRepository, dataset: Dataset, asked: Q) -> None:
        """Refuse (400) a request beyond a limit of the tenant."""
        check_retention(repository, asked.retention_seconds)

    async def create_named(
        self, repository: TenantRepository, dataset: Dataset, request: Q, name: str, digest: str
    ) -> Object:
        """Create the resource of this name; raise as `create`, check no limit of a request."""
        schema = await repository.schema_of(dataset)
        model = await usable_model(repository, dataset)
        known, blocks = model.spec.knowledge, getattr(request, "blocks", [])
        if errors := request.faults(schema) or [*check_edges(known, blocks, schema)]:
            raise invalid_fields(errors, "the request, checked against the dataset's schema")
        spec = {
            **self._given(request),
            "retentionSeconds": request.retention_seconds,
            **self.spec(request, schema, repository.caller.client_id),
        }
        return await create_from_model(
            repository,
            CUSTOM[self.info.kind],
            name,
            model,
            spec,
            dataset=dataset,
            digest=digest,
            **self.beside(request, spec),
        )

    def beside(self, request: Q, spec: Object) -> dict[str, Any]:
        """Return `annotations` and `labels` of the resource, `counts` of its audit record."""
        return {}

    def _given(self, request: Q) -> Object:
        """Return the fields of a question, as the spec names them; absent ones are the default."""
        fields, spec = type(request).model_fields, self.kind.model_fields["spec"].annotation
        assert spec is not None
        given = request.model_dump(mode="json", include=set(spec.model_fields))
        defaults = {name: fields[name].get_default(call_default_factory=True) for name in given}
        return {to_camel(name): of for name, of in given.items() if of != defaults[name]}

    def accepted_fields(self, created: Object) -> Object:
        """Return the fields of the answer to a request that only this kind has."""
        return {}

    def item(self, found: R) -> Object:
        """Return what a list has of a resource."""
        return {self.info.id_field: found.metadata.name, **listed(found)}

    def tag(self, body: Any, text: str) -> str:
        """Return the entity tag of a body and its JSON."""
        return entity_tag(text)

    async def shown(self, repository: TenantRepository, found: R) -> Any:
        """Return what a customer sees of a resource."""
        common, spec = await shown(repository, found), found.spec
        names = self.body.model_fields.keys() & type(spec).model_fields.keys()
        asked = {name: plain(getattr(spec, name)) for name in names}
        answer = await self.answer(repository, found) if common["status"] == "ready" else {}
        own = {self.info.id_field: found.metadata.name}
        return self.body.model_validate({**own, **asked, **self.asked(found), **common, **answer})
