"""Photos and clips of every bad kind, made on the spot, and a small image model of random weights: a fake, no real one."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from crossaisle.schema import Floats


def picture(seed: int = 0, width: int = 64, height: int = 48) -> Image.Image:
    """A picture of four coloured rectangles."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, size=(2, 2, 3), dtype=np.uint8)
    return Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST)


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def bomb_png(side: int = 50_000) -> bytes:
    """A PNG whose header claims side x side pixels; a few hundred bytes."""
    import struct
    import zlib

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


def write_clip(
    path: Path, pictures: list[Image.Image], *, rate: int = 10, repeat: int = 10, codec: str = "mpeg4", size: tuple[int, int] = (128, 96)
) -> Path:
    """A clip that shows each picture for ``repeat`` frames."""
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for shown in pictures:
            for _ in range(repeat):
                for packet in stream.encode(av.VideoFrame.from_image(shown.resize(size))):
                    out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path


def write_sound(path: Path) -> Path:
    """A file of sound and no picture."""
    import av

    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=16_000, layout="mono")
        for start in range(0, 16_000, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16_000, start
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return path


class ColourReader:
    """An image reader without a model: the mean colour of each quarter of the picture. It counts what it is given."""

    name, dim, side, fingerprint = "colour-of-quarters", 12, 16, "c" * 32

    def __init__(self) -> None:
        self.read = 0
        self.largest = 0

    def prepare(self, image: Image.Image) -> Floats:
        assert image.mode == "RGB"
        return np.asarray(image.resize((16, 16)), dtype=np.float32).transpose(2, 0, 1) / 255

    def vectors(self, prepared: Floats) -> Floats:
        self.read += len(prepared)
        self.largest = max(self.largest, len(prepared))
        return prepared.reshape(len(prepared), 3, 2, 8, 2, 8).mean((3, 5)).reshape(len(prepared), 12)


def write_fake_vit(folder: Path, side: int = 32) -> Path:
    """A ViT of two narrow layers with random weights, as `save_pretrained` writes it."""
    import torch
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=side, patch_size=8)
    ViTModel(config).save_pretrained(folder)
    said = {
        "do_resize": True,
        "size": {"height": side, "width": side},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.4, 0.3],
        "image_std": [0.5, 0.25, 0.2],
        "image_processor_type": "ViTImageProcessor",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(said))
    return folder
