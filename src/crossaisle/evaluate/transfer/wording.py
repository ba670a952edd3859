"""The wording of the transfer report, English and Chinese side by side. Imports nothing of its own room."""

from __future__ import annotations

__all__ = ["TEXTS"]

TEXTS: dict[str, tuple[str, str]] = {
    "t-title": ("Do the aisles help each other? {data}", "各品类能否相互促进？{data}"),
    # verdict
    "t-negative-title": ("Some aisles lose", "部分品类受损"),
    "t-positive-title": ("Aisles gain, none is shown to lose", "有品类受益，未见品类受损"),
    "t-unclear-title": ("No aisle is shown to gain or to lose", "未见任何品类受益或受损"),
    "t-verdict": (
        "Of {n} aisles, {positive} gain by training with the others, {negative} lose, {unclear} cannot be told from chance. "
        "Over the aisles the mean N@10 is {before} alone and {after} together, a change of {change} (95 % interval {low} to {high}).",
        "{n} 个品类中，{positive} 个因与其他品类共同训练而受益，{negative} 个受损，{unclear} 个无法与偶然区分。"
        "各品类平均 N@10：单独 {before}，共同 {after}，变化 {change}（95% 区间 {low} 至 {high}）。",
    ),
    "t-names-positive": ("Gain: {names}.", "受益：{names}。"),
    "t-names-negative": ("Negative transfer: {names}.", "负迁移：{names}。"),
    # table of aisles
    "t-section-aisles": ("Each aisle alone and together with all others", "各品类：单独训练与共同训练"),
    "t-aisles-caption": (
        "N@10 on the same questions. Change: (together − alone) / alone, 95 % bootstrap interval below, paired by question.",
        "同一批问题的 N@10。变化：（共同 − 单独）/ 单独，下方为按问题配对的 95% 自助法区间。",
    ),
    "t-col-alone": ("Alone", "单独"),
    "t-col-together": ("Together", "共同"),
    "t-col-change": ("Change", "变化"),
    "t-col-outcome": ("Transfer", "迁移"),
    "t-col-seeds": ("Change by seed", "各种子的变化"),
    "t-col-valid": ("Change on validation", "验证集上的变化"),
    "t-col-gate": ("The gate takes", "择优结果"),
    "t-col-gated": ("Gate", "择优"),
    "t-col-elsewhere": ("Has history elsewhere", "有其他品类历史"),
    "t-positive": ("positive", "正"),
    "t-negative": ("negative", "负"),
    "t-unclear": ("unclear", "不明"),
    "t-alone": ("alone", "单独"),
    "t-together": ("together", "共同"),
    "t-pair": ("pair", "两个品类"),
    "t-spread": ("sd {sd}", "标准差 {sd}"),
    "t-bars-caption": (
        "Change of N@10 by training with the other aisles, with 95 % intervals; left of zero, the other aisles do harm.",
        "与其他品类共同训练带来的 N@10 变化及 95% 区间；在零线左侧表示其他品类有害。",
    ),
    "t-axis": ("Change of N@10, %", "N@10 的变化，%"),
    # gate
    "t-section-gate": ("The better of the two for each aisle", "按品类择优"),
    "t-gate": (
        "The gate answers an aisle with the model that was trained on it alone only where that model is better on the validation questions "
        "and the 95 % interval of the difference excludes zero; otherwise with the one model for all. "
        "Here it takes {alone} of {n} aisles alone.",
        "择优规则：仅当某品类单独训练的模型在验证问题上更好、且差值的 95% 区间不含零时，才用该模型回答这一品类；否则用统一的模型。"
        "此处 {n} 个品类中有 {alone} 个改用单独的模型。",
    ),
    "t-gate-caption": (
        "What the gate goes by (validation), what it takes, and what that gives on the test questions (N@10).",
        "择优的依据（验证集）、结果，以及在测试问题上的 N@10。",
    ),
    "t-totals-caption": (
        "N@10 over all aisles. Micro: each question counts the same; macro: each aisle does. "
        "The changes: together against alone, and the gate against together.",
        "全部品类的 N@10。微平均：各问题同权；宏平均：各品类同权。变化：共同对单独，以及择优对共同。",
    ),
    "t-col-mean": ("Mean", "平均方式"),
    "t-micro": ("micro", "微平均"),
    "t-macro": ("macro", "宏平均"),
    "t-col-gain": ("Together against alone", "共同对单独"),
    "t-col-gate-gain": ("Gate against together", "择优对共同"),
    "t-price": (
        "The price: to decide, every aisle was trained alone too, {decide} minutes beside {joint} for the one model. "
        "To serve, {models} more are kept, {parameters} parameters beside {joint_parameters}. "
        "A model of one aisle does not read what a user did in others, "
        "so it has nothing to go on for somebody who enters the aisle for the first time; no such user is asked here.",
        "代价：为作此决定，还须对各品类单独训练，用时 {decide} 分钟，统一模型为 {joint} 分钟。"
        "上线时须多保存 {models} 个模型，共 {parameters} 个参数，统一模型为 {joint_parameters} 个。"
        "单独的模型读不到用户在其他品类的行为，对首次进入该品类的人无从判断；此处没有问到这样的用户。",
    ),
    # pairs
    "t-section-pairs": ("From one aisle to another", "品类之间的迁移"),
    "t-pairs-caption": (
        "Change of the column's N@10 when the row's aisle is added to its training, against the column's aisle alone; 95 % interval below.",
        "在列品类的训练中加入行品类后，列品类 N@10 相对单独训练的变化；下方为 95% 区间。",
    ),
    "t-col-source": ("Added", "加入"),
    "t-pairs-note": (
        "{n} changes are shown; at 95 %, about {chance} of them would exclude zero by chance alone.",
        "共 {n} 个变化；在 95% 水平上，仅凭偶然就会有约 {chance} 个区间不含零。",
    ),
    # notes
    "t-note-asked": (
        "Each user is asked in one aisle only, drawn by chance among those where they can be asked, with small aisles preferred "
        "so that all get questions. So users of several aisles are asked in their smaller ones more often than chance would have it.",
        "每个用户只在一个品类中被提问：在可提问的品类中随机抽取，优先较小的品类，使各品类都有问题。因此逛多个品类的用户更多地在较小的品类中被提问。",
    ),
    "t-note-cut": (
        "The question is the newest event in that aisle with an item new to the user, the newest but one is for validation. "
        "For every arm, nothing the user did from the validation event on, in any aisle, is learned from; together reads the whole history "
        "before the event, alone only what lies in the aisle. Ranked are the items of the aisle that the user has not had.",
        "问题是用户在该品类中最近一次接触新商品的行为，倒数第二次用于验证。无论哪种训练方式，用户自验证行为起在任何品类中的行为都不参与训练；"
        "共同训练的模型读取此前的全部历史，单独训练的模型只读取该品类的历史。排序范围为该品类中用户未接触过的商品。",
    ),
    "t-note-equal": (
        "Alone and together make at most the same number of passes over an aisle's events, in as many steps a pass: steps are smaller by "
        "the arm's share of the events, samples of negatives (where they are sampled) by its share of the items. "
        "Both stop by their own validation questions, and choose there from the same grid: {grid}. "
        "Together is one model for all aisles, so it stops and chooses by all validation questions at once. Nothing is refitted.",
        "单独与共同训练对某品类行为的最多遍数相同，每遍的步数也相同：步长按该方式所占行为的份额缩小，负样本（若为抽样）按其所占商品的份额缩小。"
        "两者都依各自的验证问题停止，并从同一组设置中选择：{grid}。共同训练只有一个模型，故依全部验证问题停止和选择。选定后不再重新训练。",
    ),
    "t-note-valid": (
        "The validation questions have already chosen the settings and when to stop; "
        "as evidence for the gate they are a little kind to both arms.",
        "验证问题已用于选择设置和停止时机；作为择优依据，对两种训练方式都略为乐观。",
    ),
    "t-note-undated": (
        "Of the test questions of {aisles}, {share} have events in other aisles whose order against the question is not known, "
        "because times are missing: what together reads there may be later than what is asked.",
        "{aisles} 的测试问题中，{share} 的历史含有因缺少时间而与问题先后不明的其他品类行为：共同训练的模型在此读到的可能晚于所问。",
    ),
    "t-note-left-out": (
        "{aisle} is not in the table: {test} test and {valid} validation questions, at least {fewest} of each are needed. "
        "Together learns from it all the same.",
        "{aisle} 未列入：测试问题 {test} 个、验证问题 {valid} 个，各至少需要 {fewest} 个。共同训练仍使用其行为。",
    ),
    "t-note-nothing": (
        "{aisle} is not in the table: alone, no history of two events is left to learn from. Together learns from it all the same.",
        "{aisle} 未列入：单独训练时没有剩下含两次行为的历史可学。共同训练仍使用其行为。",
    ),
    "t-note-one-seed": (
        "One seed: the intervals cover which questions happened to be asked, not the luck of training; --seeds 3 shows it.",
        "只有一个随机种子：区间只反映问题的抽样，不反映训练的偶然性；--seeds 3 可看出后者。",
    ),
    "t-note-many": (
        "{n} aisles are judged at 95 % each; by chance alone, one in twenty would be called a gain or a loss.",
        "{n} 个品类各按 95% 判断；仅凭偶然，每二十个就会有一个被判为受益或受损。",
    ),
    # how
    "t-arms-caption": ("What was trained.", "训练情况。"),
    "t-col-arm": ("Trained on", "训练范围"),
    "t-col-events": ("Events a pass", "每遍行为数"),
    "t-col-items": ("Items", "商品数"),
    "t-col-step": ("Places a step", "每步位置数"),
    "t-col-negatives": ("Negatives a step", "每步负样本数"),
    "t-col-tried": ("N@10 on validation by setting", "各设置的验证集 N@10"),
    "t-col-epochs": ("Passes kept", "保留的遍数"),
    "t-col-minutes": ("Minutes", "分钟"),
    "t-all": ("all aisles", "全部品类"),
    "t-ties": ("Ties", "同时行为"),
    "t-ties-shuffled": ("events of one time in a random order", "时间相同的行为随机排序"),
    "t-ties-file": ("events of one time in the file's order", "时间相同的行为按文件顺序"),
    "t-files": (
        "Beside this page: transfer.json (everything here as data), transfer.parquet (N@10 of every question, arm and seed).",
        "同一文件夹中：transfer.json（本页全部内容的数据）、transfer.parquet（每个问题、训练方式、种子的 N@10）。",
    ),
}
"""Sentences with their blanks, beside those of the trial's report."""
