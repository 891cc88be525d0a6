"""Makes folders of photos for tests, right ones and wrong ones, and runs validate on them."""

import hashlib
import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from pipeline.data import adoption, manifest
from pipeline.data.manifest import Row
from pipeline.data.settings import DataSettings
from pipeline.validate import stage as validate
from tests import bodies

CONF = Path(__file__).parents[1] / "conf"


def picture(number: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A picture like no other: smooth patches of colour with sharp grain."""
    random = np.random.default_rng(number)
    patches = Image.fromarray(random.integers(0, 255, (6, 8, 3), dtype=np.uint8))
    smooth = np.asarray(patches.resize(size, Image.Resampling.BICUBIC)).astype(int)
    grain = random.integers(-40, 40, (size[1], size[0], 1))
    return Image.fromarray(np.clip(smooth + grain, 0, 255).astype(np.uint8))


def seed(label: str, index: int) -> int:
    """What `PhotoFolder.fill` makes the picture label/index.jpg of."""
    return 1000 * zlib.crc32(label.encode()) + index


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """The bytes of ``image`` as a file of format ``kind``."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def huge_png(side: int = 30_000) -> bytes:
    """A PNG of ``side`` x ``side`` black pixels in some 100 KB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def animation(kind: str) -> bytes:
    """An animated picture of three frames."""
    first, *others = (picture(number, (64, 48)) for number in (1, 2, 3))
    return encoded(first, kind, save_all=True, append_images=others, duration=100)


@dataclass
class PhotoFolder:
    """A project of nothing but photos and settings, in the current folder."""

    root: Path

    @property
    def images(self) -> Path:
        return self.root / "data/images"

    @property
    def manifest(self) -> Path:
        return self.root / "data/manifest.csv"

    @property
    def settings(self) -> DataSettings:
        return DataSettings(
            images=Path("data/images"),
            manifest=Path("data/manifest.csv"),
            ood_label="other",
        )

    def put(self, file: str, data: bytes) -> None:
        """Put a file into the folder of pictures."""
        path = self.images / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def fill(self, labels: Mapping[str, int]) -> None:
        """Put that many different pictures into each label's folder."""
        for label, number in labels.items():
            for index in range(number):
                self.put(f"{label}/{index:03}.jpg", encoded(picture(seed(label, index))))

    def register(self) -> None:
        """Write a manifest of everything there."""
        adoption.adopt(self.settings)

    def rows(self) -> list[Row]:
        return manifest.read(self.manifest)

    def configure(self, *, size: int = 32, sitting_similarity: float = 1, **validation: Any) -> None:
        """Write params.yaml as conf/ has it, with a few settings changed.

        Args:
            size: of the frames that are compared; 32 is a fiftieth of the work of 224.
            sitting_similarity: 1 by default, as the made pictures are much alike to a network that knows photos, and no
                likeness tells their labels.
            validation: settings of validate.
        """
        params = {
            group: yaml.safe_load((CONF / group / f"{name}.yaml").read_text(encoding="utf-8"))
            for group, name in (
                ("data", "photos"),
                ("validate", "default"),
                ("split", "default"),
                ("model", "efficientnet_lite0"),
            )
        }
        params["model"]["size"] = size
        params["split"]["sitting_similarity"] = sitting_similarity
        params["validate"] |= {"near_duplicate_similarity": 1, "label_error_accuracy": 1}
        params["validate"]["severity"] |= validation.pop("severity", {})
        params["validate"] |= validation
        (self.root / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")

    def validate(self) -> int:
        """Run the stage; its exit status."""
        bodies.lend(self.root)
        status = validate.main([])
        bodies.take(self.root)
        return status

    def state(self) -> dict[str, str]:
        """Every file under data/ and its hash."""
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((self.root / "data").rglob("*"))
            if path.is_file()
        }

    def refused(self, capsys: pytest.CaptureFixture[str]) -> str:
        """Run the stage, which must fail as it ought to, and return its error.

        One error, no traceback; data/ untouched; no split; nothing half-written.
        """
        before = self.state()
        capsys.readouterr()
        assert self.validate() == 1
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("error: ") == 1
        assert "Traceback" not in said
        assert self.state() == before
        assert not (self.root / "build/split.csv").exists()
        assert self.leftovers() == []
        return said

    def leftovers(self) -> list[str]:
        """Temporary files that should not be there any more."""
        return [str(path) for path in self.root.rglob("*") if ".tmp" in path.name or path.name.endswith(".old")]
