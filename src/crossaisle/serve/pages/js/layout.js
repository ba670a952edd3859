// Where the nodes of the graph stand, and the strongest ways through it. Plain functions: no drawing, no state.

/** The strength of an edge: the share of its users that chance does not explain, or the likeness of words. */
export const strength = (e) => Math.min(1, e.kind === "text" ? (e.similarity ?? 0) : 1 - 1 / Math.max(e.lift_low ?? 1, 1));

/** For an order: what people did comes before likeness of words. */
export const worth = (e) => strength(e) + (e.kind === "text" ? 0 : 1);

export const aisleOf = (name) => name.split(" > ")[0];

/**
 * Order names so that strong pairs stand near each other: start at the best connected, go on to the unplaced name with most strength
 * towards the last three.
 */
export function ordered(names, edges) {
  const tie = new Map();
  for (const e of edges) {
    for (const [a, b] of [[e.source, e.target], [e.target, e.source]]) {
      if (!tie.has(a)) tie.set(a, new Map());
      tie.get(a).set(b, Math.max(tie.get(a).get(b) ?? 0, strength(e)));
    }
  }
  const total = (name) => [...(tie.get(name)?.values() ?? [])].reduce((sum, v) => sum + v, 0);
  const left = [...names].sort((a, b) => total(b) - total(a) || a.localeCompare(b));
  const out = [];
  while (left.length) {
    const near = out.slice(-3);
    const pull = (name) => near.reduce((sum, other, i) => sum + (i + 1) * (tie.get(name)?.get(other) ?? 0), 0);
    let best = 0;
    for (let i = 1; i < left.length; i++) if (pull(left[i]) > pull(left[best]) + 1e-12) best = i;
    out.push(...left.splice(best, 1));
  }
  return out;
}

/**
 * Two columns bent into an ellipse: labels outside, evenly spaced, so that no two can overlap.
 * @returns {{width, height, places: Map<string, {x, y, side: -1|1}>}}
 */
export function places(names, width, row = 27) {
  const half = Math.ceil(names.length / 2);
  const height = Math.max(340, half * row + 60);
  const label = Math.min(220, Math.max(96, width * 0.27));
  const rx = Math.max(36, width / 2 - label - 14);
  const ry = height / 2 - 24;
  const found = new Map();
  names.forEach((name, i) => {
    const side = i < half ? 1 : -1; // down the right side, then up the left
    const n = side === 1 ? half : names.length - half;
    const k = side === 1 ? i : names.length - 1 - i;
    const y = n === 1 ? 0 : (2 * (k + 0.5)) / n - 1; // -1 top to 1 bottom
    const x = side * rx * Math.sqrt(Math.max(0.05, 1 - 0.82 * y * y));
    found.set(name, { x: width / 2 + x, y: height / 2 + y * ry, side });
  });
  return { width, height, label, places: found };
}

/** A curve from one place to another, drawn towards the middle. */
export function curve(a, b, width, height) {
  const bend = a.side === b.side ? 0.4 : 0.2;
  const mx = (a.x + b.x) / 2, my = (a.y + b.y) / 2;
  const cx = mx + (width / 2 - mx) * bend, cy = my + (height / 2 - my) * bend * 0.6;
  return `M${a.x.toFixed(1)} ${a.y.toFixed(1)}Q${cx.toFixed(1)} ${cy.toFixed(1)} ${b.x.toFixed(1)} ${b.y.toFixed(1)}`;
}

/** The strongest way of at most `steps` edges from one node to another, null where there is none; its strength is the product. */
export function strongestWay(edges, from, to, steps = 3) {
  const out = new Map();
  for (const e of edges) {
    if (!out.has(e.source)) out.set(e.source, []);
    out.get(e.source).push(e);
  }
  let best = null;
  const walk = (at, trail, worth) => {
    if (at === to) {
      if (!best || worth > best.worth) best = { nodes: trail, worth };
      return;
    }
    if (trail.length > steps) return;
    for (const e of out.get(at) ?? []) {
      const next = worth * strength(e);
      if (!trail.includes(e.target) && next > (best?.worth ?? 0)) walk(e.target, [...trail, e.target], next);
    }
  };
  walk(from, [from], 1);
  return best;
}
