// The operator's view: what is served and how good it is, trainings, feedback, abnormal and new items, swaps.
import { html, useApp, useLoad, useState } from "./ui.js";
import { model, overview, undoAbnormal } from "./api.js";
import { Bars, Curve, Interval } from "./charts.js";
import { Loaded, Trouble, spoken, titleOf } from "./parts.js";

/** What is shown of each day: a name of the page, and the events that count for it. */
const KINDS = { impressions: ["lists"], clicks: ["view", "click"], purchases: ["purchase"], likes: ["like"], hides: ["hide", "dislike"] };
const MOST_DAYS = 90;
const LEAST_DAYS = 14;

export function Operator() {
  const { t } = useApp();
  const served = useLoad((signal) => model(signal), []);
  const load = useLoad((signal) => overview(signal), []);
  return html`
    <div class="pagehead">
      <div><h1 tabindex="-1">${t("title_operator")}</h1><p class="lead">${t("operatorLead")}</p></div>
      <button class="button" onClick=${() => (served.reload(), load.reload())}>${t("refresh")}</button>
    </div>
    <${Loaded} load=${served} rows=${2}>${(data) => html`<${Served} model=${data} overview=${load.data} />`}<//>
    <${Loaded} load=${load} rows=${8}>
      ${(data) => html`
        <${Quality} quality=${data.quality} />
        <${Feedback} days=${data.feedback ?? []} />
        <${Abnormal} items=${data.abnormal ?? []} undone=${data.undone ?? []} reload=${load.reload} />
        <${Trainings} trainings=${data.trainings ?? []} />
        <div class="two even">
          <${Swaps} swaps=${data.swaps ?? []} />
          <${NewItems} items=${data.new_items ?? []} n=${data.n_new_items} />
        </div>`}
    <//>`;
}

const plain = (v) => ["string", "number", "boolean"].includes(typeof v);

/** [path of names, value] of the single facts of a nested answer. */
function facts(thing, path = []) {
  return Object.entries(thing ?? {}).flatMap(([k, v]) => (plain(v) ? [[[...path, k], v]] : v && typeof v === "object" && !Array.isArray(v) ? facts(v, [...path, k]) : []));
}

const BIG = ["items", "users", "people", "events", "categories", "preset"];
const NOT_HERE = new Set(["version", "model", "created", "degraded", "refused", "settings", "weights", "quality", "epochs", "data"]);

function Served({ model: served, overview: seen }) {
  const { t, told, moment, number } = useApp();
  const created = served.created ?? seen?.created;
  const refused = saidOf(served.refused ?? seen?.refused);
  const rest = Object.entries(served).filter(([k]) => !NOT_HERE.has(k));
  const big = rest.filter(([k, v]) => BIG.includes(k) && plain(v));
  const small = facts(Object.fromEntries(rest.filter(([k]) => !BIG.includes(k)))).filter(([, v]) => v !== "");
  const say = (v) => (typeof v === "number" ? number(Number.isInteger(v) ? v : Number(v.toPrecision(3))) : typeof v === "boolean" ? t(v ? "yes" : "no") : told(v));
  return html`<section aria-labelledby="served">
    <h2 id="served" class="sr">${t("servedTitle")}</h2>
    <dl class="figuresrow">
      <div><dt>${t("version")}</dt><dd>${served.version ?? served.model ?? "–"}</dd></div>
      ${created ? html`<div><dt>${t("created")}</dt><dd>${moment(created)}</dd></div>` : null}
      ${big.map(([k, v]) => html`<div key=${k}><dt>${t(`fact_${k}`)}</dt><dd>${say(v)}</dd></div>`)}
    </dl>
    ${served.degraded ? html`<p class="notice warn" role="status">${t("degraded")}</p>` : null}
    ${refused.length ? html`<div class="notice bad"><p><strong>${t("refused")}</strong></p><ul>${refused.map((r) => html`<li>${r}</li>`)}</ul></div>` : null}
    ${small.length ? html`<details><summary>${t("moreFacts")}</summary><${Facts} rows=${small.map(([path, v]) => [path.map((p) => part(p, t)).join(" "), say(v)])} /></details>` : null}
  </section>`;
}

