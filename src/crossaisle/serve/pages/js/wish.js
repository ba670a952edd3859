// A wish in words: a field that stands alone or on a shopper's page, and the page of a wish without a shopper.
import { html, useApp, useLoad, useState } from "./ui.js";
import { recommendFor } from "./api.js";
import { ItemPanel } from "./panel.js";
import { Icon, Loaded } from "./parts.js";
import { ByAisle } from "./recommendations.js";

export function WishField({ wish, use, autofocus }) {
  const { t } = useApp();
  const [text, setText] = useState(wish);
  const go = (e) => {
    e.preventDefault();
    use(text.trim());
  };
  const clear = () => {
    setText("");
    use("");
  };
  return html`<form class="wish" role="search" onSubmit=${go}>
    <label class="sr" for="wish">${t("wishLabel")}</label>
    <${Icon} name="search" />
    <input id="wish" type="text" value=${text} placeholder=${t("wishExample")} maxlength="500" autocomplete="off" autofocus=${autofocus} onInput=${(e) => setText(e.target.value)} />
    ${wish ? html`<button type="button" class="quiet" onClick=${clear}>${t("clear")}</button>` : null}
    <button class="button strong">${t("wishGo")}</button>
  </form>`;
}

export function Wish({ query }) {
  const { t, lang } = useApp();
  const [wish, setWish] = useState(query.get("q") ?? "");
  const [panel, setPanel] = useState(null);
  const list = useLoad((signal) => (wish ? recommendFor({ wish, n: 18, explain: true, lang }, signal) : Promise.resolve(null)), [wish, lang]);
  return html`
    <div class="pagehead"><div>
      <p class="crumb"><a href="#/">${t("nav_shoppers")}</a></p>
      <h1 tabindex="-1">${t("title_wish")}</h1>
      <p class="lead">${t("wishLead")}</p>
    </div></div>
    <${WishField} wish=${wish} use=${setWish} />
    <section aria-live="off">
      ${list.data?.degraded ? html`<p class="notice warn" role="status">${t("degraded")}</p>` : null}
      ${wish
        ? html`<h2>${t("forWish", { wish })}</h2>
            <${Loaded} load=${list} empty=${(d) => !d.items.length} emptyText=${t("noneFits")}>${(data) => html`<${ByAisle} items=${data.items} open=${setPanel} />`}<//>`
        : html`<p class="empty">${t("wishNone")}</p>`}
    </section>
    ${panel ? html`<${ItemPanel} item=${panel} close=${() => setPanel(null)} />` : null}`;
}
