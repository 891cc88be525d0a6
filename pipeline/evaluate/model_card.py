"""The model card: what a model is for, what it saw, what it is worth and how it fails (Mitchell et al. 2019)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markdown_it import MarkdownIt

from bundle import Manifest, VariantName
from pipeline.data.manifest import Row
from pipeline.evaluate.learning_curve import MORE
from pipeline.evaluate.summary import interval
from pipeline.metrics.schema import Evidence, Figure, Gain, Metrics, Scores
from pipeline.metrics.scores import Answers

FILE, HTML_FILE = "MODEL_CARD.md", "MODEL_CARD.html"
MISTAKES = 8  # of the test pictures, told in words
FEW = 30  # test pictures below which the card says that its figures say little


@dataclass(frozen=True)
class Mistake:
    """A test picture that got the wrong answer; None stands for "none of these"."""

    file: str
    truth: str | None
    answer: str | None
    confidence: float  # of the likeliest label, 0..1


def mistakes(answers: Answers, files: Sequence[str]) -> list[Mistake]:
    """The wrong answers of ``answers``, the most confident first; ``files`` names each picture."""
    names: tuple[str | None, ...] = (*answers.labels, None)  # index -1 is the last
    confidence = answers.probabilities.max(1) * answers.id_score
    wrong = np.flatnonzero(answers.answer != answers.truth)
    return [
        Mistake(
            files[i],
            names[int(answers.truth[i])],
            names[int(answers.answer[i])],
            float(answers.probabilities[i].max()),
        )
        for i in sorted(wrong.tolist(), key=lambda i: -float(confidence[i]))
    ]


def render(manifest: Manifest, metrics: Metrics, rows: Sequence[Row], wrong: Sequence[Mistake]) -> str:
    """The card of the model that ``manifest`` describes, trained and measured on the pictures of ``rows``."""
    labels, default = manifest.labels, manifest.default_variant
    sections = [
        f"# Model card: {manifest.version}",
        f"Tells {_listed(labels)} apart in a camera's picture, or answers “none of these”.",
        "## Intended use",
        "A hand-held camera or webcam pointed at one subject that fills a good part of the frame, answered live. "
        "Not for decisions about people, and not where a wrong answer costs more than a second look.",
        "## Pictures from elsewhere",
        _how_measured(metrics, default),
        _scores("from elsewhere", metrics.elsewhere.variants[default], metrics.elsewhere.baselines),
        "### What more photos would bring",
        _table(
            ("label", f"{MORE} more photos"),
            [(name, _gain(gain)) for name, gain in metrics.learning_curve.items()],
        ),
        "## The test split",
        "Its pictures come from the same sources as those of training, so these figures flatter; they are here to "
        "compare runs, and chose nothing.",
        _scores("on the test split", metrics.test[default], metrics.test_baselines),
        "### By kind of picture",
        _table(
            ("kind", "likeliest label right", "pictures"),
            [(k, interval(f), f.n) for k, f in metrics.by_kind.items()],
        ),
        "### What a camera does to it",
        _table(
            ("condition", "served right", "likeliest label right", "rejected"),
            [
                (name, f"{f.served_accuracy:.1%}", f"{f.closed_set_accuracy:.1%}", f"{f.fnr:.1%}")
                for name, f in metrics.robustness.items()
            ],
        ),
        "### Variants",
        _table(
            ("variant", "served right, elsewhere", "answers as fp32", "threshold", "size", "P50, one thread"),
            [
                (
                    name,
                    interval(metrics.elsewhere.variants[name].served_accuracy),
                    f"{v.agreement:.1%}",
                    f"{v.threshold:g}",
                    f"{v.size_mb} MB",
                    f"{v.latency_ms.p50} ms",
                )
                for name, v in metrics.variants.items()
            ],
        ),
        "## How it fails",
        _failures(wrong, metrics),
        "## Where it looks",
        _evidence(metrics.evidence),
        "## Data",
        _data(rows, labels),
        "## Where it comes from",
        _lineage(manifest),
    ]
    return "\n\n".join(sections) + "\n"


def as_html(card: str) -> str:
    """The ``card`` as an HTML fragment, without head and body.

    Labels and names of files in it are a user's, so markup stays text: HTML, links and images, of which it has none.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    return str(parser.disable(["link", "image", "autolink", "reference"]).render(card))


