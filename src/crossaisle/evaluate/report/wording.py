"""The wording of the report, English and Chinese side by side. Imports nothing of its own room.

Every sentence is a pair, so that neither language can lag behind. A key that is missing is a mistake of the program, not of the user.
"""

from __future__ import annotations

__all__ = ["MESSAGES", "NAMES"]

NAMES: dict[str, tuple[str, str]] = {
    # models
    "crossaisle": ("CrossAisle", "CrossAisle"),
    "crossaisle-shuffled-text": ("Shuffled texts", "文本打乱"),
    "sasrec": ("SASRec", "SASRec"),
    "popularity": ("Popularity", "热门"),
    "popularity-aisle": ("Popularity in the aisle", "品类内热门"),
    "popularity-month": ("Popularity, last month", "近一月热门"),
    "popularity-recent": ("Popularity, last month", "近一月热门"),
    "item-knn": ("Item kNN", "商品近邻"),
    "user-knn": ("User kNN", "用户近邻"),
    "ease": ("EASE", "EASE"),
    "ials": ("iALS", "iALS"),
    "text-knn": ("Text kNN", "文本近邻"),
    "word-knn": ("Word kNN (TF-IDF)", "词近邻（TF-IDF）"),
    "transition-graph": ("Transition graph", "转移图"),
    "crossaisle-network": ("CrossAisle, network alone", "CrossAisle，仅网络"),
    "crossaisle-without-ridge": ("CrossAisle without the cross-aisle ridge", "CrossAisle，不用跨品类岭回归"),
    "crossaisle-without-counts": ("CrossAisle, weights blind to counts", "CrossAisle，权重不看次数"),
    "crossaisle-shuffled-aisles": ("Shuffled aisles", "品类打乱"),
    "graph-popularity": ("Category graph × popularity", "品类图 × 热门"),
    "word-popularity": ("Popularity of the nearest words", "文字相近商品的热度"),
    # protocols
    "leave-one-out": ("leave-one-out", "留一法"),
    "time-split": ("time split", "按时间切分"),
    "first-visit": ("first visit to an aisle", "首次进入新品类"),
    "hidden-aisle": ("hidden aisle", "隐藏品类"),
    "cold-item": ("cold items", "冷启动商品"),
    "cold-aisle": ("a new aisle", "全新品类"),
    "cold-user": ("cold users", "冷启动用户"),
    "next-basket": ("next basket", "下一购物篮"),
    # views
    "all": ("Whole catalogue", "全部商品"),
    "aisle": ("Inside the target's aisle", "目标所在品类内"),
    "beyond": ("All aisles new to the history", "历史未涉及的所有品类"),
    "new": ("New items only", "仅新商品"),
    "all-intervened": ("Whole catalogue, targets asked for evenly", "全部商品（目标均匀抽取）"),
    "aisle-intervened": ("Inside the target's aisle, targets asked for evenly", "目标所在品类内（目标均匀抽取）"),
    "beyond-intervened": ("All aisles new to the history, targets asked for evenly", "历史未涉及的所有品类（目标均匀抽取）"),
    "sampled": ("Among sampled items, for comparison with papers only", "在抽样商品中（仅供与论文比较）"),
    "new-items": ("New items, among the whole catalogue", "新商品（在全部商品中）"),
    "known-items": ("Known items, among the whole catalogue", "已有商品（在全部商品中）"),
    "among-new": ("New items, among new items only", "新商品（仅在新商品中）"),
    # measures
    "precision": ("Precision", "精确率"),
    "macro_ndcg": ("NDCG by aisle", "按品类平均的 NDCG"),
    "recall": ("Recall", "召回率"),
    "f1": ("F1", "F1"),
    "hit_rate": ("Hit rate", "命中率"),
    "ndcg": ("NDCG", "NDCG"),
    "mrr": ("MRR", "MRR"),
    "coverage": ("Coverage", "覆盖率"),
    "gini": ("Gini", "基尼系数"),
    "intra_list_diversity": ("Diversity in the list", "列表内多样性"),
    "category_entropy": ("Category entropy", "品类熵"),
    "log_popularity": ("Log-popularity", "对数热度"),
    # groups
    "group-aisle": ("Aisle of the target", "目标所在品类"),
    "group-history": ("Length of the history", "历史长度"),
    "group-target-count": ("How often the target was seen in training", "目标在训练中出现的次数"),
    "group-target-popularity": ("Popularity of the target", "目标的热门程度"),
    "group-graph-step": ("Steps from the last item in the training graph", "训练转移图中与最后一件商品的距离"),
    "group-id-order": ("Target's id against the id of the item before it", "目标编号与前一件商品编号的大小"),
    "group-same-day": ("Same day as the item before it", "是否与前一件商品同日"),
    # levels
    "level-0": ("0 (cold)", "0（冷启动）"),
    "level-head": ("head", "头部"),
    "level-middle": ("middle", "中部"),
    "level-tail": ("tail", "尾部"),
    "level-never seen": ("never seen", "从未出现"),
    "level-one step": ("one step", "一步之内"),
    "level-farther": ("farther", "更远"),
    "level-above": ("above", "更大"),
    "level-below": ("below", "更小"),
    "level-same": ("same", "相同"),
    "level-same day": ("same day", "同日"),
    "level-another day": ("another day", "不同日"),
    "level-unknown": ("unknown", "未知"),
    "level-": ("(no aisle)", "（无品类）"),
}
"""What a reader sees for the names that the program uses."""

