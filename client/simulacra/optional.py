"""Packages that may be missing, and how they are installed."""

from importlib import import_module
from typing import Any


def optional(name: str, extra: str | None = None) -> Any:
    """Return a module of a package that may be missing.

    `extra` names the extra of Simulacra that brings the package.

    Raises:
        ModuleNotFoundError: it is missing; the message says how it is installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError:
        package = name.partition(".")[0]
        how = install_extra(extra) if extra else f"Run pip install {package}."
        message = f"{package} is not installed. {how}"
        raise ModuleNotFoundError(message, name=package) from None


def install_extra(extra: str) -> str:
    """Return the sentence that says how an extra is installed."""
    return f"Run pip install '.[{extra}]' in the repository of Simulacra."
