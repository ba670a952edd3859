// Small charts in SVG: a curve, bars by day, an interval. Each says in words what it shows; the numbers stand beside it.
import { html } from "./ui.js";

const W = 280;
const H = 96;
const PAD = 8;

const finite = (values) => values.map((v, i) => [i, v]).filter(([, v]) => Number.isFinite(v));
const short = (v) => (Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 1 ? v.toFixed(2) : v.toPrecision(3));

/** One curve over the steps of a training; `best` marks its highest ("max") or lowest ("min") point. */
export function Curve({ values, name, best, label }) {
  const points = finite(values ?? []);
  if (!points.length) return null;
  if (points.length === 1) return html`<figure class="curve"><figcaption><span>${name}</span><strong>${short(points[0][1])}</strong></figcaption></figure>`;
  const ys = points.map(([, v]) => v);
  const low = Math.min(...ys), high = Math.max(...ys);
  const last = Math.max(1, values.length - 1);
  const x = (i) => PAD + ((W - 2 * PAD) * i) / last;
  const y = (v) => H - PAD - ((H - 2 * PAD) * (v - low)) / (high - low || 1);
  const [bi, bv] = points.find(([, v]) => v === (best === "min" ? low : high));
  const line = points.map(([i, v], k) => `${k ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
  return html`<figure class="curve">
    <figcaption><span>${name}</span><span class="figures">${short(points[0][1])} → <strong>${short(points.at(-1)[1])}</strong></span></figcaption>
    <svg viewBox=${`0 0 ${W} ${H}`} role="img" aria-label=${label(short(points[0][1]), short(points.at(-1)[1]), short(bv))} preserveAspectRatio="none">
      <path class="ground" d=${`M${PAD} ${H - PAD}H${W - PAD}`} />
      <path class="line" d=${line} />
      <path class="best" d=${`M${x(bi).toFixed(1)} ${y(bv).toFixed(1)}h.01`} />
    </svg>
  </figure>`;
}

/** One kind of feedback day by day. */
export function Bars({ values, name, total, label }) {
  const most = Math.max(1, ...values);
  const step = W / Math.max(values.length, 1);
  const gap = step > 6 ? 2 : step > 3 ? 1 : 0;
  return html`<figure class="bars">
    <figcaption><span>${name}</span><strong class="figures">${total}</strong></figcaption>
    <svg viewBox=${`0 0 ${W} 56`} role="img" aria-label=${label} preserveAspectRatio="none">
      <path class="ground" d=${`M0 55.5H${W}`} />
      ${values.map((v, i) => html`<rect key=${i} x=${(i * step + gap / 2).toFixed(2)} y=${(55 - (52 * v) / most).toFixed(2)} width=${Math.max(step - gap, 0.5).toFixed(2)} height=${((52 * v) / most).toFixed(2)} />`)}
    </svg>
  </figure>`;
}

/** An interval with its value, against what was expected. */
export function Interval({ low, high, value, expected, label }) {
  const most = Math.max(high ?? 0, expected ?? 0, value ?? 0) * 1.1 || 1;
  const x = (v) => 4 + (112 * Math.max(0, v)) / most;
  return html`<svg class="interval" viewBox="0 0 120 16" role="img" aria-label=${label}>
    <path class="ground" d="M4 8H116" />
    <path class="span" d=${`M${x(low ?? value)} 8H${x(high ?? value)}`} />
    <path class="best" d=${`M${x(value).toFixed(1)} 8h.01`} />
    ${expected === null || expected === undefined ? null : html`<path class="want" d=${`M${x(expected)} 1V15`} />`}
  </svg>`;
}
