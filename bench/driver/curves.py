"""Draws how things grow, with matplotlib from the peers' folder."""

import json
import subprocess
import sys
from pathlib import Path

if __package__:
    from . import peers


def draw(folder: Path) -> None:
    """One PNG for each curve in results.json; without matplotlib the old ones stay."""
    if not Path(peers.venv_python()).exists():
        print("the curves aren't drawn: matplotlib isn't installed (--no-peers)")
        return
    subprocess.run([peers.venv_python(), __file__, str(folder)], check=True)


def main(folder: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    known = json.loads((folder / "results.json").read_text())
    for part in known["sections"].values():
        for curve in part.get("curves", []):
            figure, axes = pyplot.subplots(figsize=(6.4, 3.6), dpi=110)
            for name, points in curve["lines"].items():
                x = [point[0] for point in points]
                middle, least, most = ([point[i] for point in points] for i in (1, 2, 3))
                axes.plot(x, middle, marker="o", markersize=4, label=name)
                axes.fill_between(x, least, most, alpha=0.2)
            axes.set(title=curve["title"], xlabel=curve["x"], ylabel=curve["y"], xlim=0, ylim=0)
            axes.grid(alpha=0.3)
            if len(curve["lines"]) > 1:
                axes.legend()
            figure.text(0.99, 0.01, part["machine"], ha="right", fontsize=6, color="grey")
            figure.tight_layout()
            # Without the time of drawing, so that the same figures give the same file.
            figure.savefig(folder / f"{curve['name']}.png", metadata={"Software": None})
            pyplot.close(figure)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
