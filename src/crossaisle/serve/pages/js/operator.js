// The operator's view: what is served and how good it is, trainings, feedback, abnormal and new items, swaps.
import { html, useApp, useLoad, useState } from "./ui.js";
import { model, overview, undoAbnormal } from "./api.js";
import { Bars, Curve, Interval } from "./charts.js";
import { Loaded, Trouble, spoken, titleOf } from "./parts.js";

const KINDS = ["impressions", "clicks", "purchases", "likes", "hides"];

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
        <${Abnormal} items=${data.abnormal ?? []} reload=${load.reload} />
        <${Trainings} trainings=${data.trainings ?? []} />
        <div class="two even">
          <${Swaps} swaps=${data.swaps ?? []} />
          <${NewItems} items=${data.new_items ?? []} />
        </div>`}
    <//>`;
}

const plain = (v) => ["string", "number", "boolean"].includes(typeof v);

/** Single facts of a nested answer, `a.b` the name of what is deeper. */
function facts(thing, prefix = "") {
  return Object.entries(thing ?? {}).flatMap(([k, v]) => (plain(v) ? [[prefix + k, v]] : v && typeof v === "object" && !Array.isArray(v) ? facts(v, `${prefix}${k} `) : []));
}

function Served({ model: served, overview: seen }) {
  const { t, moment, number } = useApp();
  const version = served.version ?? served.model ?? seen?.version;
  const created = served.created ?? seen?.created;
  const refused = saidOf(served.refused);
  const first = new Set(["version", "model", "created", "degraded"]);
  const rest = facts(served).filter(([k]) => !first.has(k) && !k.startsWith("refused"));
  const known = ["items", "users", "events", "aisles", "categories", "preset"];
  const big = rest.filter(([k]) => known.includes(k));
  const small = rest.filter(([k]) => !known.includes(k));
  const say = (v) => (typeof v === "number" ? number(v) : typeof v === "boolean" ? t(v ? "yes" : "no") : v);
  return html`<section aria-labelledby="served">
    <h2 id="served" class="sr">${t("servedTitle")}</h2>
    <dl class="figuresrow">
      <div><dt>${t("version")}</dt><dd>${version ?? "–"}</dd></div>
      ${created ? html`<div><dt>${t("created")}</dt><dd>${moment(created)}</dd></div>` : null}
      ${big.map(([k, v]) => html`<div key=${k}><dt>${t(`fact_${k}`)}</dt><dd>${say(v)}</dd></div>`)}
    </dl>
    ${served.degraded ? html`<p class="notice warn" role="status">${t("degraded")}</p>` : null}
    ${refused.length ? html`<div class="notice bad"><p><strong>${t("refused")}</strong></p><ul>${refused.map((r) => html`<li>${r}</li>`)}</ul></div>` : null}
    ${small.length
      ? html`<details><summary>${t("moreFacts")}</summary><dl class="plainfacts">${small.map(([k, v]) => html`<div key=${k}><dt>${spoken(k)}</dt><dd>${say(v)}</dd></div>`)}</dl></details>`
      : null}
  </section>`;
}

/** Why versions were refused, as sentences: from a list, or from an object of version and reason. */
function saidOf(refused) {
  if (!refused) return [];
  if (plain(refused)) return [String(refused)];
  const one = (r) => (plain(r) ? String(r) : facts(r).map(([, v]) => String(v)).join(" · "));
  return Array.isArray(refused) ? refused.map(one) : Object.entries(refused).map(([version, why]) => `${version}: ${one(why)}`);
}

/** Measures as they come: a number, or {value, low, high}, in groups or not. */
function Quality({ quality }) {
  const { t } = useApp();
  const rows = measures(quality);
  return html`<section aria-labelledby="quality">
    <h2 id="quality">${t("qualityTitle")}</h2>
    ${rows.length
      ? html`<dl class="figuresrow">${rows.map(
          ([k, m]) => html`<div key=${k}><dt>${spoken(k)}</dt><dd>${figure(m.value)}${Number.isFinite(m.low) && Number.isFinite(m.high) ? html`<span class="soft small"> ${figure(m.low)} – ${figure(m.high)}</span>` : null}</dd></div>`,
        )}</dl>`
      : html`<p class="empty">${t("noQuality")}</p>`}
  </section>`;
}

function measures(thing, prefix = "") {
  return Object.entries(thing ?? {}).flatMap(([k, v]) => {
    if (typeof v === "number") return [[prefix + k, { value: v }]];
    if (v && typeof v === "object" && typeof v.value === "number") return [[prefix + k, v]];
    return v && typeof v === "object" && !Array.isArray(v) ? measures(v, `${prefix}${k} `) : [];
  });
}

const figure = (v) => (Number.isInteger(v) ? String(v) : v.toFixed(Math.abs(v) < 1 ? 4 : 2).replace("-", "−"));

