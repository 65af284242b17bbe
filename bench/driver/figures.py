"""Figures as people read them, and tables of processes."""

from statistics import median

from .timing import Figures


def time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds / size < 1000 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def spread(values: list[float]) -> str:
    return f"{time(median(values))} ({time(min(values))}–{time(max(values))})"


def memory(kilobytes: float) -> str:
    return f"{kilobytes / 1000:.1f} MB"


def count(number: int | None) -> str:
    return "–" if number is None else f"{number / 1e6:.2f} M" if number >= 1e5 else f"{number / 1e3:.0f} k"


def ratio(number: float) -> str:
    return f"{number:.2f}" if number < 10 else f"{number:.0f}"


def processes(figures: dict[str, Figures], ours: str, floors: dict[str, str]) -> dict:
    """A table with ours first, then floors, then peers, the fastest first. `floors` has each floor's name and what it is."""
    own = figures[ours]
    rest = sorted((name for name in figures if name != ours and name not in floors), key=lambda name: figures[name].median)
    rows = []
    for name in [ours, *floors, *rest]:
        it = figures[name]
        rows.append([
            f"**{name}**" if name == ours else f"floor: {floors[name]}" if name in floors else name,
            spread(it.wall),
            time(median(it.cpu)),
            memory(median(it.memory)),
            count(it.instructions),
            "" if name == ours or name in floors else ratio(it.median / own.median),
            ratio(own.median / it.median) if name in floors else "",
        ])
    return {"columns": ["program", "wall", "CPU", "peak memory", "instructions", "ratio", "floor"], "rows": rows}