def _how_measured(metrics: Metrics, default: VariantName) -> str:
    outside = metrics.elsewhere
    n = outside.variants[next(iter(outside.variants))].served_accuracy.n
    how = (
        f"Each of {outside.parts} sources was left out once, and its pictures answered by a head that was fitted "
        "without it, at the temperature and threshold that the other sources' left-out answers ask for"
        if outside.method == "leave-one-source-out"
        else f"Sources are not known, so each of {outside.parts} folds of whole groups was left out once"
    )
    few = "" if n >= FEW else f" **{n} pictures only: the figures say little**, and the intervals show how little."
    other = "" if metrics.recipe == outside.recipe else f" Measured with the {outside.recipe} in place of this recipe."
    return f"{how}. This is the figure to expect.{other}{few} Variant {default}."


def _scores(where: str, scores: Scores, baselines: Mapping[str, Figure]) -> str:
    rows = [
        ("served accuracy: right and not rejected", interval(scores.served_accuracy)),
        *((f"served accuracy of {label}", interval(figure)) for label, figure in scores.recall.items()),
        *((f"baseline: {name}", interval(figure)) for name, figure in baselines.items()),
        ("closed-set accuracy: likeliest label right", interval(scores.closed_set_accuracy)),
        ("pictures of the labels rejected (FNR)", interval(scores.fnr)),
        ("other pictures accepted (FPR)", interval(scores.fpr)),
        ("AUROC of the in-distribution score", interval(scores.auroc, "{:.3f}")),
        ("open-set accuracy: all pictures answered as they should be", interval(scores.open_set_accuracy)),
        ("log loss, nats", interval(scores.log_loss, "{:.2f}")),
        ("calibration error, debiased", interval(scores.calibration_error)),
    ]
    return _table((where, "value (95 % interval, bootstrap over clusters)"), rows)


def _gain(gain: Gain) -> str:
    if gain.expected is None:
        return "not to be said from this few photos"
    return f"{gain.expected * 100:+.0f} points of served accuracy ({gain.low * 100:+.0f} to {gain.high * 100:+.0f})"  # type: ignore[operator]


def _evidence(found: Evidence | None) -> str:
    if found is None:
        return "Not measured."
    return (
        f"On {found.pictures} test pictures, covering the quarter that speaks most for the answer lowers its "
        f"probability by {found.drop_hot:.2f}, covering a random quarter by {found.drop_random:.2f}. With a head of "
        f"random weights the map is another (rank correlation {found.correlation_random_head:.2f}). "
        f"{found.border:.0%} of the evidence lies on the border of the picture, which is {found.border_places:.0%} of "
        "the places."
    )


def _failures(wrong: Sequence[Mistake], metrics: Metrics) -> str:
    worst = min(metrics.robustness.items(), key=lambda item: item[1].served_accuracy)
    lines = [f"Worst condition: {worst[0]}, {worst[1].served_accuracy:.1%} served right."]
    if not wrong:
        lines.append("No test picture got a wrong answer, which a small test set does not make a promise.")
    else:
        lines.append(f"{len(wrong)} test pictures got a wrong answer, the most confident first:")
        lines.append(
            "\n".join(
                f"- `{m.file}`: {m.truth or 'none of these'}, answered {m.answer or 'none of these'} "
                f"(likeliest label at {m.confidence:.0%})"
                for m in wrong[:MISTAKES]
            )
        )
    return "\n\n".join(lines)


def _data(rows: Sequence[Row], labels: Sequence[str]) -> str:
    by_label = Counter((row.label, row.kind) for row in rows)
    kinds = sorted({kind for _, kind in by_label})
    names = [*labels, *sorted({row.label for row in rows} - set(labels))]
    licences = Counter(row.licence for row in rows).most_common()
    return "\n\n".join(
        [
            _table(
                ("folder", *kinds, "sources"),
                [
                    (
                        name,
                        *(by_label[name, k] for k in kinds),
                        len({r.source_package for r in rows if r.label == name}),
                    )
                    for name in names
                ],
            ),
            "Gaps: what these sources do not show, it has not seen. Few sources a label mean a narrow idea of it; "
            "rendered pictures are cleaner than photos. Every picture's author, source and licence: ATTRIBUTION.md.",
            "Licences of the pictures: " + "; ".join(f"{licence} ({count})" for licence, count in licences) + ".",
        ]
    )


def _lineage(manifest: Manifest) -> str:
    origin = manifest.lineage
    commit = origin.git_commit + (" with uncommitted changes" if origin.git_dirty else "")
    return _table(
        ("what", "which"),
        [
            ("git commit", commit),
            ("data", origin.data_hash),
            ("configuration (sha256)", origin.config_hash),
            ("MLflow run", origin.mlflow_run_id),
            ("exported", f"{manifest.created:%Y-%m-%d %H:%M} UTC"),
        ],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in cells)


def _listed(labels: Sequence[str]) -> str:
    return " and ".join([", ".join(labels[:-1]), labels[-1]])
