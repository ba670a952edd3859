// One shopper: what is recommended and why, what is known, and what changes with each act.
import { html, useApp, useEffect, useLoad, useMemo, useRef, useState } from "./ui.js";
import { forget, newEvent, recommend, recommendFor, sendEvents, user } from "./api.js";
import { History } from "./history.js";
import { ItemPanel } from "./panel.js";
import { Icon, Loaded, Trouble, spoken, titleOf } from "./parts.js";
import { ByAisle } from "./recommendations.js";
import { WishField } from "./wish.js";

const SHOWN = 18;
const PER_AISLE = 6;

export function Shopper({ id }) {
  const { t, lang, number, announce } = useApp();
  const [beyond, setBeyond] = useState(false);
  const [again, setAgain] = useState(false);
  const [aisle, setAisle] = useState("");
  const [wish, setWish] = useState("");
  const [last, setLast] = useState(null); // the last act: { item, event, sent, fresh, gone, error }
  const [busy, setBusy] = useState("");
  const [panel, setPanel] = useState(null);
  const known = useLoad((signal) => user(id, signal), [id]);
  const fewAisles = useRef(false); // a shop of one or two aisles is not held to so many of each
  const query = { n: SHOWN, categories: aisle, beyond_history: beyond, keep_seen: again && !beyond, explain: true, lang };
  if (!aisle && !fewAisles.current) query.max_per_category = PER_AISLE;
  const ask = async (signal) => {
    if (!wish && !aisle.includes(",")) {
      const answer = await recommend(id, query, signal);
      const few = query.max_per_category && answer.items.length < SHOWN && new Set(answer.items.map((i) => i.category)).size <= 2;
      if (!few || beyond) return answer;
      fewAisles.current = true;
      const { max_per_category, ...free } = query;
      return recommend(id, free, signal);
    }
    // a wish, and the name of an aisle that holds a comma, have no place in an address
    return recommendFor({ ...query, user_id: id, categories: aisle ? [aisle] : [], ...(wish ? { wish } : {}) }, signal);
  };
  const list = useLoad(ask, [id, lang, beyond, again, aisle, wish]);
  const asked = useRef("");
  asked.current = [wish, aisle, beyond, again].join("\n");
  useEffect(() => setLast(null), [asked.current]); // what is said of an act is said of the list that it was done in
  const undoButton = useRef(null);
  const heading = useRef(null);

  // the events given are the newest, not all; the aisles are all
  const aisles = useMemo(() => new Set((known.data?.categories ?? []).filter(Boolean)), [known.data]);
  const [likedHere, setLikedHere] = useState([]); // a model that was trained without likes does not name them in a history
  const liked = useMemo(() => {
    const named = (known.data?.events ?? []).filter((e) => e.event === "like").map((e) => e.item_id);
    return new Set([...named, ...likedHere]);
  }, [known.data, likedHere]);
  const choices = useChoices(list.data, aisles);

  async function act(item, event, unsent) {
    const sent = unsent ?? newEvent(id, item.item_id, event, list.data?.recommendation_id ?? null);
    setBusy(item.item_id);
    try {
      await sendEvents([sent]);
    } catch (error) {
      setBusy("");
      setLast({ item, event, sent, error });
      return;
    }
    if (event === "like") setLikedHere([...likedHere, item.item_id]);
    const before = list.data?.items ?? [];
    const mine = asked.current;
    const [after] = await Promise.all([list.reload(), known.reload()]);
    setBusy((now) => (now === item.item_id ? "" : now)); // another act may have begun meanwhile
    const had = new Set(before.map((i) => i.item_id));
    const has = new Set((after?.items ?? []).map((i) => i.item_id));
    if (mine !== asked.current) {
      announce(t(`did_it_${event}`, { title: titleOf(item) }));
      return; // another list was asked for meanwhile
    }
    if (!after) {
      setLast({ item, event }); // the list did not come, or a newer one was asked for: nobody knows what this act changed
      announce(t(`did_it_${event}`, { title: titleOf(item) }));
      return;
    }
    const fresh = new Set([...has].filter((i) => !had.has(i)));
    const gone = before.filter((i) => !has.has(i.item_id)).length;
    setLast({ item, event, fresh, gone });
    announce([t(`did_it_${event}`, { title: titleOf(item) }), t("changed", { fresh: fresh.size, gone })].join(" "));
  }
  useEffect(() => {
    // where the button that was pressed has gone with its card, the keyboard goes on at the undo, or at the head of the list
    if (last && !last.error && document.activeElement === document.body) (undoButton.current ?? heading.current)?.focus();
  }, [last]);

  function forgotten() {
    setLast(null);
    setLikedHere([]);
    known.reload();
    list.reload();
  }

  function open(item) {
    setPanel(item);
    if (list.data?.items.includes(item)) {
      // the service knows of the look from now on, and so does the history; one that is not counted stops nobody
      sendEvents([newEvent(id, item.item_id, "click", list.data.recommendation_id)]).then(known.reload, () => {});
    }
  }

  return html`
    <div class="pagehead">
      <div>
        <p class="crumb"><a href="#/">${t("nav_shoppers")}</a></p>
        <h1 tabindex="-1">${id}</h1>
        <p class="lead">${known.data ? about(known.data, aisles.size, t, number) : " "}</p>
      </div>
      <button class="quiet jump" onClick=${() => document.getElementById("history").focus()}>${t("toHistory")}</button>
    </div>
    <${WishField} wish=${wish} use=${setWish} />
    <div class="two">
      <section aria-labelledby="foryou" aria-busy=${String(list.loading)}>
        <div class="sectionhead">
          <h2 id="foryou" ref=${heading} tabindex="-1">${wish ? t("forWish", { wish }) : t("forShopper")}</h2>
          <div class="tools">
            <label class="check"><input type="checkbox" checked=${beyond} disabled=${(!aisles.size || choices.length < 2) && !beyond} onChange=${(e) => setBeyond(e.target.checked)} />${t("beyond")}</label>
            <label class="check"><input type="checkbox" checked=${again} disabled=${beyond || !known.data?.events.length} onChange=${(e) => setAgain(e.target.checked)} />${t("again")}</label>
            <label class="pick"><span class="sr">${t("aisleChoice")}</span><select value=${aisle} onChange=${(e) => setAisle(e.target.value)}>
              <option value="">${t("allAisles")}</option>
              ${choices.map((name) => html`<option key=${name} value=${name}>${spoken(name)}</option>`)}
            </select></label>
          </div>
        </div>
        ${list.data?.degraded ? html`<p class="notice warn" role="status">${t("degraded")}</p>` : null}
        ${last?.error
          ? html`<${Trouble} error=${last.error} retry=${() => act(last.item, last.event, last.sent)} />`
          : last
            ? html`<div class="lastact">
                <p><strong>${t(`did_it_${last.event}`, { title: titleOf(last.item) })}</strong> ${last.fresh ? html`<span class="soft">${t("changed", { fresh: last.fresh.size, gone: last.gone })}</span>` : null}</p>
                ${last.event === "hide" ? html`<button ref=${undoButton} class="act" onClick=${() => act(last.item, "unhide")}><${Icon} name="undo" />${t("undo")}</button>` : null}
              </div>`
            : null}
        <${Loaded} load=${list} rows=${6} empty=${(d) => !d.items.length} emptyText=${t(wish || beyond || aisle ? "noneFits" : "noRecommendations")}>
          ${(data) => html`${(data.notes ?? []).map((note) => html`<p class="soft small">${note}</p>`)}
            <${ByAisle} items=${data.items} fresh=${last?.fresh} known=${known.data && aisles} liked=${liked} busy=${busy} act=${act} open=${open} />`}
        <//>
      </section>
      <aside aria-labelledby="history" class="side">
        <h2 id="history" tabindex="-1">${t("historyTitle")}</h2>
        <${Loaded} load=${known} rows=${5}>
          ${(data) => html`<${History} known=${data} liked=${liked} busy=${busy} undo=${(item) => act(item, "unhide")} open=${open} />`}
        <//>
        <${Forget} id=${id} gone=${forgotten} />
      </aside>
    </div>
    ${panel ? html`<${ItemPanel} item=${panel} act=${act} liked=${liked} close=${() => setPanel(null)} />` : null}`;
}