MESSAGES: dict[str, tuple[str, str]] = {
    "title": ("How good are the recommendations? {data}, {protocol}", "推荐效果如何？{data}，{protocol}"),
    "by": (
        "CrossAisle {version} · {when} · {minutes} minutes · {seeds}",
        "CrossAisle {version} · {when} · 用时 {minutes} 分钟 · {seeds}",
    ),
    # verdict
    "better-title": ("Better than the best baseline", "优于最佳基线"),
    "worse-title": ("Worse than the best baseline", "不及最佳基线"),
    "unclear-title": ("Not shown to be better than the best baseline", "未能证明优于最佳基线"),
    "no-ours-title": ("CrossAisle was not part of this trial", "本次评测未包含 CrossAisle"),
    "no-baseline-title": ("No baseline to compare with", "没有可比较的基线"),
    "better": (
        "{ours} beats {baseline}, the best baseline: {measure} {a} against {b}, a difference of {d} "
        "(95 % interval {low} to {high}, {p}, {n} test questions).",
        "{ours} 胜过最佳基线“{baseline}”：{measure} 为 {a}，对方为 {b}，相差 {d}（95% 区间 {low} 至 {high}，{p}，{n} 个测试问题）。",
    ),
    "worse": (
        "{ours} does not beat {baseline}, the best baseline: it is worse, {measure} {a} against {b}, a difference of {d} "
        "(95 % interval {low} to {high}, {p}, {n} test questions).",
        "{ours} 没有胜过最佳基线“{baseline}”，而是更差：{measure} 为 {a}，"
        "对方为 {b}，相差 {d}（95% 区间 {low} 至 {high}，{p}，{n} 个测试问题）。",
    ),
    "unclear": (
        "{ours} does not clearly beat {baseline}, the best baseline: {measure} {a} against {b}, a difference of {d}, which may be chance "
        "(95 % interval {low} to {high}, {p}, {n} test questions).",
        "{ours} 没有明显胜过最佳基线“{baseline}”：{measure} 为 {a}，对方为 {b}，"
        "相差 {d}，可能出于偶然（95% 区间 {low} 至 {high}，{p}，{n} 个测试问题）。",
    ),
    "no-ours": ("The best of the models tried is {baseline}: {measure} {b}.", "所试模型中最好的是“{baseline}”：{measure} 为 {b}。"),
    "no-baseline": (
        "{ours} reaches {measure} {a}, but nothing was run beside it: this says little about its worth.",
        "{ours} 的 {measure} 为 {a}，但没有同场比较的模型：仅凭此难以判断优劣。",
    ),
    "chosen-validation": (
        "Which baseline is best was decided on the validation questions, before the test.",
        "最佳基线由验证问题选定，先于测试。",
    ),
    "chosen-test": (
        "There were no validation questions to choose by, so the baseline "
        "that did best on the test itself is taken: that favours the baseline.",
        "没有可供选择的验证问题，故取测试中表现最好的基线：这对基线有利。",
    ),
    "chosen-harder": (
        "On the validation questions {baseline} was the best baseline; the difference of {ours} from it is {d} "
        "(95 % interval {low} to {high}). The one named above did better on the test, so ours is held to that.",
        "验证问题选出的最佳基线是“{baseline}”，{ours} 与它相差 {d}（95% 区间 {low} 至 {high}）。上面所说的基线在测试中更好，故以它为准。",
    ),
    "another-above": (
        "On the test questions {baseline} did better than the baseline chosen: {measure} {b}; the difference of {ours} from it is {d} "
        "(95 % interval {low} to {high}).",
        "在测试问题上，“{baseline}”好于选定的基线：{measure} 为 {b}；{ours} 与它相差 {d}（95% 区间 {low} 至 {high}）。",
    ),
    "in-view": ("{view}: {text}", "{view}：{text}"),
    # sections
    "section-models": ("Every model, at several k", "各模型在不同 k 下的表现"),
    "section-difference": ("Difference from each other model", "与其他各模型的差异"),
    "section-lists": ("What the lists are like", "推荐列表的特点"),
    "section-shares": ("What each aisle gets", "各品类所占份额"),
    "section-aisles": ("By aisle", "分品类"),
    "section-groups": ("By kind of question", "分组情况"),
    "section-notes": ("To bear in mind", "须知"),
    "section-how": ("How this was measured", "评测方法"),
    "section-learning": ("Learning curves", "学习曲线"),
    "section-examples": ("A few answers", "若干推荐示例"),
    "section-read": ("How to read the measures", "指标说明"),
    "glance": ("At a glance", "概览"),
    "controls": ("Controls: ours with a part taken away", "对照：去掉某一部分的 CrossAisle"),
    "legend-control": ("controls", "对照"),
    "only": ("Only {senses}", "只用{senses}"),
    "sense-words": ("words", "词"),
    "sense-text": ("text vectors", "文本向量"),
    "sense-ids": ("ids", "编号"),
    # captions and heads
    "main-caption": (
        "Mean over {n} test questions, 95 % bootstrap interval below. Bold: the best in its column; controls do not compete.",
        "{n} 个测试问题的平均值，下方为 95% 自助法区间。粗体：该列最佳；对照不参与比较。",
    ),
    "every-caption": ("All measures at k = {k}.", "k = {k} 时的全部指标。"),
    "every-summary": ("All measures at every k", "每个 k 下的全部指标"),
    "difference-caption": (
        "{measure} of {ours} minus that of each other model on the same questions; left of zero, the other model is better.",
        "同一批问题上 {ours} 的 {measure} 减去其他各模型；在零线左侧表示对方更好。",
    ),
    "difference-table": (
        "Differences in {measure}, paired by question; an interval that holds zero shows nothing either way.",
        "{measure} 的差异，按问题配对；区间包含零则说明不了优劣。",
    ),
    "dots-caption": ("{measure} with its 95 % interval.", "{measure} 及其 95% 区间。"),
    "curves-caption": ("{measure} as the list grows longer.", "{measure} 随列表长度的变化。"),
    "lists-caption": (
        "All answers of a model together, at k = {k}. No column is simply better when higher: a list can be varied and wrong.",
        "模型全部推荐的整体特点，k = {k}。这些数值并非越高越好：列表可以多样却不准。",
    ),
    "aisles-caption": ("{measure} by the aisle of the target, largest first.", "按目标所在品类的 {measure}，由大到小。"),
    "shares-caption": (
        "Share of each aisle among the targets, and in the lists of each model; report.json holds every aisle.",
        "各品类在目标中的份额，以及在各模型推荐列表中的份额；report.json 中有全部品类。",
    ),
    "aisles-more": (
        "{n} smaller aisles are left out here; report.json holds them all.",
        "此处略去 {n} 个较小的品类；report.json 中有全部。",
    ),
    "groups-caption": (
        "{measure} of every model by group; 95 % interval below each figure.",
        "各模型在各组的 {measure}；数值下方为 95% 区间。",
    ),
    "pairs-caption": ("{measure} of {ours} and of {baseline}, with 95 % intervals.", "{ours} 与 {baseline} 的 {measure} 及 95% 区间。"),
    "runs-caption": ("What was run.", "运行情况。"),
    "examples-caption": (
        "Answers of {model} to {n} test questions, the first {k} of each; ✓ marks what was really chosen.",
        "{model} 对 {n} 个测试问题的推荐，各列前 {k} 件；✓ 为实际选择。",
    ),
    "col-model": ("Model", "模型"),
    "col-against": ("Against", "对比模型"),
    "col-difference": ("Difference", "差异"),
    "col-interval": ("95 % interval", "95% 区间"),
    "col-p": ("p", "p 值"),
    "col-targets": ("Targets", "目标"),
    "col-questions": ("Questions", "问题数"),
    "col-aisle": ("Aisle", "品类"),
    "one-seed": ("seed {seeds}", "随机种子 {seeds}"),
    "more-seeds": ("seeds {seeds}", "随机种子 {seeds}"),
    "col-seed": ("Seed", "种子"),
    "col-fit": ("Fit, minutes", "训练（分钟）"),
    "col-score": ("Answers, minutes", "推荐（分钟）"),
    "col-rate": ("Questions a second", "每秒问题数"),
    "col-valid": ("{measure} on validation", "验证集 {measure}"),
    "col-spread": ("Spread over seeds", "种子间标准差"),
    "col-note": ("Note", "备注"),
    "col-user": ("User", "用户"),
    "col-target": ("Really chosen", "实际选择"),
    "col-answers": ("Recommended", "推荐"),
    "col-setting": ("Setting", "设置项"),
    "col-value": ("Value", "值"),
    "col-best": ("best baseline", "最佳基线"),
    "axis-difference": ("Difference in {measure}", "{measure} 的差异"),
    "axis-epoch": ("Epoch", "轮次"),
    "learning-valid": ("{measure} on validation by epoch, while choosing when to stop.", "选择停止时机时，各轮的验证集 {measure}。"),
    "learning-loss": ("Training loss by epoch, while choosing when to stop.", "选择停止时机时，各轮的训练损失。"),
    "learning-refit": ("Training loss by epoch, when trained once more on everything.", "用全部数据再训练一次时，各轮的训练损失。"),
    "axis-k": ("Length of the list, k", "列表长度 k"),
    "n": ("n = {n}", "n = {n}"),
    "span": ("{low} to {high}", "{low} 至 {high}"),
    "legend-best": ("{name} (best baseline)", "{name}（最佳基线）"),
    "legend-baseline": ("other baselines", "其他基线"),
    "nothing": ("No model gave a figure.", "没有模型给出结果。"),
    "short-history": ("History", "历史长度"),
    "short-target-count": ("Seen in training", "训练中次数"),
    "short-target-popularity": ("Popularity", "热门程度"),
    "short-graph-step": ("Graph step", "转移图距离"),
    "short-id-order": ("Order of ids", "编号大小"),
    "short-same-day": ("Same day", "是否同日"),
    # facts
    "fact-data": ("Data", "数据"),
    "fact-protocol": ("Protocol", "评测方式"),
    "fact-split": ("Split", "切分"),
    "fact-users": ("Users", "用户"),
    "fact-items": ("Items", "商品"),
    "fact-aisles": ("Aisles", "品类"),
    "fact-events": ("Events", "行为"),
    "fact-train_events": ("Events in training", "训练行为"),
    "fact-full_events": ("Events when refitted", "重新训练时的行为"),
    "fact-valid_queries": ("Validation questions", "验证问题"),
    "fact-test_queries": ("Test questions", "测试问题"),
    "fact-refit": ("Refitted on validation events too", "并入验证行为重新训练"),
    "fact-seeds": ("Seeds", "随机种子"),
    "fact-minutes": ("Minutes in all", "总用时（分钟）"),
    "fact-memory": ("Peak memory", "内存峰值"),
    "fact-started": ("Started", "开始时间"),
    "fact-hardware": ("Hardware", "硬件"),
    "fact-versions": ("Versions", "版本"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    "settings-summary": ("All settings", "全部设置"),
    "data-summary": ("What was read from the tables", "数据读取情况"),
    "hardware-machine": ("machine", "机器"),
    "hardware-processor": ("processor", "处理器"),
    "hardware-cores": ("cores", "核心"),
    "hardware-threads": ("threads", "线程"),
    "hardware-memory_gb": ("memory, GB", "内存（GB)"),
    "hardware-device": ("device", "设备"),
    # notes
    "note-skipped": ("{model} was not run: {reason}", "未运行“{model}”：{reason}"),
    "note-one-seed": (
        "One seed: the intervals cover which questions happened to be asked, not the luck of a training run.",
        "只用了一个随机种子：区间只反映抽到哪些问题，不反映训练的偶然性。",
    ),
    "note-few": (
        "Only {n} test questions: the intervals are wide, and small differences mean little.",
        "测试问题只有 {n} 个：区间很宽，小的差异没有意义。",
    ),
    "note-shortcut": (
        "{share} of the targets follow the last item of the history somewhere in training. On those {ours} scores {a}, on the rest {b} "
        "({measure}). Such a step can be looked up without learning anything; the rest says more.",
        "{share} 的目标曾在训练中紧跟历史的最后一件商品。在这些问题上 {ours} 的 {measure} 为 {a}，其余为 {b}。"
        "这样的一步无需学习即可查得；其余部分更能说明问题。",
    ),
    "note-heuristic": (
        "Shortcut warning: a heuristic without any training (transition graph) reaches {share} of the {measure} of {ours} here. "
        "This data can largely be solved by small steps from the last item.",
        "捷径警告：一个完全无需训练的启发式方法（转移图）在此达到 {ours} 的 "
        "{measure} 的 {share}。这份数据大半可由最后一件商品的相邻一步解出。",
    ),
    "note-same-day": (
        "{share} of the targets lie on the same day as the item before them. On those {ours} scores {a}, on other days {b} ({measure}): "
        "things bought together are easier to guess.",
        "{share} 的目标与前一件商品同日。在这些问题上 {ours} 的 {measure} 为 {a}，不同日为 {b}：一起买的东西更容易猜中。",
    ),
    "note-id-order": (
        "Sources often sort the items of one day by id. Where the target's "
        "id is above that of the item before it ({share}), {ours} scores {a}, "
        "where it is below, {b} ({measure}).",
        "数据来源常把同一天的商品按编号排序。目标编号大于前一件商品时（占 {share}），{ours} 的 {measure} 为 {a}，小于时为 {b}。",
    ),
    "note-cold": (
        "{share} of the targets were never seen in training; on those {ours} scores {a} ({measure}).",
        "{share} 的目标在训练中从未出现；在这些问题上 {ours} 的 {measure} 为 {a}。",
    ),
    "note-placebo-falls": (
        "With the texts shuffled among the items, {measure} falls from {a} to {b}: the content of the texts carries quality.",
        "把文本在商品间打乱后，{measure} 由 {a} 降至 {b}：文本内容确有贡献。",
    ),
    "note-placebo-stays": (
        "With the texts shuffled among the items, {measure} is {b} against "
        "{a}: this trial does not show that the content of the texts helps.",
        "把文本在商品间打乱后，{measure} 为 {b}，原为 {a}：本次评测不能说明文本内容有帮助。",
    ),
    "note-control-above": (
        'The control "{control}" scores above {ours}: {measure} {b} against {a}. What it leaves out does not help here.',
        "对照“{control}”高于 {ours}：{measure} 为 {b}，对 {a}。它所去掉的部分在此没有帮助。",
    ),
    # how to read
    "read-question": (
        "A question is a history whose next choice is hidden; the answer is a ranked list of k items.",
        "一个问题就是一段历史，其后的选择被隐去；回答是排好序的 k 件商品。",
    ),
    "read-precision": ("Precision: share of the k items that were really chosen.", "精确率：k 件商品中实际被选中的比例。"),
    "read-recall": ("Recall: share of what was really chosen that is in the list.", "召回率：实际选中的商品有多少出现在列表里。"),
    "read-f1": ("F1: the harmonic mean of the two.", "F1：以上两者的调和平均。"),
    "read-hit_rate": ("Hit rate: share of questions with at least one right item.", "命中率：至少命中一件的问题所占比例。"),
    "read-ndcg": (
        "NDCG: 1 when the right items stand at the top; a right item counts 1 / log2(1 + place).",
        "NDCG：正确商品都排在最前时为 1；一件正确商品的贡献为 1 / log2(1 + 名次）。",
    ),
    "read-macro_ndcg": (
        "NDCG by aisle: the mean over aisles of the mean over an aisle's questions, so that small aisles count like large ones.",
        "按品类平均的 NDCG：先在每个品类的问题内平均，再对品类平均，小品类与大品类同等重要。",
    ),
    "read-mrr": ("MRR: 1 / place of the first right item, 0 if there is none.", "MRR：第一件正确商品名次的倒数，没有则为 0。"),
    "read-coverage": ("Coverage: share of the items that are recommended to anybody.", "覆盖率：全部商品中至少被推荐过一次的比例。"),
    "read-gini": (
        "Gini: 0 if all items are recommended equally often, near 1 if a few take all places.",
        "基尼系数：各商品被推荐次数相同为 0，集中于少数商品则接近 1。",
    ),
    "read-intra_list_diversity": (
        "Diversity in the list: mean distance (1 - cosine of the item vectors) of two items in a list.",
        "列表内多样性：列表中两件商品的平均距离（1 − 商品向量余弦）。",
    ),
    "read-category_entropy": (
        "Category entropy, in bits: 0 if a list stays in one aisle, higher the more evenly it spreads over aisles.",
        "品类熵（比特）：列表只在一个品类内为 0，分布越均匀越高。",
    ),
    "read-log_popularity": (
        "Log-popularity: mean of log(1 + events in training) of what is recommended; the lower, the rarer the items.",
        "对数热度：所推荐商品的 log(1 + 训练中行为数) 的平均值；越低表示商品越冷门。",
    ),
    "read-interval": (
        "95 % intervals: bootstrap over questions; differences are paired, question by question.",
        "95% 区间：对问题做自助法重抽样；差异逐题配对。",
    ),
    "files": (
        "Beside this page: report.json (everything here as data), per_query.parquet (every "
        "measure of every question, model and seed), queries.parquet (the questions).",
        "同一文件夹中："
        "report.json（本页全部内容的数据）、per_query.parquet（每个问题、模型、种子的全部指标）、queries.parquet（问题本身）。",
    ),
    "see-figure": ("Figure in report.html: {caption}", "图见 report.html：{caption}"),
    "sections": ("Sections", "章节"),
    "skip": ("Skip to the results", "跳到结果"),
}
"""Sentences with their blanks."""