const Facts = ({ rows }) => html`<dl class="plainfacts">${rows.map(([k, v]) => html`<div key=${k}><dt>${k}</dt><dd>${v}</dd></div>`)}</dl>`;

/** Why versions were refused, as sentences: from a list, or from an object of version and reason. */
function saidOf(refused) {
  if (!refused) return [];
  if (plain(refused)) return [String(refused)];
  const one = (r) => (plain(r) ? String(r) : facts(r).map(([, v]) => String(v)).join(" · "));
  return Array.isArray(refused) ? refused.map(one) : Object.entries(refused).map(([version, why]) => `${version}: ${one(why)}`);
}

const MEASURE = /ndcg|recall|hit|mrr|map|auc|rmse|coverage/i;

/** The measures that a model carries stand large, with what was measured; what else it says of itself can be opened. */
function Quality({ quality }) {
  const { t, told } = useApp();
  const all = measures(quality);
  const large = all.filter(([path]) => MEASURE.test(path.at(-1)));
  const rest = all.filter(([path]) => !MEASURE.test(path.at(-1)));
  const name = (path) => path.filter((p) => p !== "blend").map((p) => part(p, t)).join(" · ");
  return html`<section aria-labelledby="quality">
    <h2 id="quality">${t("qualityTitle")}</h2>
    ${large.length
      ? html`<dl class="figuresrow">${large.map(([path, m]) => html`<div key=${path.join()}><dt>${name(path)}</dt><dd>${figure(m.value)}${interval(m)}</dd></div>`)}</dl>`
      : html`<p class="empty">${t("noQuality")}</p>`}
    ${typeof quality?.what === "string" ? html`<p class="soft small under">${t("measuredOn", { what: told(quality.what) })}</p>` : null}
    ${large.some(([path]) => path.includes("in new aisles")) ? html`<p class="soft small under">${t("insideAisle")}</p>` : null}
    ${rest.length ? html`<details><summary>${t("moreMeasures")}</summary><${Facts} rows=${rest.map(([path, m]) => [name(path), figure(m.value)])} /></details>` : null}
  </section>`;
}

const interval = (m) => (Number.isFinite(m.low) && Number.isFinite(m.high) ? html`<span class="soft small">${figure(m.low)} – ${figure(m.high)}</span>` : null);

/** [path of names, {value, low, high}] of every number, and of every {value, low, high}, in what a model says of itself. */
function measures(thing, path = []) {
  return Object.entries(thing ?? {}).flatMap(([k, v]) => {
    if (typeof v === "number") return [[[...path, k], { value: v }]];
    if (v && typeof v === "object" && typeof v.value === "number") return [[[...path, k], v]];
    return v && typeof v === "object" && !Array.isArray(v) ? measures(v, [...path, k]) : [];
  });
}

/** A name that the service gives to a part of a model, in the language of the page where it is a known one. */
function part(name, t) {
  const key = `part_${name.replaceAll(" ", "_")}`;
  const said = t(key);
  return said === key ? spoken(name) : said;
}

const figure = (v) => (Number.isInteger(v) ? String(v) : v.toFixed(Math.abs(v) < 1 ? 4 : 2).replace("-", "−"));

