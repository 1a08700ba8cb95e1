"""`/llms.txt` and `/llms-full.txt` (llmstxt.org): the documentation as Markdown for models."""

from typing import Any

from simulacra_api.docs.operations import INTRODUCTION, RULES, STEPS, Operation, operations

MEDIA_TYPE = "text/markdown; charset=utf-8"


def index(document: dict[str, Any], base_url: str) -> str:
    """Return llms.txt: an introduction, links, and one line per operation."""
    lines = [*_head(), "", "## Documents", ""]
    for path, text in (
        ("/llms-full.txt", "every operation with examples"),
        ("/openapi.json", "the OpenAPI 3.1 document"),
        ("/__docs__/", "the same as a page"),
        ("/errors", "every error code and what to do"),
    ):
        lines.append(f"- [{path}]({base_url}{path}): {text}")
    lines += ["", "## Operations", ""]
    lines += [
        f"- `{one.method} {one.path}` ({one.operation_id}): {one.summary}"
        for one in operations(document)
    ]
    return "\n".join(lines) + "\n"


def full(document: dict[str, Any]) -> str:
    """Return llms-full.txt: every operation with its examples."""
    parts = ["\n".join(_head())]
    parts += [_operation(one) for one in operations(document)]
    return "\n\n".join(parts) + "\n"


def _head() -> list[str]:
    steps = [f"{i}. {text} (`{operation}`)" for i, (operation, text) in enumerate(STEPS, 1)]
    return [
        "# Simulacra",
        "",
        f"> {INTRODUCTION}",
        "",
        *steps,
        "",
        *(f"- {rule}" for rule in RULES),
    ]


def _operation(one: Operation) -> str:
    token = "" if one.needs_token else " No token needed."
    lines = [
        f"## {one.method} {one.path}",
        "",
        f"{one.operation_id}: {one.summary}. {one.description}{token}",
    ]
    if one.parameters:
        lines += [
            "",
            *(f"- `{name}` ({place}) {text}".rstrip() for name, place, text in one.parameters),
        ]
    if one.request:
        lines += ["", "Request:", "", "```", one.request, "```"]
    lines += ["", *(f"- {status}: {meaning}" for status, meaning, _ in one.answers)]
    for status, _, example in one.answers:
        if example:
            lines += ["", f"{status}:", "", "```", example, "```"]
    return "\n".join(lines)
