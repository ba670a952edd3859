"""Which letters are taken for which: neighbours on a keyboard, letters that look alike, Chinese characters that look or sound alike.

Imports nothing. The Chinese tables were written for this project: characters of shop texts that an input method (same sound) or a reader
(same look) takes for each other.
"""

from __future__ import annotations

__all__ = ["CHINESE_LOOK", "CHINESE_SOUND", "HOMOGLYPHS", "NEIGHBOURS"]

_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """Keys that touch a key of a QWERTY keyboard, whose rows are shifted by half a key."""
    out: dict[str, str] = {}
    for r, row in enumerate(_ROWS):
        for k, key in enumerate(row):
            near = [row[k - 1] if k else "", row[k + 1] if k + 1 < len(row) else ""]
            if r:
                near += list(_ROWS[r - 1][k : k + 2])
            if r + 1 < len(_ROWS):
                near += list(_ROWS[r + 1][max(k - 1, 0) : k + 1])
            out[key] = "".join(n for n in near if n and n.isdigit() == key.isdigit())
    return out


def _groups(text: str) -> dict[str, str]:
    """Each character of a group -> the others of it; a character belongs to one group."""
    return {c: group.replace(c, "") for group in text.split() for c in group}


NEIGHBOURS = _neighbours()
"""Key -> keys that touch it; letters of letters, digits of digits."""

HOMOGLYPHS = {
    "a": "аɑ",
    "c": "сϲ",
    "d": "ԁ",
    "e": "е",
    "g": "ɡ",
    "h": "һ",
    "i": "іı",
    "j": "јϳ",
    "k": "κ",
    "l": "Iӏ",
    "n": "ո",
    "o": "оο",
    "p": "рρ",
    "q": "ԛ",
    "s": "ѕ",
    "u": "υս",
    "v": "νѵ",
    "w": "ԝ",
    "x": "х",
    "y": "уү",
    "A": "АΑ",
    "B": "ВΒ",
    "C": "СϹ",
    "E": "ЕΕ",
    "H": "НΗ",
    "I": "ІΙl",
    "J": "Ј",
    "K": "КΚ",
    "M": "МΜ",
    "N": "Ν",
    "O": "ОΟ",
    "P": "РΡ",
    "S": "Ѕ",
    "T": "ТΤ",
    "X": "ХΧ",
    "Y": "ҮΥ",
    "Z": "Ζ",
    "0": "OО",
    "1": "lI",
    "3": "З",
    "6": "б",
}
"""Letter -> letters of other alphabets (and digits) that look the same in most fonts."""

CHINESE_LOOK = _groups(
    "未末 土士 日曰 己已巳 人入八 大太犬 天夭 千干于 贝见 午牛 今令 木本术 兔免 住往佳 候侯 晴睛 拔拨 清请情 蓝篮 "
    "茶荼 币巾 历厉 折拆 凉谅 治冶 洗冼 微徽 毫豪 圆园 包苞 饼拼 瓶拚 袋裟 鞋鞍 裙裾 帽冒 袜抹 手毛 纸纹 笔芼 "
    "灯汀 床庄 椅倚 桌卓 杯坏 碗婉 盘盆 锅祸 刀力 油汕 米来 面画 酒洒 水永 红江 绿录 黄寅 白自 黑墨 色巴 男另 女好 童重 装袭 "
    "棉绵 丝纟 皮彼 金全 银很 铁轶 铜钢 电申 机朵 线钱 充允 器噐 耳且 屏屎 壳売 膜模 套奎"
)
"""Character -> characters that look like it."""

CHINESE_SOUND = _groups(
    "的地得 在再 做作座 像象向 他她它 玩完丸 带戴代 装妆庄 式是事市 型形行 号好 新心欣 大达 小晓 长常尝 短段 厚后候 薄博 "
    "红洪宏 黄皇 蓝兰栏 绿率 白百 黑嘿 色设 水睡 油由 米密 茶查 酒久 杯贝 碗晚 盘判 锅过 鞋写 裙群 帽毛冒 袜瓦 包保宝 "
    "纸只指 笔比 灯等 床窗 椅以 桌捉 电店垫 机鸡基 线现 充冲 器气 耳尔 机及 屏瓶平 壳可 膜磨 套桃 手首 表标 金今 银音 铁贴 "
    "棉面 丝思 皮批 布步 男南 女吕 童同 儿而 车彻 猫矛 狗够 花画 草操 书输 本笨 家加 用佣 品聘 质志 量亮 级急 超抄 轻清 "
    "软阮 硬映 防房 晒筛 香乡 甜田 辣拉 鲜先 干甘 果国 糖堂 盐言 奶乃 粉分 膏高 霜双 乳如 洁节 净静 护户 肤夫 发法 洗喜"
)
"""Character -> characters that an input method offers for the same sound, tones aside."""