function Feedback({ days: told }) {
  const { t, number, day } = useApp();
  const days = everyDay(told);
  const kinds = Object.keys(KINDS);
  const of = (d, kind) => d[kind] ?? KINDS[kind].reduce((sum, event) => sum + (d[event] ?? 0), 0);
  const sum = (kind) => days.reduce((total, d) => total + of(d, kind), 0);
  return html`<section aria-labelledby="feedback">
    <h2 id="feedback">${t("feedbackTitle")} ${days.length ? html`<span class="soft small">${[day(days[0].day), day(days.at(-1).day)].join(" – ")}</span>` : null}</h2>
    ${days.length
      ? html`<div class="multiples">
            ${kinds.map((kind) => {
              const label = t("barsLabel", { kind: t(`kind_${kind}`), n: number(sum(kind)), days: days.length });
              return html`<${Bars} key=${kind} name=${t(`kind_${kind}`)} total=${number(sum(kind))} values=${days.map((d) => of(d, kind))} label=${label} />`;
            })}
          </div>
          <details><summary>${t("asTable")}</summary><${Table}
            name=${t("feedbackTitle")} heads=${[t("dayHead"), ...kinds.map((k) => t(`kind_${k}`))]} rows=${[...days].reverse().map((d) => [day(d.day), ...kinds.map((k) => number(of(d, k)))])}
          /></details>`
      : html`<p class="empty">${t("noFeedback")}</p>`}
  </section>`;
}

/** The last days, also those on which nothing happened. */
function everyDay(told) {
  const known = told.filter((d) => !Number.isNaN(Date.parse(d.day))).sort((a, b) => (a.day < b.day ? -1 : 1));
  if (!known.length) return [];
  const by = new Map(known.map((d) => [d.day, d]));
  const last = Date.parse(known.at(-1).day);
  const ago = (days) => last - 86_400_000 * (days - 1);
  const first = Math.min(Math.max(Date.parse(known[0].day), ago(MOST_DAYS)), ago(LEAST_DAYS));
  const out = [];
  for (let at = first; at <= last; at += 86_400_000) {
    const name = new Date(at).toISOString().slice(0, 10);
    out.push(by.get(name) ?? { day: name });
  }
  return out;
}

function Table({ name, heads, rows }) {
  return html`<div class="scroll" role="region" aria-label=${name} tabindex="0"><table>
    <thead><tr>${heads.map((h, i) => html`<th scope="col" class=${i ? "num" : ""}>${h}</th>`)}</tr></thead>
    <tbody>${rows.map((r) => html`<tr>${r.map((c, i) => (i ? html`<td class="num">${c}</td>` : html`<th scope="row">${c}</th>`))}</tr>`)}</tbody>
  </table></div>`;
}

function Abnormal({ items, undone, reload }) {
  const { t } = useApp();
  const open = items.filter((i) => !i.undone);
  const rows = [...open, ...items.filter((i) => i.undone), ...undone.filter((u) => !items.some((i) => i.item_id === u.item_id)).map((u) => ({ ...u, undone: u.when ?? true }))];
  return html`<section aria-labelledby="abnormal">
    <h2 id="abnormal">${t("abnormalTitle")} ${open.length ? html`<span class="count">${open.length}</span>` : null}</h2>
    <p class="soft">${t("abnormalWhy")}</p>
    ${open.length ? null : html`<p class="empty">${t("noAbnormal")}</p>`}
    ${rows.length ? html`<ul class="rows">${rows.map((i) => html`<${AbnormalRow} key=${i.item_id} item=${i} reload=${reload} />`)}</ul>` : null}
  </section>`;
}

/** `ratio` is accepted / expected with its interval `low` to `high`; 1 would be as expected. */
function AbnormalRow({ item, reload }) {
  const { t, number, percent, moment, announce } = useApp();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const undo = async () => {
    setBusy(true);
    setError(null);
    try {
      await undoAbnormal(item.item_id);
      announce(t("undoneIt", { title: titleOf(item) }));
      await reload();
    } catch (e) {
      setError(e);
    }
    setBusy(false);
  };
  const told = Number.isFinite(item.ratio);
  const numbers = told && {
    shown: number(Math.round(item.shown)), accepted: number(Math.round(item.accepted)), expected: number(Math.round(item.expected)),
    share: percent(item.ratio, 0), low: percent(item.low, 0), high: percent(item.high, 0),
  };
  return html`<li class="row">
    <span class="rowtext"><strong>${titleOf(item)}</strong><span class="soft small">${spoken(item.category)}</span></span>
    <span class="rowfacts">${told ? html`<${Interval} low=${item.low} high=${item.high} value=${item.ratio} expected=${1} label=${t("abnormalLabel", numbers)} /><span class="small">${t("abnormalFacts", numbers)}</span>` : null}</span>
    <span class="rowact">
      ${item.undone
        ? html`<span class="badge">${t("undone")}</span>${typeof item.undone === "number" ? html`<span class="soft small">${moment(item.undone)}</span>` : null}`
        : html`${item.demoted ? html`<span class="badge warnbadge">${t("demoted")}</span>` : null}<button class="act" disabled=${busy} aria-label=${t("undoDemotionIt", { title: titleOf(item) })} onClick=${undo}>${t("undoDemotion")}</button>`}
    </span>
    ${error ? html`<${Trouble} error=${error} retry=${undo} />` : null}
  </li>`;
}

