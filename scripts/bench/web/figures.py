"""What one run found, and the CSV file of it."""

import csv
import io
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields

OURS = "ours"
PEERS = {
    "fused": "TensorFlow.js, folded and fused",
    "layers": "TensorFlow.js, layer by layer",
    "newest": "onnxruntime-web 1.30, its own kernels",
    "litert": "LiteRT.js 2.5 with XNNPACK",
}


@dataclass(frozen=True)
class Row:
    """One line of the CSV file: a contender in a worker, or the page in one of its modes. Times in ms."""

    what: str  # worker: frames without a pause; page: the whole page with its camera; evidence: with that over it
    who: str  # ours or a key of PEERS; of the page server or device
    threads: int = 0  # of inference; 0 where the service infers
    turn: int = 0
    seconds: float = 0.0
    frames: int = 0
    fps: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    main_ms: float = 0.0  # of page and evidence: its main thread, for each frame that was answered
    first_ms: float = 0.0  # of the page: from the camera's first picture to the first word


@dataclass
class Results:
    """All rows of a run, and what needs no clock."""

    rows: list[Row] = field(default_factory=list)
    page_bytes: int = 0  # gzip, without the runtime on the device
    runtime_bytes: int = 0  # gzip
    macs: dict[str, int] = field(default_factory=dict)  # of one frame, by contender
    about: str = ""  # browser and machine

    def median(self, what: str, who: str, threads: int, figure: str) -> float | None:
        """Of the turns; None where there was none."""
        values = [
            getattr(row, figure)
            for row in self.rows
            if (row.what, row.who, row.threads) == (what, who, threads) and getattr(row, figure)
        ]
        return statistics.median(values) if values else None


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that ``percent`` of them do not exceed; of at least one value."""
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


def to_csv(rows: Iterable[Row]) -> str:
    """A header and a line for each row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [each.name for each in fields(Row)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(row).items()})
    return text.getvalue()
