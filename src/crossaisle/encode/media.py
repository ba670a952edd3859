"""Files under a media folder: found safely, judged, counted. Imports: contracts, settings; of its own room cache, senses.

An items table names its photos and videos by paths relative to one folder. A name is somebody else's text: it may be absolute, climb
out of the folder, follow a link out of it, or name a pipe that never ends. Whatever cannot be used is counted and treated as missing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from crossaisle.contracts import Progress
from crossaisle.encode.cache import Named, VectorCache
from crossaisle.encode.senses import Sense
from crossaisle.schema import Bools, Floats
from crossaisle.settings import Settings, setting

__all__ = [
    "BAD",
    "CONVERTED",
    "MediaCounts",
    "MediaError",
    "MediaSettings",
    "MediaFile",
    "Tell",
    "distinct_files",
    "locate",
    "media_lines",
    "read_files",
]


@dataclass(frozen=True)
class MediaSettings(Settings):
    """How photos and videos of items are read."""

    join: bool = setting(True, "with a media folder, image and video join model.senses where some item names one")
    image_model: str = setting("efficientnet-lite0", "efficientnet-lite0, a Hugging Face name or a local folder of an image model")
    image_size: int = setting(
        0, "pixels a side that the image model reads; 0 = the model's own (efficientnet-lite0: 224)", low=0, high=2048
    )
    shape: str = setting(
        "squeeze",
        "how efficientnet-lite0 gets its square: the whole photo squeezed, padded with white, or cropped",
        choices=("squeeze", "pad", "crop"),
    )
    batch: int = setting(16, "photos that the image model reads at once", low=1, high=1024)
    frames: int = setting(6, "frames read of a video, spread over its length", low=1, high=64)
    same_frame: float = setting(
        0.98, "a frame whose vector has this cosine with one kept before adds nothing and is skipped; 1 keeps all", low=0, high=1
    )
    dark_frame: float = setting(12.0, "a frame with a mean brightness below this (of 255) is black and skipped", low=0, high=255)
    max_megapixels: float = setting(64.0, "a photo or a video with more pixels than this (in millions) is treated as missing", low=0.01)
    max_megabytes: float = setting(64.0, "a photo with a larger file is treated as missing", low=0.001)


BAD = ("absent", "outside", "link", "not_file", "empty", "too_large", "huge", "not_media", "broken", "no_video", "no_length", "no_frame")
"""Kinds of files that are treated as missing."""
CONVERTED = ("animated", "cmyk", "palette", "alpha", "deep", "rotated")
"""Kinds of photos that are read, after a conversion."""


class MediaError(ValueError):
    """A file that cannot be used: ``kind`` is one of `BAD`."""

    def __init__(self, kind: str, detail: str = "") -> None:
        self.kind = kind
        super().__init__(f"{kind}: {detail}" if detail else kind)


def locate(folder: Path, name: str) -> Path:
    """The file that a name in the items table stands for.

    Parameters
    ----------
    folder : Path
        The media folder.
    name : str
        A path relative to it; ``\\`` counts as ``/``.

    Raises
    ------
    MediaError
        ``link`` for an address of the web, ``outside`` for a name that is absolute or leaves the folder (through ``..`` or a symbolic
        link), ``absent``, ``not_file`` for folders, pipes and devices, ``empty`` for a file of no bytes.

    Examples
    --------
    >>> locate(Path("."), "../secret.jpg")
    Traceback (most recent call last):
    ...
    crossaisle.encode.media.MediaError: outside: ../secret.jpg
    """
    if "://" in name[:16] or name.startswith("data:"):
        raise MediaError("link", name[:80])
    clean = name.replace("\\", "/")
    if "\0" in clean or clean.startswith("/") or clean[1:2] == ":":
        raise MediaError("outside", name[:80])
    try:
        home = folder.resolve()
        path = (home / clean).resolve()
        if not path.is_relative_to(home):
            raise MediaError("outside", name[:80])
        if not path.exists():
            raise MediaError("absent", name[:80])
        if not path.is_file():
            raise MediaError("not_file", name[:80])
        if path.stat().st_size == 0:
            raise MediaError("empty", name[:80])
    except (OSError, RuntimeError, UnicodeError) as error:  # a name too long, a circle of links, a folder closed to us
        raise MediaError("absent", str(error)) from error
    return path


def _file_key(path: Path) -> bytes:
    """16 bytes that stand for a file's content."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError as error:
        raise MediaError("broken", str(error)) from error


