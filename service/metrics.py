"""What is measured, for Prometheus; over all processes of the service.

Each process keeps its numbers in files of a folder that all share (prometheus_client's multiprocess mode), and
whichever worker is asked for /metrics adds them up. The files are named by the place of a worker, not by its
process id: a worker that replaces a dead one goes on counting where that one stopped.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, values
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE: Final = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4

# Seconds. An answer takes 3 to 20 ms; the coarse end is for machines under load.
BUCKETS: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03,
    0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip
CONFIDENCES: Final = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)


class Metrics:
    """All metrics of one process."""

    def __init__(self, folder: Path, place: str) -> None:
        """Begin, or go on, counting.

        Args:
            folder: shared by all processes of the service; made by whoever starts them.
            place: a name of this process that its replacement will have too.
        """
        self._folder = folder
        self._place = place
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)
        values.ValueClass = values.MultiProcessValue(process_identifier=lambda: place)  # type: ignore[no-untyped-call]
        own = CollectorRegistry()
        self.requests = Counter(
            "service_requests",
            "HTTP requests, by address and outcome: answered, disconnected, or the name of the problem",
            ["endpoint", "outcome"],
            registry=own,
        )
        self.seconds = Histogram(
            "service_answer_seconds",
            "Time of each answered picture, by part: decode, queue, inference, and total from arrival to answer",
            ["part"],
            buckets=BUCKETS,
            registry=own,
        )
        self.queue = Gauge(
            "service_queue_depth",
            "Pictures that wait, all workers together",
            multiprocess_mode="livesum",
            registry=own,
        )
        self.streams = Gauge(
            "service_streams", "Open /stream connections", multiprocess_mode="livesum", registry=own
        )
        self.frames = Counter(
            "service_stream_frames",
            "Frames of /stream, by outcome: answered, dropped for a newer one, or the name of the problem",
            ["outcome"],
            registry=own,
        )
        self.answers = Counter(
            "service_answers",
            "Answers by the likeliest label, and whether it was known (yes) or none of these (no)",
            ["label", "known"],
            registry=own,
        )
        self.confidence = Histogram(
            "service_confidence",
            "Probability of the likeliest label, by that label",
            ["label"],
            buckets=CONFIDENCES,
            registry=own,
        )
        self.model = Gauge(
            "service_model_info",
            "Workers that serve a version of the model",
            ["version", "variant"],
            multiprocess_mode="livesum",
            registry=own,
        )
        self.created = Gauge(
            "service_model_created_timestamp_seconds",
            "When the served model was made; time() less this is its age",
            multiprocess_mode="livemax",
            registry=own,
        )
        self.loaded = Gauge(
            "service_model_loaded_timestamp_seconds",
            "When the last worker took the served model over",
            multiprocess_mode="livemax",
            registry=own,
        )
        self.reloads = Counter(
            "service_reloads",
            "New models, by outcome: taken, unreachable (registry), damaged (files), refused (by a worker)",
            ["outcome"],
            registry=own,
        )
        self.restarts = Counter(
            "service_worker_restarts", "Workers that died and were replaced", registry=own
        )
        self.turned_away = Counter(
            "service_connections_refused", "Connections beyond the limit, closed with 503", registry=own
        )
        for gauge in (self.queue, self.streams):
            gauge.set(0)  # not what a dead worker left

    def observe(self, parts: Mapping[str, float], label: str, probability: float, known: bool) -> None:
        """Count an answered picture; ``parts`` are seconds by name."""
        for part, seconds in parts.items():
            self.seconds.labels(part).observe(seconds)
        self.answers.labels(label, "yes" if known else "no").inc()
        self.confidence.labels(label).observe(probability)

    def collect(self) -> bytes:
        """The numbers of all processes, in Prometheus' text format. Reads files: keep it off the event loop."""
        everything = CollectorRegistry()
        MultiProcessCollector(everything, str(self._folder))  # type: ignore[no-untyped-call]
        return prometheus_client.generate_latest(everything)


def forget(folder: Path, place: str) -> None:
    """Drop the gauges of a process that died: it serves nothing any more."""
    for path in folder.glob(f"gauge_live*_{place}.db"):
        path.unlink(missing_ok=True)
