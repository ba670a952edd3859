// The association graph as a picture, and a walk through it: by clicking, by keyboard, or from one aisle to another at once.
import { html, useApp, useEffect, useLayoutEffect, useLoad, useMemo, useRef, useState } from "./ui.js";
import { graph as getGraph } from "./api.js";
import { aisleOf, curve, ordered, places, strength, strongestWay, worth } from "./layout.js";
import { Icon, Loaded, spoken } from "./parts.js";

const MOST_NODES = 36;
const MOST_EDGES = 90;
const HUES = 10;

export function Graph({ query }) {
  const { t } = useApp();
  const load = useLoad((signal) => getGraph(signal), []);
  return html`
    <div class="pagehead"><div>
      <h1 tabindex="-1">${t("title_graph")}</h1>
      <p class="lead">${t("graphLead")}</p>
    </div></div>
    <${Loaded} load=${load} rows=${6} empty=${(d) => !d.nodes?.length || !d.edges?.length} emptyText=${t("noGraph")}>
      ${(data) => html`<${Walk} data=${data} start=${asked(query, data)} />`}
    <//>`;
}

/** The walk that the address asks for, `?walk=["A","B"]`, as far as the graph has it; a name may be the last part of a node's own. */
function asked(query, data) {
  try {
    const names = JSON.parse(query.get("walk") ?? "[]");
    const found = Array.from({ length: data.levels }, (_, i) => {
      const nodes = data.nodes.filter((n) => n.level === i + 1).map((n) => [n.name, n.name]);
      const named = new Map([...nodes.map(([name]) => [name.split(" > ").at(-1), name]), ...nodes]);
      return names.map((name) => named.get(name)).filter(Boolean);
    });
    return found.reduce((best, walk) => (walk.length > best.length ? walk : best), []);
  } catch {
    return [];
  }
}

function Walk({ data, start }) {
  const { t, number, announce } = useApp();
  const [level, setLevel] = useState(() => data.nodes.find((n) => n.name === start[0])?.level ?? firstLevel(data));
  const [walk, setWalk] = useState(start); // names, in the order walked
  const [to, setTo] = useState("");
  const [noWay, setNoWay] = useState(false);
  const hues = useMemo(() => new Map([...new Set(data.nodes.map((n) => n.aisle ?? aisleOf(n.name)))].sort().map((a, i) => [a, i % HUES])), [data]);
  const view = useMemo(() => drawn(data, level, walk), [data, level, walk]);
  const here = walk.at(-1);
  const node = here && data.nodes.find((n) => n.level === level && n.name === here);

  const go = (name) => {
    setNoWay(false);
    const next = walk.includes(name) ? walk.slice(0, walk.indexOf(name) + 1) : joined(view.edges, here, name) ? [...walk, name] : [name];
    setWalk(next);
    const n = neighbours(view.edges, name).length;
    announce(t("walked", { name: spoken(name), n }, n));
  };
  const find = () => {
    const way = strongestWay(view.edges.filter((e) => e.kind === "bought"), here, to) ?? strongestWay(view.edges, here, to);
    setNoWay(!way);
    if (!way) return;
    setWalk(way.nodes);
    setTo("");
  };
  return html`
    <div class="two graphview">
      <section aria-label=${t("graphPicture")}>
        <div class="sectionhead">
          <p class="walk" aria-label=${t("walkLabel")}>
            ${walk.length
              ? walk.map((name, i) => html`${i ? html`<span aria-hidden="true">→</span>` : null}<button key=${name} class="quiet step" aria-current=${name === here ? "step" : undefined} onClick=${() => go(name)}>${spoken(name)}</button>`)
              : html`<span class="soft">${t("walkStart")}</span>`}
          </p>
          <div class="tools">
            ${data.levels > 1
              ? html`<label class="pick">${t("level")}<select value=${level} onChange=${(e) => (setWalk([]), setTo(""), setNoWay(false), setLevel(Number(e.target.value)))}>
                  ${Array.from({ length: data.levels }, (_, i) => html`<option value=${i + 1}>${t(i ? "levelN" : "level1", { n: i + 1 })}</option>`)}
                </select></label>`
              : null}
            ${walk.length ? html`<button class="quiet" onClick=${() => setWalk([])}>${t("wholeGraph")}</button>` : null}
          </div>
        </div>
        <${Picture} view=${view} walk=${walk} hues=${hues} go=${go} />
        <p class="soft small">${[t("graphKey"), view.left > 0 ? t("graphLeft", { n: number(view.left) }) : ""].join(t("gap"))}</p>
      </section>
      <aside class="side" aria-live="off">
        ${node
          ? html`<h2>${spoken(here)}</h2>
              <p class="soft">${t("nodeFacts", { items: number(node.items), users: number(node.users), events: number(node.events) })}</p>
              <${Steps} edges=${view.edges} here=${here} walk=${walk} hues=${hues} go=${go} />
              <form class="line" onSubmit=${(e) => (e.preventDefault(), to && find())}>
                <label class="grow">${t("wayTo")}<select value=${to} onChange=${(e) => (setNoWay(false), setTo(e.target.value))}>
                  <option value="">${t("chooseOne")}</option>
                  ${view.names.filter((n) => n !== here).sort().map((name) => html`<option key=${name} value=${name}>${spoken(name)}</option>`)}
                </select></label>
                <button class="button" disabled=${!to}>${t("wayGo")}</button>
              </form>
              ${noWay ? html`<p class="notice" role="status">${t("noWay")}</p>` : null}`
          : html`<h2>${t("surest")}</h2><${Surest} edges=${view.edges} go=${(e) => (setNoWay(false), setWalk([e.source, e.target]))} />`}
      </aside>
    </div>`;
}

