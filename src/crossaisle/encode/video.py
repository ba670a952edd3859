"""Videos -> vectors: frames spread over the clip, each read as a photo, their mean.

Imports: schema, contracts, errors; of its own room media, cache, senses.

Frames come from the middles of K equal parts of the clip's length, so that they show all of it; black frames and frames that show what
an earlier one showed are left out of the mean. Pooling after Ni et al. 2023 (MicroLens, arXiv:2309.15379), whose frames are neighbours.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossaisle.contracts import ImageReader, Progress
from crossaisle.encode.cache import VectorCache
from crossaisle.encode.media import MediaCounts, MediaError, MediaSettings, Tell, read_files
from crossaisle.encode.senses import Sense
from crossaisle.errors import MissingExtra
from crossaisle.schema import Bools, Floats

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Clip", "VideoReader", "read_clip", "read_videos"]

_STILL = 480
"""Pixels of the longer side of a still."""
_MOST_DECODED = 900
"""Frames decoded at most to reach one wanted moment: a clip whose key frames are further apart than that is read from the key frame."""


@dataclass(frozen=True)
class Clip:
    """What is seen of a video.

    Attributes
    ----------
    seconds : float
        Its length.
    frames : list of PIL.Image.Image
        At most K, RGB, in the order of time, the black ones left out.
    times : list of float
        The moment of each, in seconds.
    """

    seconds: float
    frames: list[Image]
    times: list[float]

    def still(self) -> bytes:
        """One picture for a page, as JPEG: of the frames the one with the most contrast."""
        best = max(self.frames, key=lambda frame: float(np.asarray(frame.convert("L").resize((64, 64))).std()))
        small, out = best.copy(), io.BytesIO()
        small.thumbnail((_STILL, _STILL))
        small.save(out, "JPEG", quality=85)
        return out.getvalue()


def read_clip(path: Path, settings: MediaSettings) -> Clip:
    """Frames of a video, spread uniformly over its length.

    Raises
    ------
    MediaError
        ``not_media``, ``broken``, ``no_video``, ``no_length``, ``huge``, or ``no_frame`` where every frame is black.
    MissingExtra
        If PyAV is not installed.
    """
    if find_spec("av") is None or find_spec("PIL") is None:
        raise MissingExtra("videos", "pip install 'crossaisle[media]'")
    import av

    try:
        # only what is in the file itself: a playlist may name other files or addresses
        container = av.open(str(path), options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except av.error.InvalidDataError as error:
        raise MediaError("not_media", str(error)) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError("broken", str(error)) from error
    with container:
        try:
            return _clip(container, settings)
        except (av.error.FFmpegError, OSError, ValueError, MemoryError) as error:
            if isinstance(error, MediaError):
                raise
            raise MediaError("broken", f"{type(error).__name__}: {error}") from error


def _clip(container: Any, settings: MediaSettings) -> Clip:
    streams = [s for s in container.streams.video if not _is_cover(s)]
    if not streams:
        raise MediaError("no_video")
    stream = streams[0]
    if stream.width * stream.height > settings.max_megapixels * 1e6:
        raise MediaError("huge", f"{stream.width} x {stream.height}")
    stream.thread_type = "SLICE"  # frame threads hold several frames each
    seconds, start = _length(container, stream)
    if seconds <= 0:
        raise MediaError("no_length")
    found: list[tuple[float, Image]] = []
    for place in range(settings.frames):
        frame = _frame_at(container, stream, start + seconds * (place + 0.5) / settings.frames)
        if frame is not None and (not found or frame[0] > found[-1][0]):
            found.append(frame)
    if not found:
        raise MediaError("broken", "no frame can be decoded")
    kept = [(time - start, picture) for time, picture in found if np.asarray(picture.convert("L")).mean() >= settings.dark_frame]
    if not kept:
        raise MediaError("no_frame")
    return Clip(seconds, [picture for _, picture in kept], [round(time, 3) for time, _ in kept])


def _is_cover(stream: Any) -> bool:
    """Whether a stream is the picture of a song or the like, not a film."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)


