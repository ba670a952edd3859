"""The content of one file: unpacked, told apart from binary, and decoded. Imports: nothing of its own room.

Text is UTF-8, or GB18030 (which holds GBK and GB2312) where that is declared or plainly recognised. Anything else is refused
with the line where it starts, because a wrong guess would turn ids and titles into other ids and titles.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path

from crossaisle.errors import SettingError, TableError

__all__ = ["decode", "load", "looks_binary", "normal_encoding"]

_COMMON_HANZI = frozenset(
    "的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于起还发成事"
    "只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明其种声全工己话儿者向情部"
    "正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才"
    "场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路期叫死常提感金何更反合放做系计或司利受光王果亲界及今京务制解各任至清物台象记边共"
    "风战干接它许八特觉望直服毛林题建南度统色字请交爱让认算论百吃义科怎元社术结六功指思非流每青管夫连远资队跟带花快条院变联言权往展该领传近留红"
    "治决周保达办运武半候七必城父强步完革深区即求品士转量空甚众技轻程告江语英基派满式李息写呢识极令黄德收脸钱党倒未持取设始版双历越史商千片容研像"
    "套装包邮男式款鞋衣裤裙帽袜棉布皮油茶米面奶粉糖果酒肉菜鱼蛋饼干零食洗护肤霜乳液膏刷杯壶锅碗盘刀灯床椅桌柜箱盒袋瓶罐支克升毫厘寸尺码黑蓝绿紫灰粉"
    "童玩具婴孕妇幼儿园笔纸本册球拍跑步运动健身户外帐篷背手机耳壳线充电池键鼠标显示屏音响智能电脑家居厨房清洁卫浴毛巾被枕垫帘香薰宠物狗猫粮盆"
)


def load(path: Path) -> bytes:
    """The bytes of a file, unpacked where it is gzip.

    Raises
    ------
    TableError
        If there is no such file, it is empty, unreadable, or a gzip file that is cut short or damaged.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise TableError(f"there is no file {path}", "a table file, a folder of Parquet files or a glob", "check the path") from None
    except OSError as error:
        raise TableError(f"{path} cannot be read ({error.strerror})", "a readable file", "check the path and its permissions") from None
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise TableError(
                f"{path} is a gzip file that is cut short or damaged ({error})", "a whole gzip file", "copy or download it again"
            ) from None
    if not raw.strip():
        raise TableError(f"{path} is empty", "a header and at least one row", "check how the file was written")
    return raw


def looks_binary(raw: bytes) -> bool:
    """Whether the bytes are no text at all: zero bytes, or more than a few control characters at the start."""
    head = raw[: 1 << 16]
    controls = sum(head.count(bytes([c])) for c in range(32) if c not in (9, 10, 12, 13, 27))
    return b"\0" in raw or controls > len(head) // 50


def normal_encoding(name: str | None) -> str | None:
    """``utf-8`` or ``gb18030`` for any of their usual names; None stays None.

    Examples
    --------
    >>> normal_encoding("GBK"), normal_encoding("utf8"), normal_encoding(None)
    ('gb18030', 'utf-8', None)
    """
    if name is None:
        return None
    try:
        known = codecs.lookup(name).name
    except LookupError:
        known = ""
    if known in ("utf-8", "utf-8-sig", "ascii"):
        return "utf-8"
    if known in ("gb18030", "gbk", "gb2312"):
        return "gb18030"
    raise SettingError(f"encoding {name!r}", "utf-8 or gb18030", "convert the file, for example: iconv -f ENCODING -t UTF-8 FILE > NEW")


def decode(raw: bytes, source: str, encoding: str | None = None) -> tuple[str, str]:
    """The text and the encoding it was read with.

    Parameters
    ----------
    raw : bytes
        The whole content.
    source : str
        What to call it in an error.
    encoding : str, optional
        ``utf-8`` or ``gb18030`` where declared; otherwise UTF-8 is tried, then GB18030 is recognised by its characters.

    Raises
    ------
    TableError
        If the bytes are binary, or not in the declared or in any recognised encoding.
    """
    declared = normal_encoding(encoding)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise TableError(f"{source} is UTF-16 text", "UTF-8 (or GB18030)", "save it as UTF-8, for example: iconv -f UTF-16 -t UTF-8")
    if looks_binary(raw):
        raise TableError(f"{source} is a binary file", "Parquet, CSV, TSV or JSON lines, gzip allowed", "export the table in one of these")
    if declared == "gb18030":
        try:
            return raw.decode("gb18030"), "gb18030"
        except UnicodeDecodeError as error:
            raise _wrong(raw, source, error, "GB18030, as declared", "leave out --encoding, or convert the file to UTF-8") from None
    try:
        return raw.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        if declared is None and _is_gb18030(raw):
            return raw.decode("gb18030"), "gb18030"
        wanted = "UTF-8, as declared" if declared else "UTF-8 text (or GB18030, which this does not look like)"
        step = "convert it (iconv -f ENCODING -t UTF-8), or pass --encoding gb18030 if that is what it is"
        raise _wrong(raw, source, error, wanted, step) from None


def _wrong(raw: bytes, source: str, error: UnicodeDecodeError, expected: str, next_step: str) -> TableError:
    line = raw.count(b"\n", 0, error.start) + 1
    return TableError(f"{source} line {line} holds the byte 0x{raw[error.start]:02x} that does not decode", expected, next_step)


def _is_gb18030(raw: bytes) -> bool:
    """Whether the bytes decode as GB18030 into text that reads as Chinese: plane of GB2312, everyday characters.

    Latin-1 falls through on the second byte, Shift-JIS and Big5 on the plane, EUC-KR (which shares the plane) on the characters.
    """
    try:
        text = raw[: 1 << 20].decode("gb18030", errors="strict" if len(raw) <= 1 << 20 else "ignore")
        raw.decode("gb18030")
    except UnicodeDecodeError:
        return False
    foreign = [c for c in text if c > "\x7f"]
    hanzi = [c for c in foreign if "\u4e00" <= c <= "\u9fff"]
    plain = sum(len(b) == 2 and b[0] >= 0xA1 and b[1] >= 0xA1 for b in (c.encode("gb18030") for c in foreign))
    common = sum(c in _COMMON_HANZI for c in hanzi)
    return bool(hanzi) and plain >= 0.9 * len(foreign) and common >= 0.3 * len(hanzi)
