"""Was a batch of decisions good? Heads of the photos before and after, asked about the same photos."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.data.manifest import Row
from pipeline.data.split import merge_groups
from pipeline.models import crossval
from pipeline.models.features import Photo
from pipeline.models.head import Space
from pipeline.validate.checks import ValidateSettings
from pipeline.validate.grouping import similar
from studio.journal import Journal
from studio.measure import Verdict, verdict_of
from studio.review.queue import Queue

SEED = 0


@dataclass(frozen=True)
class Labelled:
    """A photo as it was at one time: the hash of its bytes, its label and its group."""

    sha256: str
    label: str
    group: str


@dataclass(frozen=True)
class Comparison:
    """How many photos are answered rightly before and after, of those that both times have the same label."""

    photos: int
    before: float | None
    after: float | None
    verdict: Verdict
    said: str


NOTHING = Comparison(0, None, None, "not measured", "nothing can be measured: two labels of two sittings are needed")


def compare(
    before: Sequence[Labelled],
    after: Sequence[Labelled],
    features: dict[str, NDArray[np.float32]],
    settings: ValidateSettings,
) -> Comparison:
    """Compare by grouped cross-validation, paired over the photos, the interval clustered by group.

    Photos that were relabelled, came or left teach; they are not counted, as their right answer is what was decided.

    Args:
        before, after: the photos at both times.
        features: of each photo by its hash, rows of length 1.
        settings: similarity of near duplicates, folds, and strength of the heads.
    """
    every = [*after, *before]
    names, index = np.unique([each.label for each in every], return_inverse=True)
    if len(names) < 2:
        return NOTHING
    # A photo is not learnt from while it, its group at either time, or a near duplicate is asked about: the merging of
    # duplicates would seem to make it worse.
    vectors = np.stack([features[each.sha256] for each in every])
    groups = merge_groups([each.group for each in every], similar(vectors, settings.near_duplicate_similarity))
    label_then = {each.sha256: each.label for each in before}
    counted = [place for place, each in enumerate(after) if label_then.get(each.sha256) == each.label]
    if len({groups[place] for place in counted}) < 2:
        return NOTHING
    folds = crossval.grouped_folds(groups, index, settings.label_error_folds, SEED)
    is_after = np.arange(len(every)) < len(after)
    space = Space(vectors)

    def right(learnt: NDArray[np.bool_]) -> NDArray[np.bool_]:
        logits = crossval.out_of_fold(space, index, folds, len(names), settings.label_error_strength, learnt)
        return np.asarray((logits.argmax(1) == index)[counted])

    then, since_then = right(~is_after), right(is_after)
    verdict = verdict_of(then, since_then, [groups[place] for place in counted])
    was, now = float(then.mean()), float(since_then.mean())
    said = f"{now:.1%} of {len(counted)} photos right where their sitting was left out, {was:.1%} before: {verdict}"
    return Comparison(len(counted), was, now, verdict, said)


def since(queue: Queue, step: int) -> Comparison:
    """What the steps from ``step`` on have changed."""
    looked = queue.looked()
    hashes = {row.file: row.sha256 for row in looked.rows}
    now = [(row, hashes[row.file]) for row in looked.manifest.values() if row.file in hashes]
    then = [
        (row, sha256 or hashes[row.file])
        for row, sha256 in rows_before(queue.album.journal, step, [*looked.manifest.values()])
        if sha256 or row.file in hashes
    ]
    images, removed = queue.album.data.images, queue.album.store.removed
    paths = {sha256: images / row.file for row, sha256 in now}
    paths |= {sha256: removed / sha256 for _, sha256 in then if sha256 not in paths}
    photos = [Photo(path, sha256) for sha256, path in paths.items() if path.exists()]
    vectors = dict(zip((photo.sha256 for photo in photos), queue.features(photos), strict=True))
    before, after = (
        [Labelled(sha256, row.label, row.group) for row, sha256 in rows if sha256 in vectors] for rows in (then, now)
    )
    return compare(before, after, vectors, queue.settings)


def rows_before(journal: Journal, step: int, rows: Sequence[Row]) -> list[tuple[Row, str | None]]:
    """The rows before a step, from those of now; with the hash of each photo that a step since has changed."""
    found: dict[str, tuple[Row, str | None]] = {row.file: (row, None) for row in rows}
    for number in reversed([number for number in journal.steps if number >= step]):
        changes = journal.steps[number].changes
        gone = [found.pop(change.after.file, None) if change.after else None for change in changes]
        for change, now in zip(changes, gone, strict=True):
            if change.before and change.after and now:
                back = {name: getattr(change.before, name) for name in change.changed}
                found[change.before.file] = replace(now[0], **back), change.sha256
            elif change.before and not change.after:
                found[change.before.file] = change.before, change.sha256
    return [*found.values()]