/** The first level whose links people make; level 1 where there is none. */
const firstLevel = (data) => Math.min(...data.edges.filter((e) => e.kind === "bought").map((e) => e.level), data.levels + 1) % (data.levels + 1) || 1;

/** Nodes and edges that the picture shows: the surest edges of a level, and all of the node that one stands on. */
function drawn(data, level, walk) {
  const here = walk.at(-1);
  const links = data.edges.filter((e) => e.level === level && e.source !== e.target);
  const across = links.filter((e) => aisleOf(e.source) !== aisleOf(e.target));
  // between aisles where there are any such links, and whatever leads from where one stands
  const inside = across.length ? links.filter((e) => e.source === here && !across.includes(e)) : links;
  const all = [...across, ...inside];
  const sure = [...all].sort((a, b) => worth(b) - worth(a));
  const people = new Map(data.nodes.filter((n) => n.level === level).map((n) => [n.name, n.users]));
  const kept = new Set(walk);
  for (const e of here ? sure.filter((e) => e.source === here || e.target === here) : []) if (kept.size < MOST_NODES) kept.add(e.source).add(e.target);
  for (const e of sure) if (kept.size < MOST_NODES - 1) kept.add(e.source).add(e.target);
  const edges = sure.filter((e) => kept.has(e.source) && kept.has(e.target));
  return { names: ordered([...kept], edges), edges, people, left: people.size - kept.size };
}

const joined = (edges, a, b) => edges.some((e) => (e.source === a && e.target === b) || (e.source === b && e.target === a));

/** The other ends of a node's edges, each once with its surest edge, surest first. */
function neighbours(edges, name) {
  const best = new Map();
  for (const e of edges) {
    const other = e.source === name ? e.target : e.target === name ? e.source : null;
    if (other && (!best.has(other) || worth(e) > worth(best.get(other)))) best.set(other, e);
  }
  return [...best].sort((a, b) => worth(b[1]) - worth(a[1]));
}

