// Small pieces that several views use: notices, waiting, photos, icons, the state of something loaded.
import { html, useApp, useEffect, useState } from "./ui.js";
import { askForKey } from "./api.js";

const ICONS = {
  like: "M12 20s-7.5-4.6-7.5-10A4.2 4.2 0 0 1 12 7.3 4.2 4.2 0 0 1 19.5 10c0 5.4-7.5 10-7.5 10z",
  buy: "M6 8h12l-1 11H7L6 8zm3 0V7a3 3 0 0 1 6 0v1",
  hide: "M4 4l16 16M9.5 5.4A9.6 9.6 0 0 1 12 5c5 0 8.5 4.5 9.5 7a13 13 0 0 1-2.6 3.7M6.3 7.3A13 13 0 0 0 2.5 12c1 2.5 4.5 7 9.5 7 1.6 0 3-.4 4.3-1.1",
  undo: "M9 6L4 11l5 5M4 11h10a5 5 0 0 1 5 5v2",
  search: "M11 4a7 7 0 1 1 0 14 7 7 0 0 1 0-14zm5 12l4.5 4.5",
  close: "M6 6l12 12M18 6L6 18",
  path: "M5 18a2 2 0 1 0 0-.1M19 6a2 2 0 1 0 0-.1M6.5 16.5C12 12 12 12 17.5 7.5",
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;

/** Whether the same request may work when it is sent again: not where the service read it and refused it. */
const worthAgain = (status) => status === undefined || status === 0 || status === 408 || status === 429 || status >= 500;

/** What went wrong, in a sentence for people, with all that the service says of it, and what to do. */
export function Trouble({ error, retry }) {
  const { t } = useApp();
  const [left, setLeft] = useState(Math.min(error.retryAfter || 0, 120));
  useEffect(() => setLeft(Math.min(error.retryAfter || 0, 120)), [error]);
  useEffect(() => {
    if (left <= 0) return undefined;
    const timer = setTimeout(() => setLeft(left - 1), 1000);
    return () => clearTimeout(timer);
  }, [left]);
  const said = error.said ?? { found: error.message };
  return html`<div class="notice bad" role="alert">
    <div><p><strong>${sentence(error, t)}</strong></p>
      ${["found", "expected", "next"].map((what) => (said[what] ? html`<p key=${what} class="said">${t(`said_${what}`)}<${Told} text=${said[what]} /></p>` : null))}
    </div>
    ${error.status === 403 ? html`<button class="button" onClick=${askForKey}>${t("otherKey")}</button>` : null}
    ${retry && worthAgain(error.status) ? html`<button class="button" onClick=${retry} disabled=${left > 0}>${left > 0 ? t("retryIn", { n: left }) : t("retry")}</button>` : null}
  </div>`;
}

/** A sentence of the service in the language of the page where it is a known one; otherwise as it stands, and read out as English. */
function Told({ text }) {
  const { told } = useApp();
  const known = told(text);
  return html`<span lang=${known === text ? "en" : undefined}>${known}</span>`;
}

function sentence(error, t) {
  if (error.status === undefined) return t("errorPage");
  const known = { 0: "errorAway", 401: "errorKey", 403: "errorScope", 404: "errorUnknown", 422: "errorRequest", 429: "errorBusy", 503: "errorStore" };
  return t(known[error.status] ?? (error.status >= 500 ? "errorServer" : "errorRequest"));
}

/** The state of something loaded: trouble, waiting, nothing there, or the children. */
export function Loaded({ load, empty, emptyText, rows = 3, children }) {
  const { t } = useApp();
  if (load.error && !load.data) return html`<${Trouble} error=${load.error} retry=${load.reload} />`;
  if (!load.data) return html`<${Waiting} rows=${rows} />`;
  return html`${load.error ? html`<${Trouble} error=${load.error} retry=${load.reload} />` : null}
    ${empty?.(load.data) ? html`<p class="empty">${emptyText ?? t("nothing")}</p>` : children(load.data)}`;
}

export function Waiting({ rows }) {
  const { t } = useApp();
  return html`<div class="waiting" role="status"><span class="sr">${t("loading")}</span>${Array.from({ length: rows }, () => html`<span class="bone" aria-hidden="true"></span>`)}</div>`;
}

/** The photo of an item from the service's own media folder, or nothing. */
export function Photo({ image, className = "photo" }) {
  const [broken, setBroken] = useState(false);
  if (!image || broken || /^[a-z]+:|^\/\//i.test(image)) return null;
  const path = image.replace(/^\/?(media\/)?/, "").split("/").map(encodeURIComponent).join("/");
  return html`<img class=${className} src=${new URL(`media/${path}`, document.baseURI).href} alt="" loading="lazy" onError=${() => setBroken(true)} />`;
}

/** A title, or the id where there is none. */
export const titleOf = (item) => (item.title || "").trim() || item.item_id;

/** `Home_and_Kitchen` as people write it. */
export const spoken = (name) => (name || "").replaceAll("_", " ");

export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;