function about(known, aisles, t, number) {
  if (!known.events.length) return t("unknownShopper");
  const n = known.n_events ?? known.events.length;
  const of = known.n_categories ?? aisles; // the events given are the newest, not all
  return [t("personFacts", { n: number(n) }, n), t("inAisles", { n: number(of) }, of)].join(t("gap"));
}

/** Aisles to choose from: those seen so far in lists and in the history; they stay once seen. */
function useChoices(data, aisles) {
  const seen = useRef(new Set());
  for (const item of data?.items ?? []) if (item.category) seen.current.add(item.category);
  for (const name of aisles) seen.current.add(name);
  return [...seen.current].sort((a, b) => spoken(a).localeCompare(spoken(b)));
}

/** Everything about a person can be removed; it is asked for twice. */
function Forget({ id, gone }) {
  const { t } = useApp();
  const [sure, setSure] = useState(false);
  const [done, setDone] = useState(null);
  const go = () => forget(id).then((removed) => (setDone({ removed }), gone()), (error) => setDone({ error }));
  if (done?.error) return html`<${Trouble} error=${done.error} retry=${go} />`;
  if (done) return html`<p class="notice" role="status">${t("forgotten")} <a href="#/">${t("nav_shoppers")}</a></p>`;
  if (!sure) return html`<button class="quiet" onClick=${() => setSure(true)}>${t("forget")}</button>`;
  return html`<div class="sure" role="group" aria-label=${t("forget")}>
    <p>${t("forgetSure")}</p>
    <button class="button danger" onClick=${go}>${t("forgetYes")}</button>
    <button class="button" onClick=${() => setSure(false)}>${t("cancel")}</button>
  </div>`;
}
