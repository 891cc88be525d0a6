"""What is measured, for Prometheus."""

from functools import partial
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
        counter, gauge = partial(Counter, registry=own), partial(Gauge, registry=own)
        histogram = partial(Histogram, registry=own)
        ProcessCollector(registry=own)  # memory, processor time, open files
        text = "HTTP requests, by address and outcome: answered, disconnected, or the name of the problem"
        self.requests = counter("service_requests", text, ["endpoint", "outcome"])
        text = "Time of each answered picture, by part: decode, queue, inference, and total"
        self.seconds = histogram("service_answer_seconds", text, ["part"], buckets=BUCKETS)
        self.queue = gauge("service_queue_depth", "Pictures that wait")
        self.connections = gauge("service_connections", "Open connections")
        self.streams = gauge("service_streams", "Open /stream connections")
        text = "Pictures, streams and connections that were refused, by the limit that they met"
        self.refused = counter("service_refused", text, ["limit"])
        text = "Frames of /stream, by outcome: answered, dropped for a newer one, or the name of the problem"
        self.frames = counter("service_stream_frames", text, ["outcome"])
        text = "Answers by the likeliest label, and whether its score reached the threshold (yes) or not (no)"
        self.answers = counter("service_answers", text, ["label", "accepted"])
        text = "Probability of the likeliest label, by that label"
        self.confidence = histogram("service_confidence", text, ["label"], buckets=CONFIDENCES)
        text = "1 for the version of the model that is served, with the variant that runs: fp32, bf16 or int8"
        self.model = gauge("service_model_info", text, ["version", "variant"])
        text = "When the served model was made; time() less this is its age"
        self.created = gauge("service_model_created_timestamp_seconds", text)
        self.loaded = gauge("service_model_loaded_timestamp_seconds", "When the served model was taken over")
        text = "New models, by outcome: taken, or why not (absent, tainted, damaged, unreachable, unwritable, refused)"
        self.swaps = counter("service_model_swaps", text, ["outcome"])

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
