// Where a person starts: a shopper from the list, an invented one, or a wish.
import { html, useApp, useLoad, useState } from "./ui.js";
import { shoppers } from "./api.js";
import { Loaded, spoken } from "./parts.js";

export const shopperLink = (id) => `#/shopper/${encodeURIComponent(id)}`;

export function Home() {
  const { t } = useApp();
  const load = useLoad((signal) => shoppers(24, signal), []);
  return html`
    <section class="hero">
      <h1 tabindex="-1">${t("homeTitle")}</h1>
      <p class="lead">${t("homeLead")}</p>
      <div class="starts">
        <${ById} />
        <a class="button" href="#/invent">${t("inventStart")}</a>
        <a class="button" href="#/wish">${t("wishStart")}</a>
      </div>
    </section>
    <section aria-labelledby="pick">
      <h2 id="pick">${t("pickTitle")}</h2>
      <${Loaded} load=${load} rows=${6} empty=${(d) => !d.shoppers.length} emptyText=${t("noShoppers")}>
        ${(data) => html`<ul class="people">${data.shoppers.map((s) => html`<${Person} key=${s.user_id} shopper=${s} />`)}</ul>`}
      <//>
    </section>`;
}

function Person({ shopper }) {
  const { t, number } = useApp();
  const aisles = (shopper.categories ?? []).map(spoken);
  return html`<li>
    <a class="person" href=${shopperLink(shopper.user_id)}>
      <strong>${shopper.user_id}</strong>
      <span class="soft small">${t("personFacts", { n: number(shopper.events) }, shopper.events)}</span>
      <span class="aisles small">${aisles.slice(0, 3).join(" · ")}${aisles.length > 3 ? ` ${t("andMore", { n: aisles.length - 3 })}` : ""}</span>
    </a>
  </li>`;
}

function ById() {
  const { t } = useApp();
  const [id, setId] = useState("");
  const go = (e) => {
    e.preventDefault();
    if (id.trim()) location.hash = shopperLink(id.trim());
  };
  return html`<form class="line byid" onSubmit=${go}>
    <label class="sr" for="byid">${t("byId")}</label>
    <input id="byid" placeholder=${t("byId")} value=${id} onInput=${(e) => setId(e.target.value)} autocomplete="off" maxlength="500" />
    <button class="button strong">${t("open")}</button>
  </form>`;
}