function Trainings({ trainings }) {
  const { t, moment } = useApp();
  return html`<section aria-labelledby="trainings">
    <h2 id="trainings">${t("trainingsTitle")}</h2>
    ${trainings.length
      ? html`<div class="trainings">${[...trainings].reverse().map(
          (one) => html`<article key=${one.version} class="training">
            <h3>${one.version} <span class="soft small">${moment(one.created)}</span></h3>
            ${Object.entries(one.curves ?? {}).map(([name, curves]) => html`<${Curves} key=${name} name=${part(name, t)} curves=${curves} />`)}
            ${Object.keys(one.curves ?? {}).length ? null : html`<p class="empty">${t("noCurves")}</p>`}
          </article>`,
        )}</div>`
      : html`<p class="empty">${t("noTrainings")}</p>`}
  </section>`;
}

/** Loss and validation of one run of a training. */
function Curves({ name, curves }) {
  const { t } = useApp();
  const [, valid] = Object.entries(curves).find(([k, v]) => k.startsWith("valid") && Array.isArray(v)) ?? [];
  const one = (values, what, best) =>
    html`<${Curve} values=${values} best=${best} name=${t(what)} label=${(a, b, c) => t("curveLabel", { name: `${name}, ${t(what)}`, a, b, c })} />`;
  return html`<h4 class="soft small">${name}</h4><div class="pair">${one(curves.loss, "loss", "min")}${one(valid, "valid", "max")}</div>`;
}

function Swaps({ swaps }) {
  const { t, told, moment } = useApp();
  const measured = (s) => ["in service", "challenger", "low", "high"].every((k) => typeof s[k] === "number");
  return html`<section aria-labelledby="swaps">
    <h2 id="swaps">${t("swapsTitle")}</h2>
    ${swaps.length
      ? html`<ol class="timeline">${[...swaps].reverse().map(
          (s, i) => html`<li key=${i} class=${s.what === "swapped in" ? "" : "other"}>
            <p class="soft small">${moment(s.when)}</p>
            <p><strong>${s.from || "–"} → ${s.to || "–"}</strong> <span class="badge">${part(s.what ?? "", t)}</span></p>
            ${measured(s) ? html`<p class="small">${t("swapFacts", { old: figure(s["in service"]), new: figure(s.challenger), low: figure(s.low), high: figure(s.high) })}</p>` : null}
            ${s.why ? html`<p class="small soft">${told(s.why)}</p>` : null}
          </li>`,
        )}</ol>`
      : html`<p class="empty">${t("noSwaps")}</p>`}
  </section>`;
}

function NewItems({ items, n }) {
  const { t, number } = useApp();
  return html`<section aria-labelledby="newitems">
    <h2 id="newitems">${t("newTitle")} ${items.length ? html`<span class="count">${number(n ?? items.length)}</span>` : null}</h2>
    ${items.length
      ? html`<ul class="rows">${items.slice(0, 30).map(
          (i) => html`<li key=${i.item_id} class="row">
            <span class="rowtext"><strong>${titleOf(i)}</strong><span class="soft small">${spoken(i.category)}</span></span>
            <span class="small soft">${t("newFacts", { shown: number(i.shown ?? 0) }, i.shown ?? 0)}</span>
          </li>`,
        )}</ul>`
      : html`<p class="empty">${t("noNew")}</p>`}
  </section>`;
}
