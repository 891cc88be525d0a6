"""The queue: one item for each photo that a person should look at, with all the reasons, the worst first."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize

from bundle.answer import Evidence
from bundle.engine import Engine
from pipeline.core import config
from pipeline.data.adoption import AUTHOR, LICENCE
from pipeline.data.findings import Problem
from pipeline.data.frames import served_frames
from pipeline.data.manifest import Row
from pipeline.data.split import SPLIT, SplitRow, read_split
from pipeline.models import graph
from pipeline.models.features import Features, Photo
from pipeline.models.settings import ModelSettings
from pipeline.validate import checks
from pipeline.validate.checks import ValidateSettings
from pipeline.validate.inspection import Measures, inspect_all
from studio.album import Album
from studio.errors import NotFoundError, StudioError
from studio.photos import Collection
from studio.review import flags
from studio.review.flags import Flag, Judgement
from studio.review.inbox import FOLDER, Feedback, Inbox, Sent

Look = Callable[[list[Photo]], NDArray[np.float32]]  # features [photos, features] of the pretrained body


@dataclass(frozen=True)
class Item:
    """A photo of the queue, or a picture that was sent in."""

    id: str  # sha256 of its bytes
    row: Row | None  # None for a picture that was sent in
    why: tuple[Flag, ...]  # what matters most first
    weight: float
    label: str  # "" where a picture was sent in that should be none of these
    probabilities: dict[str, float] | None = None  # by label, of heads that did not see it; None where none can say
    others: tuple[str | None, ...] = ()  # for each reason the file of the photo that it is compared with
    sent: Sent | None = None

    @property
    def place(self) -> tuple[float, str]:
        """By which the queue is sorted."""
        return -round(self.weight, 9), self.id

    @property
    def thinks(self) -> str | None:
        """The label that the other photos would give it; None where they can't say."""
        known = self.probabilities
        return max(known, key=lambda label: known[label]) if known else None


@dataclass(frozen=True)
class Looked:
    """What was found out about the photos as they were at one moment."""

    rows: list[SplitRow]
    manifest: dict[str, Row]
    photos: flags.Set
    judgement: Judgement

    @cached_property
    def files(self) -> dict[str, str]:
        """The photo of each hash; of equal ones that which has flags, or else the last."""
        ordered = sorted(enumerate(self.rows), key=lambda each: bool(self.judgement.flags.get(each[0])))
        return {row.sha256: row.file for _, row in ordered}


