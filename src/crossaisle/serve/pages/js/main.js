// The frame: which view, which language, the key when the service wants one, and the voice for screen readers.
import { AppContext, html, render, useApp, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./ui.js";
import { setKey, whenLocked } from "./api.js";
import { LANGUAGES, teller, translator } from "./words.js";
import { Graph } from "./graph.js";
import { Home } from "./home.js";
import { Invent } from "./invent.js";
import { Operator } from "./operator.js";
import { Shopper } from "./shopper.js";
import { Wish } from "./wish.js";

const VIEWS = { "": Home, invent: Invent, wish: Wish, shopper: Shopper, graph: Graph, operator: Operator };
const SECTION = { graph: "graph", operator: "operator" };

/** `#/shopper/u%201?x=y` -> { name: "shopper", id: "u 1", query } */
function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  let id = rest.join("/");
  try {
    id = decodeURIComponent(id);
  } catch {
    // a broken escape is taken as it stands
  }
  return { name: Object.hasOwn(VIEWS, name) ? name : "", id, query: new URLSearchParams(query ?? "") };
}

function firstLanguage() {
  const kept = localStorage.getItem("crossaisle.lang");
  return LANGUAGES.includes(kept) ? kept : navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

function App() {
  const [at, setAt] = useState(route);
  const [lang, setLang] = useState(firstLanguage);
  const [locked, setLocked] = useState(""); // why a key is asked for
  const [epoch, setEpoch] = useState(0);
  const [voice, setVoice] = useState("");
  const started = useRef(false);

  useEffect(() => {
    const moved = () => {
      setAt(route());
      setLocked(""); // whoever was asked for another key and goes on otherwise uses the one there is
    };
    addEventListener("hashchange", moved);
    whenLocked(setLocked);
    return () => removeEventListener("hashchange", moved);
  }, []);

  const app = useMemo(() => makeApp(lang, setVoice), [lang]);
  const { t } = app;
  useEffect(() => {
    document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
    localStorage.setItem("crossaisle.lang", lang);
  }, [lang]);
  useEffect(() => {
    if (started.current) document.querySelector("main h1")?.focus({ preventScroll: true });
    if (started.current) scrollTo(0, 0);
    started.current = true;
  }, [at.name, at.id]);
  useEffect(() => {
    document.title = [at.name === "shopper" ? at.id : t(`title_${at.name || "home"}`), "CrossAisle"].join(" · ");
  }, [at, lang]);

  const View = VIEWS[at.name];
  const section = SECTION[at.name] ?? "shoppers";
  const link = (name, href) => html`<a href=${href} onClick=${() => setLocked("")} aria-current=${section === name ? "page" : undefined}>${t(`nav_${name}`)}</a>`;
  const unlock = (key) => {
    setKey(key);
    setLocked("");
    setEpoch(epoch + 1);
  };
  return html`<${AppContext.Provider} value=${app}>
    <a class="skip" href="#main" onClick=${(e) => (e.preventDefault(), document.querySelector("main h1")?.focus())}>${t("skip")}</a>
    <header class="top">
      <a class="mark" href="#/"><img src="pages/icon.svg" alt="" width="26" height="26" />CrossAisle</a>
      <nav aria-label=${t("navLabel")}>${link("shoppers", "#/")}${link("graph", "#/graph")}${link("operator", "#/operator")}</nav>
      <button class="quiet" lang=${lang === "zh" ? "en" : "zh-CN"} onClick=${() => setLang(lang === "zh" ? "en" : "zh")}>${lang === "zh" ? "English" : "中文"}</button>
    </header>
    <main id="main">
      ${locked ? html`<${KeyField} why=${locked} use=${unlock} />` : html`<${View} key=${`${at.name}/${at.id}/${epoch}`} id=${at.id} query=${at.query} />`}
    </main>
    <p class="sr" role="status" aria-live="polite">${voice}</p>
  <//>`;
}

function makeApp(lang, setVoice) {
  const locale = lang === "zh" ? "zh-CN" : "en-GB";
  const numbers = new Intl.NumberFormat(locale);
  const days = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" });
  const moments = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  const at = (time) => new Date(typeof time === "number" ? time * 1000 : time);
  const shown = (format) => (time) => (time === null || time === undefined || Number.isNaN(at(time).getTime()) ? "" : format.format(at(time)));
  return {
    lang,
    t: translator(lang),
    told: teller(lang),
    announce: setVoice,
    number: (value) => numbers.format(value),
    percent: (value, digits = 1) => new Intl.NumberFormat(locale, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value),
    day: shown(days),
    moment: shown(moments),
  };
}

function KeyField({ why, use }) {
  const { t } = useApp();
  const [key, setField] = useState("");
  const heading = useRef(null);
  useLayoutEffect(() => heading.current.focus({ preventScroll: true }), []);
  const go = (e) => {
    e.preventDefault();
    if (key.trim()) use(key.trim());
  };
  return html`<section class="narrow">
    <h1 ref=${heading} tabindex="-1">${t("keyTitle")}</h1>
    <p class="lead">${t(why)}</p>
    <form class="line" onSubmit=${go}>
      <label class="grow">${t("keyLabel")}<input type="password" autocomplete="off" spellcheck=${false} value=${key} onInput=${(e) => setField(e.target.value)} /></label>
      <button class="button strong">${t("keyUse")}</button>
    </form>
    <p class="soft small">${t("keyKept")}</p>
  </section>`;
}

render(html`<${App} />`, document.getElementById("app"));
