# The source of story.ipynb and story.zh.ipynb: text cells in both languages, code cells once; examples/build.py writes the notebooks.

# %% [en]
# # The story of CrossAisle, on a small shop
#
# From tables to recommendations with reasons, in the order in which one would do it: the data and its report, training, which aisle leads
# to which, whether aisles help each other, recommendations, a wish in words, items that nobody has had yet, and an attack.
#
# **What this is and what it is not.** The data is the Complete Journey (84.51°), a year of grocery baskets *simulated from real shopping
# patterns* and made for teaching: no real person's purchases. Of it we take a corner of the shop and a few hundred households, so that
# the whole notebook runs in a minute or two on one core. Figures of a run this small illustrate what the commands say; they prove
# nothing. What was measured with care, with intervals and baselines, stands in the [README](../README.md) and in
# [benchmarks](../benchmarks).
#
# To run it: `pip install 'crossaisle[dev]'`, or what `make test` installs. It writes into a temporary folder only.

# %% [zh]
# # CrossAisle 的故事：以一家小商店为例
#
# 从数据表到附带理由的推荐，依实际使用的顺序进行：数据及其报告、训练、哪个品类通向哪个品类、品类之间是否互相帮助、推荐、用文字表达的愿望、
# 从未有人买过的商品，以及一次攻击。
#
# **这是什么，不是什么。** 数据是 84.51° 的 Complete Journey：一年的超市购物篮，*依据真实购物规律模拟而成*，供教学使用，并非真人的购买记录。
# 这里只取商店的一角和几百户家庭，使整个笔记本在单核上一两分钟即可跑完。如此小规模的数字只用来说明各命令的含义，不能证明任何结论。经过认真
# 度量、附有区间和基线的结果见 [README](../README.zh-CN.md) 与 [benchmarks](../benchmarks)。
#
# 运行方法：`pip install 'crossaisle[dev]'`，或使用 `make test` 建好的环境。一切只写入临时文件夹。

# %%
import json
import os
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from IPython.display import Image, display

# a bar that tqdm would like to draw needs one more package
warnings.filterwarnings("ignore", message="IProgress not found")
from crossaisle import Dataset, Recommender
from crossaisle.cli.main import run

LANG = "en"
# CROSSAISLE_STORY=small takes a smaller network that reads words only, for tests
SMALL = os.environ.get("CROSSAISLE_STORY") == "small"
HOUSEHOLDS = 500
SETTINGS = {
    "data.core": "5",  # items and households with fewer purchases are left out
    "train.refit": "false",  # training once is enough for a story
    "train.epochs": "4",
    "graph.window_days": "0",  # two visits belong together whenever they were
}
if SMALL:
    SETTINGS |= {"train.epochs": "2", "model.senses": "id,words", "model.dim": "16", "across.iterations": "2"}

start, folder = os.getcwd(), TemporaryDirectory(prefix="crossaisle-story-")
os.chdir(folder.name)
pl.Config.set_tbl_rows(20)
pl.Config.set_fmt_str_lengths(150)
pl.Config.set_tbl_width_chars(150)
pl.Config.set_tbl_hide_column_data_types(True)
pl.Config.set_tbl_hide_dataframe_shape(True)


def crossaisle(*words: str) -> None:
    """The program `crossaisle`, as in a shell."""
    print("$ crossaisle", *words)
    code = run(words)
    assert code == 0, f"exit code {code}"


def assignments(**settings: str) -> list[str]:
    """The settings as words of a command."""
    changed = SETTINGS | {key.replace("__", "."): value for key, value in settings.items()}
    return [word for key, value in changed.items() for word in ("--set", f"{key}={value}")]


# %% [en]
# ## 1. The data and its report
#
# `crossaisle import retail` turns the packaged data into the three tables that every command reads. We keep a corner of the shop, in
# which a shelf ("Cat Food") is an aisle: baby, pets, body care, sweets and paper.
#
# Two items are set aside, the most bought dog food and the most bought baby food: we act as if they had not come to the shop yet, and
# meet them again in section 7.

