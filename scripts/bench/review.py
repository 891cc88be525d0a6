"""How much the review queue finds: wrong labels and duplicates planted, and a confusion undone.

    make bench-review            # about 5 minutes

Writes docs/bench/review.csv and the tables of docs/review.md. The copy lies in a temporary folder; the set stays as it
is. The photos as they are have flags too (six of them are drawings and painted landscapes that this project calls art):
they count as wrong flags.
"""

import io
import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from pipeline.core import config
from pipeline.data import manifest
from pipeline.data.adoption import row_of
from pipeline.data.frames import served_frames
from pipeline.data.settings import DataSettings
from pipeline.models import crossval, graph
from pipeline.models.features import Features, Photo
from pipeline.models.settings import ModelSettings
from pipeline.validate import checks
from scripts.bench.results import circumstances, command, keep, publish, table
from studio.album import Album
from studio.review import flags
from studio.review.queue import Item, Queue

WRONG = 0.05  # part of the labels that is made wrong
DUPLICATES = 20  # half of them under another label
FIRST = 50  # items that a person looks at
CONFUSED = 0.4  # part of a label's photos that is given to another one
AT_ONCE = 10  # photos that are looked at before the queue is ordered anew
SEED = 100  # of the first draw; the weights of the flags were chosen on draws 0 to 5
FLAGS = "label-error", f"label-error, {flags.PERHAPS}", "near-duplicate", "outlier", "blurred"
CSV, PAGE = Path("docs/bench/review.csv"), Path("docs/review.md")
OURS, CONFIDENCE, RANDOM = "the queue", "out-of-fold disagreement by confidence", "random"
UNTYPICAL = "the queue without typicality"
COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved again": lambda image: image,
    "cut by 5 %": lambda image: ImageOps.crop(image, min(image.size) // 20),
    "mirrored": ImageOps.mirror,
    "half the size": lambda image: image.resize((max(image.width // 2, 120), max(image.height // 2, 120))),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
}


@dataclass(frozen=True)
class Row:
    """A line of the CSV file: one figure of one draw."""

    what: str
    order: str
    draw: int
    found: float
    of: float


class Look:
    """Features of the photos, and of copies that no cache should keep."""

    def __init__(self) -> None:
        model = config.load("model", ModelSettings)
        bare, self.size = graph.bare_body(graph.pretrained(model.backbone, model.size)), model.size
        self._features, self._network = Features(bare, model.size), graph.Network(graph.seeing(bare), model.size)
        self._seen: dict[str, NDArray[np.float32]] = {}

    def learn(self, photos: Sequence[Photo]) -> None:
        """See the photos of the set."""
        self._seen |= zip((photo.sha256 for photo in photos), self._features.of(photos), strict=True)

    def __call__(self, photos: list[Photo]) -> NDArray[np.float32]:
        for photo in photos:
            if photo.sha256 not in self._seen:
                (maps,) = self._network.infer([graph.FEATURES], served_frames([photo.path], self.size))
                self._seen[photo.sha256] = maps.mean((2, 3))[0]
        return np.stack([self._seen[photo.sha256] for photo in photos])


@dataclass(frozen=True)
class Planted:
    """A copy of the set: files with a wrong label, and pairs of a copy and what it was made of."""

    album: Album
    wrong: frozenset[str]
    pairs: tuple[tuple[str, str], ...]


def plant(data: DataSettings, folder: Path, size: int, seed: int) -> Planted:
    """Copy the set into ``folder`` with mistakes; photos that stay the same are links."""
    draw = np.random.default_rng(seed)
    rows = manifest.read(data.manifest)
    labels = sorted({row.label for row in rows})
    chosen = draw.permutation(len(rows))[: round(WRONG * len(rows)) + DUPLICATES].tolist()
    wrong, copied = chosen[DUPLICATES:], chosen[:DUPLICATES]
    images = folder / "data/images"
    settings = data.model_copy(update={"images": images, "manifest": folder / "data/manifest.csv"})
    planted, changed = [], set()
    for index, row in enumerate(rows):
        label = _another(labels, row.label, draw) if index in wrong else row.label
        new = replace(row, label=label, file=f"{label}/{index:05}{Path(row.file).suffix}")
        (images / label).mkdir(parents=True, exist_ok=True)
        (images / new.file).symlink_to((data.images / row.file).resolve())
        planted.append(new)
        changed |= {new.file} if index in wrong else set()
    pairs = []
    for number, index in enumerate(copied):
        label = rows[index].label if number % 2 else _another(labels, rows[index].label, draw)
        with Image.open(data.images / rows[index].file) as image:
            copy = [*COPIES.values()][number // 2 % len(COPIES)](image.convert("RGB"))
        file = f"{label}/copy-{number:02}.jpg"
        buffer = io.BytesIO()
        copy.save(buffer, "JPEG", quality=75)
        (images / file).write_bytes(buffer.getvalue())
        planted.append(row_of(images, file))
        pairs.append((file, planted[index].file))
    manifest.write(settings.manifest, planted)
    return Planted(Album(settings, size, folder / ".studio/staging"), frozenset(changed), tuple(pairs))


def _another(labels: Sequence[str], label: str, draw: np.random.Generator) -> str:
    return str(draw.choice([other for other in labels if other != label]))


def find(planted: Planted, look: Look, draw: int) -> list[Row]:
    """What of the planted mistakes stands among the first items, and what of all flags was planted."""
    queue = Queue(planted.album, look=look)
    items, looked = queue.items(), queue.looked()
    answers = looked.judgement.answers
    assert answers is not None
    sure = np.where(answers.answers != answers.targets, 1, 0) + answers.probabilities.max(1)
    by_confidence = [looked.rows[answers.used[place]].file for place in np.argsort(-sure)]
    ours = [item.row.file for item in items if item.row]
    rows = []
    for order, files in ((OURS, ours), (CONFIDENCE, by_confidence)):
        first = set(files[:FIRST])
        wrong = len(planted.wrong & first)
        copies = sum(bool(first & {*pair}) for pair in planted.pairs)
        rows += _recall(order, draw, wrong, copies, planted)
    chance = FIRST / len(looked.rows)
    rows += _recall(RANDOM, draw, chance * len(planted.wrong), (1 - (1 - chance) ** 2) * DUPLICATES, planted)
    mistaken = planted.wrong | {copy for copy, _ in planted.pairs}
    for kind in FLAGS:
        flagged = [item for item in items if any(_name(flag) == kind for flag in item.why)]
        right = sum(_is_planted(item, kind, planted, mistaken) for item in flagged)
        rows.append(Row(f"flag {kind}", OURS, draw, right, len(flagged)))
    return rows


def _name(flag: flags.Flag) -> str:
    return f"{flag.kind}, {flags.PERHAPS}" if flag.said.startswith(flags.PERHAPS) else flag.kind


def _recall(order: str, draw: int, wrong: float, copies: float, planted: Planted) -> list[Row]:
    return [
        Row("wrong labels", order, draw, wrong, len(planted.wrong)),
        Row("duplicates", order, draw, copies, len(planted.pairs)),
        Row("all", order, draw, wrong + copies, len(planted.wrong) + len(planted.pairs)),
    ]


def _is_planted(item: Item, kind: str, planted: Planted, mistaken: frozenset[str]) -> bool:
    assert item.row is not None
    if kind == "near-duplicate":
        other = next(other for flag, other in zip(item.why, item.others, strict=True) if flag.kind == kind)
        return any({item.row.file, other} == {*pair} for pair in planted.pairs)
    return item.row.file in mistaken


def correct(photos: flags.Set, pair: tuple[str, str], draw: int, settings: checks.ValidateSettings) -> list[Row]:
    """How many photos a person looks at until a planted confusion is gone: by the queue, without typicality, by chance.

    A part of the photos of one label is given to another one. The person looks at `AT_ONCE` photos at a time, puts
    wrong labels right and leaves right ones; then the queue is ordered anew. Gone: heads that are fitted without the
    photos' groups take no more photos of the one label for the other than heads of the right labels do, and one.
    """
    random = np.random.default_rng(draw)
    truth, (one, other) = np.array(photos.labels), pair
    names, targets = np.unique(truth, return_inverse=True)
    folds = crossval.grouped_folds(photos.groups, targets, settings.label_error_folds, checks.SEED)
    own = truth == one
    planted = random.choice(np.flatnonzero(own), round(CONFUSED * own.sum()), replace=False)

    def confused(labels: NDArray[np.str_]) -> int:
        now = np.searchsorted(names, labels)
        logits = crossval.out_of_fold(photos.features, now, folds, len(names), settings.label_error_strength)
        return int((names[logits.argmax(1)][own] == other).sum())

    limit = confused(truth) + 1
    rows = []
    for order in (OURS, UNTYPICAL, CONFIDENCE, RANDOM):
        labels = truth.copy()
        labels[planted] = other
        looked: list[int] = []
        chance = np.random.default_rng(draw + 1).permutation(len(truth)).tolist()
        while confused(labels) > limit:
            ranked = [] if order == RANDOM else _ranked(replace(photos, labels=labels.tolist()), order, settings)
            ranked = [index for index in [*ranked, *chance] if index not in set(looked)]
            looked += list(dict.fromkeys(ranked))[:AT_ONCE]
            labels[looked] = truth[looked]
        what = f"{one} as {other}"
        rows.append(Row(what, order, draw, len(looked), int(np.isin(planted, looked).sum())))
    return rows


def _ranked(photos: flags.Set, order: str, settings: checks.ValidateSettings) -> list[int]:
    judgement = flags.judge(photos, settings)
    answers = judgement.answers
    assert answers is not None
    if order == CONFIDENCE:
        sure = np.where(answers.answers != answers.targets, 1, 0) + answers.probabilities.max(1)
        return [int(each) for each in answers.used[np.argsort(-sure)]]
    if order == UNTYPICAL:
        doubt = 1 - answers.probabilities[np.arange(len(answers.targets)), answers.targets]
        likely = answers.errors(settings.label_error_accuracy)
        rest = [i for i in np.argsort(-doubt).tolist() if answers.answers[i] != answers.targets[i]]
        return [int(answers.used[i]) for i in dict.fromkeys([*likely, *rest])]
    weights = {
        index: max(flag.weight for flag in found if flag.kind == "label-error")
        for index, found in judgement.flags.items()
        if any(flag.kind == "label-error" for flag in found)
    }
    return sorted(weights, key=lambda index: -weights[index])


def report(rows: Sequence[Row]) -> dict[str, str]:
    """The tables."""

    def share(what: str, order: str) -> str:
        own = [row for row in rows if (row.what, row.order) == (what, order)]
        each = [row.found / row.of for row in own]
        return f"{np.mean(each):.0%} ({min(each):.0%} to {max(each):.0%})"

    kinds = "wrong labels", "duplicates", "all"
    recall = [(order, *(share(kind, order) for kind in kinds)) for order in (OURS, CONFIDENCE, RANDOM)]
    precision = []
    for what in (f"flag {kind}" for kind in FLAGS):
        own = [row for row in rows if row.what == what]
        found, of = sum(row.found for row in own), sum(row.of for row in own)
        number = f"{of / len(own):.1f}"
        precision.append((what.removeprefix("flag "), number, f"{found / of:.0%}" if of else "none was raised"))
    orders = OURS, UNTYPICAL, CONFIDENCE, RANDOM
    efforts = [
        (what, *(_effort([row for row in rows if (row.what, row.order) == (what, order)]) for order in orders))
        for what in dict.fromkeys(row.what for row in rows if " as " in row.what)
    ]
    return {
        "recall": table(("order", *kinds), recall),
        "precision": table(("flag", "raised, a draw", "of them planted"), precision),
        "corrections": table(("confusion", *orders), efforts),
    }


def _effort(rows: Sequence[Row]) -> str:
    looked = sorted(row.found for row in rows)
    return f"{np.median(looked):g} ({looked[0]:g} to {looked[-1]:g})"


def bench(draws: int, dry: bool) -> None:
    """Plant, look, and count; ``draws`` times.

    Raises:
        PipelineError: the photos can't be used.
    """
    data, look = config.load("data", DataSettings), Look()
    settings = config.load("validate", checks.ValidateSettings)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="review-") as folder:
        own = Queue(Album(_copied(data, Path(folder)), look.size, Path(folder) / "own/.studio/staging"))
        photos = own.looked().photos
        look.learn([Photo(own.album.data.images / row.file, row.sha256) for row in own.looked().rows])
        for draw in range(SEED, SEED + draws):
            rows += find(plant(data, Path(folder) / str(draw), look.size, draw), look, draw)
    labels = [label for label in sorted(set(photos.labels)) if label != data.ood_label]
    for one, other in zip(labels, [*labels[1:], labels[0]], strict=True):
        for draw in range(SEED, SEED + math.ceil(draws / 2)):
            rows += correct(photos, (one, other), draw, settings)
    found = keep(CSV, rows, dry)
    publish(PAGE, {"circumstances": circumstances("make bench-review"), **report(found)}, dry)


def _copied(data: DataSettings, folder: Path) -> DataSettings:
    """The set without its journal, which an album of it would write."""
    (folder / "own/data").mkdir(parents=True)
    (folder / "own/data/images").symlink_to(data.images.resolve())
    (folder / "own/data/manifest.csv").write_bytes(data.manifest.read_bytes())
    return data.model_copy(update={"images": folder / "own/data/images", "manifest": folder / "own/data/manifest.csv"})


if __name__ == "__main__":
    sys.exit(command(bench, __doc__, "make bench-review", draws=(6, "draws of the planted mistakes")))
