// One item close up: why it is here, what to do with it, and what is like it.
import { html, useApp, useEffect, useLayoutEffect, useLoad, useRef, useState } from "./ui.js";
import { similar } from "./api.js";
import { Icon, Loaded, Photo, spoken, titleOf } from "./parts.js";

/** The graph's names of a path `A > B > C`, which may be one category that holds both ends. */
const wayOf = (path) => (path || "").split(" > ").filter(Boolean);

export function ItemPanel({ item: first, act, liked, close }) {
  const { t } = useApp();
  const [trail, setTrail] = useState([first]);
  const [others, setOthers] = useState(false);
  const box = useRef(null);
  const item = trail.at(-1);
  const load = useLoad((signal) => similar(item.item_id, { n: 8, other_categories: others }, signal), [item.item_id, others]);
  useLayoutEffect(() => {
    // at once and not after the next picture: an Escape that follows the click quickly must find it open
    const before = document.activeElement;
    box.current.showModal();
    return () => before?.isConnected && before.focus();
  }, []);
  useEffect(() => box.current.scrollTo(0, 0), [item.item_id]);
  const doIt = (event) => {
    box.current.close();
    act(item, event);
  };
  const way = wayOf(item.path);
  return html`<dialog ref=${box} class="panel" aria-labelledby="itemtitle" onClose=${close} onClick=${(e) => e.target === box.current && box.current.close()}>
    <div class="panelbody">
      <div class="panelhead">
        <p class="soft">${spoken(item.category) || t("noAisle")}</p>
        <button class="quiet" onClick=${() => box.current.close()}><${Icon} name="close" />${t("close")}</button>
      </div>
      <${Photo} key=${item.item_id} image=${item.image} className="bigphoto" />
      <h2 id="itemtitle" tabindex="-1">${titleOf(item)}</h2>
      ${item.reason ? html`<p>${item.reason}</p>` : null}
      ${way.length > 1
        ? html`<p class="way"><${Icon} name="path" /><a href=${`#/graph?walk=${encodeURIComponent(JSON.stringify(way))}`}>${way.map(spoken).join(" → ")}</a></p>`
        : null}
      ${act
        ? html`<div class="acts">
            <button class="act like" disabled=${liked?.has(item.item_id)} onClick=${() => doIt("like")}><${Icon} name="like" />${t(liked?.has(item.item_id) ? "liked" : "like")}</button>
            <button class="act buy" onClick=${() => doIt("purchase")}><${Icon} name="buy" />${t("buy")}</button>
            <button class="act hide" onClick=${() => doIt("hide")}><${Icon} name="hide" />${t("hide")}</button>
          </div>`
        : null}
      <div class="sectionhead">
        <h3>${t("similarTitle")}</h3>
        <label class="check"><input type="checkbox" checked=${others} onChange=${(e) => setOthers(e.target.checked)} />${t("otherAisles")}</label>
      </div>
      <${Loaded} load=${load} empty=${(d) => !d.items.length} emptyText=${t("noSimilar")}>
        ${(data) => html`<ul class="likes">
          ${data.items.map(
            (other) => html`<li key=${other.item_id} class="pastitem">
              <${Photo} image=${other.image} className="thumb" />
              <span class="pasttext">
                <button class="plain" onClick=${() => setTrail([...trail, other])}>${titleOf(other)}</button>
                <span class="soft small">${spoken(other.category)}</span>
              </span>
            </li>`,
          )}
        </ul>`}
      <//>
      ${trail.length > 1 ? html`<button class="quiet" onClick=${() => setTrail(trail.slice(0, -1))}><${Icon} name="undo" />${t("backTo", { title: titleOf(trail.at(-2)) })}</button>` : null}
    </div>
  </dialog>`;
}
