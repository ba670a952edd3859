"""Sentences that other rooms write in English, in Chinese. Imports: wording.

Splits, views and models describe themselves in English; a sentence not listed here is shown as it was written. The tests keep this list
in step with every sentence that a protocol can write.
"""

from __future__ import annotations

import re

from crossaisle.evaluate.report.wording import NAMES

__all__ = ["SENTENCES"]

_ENGLISH: tuple[tuple[str, str], ...] = (
    # splits
    (
        r"The last event of each user is the test target, the last but one the validation target; "
        r"events of the same time keep the file's order\.",
        "每个用户的最后一次行为为测试目标，倒数第二次为验证目标；时间相同的行为保持文件中的顺序。",
    ),
    (
        r"The last event of each user is the test target, the last but one the validation target, "
        r"after events of the same time were put into a random order\.",
        "先将时间相同的行为随机排序；每个用户的最后一次行为为测试目标，倒数第二次为验证目标。",
    ),
    (
        r"([\d,]+) items were held out as new \(further ([\d,]+) for validation\), chosen by chance; their events were not learned from\.",
        r"随机选出 \1 件商品作为新商品（另有 \2 件用于验证）；它们的行为不参与训练。",
    ),
    (
        r"([\d,]+) users are asked for the newest of them, ([\d,]+) others for their newest known item\.",
        r"\1 个用户预测其中最近的一件，另有 \2 个用户预测最近的一件已有商品。",
    ),
    (
        r"The aisle '(.+)' is new: none of its events were learned from; who knows other aisles is asked for all they had there\.",
        r"品类“\1”为全新品类：其行为均不参与训练；对了解其他品类的用户，预测他们在其中的全部商品。",
    ),
    (r"The aisle '(.+)' likewise for validation\.", r"品类“\1”同样用于验证。"),
    (
        r"([\d,]+) users were held out as new \(further ([\d,]+) for validation\), chosen by chance; each is asked for the last item\.",
        r"随机选出 \1 个用户作为新用户（另有 \2 个用于验证）；预测每人的最后一件商品。",
    ),
    (
        r"The newest time that each of ([\d,]+) users entered an aisle new to them; asked which of its items they took\.",
        r"取 \1 个用户各自最近一次进入新品类的时刻；预测他们选了其中哪些商品。",
    ),
    (
        r"Learned from the time before ([\d-]+), asked for the first item of each known user after it; validation from ([\d-]+)\.",
        r"用 \1 之前的数据训练，预测每个已知用户此后的第一件商品；验证自 \2 起。",
    ),
    (
        r"Learned from the time before ([\d-]+), asked for all items of each known user after it; validation from ([\d-]+)\.",
        r"用 \1 之前的数据训练，预测每个已知用户此后的全部商品；验证自 \2 起。",
    ),
    (
        r"Learned from the time before ([\d-]+), asked for all items of the first basket of each known user after it; "
        r"validation from ([\d-]+)\.",
        r"用 \1 之前的数据训练，预测每个已知用户此后第一个购物篮中的全部商品；验证自 \2 起。",
    ),
    (r"([\d,]+) users who first came later were not asked\.", r"另有 \1 个此后才出现的用户不作预测。"),
    (r"([\d,]+) interactions without a time were left out\.", r"略去 \1 条没有时间的行为。"),
    (
        r"Of the users with two or more aisles, a fifth \(fold (\d)\) each lost one whole aisle and are asked for all they had there; "
        r"fold (\d) likewise for validation\.",
        r"涉及两个以上品类的用户中，五分之一（第 \1 折）各隐去一个完整品类，预测他们在其中的全部商品；第 \2 折同样用于验证。",
    ),
    (
        r"In the views that are intervened a question is kept with probability proportional to min\(1 / n, ([\d.e-]+)\), "
        r"n the training events of its target, drawn with seed (\d+)\.",
        r"在均匀抽取的视图中，问题以正比于 min(1/n, \1) 的概率保留，n 为其目标在训练中的行为数；随机种子为 \2。",
    ),
    (
        r"What models choose by themselves they choose on validation questions drawn in the same way\.",
        "模型自行选择的内容，均按同样方式抽取的验证问题来选。",
    ),
    (
        r"Of the questions so many are drawn that popular targets are asked for no more than rare ones\.",
        "对问题加以抽取，使热门目标被问到的次数不多于冷门目标。",
    ),
    # views
    (r"All items are ranked\.", "对全部商品排序。"),
    (
        r"All items are ranked, those bought before too; all items of the next basket count\.",
        "对全部商品排序，包括买过的；下一购物篮中的商品都算命中。",
    ),
    (r"Only items not bought before are ranked and count\.", "只对未买过的商品排序，也只有它们算命中。"),
    (r"The items of the aisle that the user enters are ranked\.", "对用户所进入品类的商品排序。"),
    (r"The items of the hidden aisle are ranked\.", "对被隐去品类的商品排序。"),
    (r"The items of all aisles that the history does not touch are ranked\.", "对历史未涉及的所有品类的商品排序。"),
    (r"All items are ranked; the target has no event in the training data\.", "对全部商品排序；目标在训练数据中没有任何行为。"),
    (r"All items are ranked; the target has events in the training data\.", "对全部商品排序；目标在训练数据中有过行为。"),
    (r"The items of the new aisle are ranked\.", "对全新品类的商品排序。"),
    (
        r"Among ([\d,]+) sampled items of the target's own aisle, for comparison with papers only\.",
        r"在目标所在品类抽样的 \1 件商品中排序，仅供与论文比较。",
    ),
    (r"Only items without any event in the training data are ranked\.", "只对训练数据中没有任何行为的商品排序。"),
    # choices
    (r"Items already seen are left out of the ranking\.", "排序时略去已接触过的商品。"),
    (r"Items already seen are ranked like any other\.", "已接触过的商品也参与排序。"),
    *(
        (
            rf"Of ([\d,]+) questions, ([\d,]+) are not asked in the view {name}: the history holds all their targets\.",
            rf"\1 个问题中有 \2 个不计入“{NAMES[name][1]}”：其目标全在历史中。",
        )
        for name in (
            *("all", "aisle", "beyond", "new", "new-items", "known-items", "among-new", "sampled"),
            *("all-intervened", "aisle-intervened", "beyond-intervened"),
        )
    ),
    (r"Targets that never occur in training are kept\.", "保留训练中从未出现的目标。"),
    (
        r"In the view sampled the target stands among ([\d,]+) items of its own aisle that are not in the history, drawn uniformly "
        r"without replacement with seed (\d+), the same for every model\.",
        r"抽样视图中，目标与其所在品类的 \1 件不在历史中的商品一同排序；这些商品以种子 \2 均匀无放回抽取，各模型相同。",
    ),
    (
        r"That tells a model the target's aisle and leaves it few rivals, so these figures stand beside papers only\.",
        "这等于告知模型目标所在的品类，且对手很少，故这些数值仅供与论文比较。",
    ),
    (
        r"In the other views no candidates are sampled; items that are unavailable today are ranked too\.",
        "其他视图不抽样候选；如今缺货的商品也参与排序。",
    ),
    (r"No candidates are sampled; items that are unavailable today are ranked too\.", "不抽样候选；如今缺货的商品也参与排序。"),
    (
        r"Models are fitted once more on training and validation events before the test questions are asked\.",
        "测试之前，模型用训练与验证行为重新训练一次。",
    ),
    (
        r"Models learn from the training events only; the history of a test question holds the validation events too\.",
        "模型只用训练行为学习；测试问题的历史也包含验证行为。",
    ),
    (r"Events of the same time keep the file's order\.", "时间相同的行为保持文件中的顺序。"),
    # what models say about themselves
    (r"kept epoch (\d+) of (\d+)", r"取第 \1 轮（共 \2 轮）"),
    (r"items are read by ([^ ]+), as set", r"按设置由 \1 读取商品文本"),
    # models that did not run
    (
        r"([\d,]+) items with events, more than ([\d,]+); its dense matrix would take ([\d.,]+ GB) and time growing with the cube",
        r"有行为的商品 \1 件，超过 \2 件；其稠密矩阵需 \3 内存，时间随立方增长",
    ),
)

SENTENCES = tuple((re.compile(english), chinese) for english, chinese in _ENGLISH)
"""Pattern of the whole English sentence, and the Chinese one with its groups."""
