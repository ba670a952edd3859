"""A toy shop in English and Chinese for the page: six interests that reach across eight aisles, and people who have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from crossaisle.data.dataset import Dataset
from crossaisle.data.histories import Histories

AISLES = {
    "en": ("Kitchen", "Garden", "Sports", "Books", "Music", "Office", "Toys", "Pet_Supplies"),
    "zh": ("厨房", "庭院", "运动", "图书", "音乐", "办公", "玩具", "宠物用品"),
}
INTERESTS = ("running", "tea", "camping", "cats", "baby", "study")
# one line an aisle, one title an interest: English | Chinese
_TITLES = """
Insulated drinking bottle, 700 ml|保温运动水壶 700 毫升; Cast-iron teapot with strainer|铸铁茶壶配滤网; Folding camp stove|折叠露营炉; Ceramic bowl with cat ears|猫耳陶瓷碗; Steam cooker for baby food|婴儿辅食蒸锅; One-cup coffee dripper|单杯手冲咖啡滤杯
Outdoor boot scraper|户外刮鞋器; Camellia seedling for a sunny wall|向阳墙茶花苗; Fire bowl with grill|带烤架的火盆; Catnip in a clay pot|陶盆猫薄荷; Sand pit with cover|带盖儿童沙池; Herb planter for the window sill|窗台香草种植盒
Trail running shoes|越野跑鞋; Yoga mat in natural rubber|天然橡胶瑜伽垫; Trekking poles, carbon|碳纤维登山杖; Reflective vest for evening walks|夜行反光背心; Jogging stroller|慢跑婴儿推车; Posture trainer for the desk|桌前坐姿训练器
Your first marathon in twenty weeks|二十周跑完第一个马拉松; The story of tea|茶的故事; A hundred nights under the stars|星空下的一百夜; What your cat wants to tell you|你的猫想告诉你什么; Sleep, little one|睡吧，小宝贝; How to take smart notes|卡片笔记写作法
Songs at 180 beats a minute|每分钟 180 拍的歌; Guqin: mist over the lake|古琴：湖上烟波; Campfire guitar classics|篝火吉他经典; Piano pieces for lazy afternoons|慵懒午后钢琴曲; Lullabies from ten countries|十国摇篮曲; Baroque for concentration|专注时刻的巴洛克
Year planner with training log|带训练日志的年历; Bamboo tray for desk and tea|竹制桌面茶盘; Rechargeable head lamp|充电头灯; Cat calendar, twelve sleepers|十二只瞌睡猫日历; Height chart for the wall|墙面身高尺; Dotted notebook, A5|A5 点阵笔记本
Relay race board game|接力赛跑桌游; Wooden tea set, twelve pieces|十二件木制茶具玩具; Shadow animals torch|动物投影手电筒; Plush cat that purrs|会打呼噜的毛绒猫; Stacking rings in maple|枫木叠叠圈; Word game for long evenings|长夜拼词游戏
Hands-free dog lead for joggers|慢跑免提牵狗绳; Chamomile biscuits for dogs|洋甘菊狗饼干; Folding travel bowl|折叠旅行碗; Scratching post, sisal|剑麻猫抓柱; Door gate for pets and toddlers|宠物与幼儿安全门栏; Quiet treat puzzle|安静的益智零食盒
"""


@dataclass(frozen=True)
class ToyItem:
    item_id: str
    title: str
    category: str
    interest: int
    image: str | None = None


def toy_items(lang: str, photos: bool = True) -> list[ToyItem]:
    """48 items, one an aisle and interest; four aisles have photos."""
    out = []
    lines = [line.split("; ") for line in _TITLES.strip().splitlines()]
    for a, line in enumerate(lines):
        for i, both in enumerate(line):
            title = both.split("|")[lang == "zh"].strip()
            image = f"{AISLES['en'][a].lower()}/{INTERESTS[i]}.svg" if photos and a in (0, 1, 2, 6) else None
            out.append(ToyItem(f"p{a}{i}", title, AISLES[lang][a], i, image))
    return out


_HABITS = ((0, 1), (1, 7), (2, 4), (3, 5), (4, 5), (6, 0), (6, 3), (2, 7), (3, 4), (6, 7))
"""Aisles that the same people visit."""


def toy_people(n: int = 1500, seed: int = 7) -> list[list[int]]:
    """For each of n people, positions of items in the order in which they bought them: mostly of one interest and a few aisles."""
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        first, second = rng.choice(len(INTERESTS), 2, replace=False)
        habit = _HABITS[int(rng.integers(len(_HABITS)))]
        bought: list[int] = []
        for _ in range(int(rng.integers(4, 11))):
            aisle = int(rng.choice(habit)) if rng.random() < 0.6 else int(rng.integers(8))
            interest = first if rng.random() < 0.55 else second if rng.random() < 0.7 else int(rng.integers(6))
            if (item := aisle * len(INTERESTS) + int(interest)) not in bought:
                bought.append(item)
        out.append(bought)
    return out


def toy_shop(lang: str) -> Dataset:
    """The shop as a dataset, for the association graph; level 2 is the interest inside the aisle."""
    items = toy_items(lang)
    frame = pl.DataFrame(
        [
            {
                "item_id": i.item_id,
                "category": i.category,
                "title": i.title,
                "brand": "",
                "description": "",
                "categories": [i.category, f"{i.category} {INTERESTS[i.interest]}"],
                "price": None,
                "available": True,
                "image": None,
                "video": None,
                "known": True,
            }
            for i in items
        ],
        schema_overrides={"price": pl.Float64, "image": pl.String, "video": pl.String},
    )
    people = toy_people()
    flat = np.array([i for p in people for i in p], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in people])]).astype(np.int64)
    times = np.concatenate([1_760_000_000.0 + 86_400.0 * (3 * np.arange(len(p)) + k % 90) for k, p in enumerate(people)])
    histories = Histories.from_arrays(offsets, flat, events=np.zeros(len(flat), dtype=np.int64), times=times)
    users = pl.Series("user_id", [f"u{k:03d}" for k in range(len(people))])
    return Dataset(frame, users, histories, event_names=("purchase",))
