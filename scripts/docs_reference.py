"""Reference pages generated from the code when the site is built (a mkdocs hook)."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from simulacra import Client
from simulacra.cli import app
from simulacra.client_base import ClientBase
from simulacra.commands.session import EXIT_CODES
from simulacra_api.app import create_app
from simulacra_api.docs.llms_txt import full
from simulacra_api.docs.openapi import document
from simulacra_api.http.error_codes import CATALOG
from simulacra_api.metrics import Metrics
from simulacra_api.settings import Settings
from simulacra_crds.crd_yaml import crd
from simulacra_crds.reasons import Reason
from simulacra_crds.registry import KINDS

ROOT = Path(__file__).parent.parent
PROGRAMS = {
    "simulacra_custody.verify": "simulacra_custody.verify",
    "simulacra_custody.export_certificates": "simulacra_custody.export_certificates",
    "simulacra_custody.export_audit": "simulacra_custody.export_audit",
    "simulacra_api": "simulacra_api.__main__",
    "simulacra_api.trust": "simulacra_api.trust.__main__",
}
"""Programs of `python -m`, and the modules of their main()."""
LIMITS = ("enum", "default", "minimum", "maximum", "maxLength")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages to the site."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def pages() -> dict[str, str]:
    """Return every generated page by its path below docs/."""
    settings = Settings("https://simulacra.example")
    routes = full(document(create_app(settings), settings.public_url, settings.audience))
    return {
        "reference/routes.md": routes.replace("# Simulacra", "# Routes", 1),
        "reference/errors.md": errors(),
        "reference/kinds.md": kinds(),
        "reference/chart.md": chart(),
        "reference/metrics.md": metrics(),
        "reference/commands.md": commands(),
        "reference/sdk.md": sdk(),
    }


def errors() -> str:
    """Return the error codes; problem details (RFC 9457) carry them as `code`."""
    rows = ((f"`{one.code}`", one.status, f"{one.title}.", one.remedy) for one in CATALOG.values())
    return f"# Error codes\n\n{table(('Code', 'Status', 'What it means', 'What to do'), rows)}"


def kinds() -> str:
    """Return the custom resources with their fields, and the reasons of their conditions."""
    parts = ["# Kinds and conditions"]
    for kind in sorted(KINDS, key=lambda kind: kind.PLURAL):
        schema = crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        parts.append(f"## {kind.__name__}\n\n{schema.get('description', '')}")
        for part in ("spec", "status"):
            if part == "status":
                parts.append(inspect.getdoc(kind.model_fields["status"].annotation) or "")
            if found := schema["properties"].get(part):
                parts.append(table((part, "Type", "What it is"), fields(found)))
    found = "\n".join(f"- `{reason.value}`{_note(reason.name)}" for reason in Reason)
    return "\n\n".join([*parts, f"## Reasons\n\nPrograms may rely on these.\n\n{found}\n"])


def _note(name: str) -> str:
    source = inspect.getsource(Reason).partition(f"    {name} = ")[2].splitlines()
    text = source[1].strip() if len(source) > 1 else ""
    return f": {text.strip(chr(34))}" if text.startswith('"""') else ""


def fields(schema: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield the fields of a schema and of the objects and lists of objects in it."""
    for name, found in schema.get("properties", {}).items():
        limits = [f"{key} {found[key]}" for key in LIMITS if key in found]
        about = "; ".join(filter(None, [found.get("description", ""), *limits]))
        yield f"`{prefix}{name}`", found.get("type", "any"), about
        yield from fields(found, f"{prefix}{name}.")
        yield from fields(found.get("items", {}), f"{prefix}{name}[].")


def chart() -> str:
    """Return the chart's values, as its own commented file has them."""
    values = ROOT / "charts" / "simulacra" / "values.yaml"
    return f"# Chart values\n\n```yaml\n{values.read_text() if values.exists() else ''}\n```\n"


def metrics() -> str:
    """Return the metrics of API and operator."""
    from prometheus_client import REGISTRY

    import simulacra_operator.metrics  # noqa: F401 - registers them

    parts = [
        "# Metrics",
        (
            "Labels are kinds, verbs and constants; no id, tenant or name of a customer's is among"
            " them."
        ),
    ]
    for title, registry in (
        ("API (`/metrics`)", Metrics()._registry),
        ("Operator (`/metrics`)", REGISTRY),
    ):
        found = [one for one in registry.collect() if one.name.startswith("simulacra_")]
        rows = (
            (f"`{one.name}{'_total' * (one.type == 'counter')}`", one.type, one.documentation)
            for one in found
        )
        parts.append(f"## {title}\n\n{table(('Metric', 'Type', 'What it is'), rows)}")
    return "\n\n".join(parts)


def commands() -> str:
    """Return every command with its arguments, options and exit codes."""
    ends = table(("Exit code", "Meaning"), EXIT_CODES.items())
    intro = (
        "Results go to stdout: JSON with `--json` or where stdout is no terminal, tables for people"
        " else. Progress and errors go to stderr. TABLE is the name of the uploaded file, with or"
        " without its suffix (the machine that uploaded it knows it), or the dataset_id, or the"
        " begin of it. Without `--connection` and `SIMULACRA_*` variables the service is the last"
        " `simulacra up` of this user. `simulacra --install-completion` makes the shell complete"
        " commands and options."
    )
    parts = ["# Commands", intro, ends, *command(typer.main.get_command(app), "simulacra")]
    return "\n\n".join([*parts, *programs()])


def programs() -> Iterator[str]:
    """Yield the help of the `python -m` programs."""
    for program, module in PROGRAMS.items():
        shown = io.StringIO()
        with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
            import_module(module).main(["--help"])
        yield f"## python -m {program}\n\n```text\n{shown.getvalue()}```"


def command(found: Any, name: str) -> Iterator[str]:
    """Yield the sections of a command and its subcommands."""
    if below := getattr(found, "commands", None):
        for child, one in below.items():
            yield from command(one, f"{name} {child}")
        return
    rows = []
    for one in found.params:
        shown = ", ".join(f"`{text}`" for text in (*one.opts, *one.secondary_opts))
        rows.append((shown, "required" if one.required else "", getattr(one, "help", "") or ""))
    yield (
        f"## {name}\n\n{found.help or ''}\n\n{table(('Argument or option', '', 'Meaning'), rows)}"
    )


def sdk() -> str:
    """Return the methods of the clients."""
    intro = (
        "`Client` waits, `AsyncClient` has the same methods as coroutines. Answers are dicts with"
        " typed attributes. `Client.from_environment()` connects as the commands do, and"
        " `Client.from_connection(path)` with a file."
    )
    parts = ["# Python SDK", intro]
    for name in [*vars(ClientBase), *vars(Client)]:
        member = getattr(Client, name)
        if inspect.isfunction(member) and not name.startswith("_") and name != "close":
            signature = str(inspect.signature(member)).replace("'", "")
            signature = re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", signature)
            code = name + re.sub(r"self(, /)?(, )?", "", signature, count=1)
            parts.append(f"## {name}\n\n```python\n{code}\n```\n\n{inspect.getdoc(member)}")
        elif isinstance(member, property):
            parts.append(f"## {name}\n\n{inspect.getdoc(member)}")
    return "\n\n".join(parts) + "\n"


def table(head: Any, rows: Any) -> str:
    """Return a Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        cells = (" ".join(str(cell).split()).replace("|", "\\|") for cell in row)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