function Picture({ view, walk, hues, go }) {
  const { t, number } = useApp();
  const box = useRef(null);
  const [width, setWidth] = useState(0);
  const [at, setAt] = useState(0); // the node that the tab key reaches
  useLayoutEffect(() => {
    const look = () => setWidth(Math.max(280, Math.round(box.current.clientWidth)));
    look();
    const watch = new ResizeObserver(look);
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const { names, edges, people } = view;
  const plan = useMemo(() => places(names, width || 600), [names, width]);
  const here = walk.at(-1);
  useEffect(() => setAt(Math.max(0, names.indexOf(here))), [names, here]);
  const near = new Set(here ? neighbours(edges, here).map(([name]) => name) : names);
  const most = Math.max(1, ...names.map((n) => people.get(n) ?? 1));
  const steps = new Set(walk.slice(1).map((name, i) => `${walk[i]}\n${name}`));
  const onWalk = (e) => steps.has(`${e.source}\n${e.target}`) || steps.has(`${e.target}\n${e.source}`);
  const shown = edges.filter((e, i) => i < MOST_EDGES || onWalk(e) || e.source === here || e.target === here);

  const move = (event) => {
    const by = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: -at, End: names.length - 1 - at }[event.key];
    if (event.key === "Enter" || event.key === " ") go(names[at]);
    else if (by === undefined) return;
    else {
      const next = (at + by + names.length) % names.length;
      setAt(next);
      [...box.current.querySelectorAll("[data-node]")].find((node) => node.dataset.node === names[next]).focus();
    }
    event.preventDefault();
  };
  // the picture changes with each step, the order of its elements does not: what has the keyboard is not taken out and put in elsewhere
  const placeOf = new Map(names.map((name, i) => [name, i]));
  const still = [...names].sort();
  const keyOf = (e) => `${e.source}\n${e.target}\n${e.kind}`;
  const lines = [...shown].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  return html`<div class="picture" ref=${box}>
    ${width
      ? html`<svg width=${plan.width} height=${plan.height} viewBox=${`0 0 ${plan.width} ${plan.height}`} role="group" aria-label=${t("graphPicture")} onKeyDown=${move}>
          <g aria-hidden="true">
            ${lines.map((e) => {
              const touched = here && (e.source === here || e.target === here);
              const kind = onWalk(e) ? " onwalk" : touched ? " touched" : here ? " dim" : "";
              const line = curve(plan.places.get(e.source), plan.places.get(e.target), plan.width, plan.height);
              return html`<path key=${keyOf(e)} class=${`edge hue${hues.get(aisleOf(e.source))}${kind}${e.kind === "text" ? " text" : ""}`} d=${line} stroke-width=${(0.8 + 4.5 * strength(e)).toFixed(2)} />`;
            })}
          </g>
          ${still.map((name) => {
            const i = placeOf.get(name);
            const p = plan.places.get(name);
            const r = 4 + 7 * Math.sqrt((people.get(name) ?? 0) / most);
            const dim = here && name !== here && !near.has(name) && !walk.includes(name);
            const room = Math.min(240, (p.side === 1 ? plan.width - p.x : p.x) - r - 10); // 6 beside the dot, 4 at the edge
            const label = fitted(spoken(name), room);
            const reach = r + 8 + room;
            return html`<g
              key=${name} data-node=${name} role="button" tabindex=${i === at ? 0 : -1} class=${`node hue${hues.get(aisleOf(name))}${name === here ? " here" : ""}${dim ? " dim" : ""}`}
              aria-label=${t("nodeLabel", { name: spoken(name), users: number(people.get(name) ?? 0) }, people.get(name) ?? 0)} aria-current=${name === here ? "step" : undefined}
              onClick=${() => go(name)} onFocus=${() => setAt(i)} transform=${`translate(${p.x.toFixed(1)} ${p.y.toFixed(1)})`}
            >
              <rect class="target" x=${p.side === 1 ? -14 : -reach} y="-13" width=${reach + 14} height="26" rx="6" />
              <circle r=${r.toFixed(1)} />
              <text x=${p.side * (r + 6)} dy=".35em" text-anchor=${p.side === 1 ? "start" : "end"}>${label}<title>${spoken(name)}</title></text>
            </g>`;
          })}
        </svg>`
      : null}
  </div>`;
}

const pen = document.createElement("canvas").getContext("2d");

/** A label cut to so many pixels, measured as bold as it is where one stands. */
function fitted(name, room) {
  pen.font = `700 13.5px ${getComputedStyle(document.body).fontFamily}`;
  const letters = [...name.split(" > ").at(-1)];
  const fits = (text) => pen.measureText(text).width <= room;
  if (fits(letters.join(""))) return letters.join("");
  const cut = () => `${letters.join("").trimEnd()}…`;
  while (letters.length && !fits(cut())) letters.pop();
  return cut();
}

function Steps({ edges, here, walk, hues, go }) {
  const { t, number } = useApp();
  const near = neighbours(edges, here).filter(([name]) => !walk.includes(name));
  if (!near.length) return html`<p class="empty">${t("noSteps")}</p>`;
  return html`<h3>${t("nextSteps")}</h3>
    <ol class="steps">
      ${near.slice(0, 10).map(
        ([name, e]) => html`<li key=${name}>
          <button class="stepto" onClick=${() => go(name)}>
            <span class=${`dot hue${hues.get(aisleOf(name))}`} aria-hidden="true"></span>
            <span><strong>${spoken(name)}</strong><span class="soft small">${edgeSays(e, t, number)}</span></span>
          </button>
        </li>`,
      )}
    </ol>`;
}

function Surest({ edges, go }) {
  const { t, number } = useApp();
  const seen = new Set();
  const best = edges.filter((e) => {
    const pair = [e.source, e.target].sort().join("\n");
    return !seen.has(pair) && seen.add(pair);
  });
  return html`<ol class="steps">
    ${best.slice(0, 8).map(
      (e) => html`<li key=${`${e.source}\n${e.target}`}>
        <button class="stepto" onClick=${() => go(e)}>
          <${Icon} name="path" />
          <span><strong>${spoken(e.source)} → ${spoken(e.target)}</strong><span class="soft small">${edgeSays(e, t, number)}</span></span>
        </button>
      </li>`,
    )}
  </ol>`;
}

function edgeSays(e, t, number) {
  if (e.kind === "text") return t("edgeText", { similarity: (e.similarity ?? 0).toFixed(2) });
  const said = [t("edgeBought", { n: number(e.together ?? e.support), lift: (e.lift ?? 1).toFixed(1) })];
  if (Number.isFinite(e.days)) said.push(t("edgeDays", { n: number(Math.round(e.days)) }, Math.round(e.days)));
  return said.join(t("gap"));
}
