"""What is measured, for Prometheus."""

from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from bundle.answer import Answer

CONTENT_TYPE: Final = prometheus_client.CONTENT_TYPE_PLAIN_0_0_4

# Seconds. An answer takes 3 to 20 ms; the coarse end is for machines under load.
BUCKETS: Final = (
    0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.03,
    0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5,
)  # fmt: skip
CONFIDENCES: Final = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)


class Metrics:
    """All metrics of the service; counting is safe from any thread."""

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        ProcessCollector(registry=own)  # memory, processor time, open files
        self.requests = Counter(
            "service_requests",
            "HTTP requests, by address and outcome: answered, disconnected, or the name of the problem",
            ["endpoint", "outcome"],
            registry=own,
        )
        self.seconds = Histogram(
            "service_answer_seconds",
            "Time of each answered picture, by part: decode, queue, inference, and total",
            ["part"],
            buckets=BUCKETS,
            registry=own,
        )
        self.queue = Gauge("service_queue_depth", "Pictures that wait", registry=own)
        self.connections = Gauge("service_connections", "Open connections", registry=own)
        self.streams = Gauge("service_streams", "Open /stream connections", registry=own)
        self.refused = Counter(
            "service_refused",
            "Pictures, streams and connections that were refused, by the limit that they met",
            ["limit"],
            registry=own,
        )
        self.frames = Counter(
            "service_stream_frames",
            "Frames of /stream, by outcome: answered, dropped for a newer one, or the name of the problem",
            ["outcome"],
            registry=own,
        )
        self.answers = Counter(
            "service_answers",
            "Answers by the likeliest label, and whether its score reached the threshold (yes) or not (no)",
            ["label", "accepted"],
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
            "1 for the version of the model that is served, with the variant that runs: fp32, bf16 or int8",
            ["version", "variant"],
            registry=own,
        )
        created = "When the served model was made; time() less this is its age"
        self.created = Gauge("service_model_created_timestamp_seconds", created, registry=own)
        loaded = "When the served model was taken over"
        self.loaded = Gauge("service_model_loaded_timestamp_seconds", loaded, registry=own)
        self.swaps = Counter(
            "service_model_swaps",
            "New models, by outcome: taken, or why not (unreachable, absent, tainted, damaged, unwritable, refused)",
            ["outcome"],
            registry=own,
        )

    def observe(self, answer: Answer) -> None:
        """Count an answered picture."""
        parts = answer.timing.model_dump(mode="python")
        for part, milliseconds in (parts | {"total": sum(parts.values())}).items():
            self.seconds.labels(part).observe(milliseconds / 1e3)
        label = max(answer.probabilities, key=answer.probabilities.__getitem__)
        self.answers.labels(label, "no" if answer.label is None else "yes").inc()
        self.confidence.labels(label).observe(answer.probabilities[label])

    def collect(self) -> bytes:
        """The numbers in Prometheus' text format."""
        return prometheus_client.generate_latest(self._registry)
