"""What a person types to name a resource: its id, how the id begins, or the name of its table."""

import re
import shlex
from collections.abc import Sequence
from pathlib import PurePath

import httpx2

from simulacra.client import Client
from simulacra.commands.options import filters
from simulacra.commands.output import note
from simulacra.errors import ApiError
from simulacra.local_state import remember_table, table_names
from simulacra.models import Document, nearest
from simulacra.operations.resources import ERASABLE, KINDS, NOUNS
from simulacra.operations.table_names import UNNAMED, has_no_description

_WHOLE = re.compile(rf"(job-)?({'|'.join(ERASABLE)})[0-9a-f]{{24}}")
_ID_FIELDS = tuple(f"{noun}_id" for noun in NOUNS)
_SHOWN = 6
"""Candidates that an error names."""
SHORTEST = 6
"""Hex digits of a short id at least."""


def dataset_of(client: Client, text: str) -> str:
    """Return the id of the dataset that a person named."""
    return resource_of(client, text, ("ds-",))


def filters_of(client: Client, status: str | None, dataset: str | None) -> dict[str, str]:
    """Return the filters of a list that were given; dataset: as a person names it."""
    return filters(status=status, dataset_id=dataset and dataset_of(client, dataset))


def job_of(client: Client, text: str) -> str:
    """Return the id of a job, also named by what it makes or by its table."""
    if text.startswith("job-"):
        return resource_of(client, text, ("job-",))
    return f"job-{resource_of(client, text, ERASABLE)}"


def resource_of(
    client: Client, text: str, prefixes: tuple[str, ...], *, strict: bool = False
) -> str:
    """Return the id of the resource that a person named.

    A whole id costs no request, nor does a table uploaded from here. A table's name is its file's,
    with or without the suffix, or what it was given; it names the dataset, or, where only
    generations are asked for, the one generation of it. Failed uploads of the name do not count
    where one other has it, unless `strict`: what is erased must be the only one.

    Raises:
        ValueError: none or several resources have this name; the message lists them.
    """
    if _WHOLE.fullmatch(text):
        return text
    prefix = next((one for one in prefixes if text.startswith(one)), None)
    if prefix is not None:
        return _by_prefix(client, text, prefix)
    if text.startswith(tuple(KINDS)):
        raise ValueError(f"{text}: give {_kinds(prefixes)}.")
    dataset = _by_name(client, text, prefixes, strict=strict)
    return dataset if "ds-" in prefixes else _only_generation(client, dataset)


def erased_of(client: Client, text: str) -> str:
    """Return the id of the erased resource whose id begins so, or the text if there is none.

    Raises:
        ValueError: several erased resources have an id that begins so; the message lists them.
    """
    if _WHOLE.fullmatch(text):
        return text
    known = [str(one.resource_id) for one in client.erasure_certificates()]
    found = [one for one in known if one.startswith(text)]
    if len(found) > 1 and text not in found:
        raise ValueError(_several(text, found))
    return found[0] if len(found) == 1 else text


def called(client: Client, dataset_id: str) -> str:
    """Return how a command names a dataset: by its table where that is clear, else by its id.

    A name that reads as an option or as the beginning of an id, or that cannot be typed, is not
    clear.
    """
    names = table_names(client.api_url)
    stem = PurePath(names.get(dataset_id, "")).stem
    is_clear = stem.isprintable() and not stem.startswith(("-", "job-", *KINDS))
    return shlex.quote(stem) if is_clear and _named(names, stem) == [dataset_id] else dataset_id


def short_ids(ids: list[str]) -> dict[str, str]:
    """Return the shortest beginning of each id that no other of them has, of 6 digits at least."""
    short: dict[str, str] = {}
    for one in ids:
        size = one.rfind("-") + 1 + SHORTEST
        while size < len(one) and sum(other.startswith(one[:size]) for other in ids) > 1:
            size += 1
        short[one] = one[:size]
    return short