# %% [zh]
# ## 1. 数据及其报告
#
# `crossaisle import retail` 把随包附带的数据变成各命令共用的表。我们只留下商店的一角，以货架（如“Cat Food”，猫粮）为一个品类：婴儿用品、
# 宠物用品、个人护理、糖果和纸品。数据来自美国的超市，商品名保持英文。
#
# 另有两件商品先放在一边：买得最多的狗粮和婴儿食品。我们当作它们还没有上架，第 7 节再请它们出来。

# %%
crossaisle("import", "retail", "--out", "retail")

SHELVES = [
    *("Baby Foods", "Infant Formula", "Diapers & Disposables", "Baby Health & Beauty Care"),
    *("Cat Food", "Cat Litter", "Dog Foods", "Pet Care Supplies"),
    *("Oral Hygiene Products", "Hair Care Products", "Soap - Liquid & Bar"),
    *("Candy - Packaged", "Greeting Cards/Wrap/Party Supplies", "Stationery & School Supplies", "Magazine"),
]
bought, items = pl.read_parquet("retail/interactions.parquet"), pl.read_parquet("retail/items.parquet")
path = pl.col("categories")
shelf = path.list.get(1, null_on_oob=True)
items = items.filter("available", shelf.is_in(SHELVES)).with_columns(category=shelf, categories=path.list.slice(1))
households = bought["user_id"].unique().sort().sample(HOUSEHOLDS, seed=0)
bought = bought.filter(pl.col("user_id").is_in(households.implode())).join(items, on="item_id", how="semi", maintain_order="left")
# a basket has no order inside; the source sorts it by item number, which a model would learn
bought = bought.with_columns(position=pl.Series(np.random.default_rng(0).permutation(bought.height)))

buyers = bought.group_by("item_id").agg(pl.col("user_id").n_unique().alias("buyers")).join(items, on="item_id")
most_bought = buyers.sort("buyers", "item_id", descending=[True, False]).group_by("category", maintain_order=True).first()
cold = most_bought.filter(pl.col("category").is_in(["Dog Foods", "Baby Foods"]))["item_id"]
new_items, known_items = items.filter(pl.col("item_id").is_in(cold.implode())), items.filter(~pl.col("item_id").is_in(cold.implode()))
known = bought.filter(~pl.col("item_id").is_in(cold.implode()))
known_items.write_parquet("items.parquet")
known.write_parquet("interactions.parquet")

# %% [en]
# `crossaisle check` reads the tables and says what is in them. It trains nothing. To see what becomes of bad rows, it gets three here:
# one without a household, one with a time that is none, one with a negative weight. They are counted and written to `rejected.jsonl` with
# the reason; one in a hundred may be bad before a command refuses the table.

# %% [zh]
# `crossaisle check` 读入各表，报告其内容，不做训练。为了看看不合格的行如何处理，这里故意加入三行：一行没有家庭编号，一行时间无法识别，一
# 行权重为负。它们会被计数，连同原因写入 `rejected.jsonl`；不合格的行超过百分之一时，命令才会拒绝整张表。

# %%
columns = ["user_id", "item_id", "timestamp", "weight"]
some = known["item_id"][0]
bad = [f",{some},1490000000,1.0", f"h1,{some},last Tuesday,1.0", f"h1,{some},1490000000,-2.0"]
Path("with_bad_rows.csv").write_text(known.select(columns).write_csv() + "\n".join(bad) + "\n")
words = ("check", "--interactions", "with_bad_rows.csv", "--items", "items.parquet", "--set", f"data.core={SETTINGS['data.core']}")
crossaisle(*words, "--lang", LANG)
rejected = [json.loads(line) for line in Path("rejected.jsonl").read_text().splitlines()]
for row in rejected:
    print(row)

# %% [en]
# ## 2. Training
#
# One line fits: the language model reads the titles, a causal transformer learns from the histories, and the newest purchase of each
# household is held back to choose when to stop. The figures of training stay in the model's folder (`curves.json`), so the curves can be
# drawn at any time.

