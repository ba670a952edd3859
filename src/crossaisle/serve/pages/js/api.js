// Every call that the page makes. A failure is one kind of error with the status, what the service said, and when to come back.

const KEY = "crossaisle.key";
const ROOT = new URL("api/v1/", document.baseURI);
let onLocked = () => {};

/** Called with a word of words.js when the service wants a key, or somebody wants to give another one. */
export const whenLocked = (f) => (onLocked = f);
export const askForKey = () => onLocked("keyOther");
export const setKey = (key) => (key ? sessionStorage.setItem(KEY, key) : sessionStorage.removeItem(KEY));

export class Failure extends Error {
  constructor(status, said, retryAfter) {
    super(said.found);
    this.status = status; // 0: not reached
    this.said = said; // { found, expected, next }, as far as the service said so
    this.retryAfter = retryAfter;
  }
}

const PATIENT = 2; // how often a question that a busy service turned away is asked again
const LONGEST = 5; // seconds that it waits by itself before that

/** Ask; where the service is busy and says when to come back, come back. What changes something is not sent again without being told to. */
async function ask(method, path, options = {}) {
  for (let n = 0; ; n++) {
    try {
      return await call(method, path, options);
    } catch (error) {
      if (n >= PATIENT || ![429, 503].includes(error.status) || !(error.retryAfter > 0 && error.retryAfter <= LONGEST)) throw error;
      await new Promise((done) => setTimeout(done, 1000 * error.retryAfter));
      if (options.signal?.aborted) throw new DOMException("", "AbortError");
    }
  }
}

async function call(method, path, { query = {}, body, signal } = {}) {
  const url = new URL(path, ROOT);
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "" && value !== false) url.searchParams.set(name, value);
  }
  const headers = { accept: "application/json" };
  const key = sessionStorage.getItem(KEY);
  if (key) headers.authorization = `Bearer ${key}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let answer;
  try {
    answer = await fetch(url, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failure(0, {}, 0);
  }
  const content = await answer.json().catch(() => null);
  if (answer.ok) return content;
  if (answer.status === 401) onLocked(key ? "keyWrong" : "keyWhy");
  throw new Failure(answer.status, said(content), Number(answer.headers.get("retry-after")) || 0);
}

/** The service's own words about an error, whatever shape they have. */
function said(content) {
  const detail = content?.error ?? content?.detail ?? content?.message;
  if (typeof detail === "string") return { found: detail };
  if (typeof detail?.found === "string") return { found: detail.found, expected: detail.expected, next: detail.next };
  if (typeof detail?.message === "string") return { found: detail.message };
  if (Array.isArray(detail)) return { found: detail.map((d) => [d.loc?.at(-1), d.msg].filter(Boolean).join(": ")).join("; ") };
  return {};
}

const part = encodeURIComponent;

export const shoppers = (n, signal) => ask("GET", "shoppers", { query: { n }, signal });
export const searchItems = (q, n, signal) => ask("GET", "items", { query: { q, n }, signal });
export const user = (id, signal) => ask("GET", `users/${part(id)}`, { signal });
export const forget = (id) => call("DELETE", `users/${part(id)}`);
export const recommend = (id, query, signal) => ask("GET", `recommend/${part(id)}`, { query, signal });
export const recommendFor = (body, signal) => ask("POST", "recommend", { body, signal });
export const similar = (id, query, signal) => ask("GET", `similar/${part(id)}`, { query, signal });
export const graph = (signal) => ask("GET", "graph", { signal });
export const model = (signal) => ask("GET", "model", { signal });
export const overview = (signal) => ask("GET", "overview", { signal });
export const undoAbnormal = (id) => call("POST", `abnormal/${part(id)}`, { body: { undo: true } });
export const sendEvents = (events) => call("POST", "events", { body: { events } });

/** 128 random bits; randomUUID is missing where the page is not served over https. */
export const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

/** An event as the service takes it; made once, so that sending it again doubles nothing. */
export function newEvent(userId, itemId, event, recommendationId = null, timestamp = Date.now() / 1000) {
  return { event_id: newId(), user_id: userId, item_id: itemId, event, timestamp, recommendation_id: recommendationId };
}