def _by_prefix(client: Client, text: str, prefix: str) -> str:
    kind = KINDS[prefix]
    found: list[Document] = getattr(client, kind.collection)()
    field = f"{kind.noun}_id"
    matching = [one for one in found if str(one[field]).startswith(text)]
    if len(matching) == 1:
        return str(matching[0][field])
    if matching:
        raise ValueError(_several(text, [str(one[field]) for one in matching], matching))
    known = short_ids([str(one[field]) for one in found])
    listed = f" There are {', '.join(list(known.values())[:_SHOWN])}." if known else ""
    raise ValueError(f"No {kind.noun} has an id that begins with {text}.{listed}")


def known_names(client: Client) -> dict[str, str]:
    """Return the tables' names by dataset_id; the service is asked once for each unknown one.

    A list is of use without one of them, so a name that cannot be read now is left out.
    """
    return _ask_names(client)[0]


def _ask_names(client: Client) -> tuple[dict[str, str], ApiError | None]:
    """Return the tables' names, and the last failure to read one that a dataset may have."""
    known = table_names(client.api_url)
    failure = None
    for one in reversed(client.datasets()):
        dataset_id = str(one.dataset_id)
        if dataset_id in known or one.get("rows") is None:  # not read yet, so not to be told
            continue
        if one.get("purpose") == "given":  # rows to complete have no description
            continue
        try:
            name = str(client.describe(dataset_id).get("name", UNNAMED))
        except ApiError as error:
            if not has_no_description(error) and error.status != 404:  # erased meanwhile
                failure = error
            continue
        known[dataset_id] = "" if name == UNNAMED else name
        remember_table(client.api_url, dataset_id, known[dataset_id])
    return known, failure


def _by_name(client: Client, text: str, prefixes: tuple[str, ...], *, strict: bool) -> str:
    names = table_names(client.api_url)
    if not (matching := _named(names, text)):
        names, failure = _names_of_service(client, text)
        matching = _named(names, text)
        if failure is not None and not matching:
            raise failure
    if len(matching) == 1:
        return matching[0]
    if matching:
        known = client.datasets()
        failed = {str(one.dataset_id) for one in known if one.status == "failed"}
        usable = [one for one in matching if one not in failed]
        if len(usable) == 1 and not strict:
            return usable[0]
        raise ValueError(_several(text, matching[::-1], known))
    near = nearest(text, [*names.values(), *(PurePath(name).stem for name in names.values())])
    if near:
        hint = f"Did you mean {near}?"
    elif names:
        hint = f"`simulacra datasets` lists the tables. An id will do as well: {_kinds(prefixes)}."
    else:
        hint = "There is no table yet: simulacra upload FILE."
    raise ValueError(f"{text}: no table has this name. {hint}")


def _names_of_service(client: Client, text: str) -> tuple[dict[str, str], ApiError | None]:
    """Return `_ask_names`; if the service cannot be asked, say what it was asked for."""
    try:
        return _ask_names(client)
    except (ApiError, TimeoutError, httpx2.TransportError):
        note(f"{text}: no table of this name was uploaded from here, so the service was asked.")
        raise


def _named(names: dict[str, str], text: str) -> list[str]:
    return [one for one, name in names.items() if name and text in (name, PurePath(name).stem)]


def _only_generation(client: Client, dataset: str) -> str:
    made = client.generations(dataset_id=dataset)
    found = [str(one.generation_id) for one in made]
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError(f"{dataset} has no generated rows. Run simulacra generate {dataset}.")
    raise ValueError(_several("This table", found, made))


def _several(text: str, ids: list[str], known: Sequence[Document] = ()) -> str:
    """Return that a name is not clear, with the ids and which of them failed."""
    failed = {one.get(f) for one in known if one.get("status") == "failed" for f in _ID_FIELDS}
    brief = short_ids(ids)
    said = [f"{brief[one]} (failed)" if one in failed else brief[one] for one in ids]
    shown = ", ".join(said[:_SHOWN])
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return f"{text} names {len(ids)} of them, newest first: {shown}{more}. Give one of these."


def _kinds(prefixes: tuple[str, ...]) -> str:
    """Return the kinds of ids by their prefixes: "ds-... (dataset) or gen-... (generation)"."""
    *others, last = (f"{one}... ({KINDS[one].noun})" for one in prefixes)
    return f"{', '.join(others)} or {last}" if others else last