# %% [zh]
# ## 2. 训练
#
# 一行代码即可训练：语言模型阅读商品名，因果 Transformer 从历史中学习，每户家庭最新的一次购买被留出，用来决定何时停止。训练过程的数字保存
# 在模型文件夹的 `curves.json` 中，随时可以画出曲线。

# %%
model = Recommender.preset("quick", seed=0, settings=SETTINGS)
data = Dataset.from_frames(known, known_items, settings=model.settings.data)
print(f"{data.n_users:,} users, {data.n_items:,} items, {len(data.categories)} aisles, {len(data.histories.items):,} events")
model.fit(data)
version = model.save("shop.model")

curves = json.loads((version / "curves.json").read_text())
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained")
for name, of_run in curves.items():
    for axes, key in ((left, "loss"), (right, "validation_ndcg@10")):
        axes.plot(range(1, len(of_run[key]) + 1), of_run[key], marker="o", label=name)
        axes.set_xticks(range(1, len(of_run[key]) + 1))
left.set(xlabel="epoch", ylabel="loss", title="training loss")
right.set(xlabel="epoch", ylabel="N@10", title="validation, purchases held back")
display(figure)
plt.close(figure)
print({key: model.quality[key] for key in ("ndcg@10", "what", "epoch")})

# %% [en]
# The validation figure is for choosing when to stop, not for boasting: it has been looked at after every epoch. How ours stands beside
# popularity and like-minded households is asked by `crossaisle evaluate`, on purchases that no model has seen:

# %% [zh]
# 验证集上的数字只用来决定何时停止，不能当作成绩：每个轮次之后都看过它。与热门等基线的比较由 `crossaisle evaluate` 完成，所用的购买记录没
# 有任何模型见过：

# %%
crossaisle(
    *("evaluate", "--interactions", "interactions.parquet", "--items", "items.parquet", "--protocol", "first-visit"),
    *("--models", "popularity-aisle,user-knn,crossaisle", "--preset", "quick", "--lang", LANG, "--out", "measured"),
    *assignments(train__epochs="2"),
)

# %% [en]
# ## 3. Which aisle leads to which
#
# The association graph: two categories are tied where more households have both than chance explains, given how much each household buys
# and how many go to each category. It has a placebo: the baskets permuted, so that every household keeps the number of its items and
# every item the number of its households, and nothing goes together any more. A trustworthy graph then has next to no edge left: compare
# the two numbers of each level. We read kinds of items (level 2), of which there are more than of whole aisles (level 1).

# %% [zh]
# ## 3. 哪个品类通向哪个品类
#
# 关联图：考虑到每户家庭买了多少、每个品类有多少人光顾，若同时拥有两个品类的家庭仍多于偶然，两者就有关联。它有一个安慰剂对照：打乱购物篮，
# 每户家庭的商品数和每件商品的家庭数都不变，但商品之间不再有任何联系。可信的关联图此时应几乎没有关联：请比较每一层的两个数字。这里我们看
# 细分类别（第 2 层），它比大类（第 1 层）多。

# %%
graph = model.graph()
shown = ["source", "target", "support", "lift", "lift_low", "lift_high", "direction"]
display(graph.strongest_edges(10, 2).select(shown))
placebo = model.permuted_graph()
for level in placebo:
    print(f"level {level.level}: {level.edges} edges, {level.permuted} with permuted baskets")

# %%
crossaisle("graph", "shop.model", "--level", "2", "--out", "graph.png", "--lang", LANG)
display(Image("graph.png", width=900))

# %% [en]
# ## 4. Do aisles help each other?
#
# `evaluate --transfer` trains each aisle alone and all together, with the same passes and steps, and asks both the same questions. Four
# aisles are enough to see how it reads; with so few people the intervals are wide, and mostly it cannot be told.

# %% [zh]
# ## 4. 品类之间互相帮助吗？
#
# `evaluate --transfer` 让每个品类单独训练，再让所有品类一起训练，遍数和步数相同，并向两者提出同样的问题。四个品类足以看懂它怎么说；人数这
# 么少，区间很宽，多半无法分出高下。

