// An invented shopper: items found by search, a preview of their list at once, then a shopper of their own.
import { html, useApp, useLoad, useSettled, useState } from "./ui.js";
import { newEvent, newId, recommendFor, searchItems, sendEvents } from "./api.js";
import { shopperLink } from "./home.js";
import { ItemPanel } from "./panel.js";
import { Icon, Loaded, Photo, Trouble, spoken, titleOf } from "./parts.js";
import { ByAisle } from "./recommendations.js";

export function Invent() {
  const { t, lang, announce } = useApp();
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState([]);
  const [name, setName] = useState("");
  const [panel, setPanel] = useState(null);
  const [sending, setSending] = useState(null); // { events, error }
  const q = useSettled(text.trim(), 200);
  const found = useLoad((signal) => searchItems(q, 12, signal), [q]);
  const ids = chosen.map((i) => i.item_id);
  const preview = useLoad(
    (signal) => (ids.length ? recommendFor({ history: ids, n: 12, max_per_category: 4, explain: true, lang }, signal) : Promise.resolve(null)),
    [ids.join("\n"), lang],
  );
  const add = (item) => {
    setChosen([...chosen, item]);
    announce(t("added", { title: titleOf(item) }));
  };
  const drop = (item) => {
    setChosen(chosen.filter((i) => i !== item));
    announce(t("removed", { title: titleOf(item) }));
  };

  async function make(again) {
    const id = again?.id ?? (name.trim() || `guest-${newId().slice(0, 6)}`);
    const now = Date.now() / 1000;
    const events = again?.events ?? chosen.map((item, i) => newEvent(id, item.item_id, "purchase", null, now - 60 * (chosen.length - i)));
    setSending({ id, events });
    try {
      await sendEvents(events);
      location.hash = shopperLink(id);
    } catch (error) {
      setSending({ id, events, error });
    }
  }
  return html`
    <div class="pagehead"><div>
      <p class="crumb"><a href="#/">${t("nav_shoppers")}</a></p>
      <h1 tabindex="-1">${t("title_invent")}</h1>
      <p class="lead">${t("inventLead")}</p>
    </div></div>
    <div class="two even">
      <section aria-labelledby="find">
        <h2 id="find">${t("inventFind")}</h2>
        <div class="wish" role="search">
          <label class="sr" for="search">${t("searchLabel")}</label>
          <${Icon} name="search" />
          <input id="search" type="search" value=${text} placeholder=${t("searchLabel")} maxlength="200" autocomplete="off" onInput=${(e) => setText(e.target.value)} />
        </div>
        <${Loaded} load=${found} rows=${5} empty=${(d) => !d.items.length} emptyText=${q ? t("noFound", { q }) : t("nothing")}>
          ${(data) => html`<ul class="likes">
            ${data.items.map((item) => {
              const has = ids.includes(item.item_id);
              return html`<li key=${item.item_id} class="pastitem">
                <${Photo} image=${item.image} className="thumb" />
                <span class="pasttext"><span>${titleOf(item)}</span><span class="soft small">${spoken(item.category)}</span></span>
                <button class="act" aria-label=${t(has ? "addedIt" : "addIt", { title: titleOf(item) })} disabled=${has} onClick=${() => add(item)}>${t(has ? "addedShort" : "add")}</button>
              </li>`;
            })}
          </ul>`}
        <//>
      </section>
      <section aria-labelledby="basket">
        <h2 id="basket">${t("basket")} ${chosen.length ? html`<span class="count">${chosen.length}</span>` : null}</h2>
        ${chosen.length
          ? html`<ul class="chips">
                ${chosen.map((item) => html`<li key=${item.item_id}><button class="chip" aria-label=${t("removeIt", { title: titleOf(item) })} onClick=${() => drop(item)}>${titleOf(item)}<${Icon} name="close" /></button></li>`)}
              </ul>
              <form class="line" onSubmit=${(e) => (e.preventDefault(), make())}>
                <label class="grow">${t("nameLabel")}<input value=${name} maxlength="60" autocomplete="off" onInput=${(e) => setName(e.target.value)} /></label>
                <button class="button strong" disabled=${sending && !sending.error}>${t("make")}</button>
              </form>
              ${sending?.error ? html`<${Trouble} error=${sending.error} retry=${() => make(sending)} />` : html`<p class="soft small">${t("makeNote")}</p>`}
              <h3 class="spaced">${t("preview")}</h3>
              ${preview.data?.degraded ? html`<p class="notice warn" role="status">${t("degraded")}</p>` : null}
              <${Loaded} load=${preview} empty=${(d) => !d.items.length} emptyText=${t("noneFits")}>${(data) => html`<${ByAisle} items=${data.items} open=${setPanel} />`}<//>`
          : html`<p class="empty">${t("basketEmpty")}</p>`}
      </section>
    </div>
    ${panel ? html`<${ItemPanel} item=${panel} close=${() => setPanel(null)} />` : null}`;
}