@dataclass
class MediaCounts:
    """What was found under the names of one column.

    Attributes
    ----------
    named : int
        Items that name a file.
    kinds : dict
        Kind (of `BAD` or `CONVERTED`) -> how many items.
    first : dict
        Kind -> the first name of that kind, as the table has it.
    """

    named: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, name: str, items: int = 1) -> None:
        """Count a file of a kind, named by so many items."""
        self.kinds[kind] = self.kinds.get(kind, 0) + items
        self.first.setdefault(kind, name)

    @property
    def usable(self) -> int:
        """Items whose file can be used."""
        return self.named - sum(n for kind, n in self.kinds.items() if kind in BAD)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; the names are relative to the media folder, which is not kept."""
        known = {kind: self.kinds[kind] for kind in (*BAD, *CONVERTED) if kind in self.kinds}
        return {"named": self.named, "usable": self.usable, "kinds": known, "first": {k: self.first[k] for k in known}}


_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "image": "photo",
        "video": "video",
        "usable": "{what}: {usable:,} of {named:,} items that name one can be read",
        "bad": "{what}: {n:,} {kind}, treated as missing; first {first!r}",
        "read": "{what}: {n:,} {kind}; first {first!r}",
        "absent": "not in the media folder",
        "outside": "outside the media folder",
        "link": "an address of the web, which is not fetched",
        "not_file": "no regular file",
        "empty": "of zero bytes",
        "too_large": "with a file above media.max_megabytes",
        "huge": "with more pixels than media.max_megapixels",
        "not_media": "of no known format",
        "broken": "broken or cut off",
        "no_video": "without a video stream",
        "no_length": "of zero length",
        "no_frame": "without a frame that shows anything (all black)",
        "animated": "animated, first frame read",
        "cmyk": "in CMYK, converted",
        "palette": "with a palette, converted",
        "alpha": "transparent, put on white",
        "deep": "with more than 8 bits, scaled",
        "rotated": "turned as its EXIF says",
    },
    "zh": {
        "image": "图片",
        "video": "视频",
        "usable": "{what}：{named:,} 件商品给出了文件，其中 {usable:,} 件可读",
        "bad": "{what}：{n:,} 个{kind}，按缺失处理；首个为 {first!r}",
        "read": "{what}：{n:,} 个{kind}；首个为 {first!r}",
        "absent": "不在媒体文件夹中",
        "outside": "位于媒体文件夹之外",
        "link": "是网址，不会下载",
        "not_file": "不是普通文件",
        "empty": "为零字节",
        "too_large": "文件大小超过 media.max_megabytes",
        "huge": "像素数超过 media.max_megapixels",
        "not_media": "格式无法识别",
        "broken": "损坏或被截断",
        "no_video": "没有视频流",
        "no_length": "时长为零",
        "no_frame": "没有可看的画面（全黑）",
        "animated": "为动图，读取首帧",
        "cmyk": "为 CMYK，已转换",
        "palette": "为调色板图，已转换",
        "alpha": "带透明，已置于白底",
        "deep": "超过 8 位，已缩放",
        "rotated": "已按 EXIF 旋转",
    },
}


def media_lines(found: Mapping[str, Mapping[str, Any]], lang: str = "en") -> list[str]:
    """One line for each kind of file found.

    Parameters
    ----------
    found : mapping
        ``image`` and ``video`` -> what `MediaCounts.to_dict` gives.
    lang : str
        ``en`` or ``zh``.

    Examples
    --------
    >>> counts = MediaCounts(named=5)
    >>> counts.add("empty", "a.jpg", 2)
    >>> for line in media_lines({"image": counts.to_dict()}): print(line)
    photo: 3 of 5 items that name one can be read
    photo: 2 of zero bytes, treated as missing; first 'a.jpg'
    """
    say, out = _WORDS[lang], []
    for column, counts in found.items():
        out.append(say["usable"].format(what=say[column], usable=counts["usable"], named=counts["named"]))
        for kind, n in counts["kinds"].items():
            form = say["bad" if kind in BAD else "read"]
            out.append(form.format(what=say[column], n=n, kind=say[kind], first=counts["first"][kind][:80]))
    return out


@dataclass
class MediaFile:
    """A file under the media folder, and the rows of the table that name it (or another of the same content)."""

    path: Path
    name: str
    key: bytes
    rows: list[int]
    counts: MediaCounts

    def count(self, kind: str) -> None:
        """Count what kind of file it is, once for each item that names it."""
        self.counts.add(kind, self.name, len(self.rows))


def distinct_files(folder: Path, names: Sequence[str | None], counts: MediaCounts) -> list[MediaFile]:
    """The files that the names stand for, each content once, in the order of first mention; names without one are counted."""
    out: dict[bytes, MediaFile] = {}
    for row, name in enumerate(names):
        if not name:
            continue
        counts.named += 1
        try:
            path = locate(folder, name)
            key = _file_key(path)
        except MediaError as error:
            counts.add(error.kind, name)
            continue
        out.setdefault(key, MediaFile(path, name, key, [], counts)).rows.append(row)
    return list(out.values())


Tell = Callable[[int, str], None]
"""``tell(place, kind)``: the file at this place is of this kind."""
ReadFiles = Callable[[list[int], list[Path], Tell, Progress | None], tuple[Floats, Bools]]
"""``read(places, paths, tell, progress)``: see `cache.ReadNew`; ``paths`` are those of the places."""


def read_files(
    folder: Path,
    names: Sequence[str | None],
    reader: Named,
    cache: VectorCache,
    counts: MediaCounts,
    read: ReadFiles,
    look: Callable[[Path], list[str]] | None = None,
    portion: int = 256,
    progress: Progress | None = None,
) -> Sense:
    """One sense of N items from the files that they name; each distinct content is read once, and only if it is not kept already.

    Parameters
    ----------
    folder : Path
        The media folder.
    names : sequence of str or None
        N paths relative to it.
    counts : MediaCounts
        Told what was found.
    look : callable, optional
        Kinds of a file whose vector was kept, so that it is counted all the same.

    Returns
    -------
    Sense
        float32 (N, reader.dim); not present where there is no file that can be read.
    """
    files = distinct_files(folder, names, counts)
    fresh = set[int]()

    def read_new(places: list[int], told: Progress | None) -> tuple[Floats, Bools]:
        fresh.update(places)
        return read(places, [files[place].path for place in places], tell, told)

    def tell(place: int, kind: str) -> None:
        files[place].count(kind)

    vectors, found = cache.gather(reader, [file.key for file in files], read_new, portion=portion, progress=progress)
    for place in np.flatnonzero(found).tolist() if look is not None else ():
        for kind in look(files[place].path) if look is not None and place not in fresh else ():
            tell(place, kind)
    values, present = np.zeros((len(names), reader.dim), np.float32), np.zeros(len(names), bool)
    for place, file in enumerate(files):
        values[file.rows], present[file.rows] = vectors[place], found[place]
    return Sense(values, present)