# %%
four = ["Candy - Packaged", "Greeting Cards/Wrap/Party Supplies", "Cat Food", "Baby Foods"]
inside = known_items.filter(pl.col("category").is_in(four))
inside.write_parquet("four_items.parquet")
known.join(inside, on="item_id", how="semi", maintain_order="left").write_parquet("four.parquet")
crossaisle(
    *("evaluate", "--transfer", "--interactions", "four.parquet", "--items", "four_items.parquet", "--shuffle-ties"),
    *("--preset", "quick", "--lang", LANG, "--out", "transfer"),
    *assignments(train__epochs="2", train__id_weight_decay="3"),
)

# %% [en]
# ## 5. Recommendations with reasons
#
# Three households, and what they may like in aisles that their history does not touch. The reason is worked out, not made up: the history
# item without which the item would fall furthest, the people who have both, and the way through the graph. `lang` says in which language.

# %% [zh]
# ## 5. 附带理由的推荐
#
# 三户家庭，以及在其历史从未触及的品类中可能喜欢的商品。理由是算出来的，不是编出来的：去掉哪件历史商品会使该商品下降最多，有多少人两者都有，
# 以及在关联图中的路径。`lang` 决定用哪种语言。

# %%
titles = pl.concat([known_items, new_items]).select("item_id", "title")
lengths = known.join(data.items, on="item_id", how="semi").group_by("user_id").len().filter(pl.col("user_id").is_in(model.users))
shoppers = lengths.filter(pl.col("len").is_between(15, 40)).sort("user_id")["user_id"].head(3).to_list()
beyond = {
    lang: model.recommend(shoppers, k=3, beyond_history=True, max_per_category=1, explain=True, lang=lang).join(
        titles, on="item_id", how="left", maintain_order="left"
    )
    for lang in ("en", "zh")
}
for user in shoppers:
    history = known.filter(pl.col("user_id") == user).join(data.items, on="item_id", maintain_order="left").sort("timestamp", "position")
    print(f"\n{user}: {history.height} × | {', '.join(sorted(set(history['category'])))}")
    for english, chinese in zip(*(rows.filter(pl.col("user_id") == user).iter_rows(named=True) for rows in beyond.values()), strict=True):
        print(f"  {english['rank']}. {english['title']} ({english['category']})")
        print(f"     {english['reason']}\n     {chinese['reason']}")

# %% [en]
# ## 6. A wish in words
#
# A wish joins the history as its newest event. Alone it is a search by meaning; together with a history, both count.

# %% [zh]
# ## 6. 用文字表达的愿望
#
# 愿望作为最新的一件事加入历史。单独使用时，它是按含义的搜索；与历史一起使用时，两者都起作用。这份目录是英文的，所以愿望也用英文。

# %%
WISH = "something for my dog"
for who in (None, shoppers[:1]):
    wished = model.recommend(who, k=4, wish=WISH, wish_weight=None if who is None else 1.5, explain=True, lang=LANG)
    display(wished.join(titles, on="item_id", how="left", maintain_order="left").select("rank", "category", "title", "reason"))

# %% [en]
# ## 7. Items that nobody has had yet
#
# Now the two items come that were set aside. `add_items` reads what is said of them; nothing is trained. The households who really bought
# them are known to us and not to the model. Ranked inside their aisle, where do the new items stand for those, and where for the others?
#
# Every item learned from here has five purchases or more, so validation held no item without any, and nothing says where new ones stand:
# each counts as the rarest items that validation tells of, and inside an aisle that somebody never visited it stands where the network and
# its words put it. So this shows that a new item can be recommended at once, with a reason, and not that it is
# recommended to the right people. Where validation does see new items, it sets what being new counts; `evaluate --protocol cold-item`
# measures new items, and what known ones lose. The README has such figures.