function Feedback({ days }) {
  const { t, number, day } = useApp();
  const sum = (kind) => days.reduce((total, d) => total + (d[kind] ?? 0), 0);
  const span = days.length ? `${day(days[0].day)} – ${day(days.at(-1).day)}` : "";
  return html`<section aria-labelledby="feedback">
    <h2 id="feedback">${t("feedbackTitle")} <span class="soft small">${span}</span></h2>
    ${days.length
      ? html`<div class="multiples">
            ${KINDS.map((kind) => html`<${Bars} key=${kind} name=${t(`kind_${kind}`)} total=${number(sum(kind))} values=${days.map((d) => d[kind] ?? 0)} label=${t("barsLabel", { kind: t(`kind_${kind}`), n: number(sum(kind)), days: days.length })} />`)}
          </div>
          <details><summary>${t("asTable")}</summary><${Table}
            name=${t("feedbackTitle")} heads=${[t("dayHead"), ...KINDS.map((k) => t(`kind_${k}`))]} rows=${[...days].reverse().map((d) => [day(d.day), ...KINDS.map((k) => number(d[k] ?? 0))])}
          /></details>`
      : html`<p class="empty">${t("noFeedback")}</p>`}
  </section>`;
}

function Table({ name, heads, rows }) {
  return html`<div class="scroll" role="region" aria-label=${name} tabindex="0"><table>
    <thead><tr>${heads.map((h, i) => html`<th scope="col" class=${i ? "num" : ""}>${h}</th>`)}</tr></thead>
    <tbody>${rows.map((r) => html`<tr>${r.map((c, i) => (i ? html`<td class="num">${c}</td>` : html`<th scope="row">${c}</th>`))}</tr>`)}</tbody>
  </table></div>`;
}

function Abnormal({ items, reload }) {
  const { t } = useApp();
  return html`<section aria-labelledby="abnormal">
    <h2 id="abnormal">${t("abnormalTitle")} ${items.length ? html`<span class="count">${items.length}</span>` : null}</h2>
    <p class="soft">${t("abnormalWhy")}</p>
    ${items.length ? html`<ul class="rows">${items.map((i) => html`<${AbnormalRow} key=${i.item_id} item=${i} reload=${reload} />`)}</ul>` : html`<p class="empty">${t("noAbnormal")}</p>`}
  </section>`;
}

function AbnormalRow({ item, reload }) {
  const { t, number, percent, announce } = useApp();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(null);
  const rate = item.shown ? item.accepted / item.shown : 0;
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
  const numbers = { shown: number(item.shown), accepted: number(item.accepted), rate: percent(rate), expected: percent(item.expected), low: percent(item.low), high: percent(item.high) };
  return html`<li class="row">
    <span class="rowtext"><strong>${titleOf(item)}</strong><span class="soft small">${spoken(item.category)}</span></span>
    <span class="rowfacts"><${Interval} low=${item.low} high=${item.high} value=${rate} expected=${item.expected} label=${t("abnormalLabel", numbers)} /><span class="small">${t("abnormalFacts", numbers)}</span></span>
    <span class="rowact">
      ${item.undone
        ? html`<span class="badge">${t("undone")}</span>`
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
      ? html`<div class="trainings">${trainings.map(
          (one) => html`<article key=${one.version} class="training">
            <h3>${one.version} <span class="soft small">${moment(one.created)}</span></h3>
            ${Object.entries(one.curves ?? {}).map(
              ([name, curves]) => html`<div class="pair" key=${name}>
                <${Curve} values=${curves.loss} best="min" name=${`${spoken(name)} · ${t("loss")}`} label=${(a, b, c) => t("curveLabel", { name: `${name} ${t("loss")}`, a, b, c })} />
                <${Curve} values=${curves.valid} best="max" name=${`${spoken(name)} · ${t("valid")}`} label=${(a, b, c) => t("curveLabel", { name: `${name} ${t("valid")}`, a, b, c })} />
              </div>`,
            )}
            ${Object.keys(one.curves ?? {}).length ? null : html`<p class="empty">${t("noCurves")}</p>`}
          </article>`,
        )}</div>`
      : html`<p class="empty">${t("noTrainings")}</p>`}
  </section>`;
}

function Swaps({ swaps }) {
  const { t, moment } = useApp();
  const measured = (s) => [s.old, s.new, s.low, s.high].every((v) => typeof v === "number");
  return html`<section aria-labelledby="swaps">
    <h2 id="swaps">${t("swapsTitle")}</h2>
    ${swaps.length
      ? html`<ol class="timeline">${swaps.map(
          (s, i) => html`<li key=${i}>
            <p class="soft small">${moment(s.time)}</p>
            <p><strong>${s.from ?? "–"} → ${s.to ?? "–"}</strong></p>
            ${measured(s) ? html`<p class="small">${t("swapFacts", { old: figure(s.old), new: figure(s.new), low: figure(s.low), high: figure(s.high) })}</p>` : null}
            ${s.why ? html`<p class="small soft">${s.why}</p>` : null}
          </li>`,
        )}</ol>`
      : html`<p class="empty">${t("noSwaps")}</p>`}
  </section>`;
}

function NewItems({ items }) {
  const { t, number } = useApp();
  return html`<section aria-labelledby="newitems">
    <h2 id="newitems">${t("newTitle")} ${items.length ? html`<span class="count">${number(items.length)}</span>` : null}</h2>
    ${items.length
      ? html`<ul class="rows">${items.slice(0, 30).map(
          (i) => html`<li key=${i.item_id} class="row">
            <span class="rowtext"><strong>${titleOf(i)}</strong><span class="soft small">${spoken(i.category)}</span></span>
            <span class="small soft">${t("newFacts", { shown: number(i.shown ?? 0), accepted: number(i.accepted ?? 0) })}</span>
          </li>`,
        )}</ul>`
      : html`<p class="empty">${t("noNew")}</p>`}
  </section>`;
}
