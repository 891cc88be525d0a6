"""The model card: what a model is for, what it saw, what it is worth and how it fails (Mitchell et al. 2019)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt

from bundle import Manifest
from pipeline.data.manifest import Row
from pipeline.evaluate.learning_curve import MORE
from pipeline.evaluate.summary import interval
from pipeline.metrics.schema import Metrics
from pipeline.metrics.scores import Answers

FILE, HTML_FILE = "MODEL_CARD.md", "MODEL_CARD.html"
FEW = 30  # pictures below which the card says that its figures say little


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
    likeliest = answers.probabilities.max(1)
    wrong = np.flatnonzero(answers.answer != answers.truth)
    return [
        Mistake(files[i], names[int(answers.truth[i])], names[int(answers.answer[i])], float(likeliest[i]))
        for i in sorted(wrong.tolist(), key=lambda i: -float(likeliest[i] * answers.id_score[i]))
    ]


def render(manifest: Manifest, metrics: Metrics, rows: Sequence[Row], wrong: Sequence[Mistake]) -> str:
    """The card of the model that ``manifest`` describes, trained and measured on the pictures of ``rows``."""
    pages = Environment(
        loader=PackageLoader("pipeline.evaluate"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    pages.filters |= {"cell": lambda text: str(text).replace("|", "\\|"), "percent": "{:.1%}".format}
    names = [*manifest.labels, *sorted({row.label for row in rows} - set(manifest.labels))]
    of = {name: [row for row in rows if row.label == name] for name in names}
    default, robustness = manifest.default_variant, metrics.robustness
    return pages.get_template("model_card.md.j2").render(
        manifest=manifest,
        metrics=metrics,
        labels=manifest.labels,
        default=default,
        outside=metrics.elsewhere,
        n=metrics.elsewhere.variants[default].served_accuracy.n,
        few=FEW,
        more=MORE,
        interval=interval,
        worst=min(robustness, key=lambda name: robustness[name].served_accuracy),
        wrong=wrong,
        kinds=sorted({row.kind for row in rows}),
        folders=[
            (name, Counter(row.kind for row in own), len({row.source_package for row in own}))
            for name, own in of.items()
        ],
        licences=Counter(row.licence for row in rows).most_common(),
        origin=manifest.lineage,
    )


def as_html(card: str) -> str:
    """The ``card`` as an HTML fragment, without head and body.

    Labels and names of files in it are a user's, so markup stays text: HTML, links and images, of which it has none.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    return str(parser.disable(["link", "image", "autolink", "reference"]).render(card))
