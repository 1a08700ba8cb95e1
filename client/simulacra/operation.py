"""Operations as methods of what waits (`Client`), and of what has coroutines (`AsyncClient`)."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from simulacra.core import Steps
from simulacra.signatures import copy_signature

P = ParamSpec("P")
T = TypeVar("T")


class Blocking:
    """A class with a `_run` that carries out steps and returns their result."""


class Awaiting:
    """A class whose `_run` is a coroutine."""


class Operation(Generic[P, T]):
    """A method that runs an operation, with its signature and docstring."""

    _of_dataset = False

    def __init__(self, operation: Callable[P, Steps[T]]) -> None:
        self._operation: Callable[..., Steps[T]] = operation
        self._made: dict[type, Any] = {}

    @overload
    def __get__(self, instance: Blocking, owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Awaiting, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __get__(self, instance: None, owner: type) -> Callable[..., Any]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        """Return the method, bound to the instance if there is one."""
        if owner not in self._made:
            self._made[owner] = self._method(owner)
        method = self._made[owner]
        return method if instance is None else method.__get__(instance, owner)

    def _method(self, owner: type) -> Callable[..., Any]:
        operation, of_dataset = self._operation, self._of_dataset

        def steps(self: Any, args: Any, kwargs: Any) -> Steps[T]:
            first = (self.dataset_id,) if of_dataset else ()
            return operation(*first, *args, **kwargs)

        @wraps(operation)
        def blocking(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            return self._run(steps(self, args, kwargs))

        @wraps(operation)
        async def awaiting(self: Any, /, *args: Any, **kwargs: Any) -> Any:
            return await self._run(steps(self, args, kwargs))

        method = awaiting if issubclass(owner, Awaiting) else blocking
        copy_signature(method, operation, skipped=int(of_dataset))
        return method


class DatasetOperation(Operation[P, T]):
    """A method that runs an operation on the dataset of its object, `dataset_id`."""

    _of_dataset = True

    def __init__(self, operation: Callable[Concatenate[str, P], Steps[T]]) -> None:
        super().__init__(operation)  # type: ignore[arg-type]  # its first argument is ours
