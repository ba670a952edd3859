// What is known of a shopper, by aisle, and what they have hidden.
import { grouped, html, useApp, useState } from "./ui.js";
import { Icon, Photo, spoken, titleOf } from "./parts.js";

const FIRST = 4; // things of an aisle, and below aisles, that are shown before one asks for all
const AISLES = 6;

/** What a person has hidden, as items. */
const hiddenOf = (known) => (known.hidden ?? []).map((h) => (typeof h === "string" ? { item_id: h } : h));

export function History({ known, liked, undo, busy, open }) {
  const { t, number } = useApp();
  const [all, setAll] = useState(false);
  // what was liked here has no name where the model was trained without likes
  const named = (e) => (e.event || !liked.has(e.item_id) ? e : { ...e, event: "like" });
  const events = known.events.map(named).sort((a, b) => (b.timestamp ?? 0) - (a.timestamp ?? 0));
  const hidden = hiddenOf(known);
  const aisles = grouped(events, (e) => e.category || ""); // the aisle of the newest event first: what was done a moment ago is in sight
  const more = aisles.length - AISLES;
  const shown = all ? aisles : aisles.slice(0, AISLES);
  return html`
    ${known.n_events > events.length ? html`<p class="soft small newest">${t("newestOnly", { n: number(events.length) })}</p>` : null}
    ${events.length ? null : html`<p class="empty">${t("noHistory")}</p>`}
    ${shown.map(([aisle, those]) => html`<${Aisle} key=${aisle} aisle=${aisle} events=${those} number=${number} open=${open} />`)}
    ${more > 0 ? html`<button class="button allaisles" aria-expanded=${String(all)} onClick=${() => setAll(!all)}>${all ? t("fewerAisles") : t("allOfAisles", { n: number(aisles.length) })}</button>` : null}
    ${hidden.length
      ? html`<section class="past">
          <h3>${t("hiddenTitle")} <span class="count">${number(hidden.length)}</span></h3>
          <ul>
            ${hidden.map(
              (item) => html`<li key=${item.item_id} class="pastitem">
                <span class="pasttext"><span class="struck">${titleOf(item)}</span></span>
                <button class="act" aria-label=${t("undoHideIt", { title: titleOf(item) })} disabled=${busy === item.item_id} onClick=${() => undo(item)}><${Icon} name="undo" />${t("undo")}</button>
              </li>`,
            )}
          </ul>
        </section>`
      : null}`;
}

function Aisle({ aisle, events, number, open }) {
  const { t, day } = useApp();
  const [all, setAll] = useState(false);
  const shown = all ? events : events.slice(0, FIRST);
  return html`<section class="past">
    <h3>${spoken(aisle) || t("noAisle")} <span class="count">${number(events.length)}</span></h3>
    <ul>
      ${shown.map(
        (e, i) => html`<li key=${`${e.item_id} ${e.timestamp} ${i}`} class="pastitem">
          <${Photo} image=${e.image} className="thumb" />
          <span class="pasttext">
            <button class="plain" onClick=${() => open(e)}>${titleOf(e)}</button>
            <span class="soft small">${[did(e.event, t), day(e.timestamp)].filter(Boolean).join(" · ")}</span>
          </span>
        </li>`,
      )}
    </ul>
    ${events.length > FIRST ? html`<button class="quiet" aria-expanded=${String(all)} onClick=${() => setAll(!all)}>${all ? t("fewer") : t("showAll", { n: number(events.length) })}</button>` : null}
  </section>`;
}

const DEEDS = ["view", "click", "cart", "purchase", "rating", "like", "dislike", "hide"];
const did = (event, t) => (DEEDS.includes(event) ? t(`did_${event}`) : "");