# %% [zh]
# ## 7. 从未有人买过的商品
#
# 现在请出先前放在一边的两件商品。`add_items` 只阅读它们的文字，不做任何训练。哪些家庭后来真的买了，我们知道，模型不知道。在各自的品类之内，
# 新商品对这些家庭排在第几？对其他家庭呢？
#
# 参与训练的商品都至少有五次购买，验证集中没有从未买过的商品，无从得知新商品该排在哪里：这里把它们当作验证集里最冷门的商品；
# 对从未逛过这个品类的人，由网络和文字决定它的位置。所以这里只能说明新商品可以立即被推荐并附上理由，
# 不能说明推荐给了合适的人。验证集中有新商品时，会据此决定“新”占多少分量；`evaluate --protocol cold-item` 度量新商品的效果，
# 以及已有商品因此损失多少，README 中有这样的数字。

# %%
model.add_items(new_items)
for item, title, aisle in new_items.select("item_id", "title", "category").iter_rows():
    inside_aisle = model.recommend("all", k=200, categories=[aisle]).filter(pl.col("item_id") == item)
    real = pl.col("user_id").is_in(bought.filter(pl.col("item_id") == item)["user_id"].unique().implode())
    of = model.items.filter(pl.col("category") == aisle).height
    for who, ranks in (("buyers", inside_aisle.filter(real)), ("others", inside_aisle.filter(~real))):
        print(f"{title} ({aisle}), {ranks.height} {who}: median rank {ranks['rank'].median():.0f} of {of} in the aisle")

asker = bought.filter(pl.col("item_id") == cold[0], pl.col("user_id").is_in(model.users))["user_id"].sort()[0]
its_aisle = new_items.filter(pl.col("item_id") == cold[0])["category"].to_list()
cold_rows = model.recommend([asker], k=200, categories=its_aisle, explain=True, lang=LANG).filter(pl.col("item_id") == cold[0])
for row in cold_rows.iter_rows(named=True):
    print(f"\n{row['user_id']}, {row['rank']}: {row['reason']}")
top_ten = model.recommend("all", k=10).filter(pl.col("item_id").is_in(cold.implode()))["user_id"].n_unique()
print(f"\nwhole shop: a new item is in the first ten of {top_ten} of {len(model.users)} households")

# %% [en]
# ## 8. An attack
#
# `crossaisle attack` fits on all but the newest purchases and asks again under attack: item vectors shifted, at random and in the worst
# direction that the gradient knows, and made-up people who push items, held against as many copies of genuine people (`gain over copied`
# is what is due to the push).

# %% [zh]
# ## 8. 一次攻击
#
# `crossaisle attack` 留出最新的购买，用其余的训练，然后在攻击之下再问一遍：把商品向量随机偏移，或朝梯度所指的最坏方向偏移；以及伪造一些人
# 来推高某些商品，并与同样多的真人副本对照（`gain over copied` 才是推动的效果）。此命令的表格为英文。

# %%
crossaisle(
    *("attack", "--interactions", "interactions.parquet", "--items", "items.parquet", "--attacks", "vectors,shilling", "--out", "attacked"),
    *assignments(train__epochs="2", attack__vectors="0.1,0.5", attack__targets="5", attack__shares="0.02"),
)
attack = json.loads(Path("attacked/report.json").read_text())

# %% [en]
# ## What to take away
#
# Every step has something that could have shown it wrong: rejected rows, a placebo graph, intervals, baselines, copied people beside
# made-up ones. On data of your own, start with `crossaisle check`, then `crossaisle evaluate` before you trust anything; `make demo` does
# the main job on ten weeks of the whole shop. [Concepts](../docs/concepts.md) has the formulas.

# %% [zh]
# ## 可以带走什么
#
# 每一步都有可能证明它错了的东西：不合格的行、安慰剂关联图、区间、基线、与伪造者并列的真人副本。换成您自己的数据时，先用 `crossaisle
# check`，再用 `crossaisle evaluate`，然后才谈得上信任；`make demo` 在整个商店的十周数据上完成主要任务。公式见
# [concepts](../docs/concepts.md)。

# %%
os.chdir(start)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    folder.cleanup()
