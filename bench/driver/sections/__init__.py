"""What is measured, a topic each. A section says what it found as tables, aims (met or not), notes and curves."""

from importlib import import_module

NAMES = ["detect", "value", "everything", "off-cloud", "reads", "local", "templates", "sizes", "growth"]


def _module(name: str):
    return import_module(f"{__name__}.{name.replace('-', '_')}")


def title(name: str) -> str:
    return _module(name).TITLE


def measure(name: str, quick: bool) -> dict:
    return {"title": title(name), "about": " ".join(_module(name).__doc__.split()), **_module(name).measure(quick)}
