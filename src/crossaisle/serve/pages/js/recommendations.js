// A list of recommendations by aisle; each card says why, and can be acted on.
import { grouped, html, useApp } from "./ui.js";
import { Icon, Photo, spoken, titleOf } from "./parts.js";

/**
 * @param {{items: object[], fresh?: Set<string>, known?: Set<string>, busy?: string, act?: (item, event) => void, open: (item) => void}} props
 * fresh: ids that were not in the list before; known: aisles that the shopper has been to; without act there are no buttons.
 */
export function ByAisle({ items, fresh, known, liked, busy, act, open }) {
  const { t } = useApp();
  return html`<div class="aislebox"><div class="aislelist">
    ${inRows(grouped(items, (i) => i.category || "")).map(
      ([aisle, those]) => html`<section key=${aisle} class=${`aisle of${Math.min(those.length, 3)}`}>
        <h3>${spoken(aisle) || t("noAisle")}${known && aisle && !known.has(aisle) ? html` <span class="badge">${t("newAisle")}</span>` : null}</h3>
        <ol class="cards">
          ${those.map(
            (item) => html`<${Card} key=${item.item_id} item=${item} fresh=${fresh?.has(item.item_id)} liked=${liked?.has(item.item_id)} busy=${busy === item.item_id} act=${act} open=${open} />`,
          )}
        </ol>
      </section>`,
    )}
  </div></div>`;
}

/** Aisles in their order, but a gap beside a short one is filled by the next one that fits; a row holds three things. */
function inRows(aisles) {
  const left = [...aisles];
  const out = [];
  while (left.length) {
    let room = 3;
    for (let next = 0; next >= 0 && left.length; next = left.findIndex(([, those]) => those.length <= room)) {
      const [aisle] = left.splice(next, 1);
      out.push(aisle);
      room -= Math.min(aisle[1].length, 3);
    }
  }
  return out;
}

function Card({ item, fresh, liked, busy, act, open }) {
  const { t } = useApp();
  const title = titleOf(item);
  return html`<li class=${`card${fresh ? " fresh" : ""}${busy ? " busy" : ""}`} value=${item.rank}>
    <${Photo} image=${item.image} />
    <div class="cardtext">
      <h4><button class="plain" onClick=${() => open(item)}>${title}</button></h4>
      ${fresh ? html`<span class="badge strongbadge">${t("fresh")}</span>` : null}
      ${item.reason ? html`<p class="reason">${item.reason}</p>` : null}
    </div>
    ${act
      ? html`<div class="acts">
          ${["like", "buy", "hide"].map((deed) => {
            const on = deed === "like" && liked;
            return html`<button
              class=${`act ${deed}`} aria-label=${t(`${deed}It`, { title })} aria-pressed=${deed === "like" ? String(Boolean(on)) : undefined} disabled=${busy || on}
              onClick=${() => act(item, deed === "buy" ? "purchase" : deed)}
            ><${Icon} name=${deed} />${t(on ? "liked" : deed)}</button>`;
          })}
        </div>`
      : null}
  </li>`;
}