class Queue:
    """The queue of ``album``; what is expensive is kept until the photos change."""

    def __init__(self, album: Album, inbox: Inbox | None = None, look: Look | None = None) -> None:
        """Read the settings of the pipeline.

        Args:
            album: the photos.
            inbox: pictures that were sent in; that of the project without it.
            look: features of photos; by the pretrained body of conf/model/ without it.

        Raises:
            ConfigError: params.yaml is missing or damaged.
        """
        self.album = album
        self.inbox = inbox or Inbox(FOLDER, album.size)
        self.settings = config.load("validate", ValidateSettings)
        self._look = look or _Pretrained(config.load("model", ModelSettings))
        self._collection = Collection(album.data)
        self._measures: dict[str, Measures | Problem] = {}  # by hash
        self._lock = Lock()  # one thread looks, the others wait for what it finds
        self._kept: tuple[object, Looked] | None = None

    def looked(self) -> Looked:
        """The photos as they are now, and their flags.

        Raises:
            DataError: the manifest or a photo is damaged. WeightsError: the pretrained weights can't be had.
        """
        with self._lock:
            state = tuple(_state(path) for path in (self.album.data.manifest, SPLIT))
            if self._kept is None or self._kept[0] != state:
                self._kept = state, self._judge()
            return self._kept[1]

    def items(self) -> list[Item]:
        """Everything that is to be looked at, the worst first; flags that were found in order are left out."""
        looked, settled = self.looked(), self.album.journal.settled()
        found = []
        for index, reasons in looked.judgement.flags.items():
            row = looked.rows[index]
            why = sorted((flag for flag in reasons if (row.sha256, flag.kind) not in settled), key=lambda f: -f.weight)
            if not why:
                continue
            files = (None if flag.other is None else looked.rows[flag.other].file for flag in why)
            weight = min(1.0, why[0].weight + 0.01 * (len(why) - 1))  # more reasons, a little more
            item = Item(row.sha256, looked.manifest[row.file], tuple(why), weight, row.label, others=tuple(files))
            found.append(replace(item, probabilities=_answer(looked, index)))
        return sorted([*self._sent(looked), *found], key=lambda item: item.place)

    def find(self, item: str) -> Path:
        """The file of an item: a picture that was sent in, or a photo.

        Raises:
            NotFoundError: there is none.
        """
        if item in self.inbox.names():
            return self.inbox.path(item)
        return self.album.data.images / self.file(item)

    def file(self, sha256: str) -> str:
        """The photo with these bytes; of equal ones that which stands in the queue.

        Raises:
            NotFoundError: there is none.
        """
        try:
            return self.looked().files[sha256]
        except KeyError as error:
            raise NotFoundError(f"no photo has the hash {sha256[:12]} (any more); load the page again") from error

    def evidence(self, item: str, engine: Engine) -> Evidence:
        """Where in the frame the label shows that ``engine`` finds the likeliest."""
        output = engine.run(served_frames([self.find(item)], engine.size), explain=True)
        best = int(output.probabilities[0].argmax())
        if output.evidence is None:
            raise StudioError("the model was exported without evidence maps; `dvc repro` makes it anew")
        return Evidence.of(engine.labels[best], output.evidence[0, best])

    def _judge(self) -> Looked:
        data = self.album.data
        split = {row.sha256: (row.group, row.split) for row in read_split(SPLIT)} if SPLIT.exists() else {}
        rows = self._collection.rows(split)
        named = {row.file: row for row in self.album.rows()}
        photos = [Photo(data.images / row.file, row.sha256) for row in rows]
        files = [row.file for row in rows]
        photo_set = flags.Set(
            files,
            [row.label for row in rows],
            [named[file].group for file in files],
            [row.group for row in rows],
            [row.split for row in rows],
            self.features(photos),
        )
        judgement = flags.judge(photo_set, self.settings)
        if any(row.sha256 not in self._measures for row in rows):
            pixels, side = self.settings.max_pixels, self.settings.thumbnail  # as validate, which has measured them
            measured = inspect_all(data.images, files, max_pixels=pixels, thumbnail=side)
            self._measures = {row.sha256: measured[row.file] for row in rows}
        for index, file in enumerate(files):
            seen, row = self._measures[rows[index].sha256], named[file]
            found = judgement.flags.setdefault(index, [])
            if isinstance(seen, Measures):
                for problem in checks.check_picture(file, seen, self.settings):
                    if problem.kind == "blurred":
                        found.append(Flag("blurred", problem.message.removeprefix(f"{file}: "), flags.BLURRED))
            if missing := [
                word
                for word, value, unknown in (("author", row.author, AUTHOR), ("licence", row.licence, LICENCE))
                if value.strip() in ("", "unknown", unknown)
            ]:
                found.append(Flag("unlicensed", f"no {' and no '.join(missing)} is known", flags.UNLICENSED))
        return Looked(rows, named, photo_set, judgement)

    def features(self, photos: list[Photo]) -> NDArray[np.float32]:
        """Of ``photos``, rows of length 1, float32 [photos, features]."""
        return np.asarray(normalize(self._look(photos)) if photos else np.zeros((0, 1)), np.float32)

    def send(self, picture: bytes, said: Feedback, author: str) -> Sent:
        """Take in a picture whose answer was wrong.

        Raises:
            StudioError: it can't be used, or was forgotten. StorageError: the disk is full.
        """
        if hashlib.sha256(picture).hexdigest() in self.album.forgotten():
            raise StudioError("the picture was forgotten on request and can't come back")
        return self.inbox.put(picture, said, author=author)

    def waiting(self) -> list[Sent]:
        """Pictures that were sent in and not decided on yet."""
        journal = self.album.journal
        done = journal.taken_in() | {sha for sha, kind in journal.settled() if kind == "wrong"}
        return self.inbox.read(self.inbox.names() - done - self.album.forgotten())

    def _sent(self, looked: Looked) -> list[Item]:
        if not (waiting := self.waiting()):
            return []
        weighed: list[tuple[float, dict[str, float] | None]] = [(0.0, None)] * len(waiting)
        if len(set(looked.photos.labels)) > 1:
            seen = self.features([Photo(self.inbox.path(sent.sha256), sent.sha256) for sent in waiting])
            wanted = [sent.label or self.album.data.ood_label for sent in waiting]
            strength = self.settings.label_error_strength
            weighed = [*flags.weigh_sent(looked.photos, looked.judgement, seen, wanted, strength)]
        found = []
        for sent, (weight, known) in zip(waiting, weighed, strict=True):
            right, said = (word or "none of these" for word in (sent.label, sent.answer))
            text = f"sent in: the model said {said} ({sent.score:.0%}), it should be {right}"
            why = Flag("wrong", text, 1 + weight)  # a person has said so: before all that is computed
            found.append(Item(sent.sha256, None, (why,), why.weight, sent.label, known, (None,), sent))
        return found


class _Pretrained:
    """The features of the pretrained body that validate uses: not those of a model that has learnt the labels."""

    def __init__(self, model: ModelSettings) -> None:
        self._model = model
        self._features: Features | None = None

    def __call__(self, photos: list[Photo]) -> NDArray[np.float32]:
        if self._features is None:
            body = graph.pretrained(self._model.backbone, self._model.size)
            self._features = Features(graph.bare_body(body), self._model.size)
        return self._features.of(photos)


def _answer(looked: Looked, index: int) -> dict[str, float] | None:
    answers = looked.judgement.answers
    if answers is None:
        return None
    place = int(np.searchsorted(answers.used, index))
    if place == len(answers.used) or answers.used[place] != index:
        return None
    return dict(zip(answers.names, answers.probabilities[place].tolist(), strict=True))


def _state(path: Path) -> tuple[int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size