def _length(container: Any, stream: Any) -> tuple[float, float]:
    """Length and first moment in seconds; counted from the frames where the file does not say."""
    start = float((stream.start_time or 0) * stream.time_base)
    if stream.duration:
        return float(stream.duration * stream.time_base), start
    if container.duration and container.duration > 0:
        return container.duration / 1e6, start
    last = None
    for packet in container.demux(stream):
        if packet.pts is not None:
            last = float((packet.pts + (packet.duration or 1)) * stream.time_base)
    return (0.0 if last is None else last - start), start


def _frame_at(container: Any, stream: Any, moment: float) -> tuple[float, Image] | None:
    """(moment, picture) of the frame shown at a moment; of the last one before it where the file ends or is damaged there."""
    import av

    found = None
    try:
        container.seek(int(moment / stream.time_base), stream=stream, backward=True)
        for count, frame in enumerate(container.decode(stream)):
            if frame.time is None:
                continue
            if found is not None and frame.time > moment:
                break
            found = frame
            if count >= _MOST_DECODED:
                break
    except av.error.FFmpegError:  # what came before the damage is used
        pass
    return None if found is None else (float(found.time), _upright(found))


def _upright(frame: Any) -> Image:
    """The frame as an RGB picture, turned as its display matrix says."""
    picture: Image = frame.to_image()
    turn = int(getattr(frame, "rotation", 0) or 0)
    return picture.rotate(turn, expand=True) if turn % 360 else picture


class VideoReader:
    """Reads a clip through an image model: the mean of the vectors of its frames.

    Parameters
    ----------
    images : ImageReader
    settings : MediaSettings
    """

    def __init__(self, images: ImageReader, settings: MediaSettings) -> None:
        self.images, self.settings = images, settings
        self.name, self.dim = f"video-{images.name}", images.dim
        said = f"{images.fingerprint} {settings.frames} {settings.same_frame} {settings.dark_frame} 1"
        self.fingerprint = hashlib.blake2b(said.encode(), digest_size=16).hexdigest()

    def vector(self, clip: Clip) -> Floats:
        """float32 (dim,): the mean over the frames that show something new."""
        frames = self.images.vectors(np.stack([self.images.prepare(frame) for frame in clip.frames]))
        lengths = np.linalg.norm(frames, axis=1)
        kept = distinct_frames(frames / np.maximum(lengths, 1e-12)[:, None], self.settings.same_frame)
        out: Floats = frames[kept].mean(axis=0)
        return out


def distinct_frames(frames: Floats, same: float) -> list[int]:
    """Positions of the frames whose cosine with every one kept before is below ``same``; the first always, with ``same`` of 1 all.

    Parameters
    ----------
    frames : float32 (T, D)
        Rows of length 1.

    Examples
    --------
    >>> distinct_frames(np.array([[1, 0], [1, 0], [0, 1], [1, 0]], dtype=np.float32), 0.98)
    [0, 2]
    """
    kept: list[int] = []
    for place, frame in enumerate(frames):
        if not kept or same >= 1 or float((frames[kept] @ frame).max()) < same:
            kept.append(place)
    return kept


def read_videos(
    folder: Path,
    names: Sequence[str | None],
    reader: VideoReader,
    cache: VectorCache,
    counts: MediaCounts,
    progress: Progress | None = None,
) -> Sense:
    """The sense "video" of N items, see `media.read_files`."""

    def read(places: list[int], paths: list[Path], tell: Tell, told: Progress | None) -> tuple[Floats, Bools]:
        out, sound = np.zeros((len(places), reader.dim), np.float32), np.zeros(len(places), bool)
        for i, (place, path) in enumerate(zip(places, paths, strict=True)):
            try:
                out[i] = reader.vector(read_clip(path, reader.settings))
                sound[i] = True
            except MediaError as error:
                tell(place, error.kind)
            if told is not None:
                told("reading videos", i + 1, len(places), reader.name)
        return out, sound

    return read_files(folder, names, reader, cache, counts, read, portion=16, progress=progress)
