/** A live curve: raw faint, smoothed, epochs as ticks, the held-out loss dashed; no more points than pixels. */
import { svg } from "./dom.js";

const LEFT = 52, RIGHT = 10, TOP = 8, BOTTOM = 22, MOST_TICKS = 12;

/** Least and most value of each pixel, in their order: `[x, y]` in data. */
export function thinned(points, from, to, width) {
  if (points.length <= 2 * width) return points;
  const found = [], of = x => Math.floor((x - from) / (to - from || 1) * width);
  for (let start = 0; start < points.length;) {
    let end = start, low = start, high = start;
    for (const pixel = of(points[start][0]); end < points.length && of(points[end][0]) === pixel; end++) {
      if (points[end][1] < points[low][1]) low = end;
      if (points[end][1] > points[high][1]) high = end;
    }
    found.push(points[Math.min(low, high)]);
    if (low !== high) found.push(points[Math.max(low, high)]);
    start = end;
  }
  return found;
}

/** A moving mean that forgets; its beginning is not pulled to zero. */
export function smoothed(points, weight) {
  let sum = 0, total = 0;
  return points.map(([x, y]) => {
    sum = sum * weight + y * (1 - weight);
    total = total * weight + (1 - weight);
    return [x, sum / total];
  });
}

/** About `number` round values between. */
function rounds(low, high, number) {
  const raw = (high - low) / number || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(each => each * power).find(each => each >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1e6; value += step) found.push(value);
  return found;
}

class Curve extends HTMLElement {
  rows = [];
  epochs = [];
  isLog = false;
  weight = 0.9;
  total = 0;

  connectedCallback() {
    new ResizeObserver(() => this.draw()).observe(this);
    this.addEventListener("pointermove", event => this.point(event));
  }

  /** `rows`: {step, epoch, loss}; `epochs`: {epoch, validation}; `total`: steps of the whole run. */
  show(rows, epochs, total) {
    Object.assign(this, { rows, epochs, total: total ?? 0 });
    this.draw();
  }

  draw() {
    const width = this.clientWidth, height = this.clientHeight;
    const fits = y => Number.isFinite(y) && (!this.isLog || y > 0);
    const raw = this.rows.filter(row => fits(row.loss)).map(row => [row.step, row.loss]);
    if (width < 80 || !raw.length) return this.replaceChildren();
    const ends = this.ends(), held = this.epochs.filter(each => fits(each.validation)).map(each => [ends.get(each.epoch) ?? 0, each.validation]);
    const value = y => (this.isLog ? Math.log10(y) : y), values = [...raw, ...held].map(point => value(point[1]));
    let low = Infinity, high = -Infinity;
    for (const each of values) { low = Math.min(low, each); high = Math.max(high, each); }
    if (high - low < 1e-12) { low -= Math.abs(low) * 0.1 || 0.5; high += Math.abs(high) * 0.1 || 0.5; }
    const last = Math.max(this.total, raw.at(-1)[0]), across = width - LEFT - RIGHT, down = height - TOP - BOTTOM;
    this.toX = step => LEFT + step / last * across;
    this.toY = y => TOP + (high - value(y)) / (high - low) * down;
    const line = (points, name) => svg("polyline", { class: name, points: points.map(([x, y]) => `${this.toX(x).toFixed(1)},${this.toY(y).toFixed(1)}`).join(" ") });
    const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    picture.append(...this.axes(low, high, width, height, ends),
      line(thinned(raw, 0, last, across), "curve-raw"), line(thinned(smoothed(raw, this.weight), 0, last, across), "curve-smooth"),
      line(held, "curve-held"), ...held.map(([x, y]) => svg("circle", { class: "curve-dot", cx: this.toX(x), cy: this.toY(y), r: 3 })));
    this.replaceChildren(picture);
  }

  /** The last step of each epoch. */
  ends() {
    const found = new Map([[0, 0]]);
    for (const row of this.rows) if (row.epoch !== null) found.set(row.epoch, row.step);
    return found;
  }

  axes(low, high, width, height, ends) {
    const parts = [], text = (x, y, said, anchor) => {
      const made = svg("text", { x, y, "text-anchor": anchor });
      made.textContent = said;
      return made;
    };
    for (const each of rounds(low, high, 4)) {
      const y = this.toY(this.isLog ? 10 ** each : each), said = Number((this.isLog ? 10 ** each : each).toPrecision(3));
      parts.push(svg("line", { x1: LEFT, x2: width - RIGHT, y1: y, y2: y }), text(LEFT - 6, y + 4, String(said), "end"));
    }
    const every = Math.ceil(ends.size / MOST_TICKS);
    for (const [epoch, step] of ends) {
      if (epoch === 0 || epoch % every || (step === this.rows.at(-1).step && step < this.total)) continue; // not ended
      const x = this.toX(step);
      parts.push(svg("line", { class: "epoch", x1: x, x2: x, y1: height - BOTTOM, y2: height - BOTTOM + 5 }), text(x, height - 4, String(epoch), "middle"));
    }
    parts.push(text(LEFT - 6, height - 4, "epoch", "end"));
    return parts;
  }

  /** Says the row under the pointer. */
  point(event) {
    if (!this.toX || !this.rows.length) return;
    const x = event.clientX - this.getBoundingClientRect().left;
    const near = this.rows.reduce((best, row) => (Math.abs(this.toX(row.step) - x) < Math.abs(this.toX(best.step) - x) ? row : best));
    this.dispatchEvent(new CustomEvent("at", { detail: near }));
  }
}

customElements.define("a-curve", Curve);
