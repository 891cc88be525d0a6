"""The simulation as a picture: people, pods, delay and frames left out; a day beside the hour of a crowd."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pipeline.core import files
from scripts.bench.capacity.cluster import Second
from scripts.bench.capacity.demand import HOUR
from scripts.bench.capacity.scenarios import Outcome

INK, QUIET, WARM = "#1f3a5f", "#8fa3b8", "#c8553d"


def draw(whole_day: Outcome, crowd: Outcome, path: Path) -> None:
    """Write the chart as an SVG file; the same simulation gives the same bytes."""
    with mpl.rc_context({"svg.hashsalt": "capacity", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(10, 8), layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.subplots(4, 2, sharex="col")
        _column(axes[:, 0], whole_day.seconds[::60], "An ordinary day", HOUR, "hour of the day")
        _column(axes[:, 1], crowd.seconds[::5], "Ten times as many people within a minute", 60.0, "minute")
        for row, label in enumerate(("people", "pods", "P99, ms", "frames left out, %")):
            axes[row, 0].set_ylabel(label)
        data = io.StringIO()
        figure.savefig(data, format="svg", metadata={"Date": None})
    files.write_text(path, "\n".join(line.rstrip() for line in data.getvalue().splitlines()) + "\n")


def _column(axes: Sequence[Axes], seconds: Sequence[Second], title: str, unit: float, label: str) -> None:
    at = [each.at / unit for each in seconds]

    def line(row: int, value: Callable[[Second], float], colour: str, name: str = "") -> None:
        axes[row].plot(at, [value(each) for each in seconds], color=colour, linewidth=1.4, label=name)

    axes[0].set_title(title, loc="left", fontweight="bold", color=INK)
    line(0, lambda each: each.people, INK, "looking")
    if any(each.waiting for each in seconds):
        line(0, lambda each: each.waiting, WARM, "without a stream")
        axes[0].legend(frameon=False)
    line(1, lambda each: each.told, QUIET, "wanted")
    line(1, lambda each: each.ready, INK, "ready")
    axes[1].legend(frameon=False)
    line(2, lambda each: 1e3 * each.p99_s, INK)
    line(3, lambda each: 100 * (1 - each.answered / each.asked) if each.asked else 0.0, WARM)
    axes[3].set_xlabel(label)
    axes[3].set_ylim(0, 100)
    for each in axes:
        each.set_xlim(at[0], at[-1])
        each.set_ylim(bottom=0)
        each.spines[["top", "right"]].set_visible(False)
        each.grid(axis="y", color="#e4e8ec", linewidth=0.6)
