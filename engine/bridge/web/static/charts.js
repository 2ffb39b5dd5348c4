// Line and stacked charts in SVG: a few hundred points, redrawn each second, readable without colour too.
import { clock, element, short } from "./common.js";

const NS = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [560, 190, 58, 10, 8, 22];

const draw = (tag, attributes, text) => {
  const made = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text != null) made.textContent = text;
  return made;
};

const top = (highest) => {
  if (!(highest > 0)) return 1;
  const step = 10 ** Math.floor(Math.log10(highest));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((n) => n * step).find((n) => n >= highest * 1.02) || 20 * step;
};

const timeStep = (span) => [10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400].find((s) => span / s <= 6) || 86400;

export class Chart {
  constructor(box, { stacked = false } = {}) {
    this.box = box;
    this.stacked = stacked;
    this.svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
    this.legend = element("div", null, "legend");
    box.append(this.svg, this.legend);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.point(null));
  }

  // times: seconds; series: [{name, values, tone}], null where there is no value.
  show(times, series) {
    this.times = times;
    this.series = series;
    const sums = times.map((_, i) => series.reduce((sum, s) => sum + (s.values[i] || 0), 0));
    const highest = this.stacked ? Math.max(0, ...sums) : Math.max(0, ...series.flatMap((s) => s.values.map((v) => v || 0)));
    this.max = top(highest);
    const [first, last] = times.length ? [times[0], times[times.length - 1]] : [0, 1];
    this.x = (t) => LEFT + ((t - first) / Math.max(last - first, 1)) * (WIDTH - LEFT - RIGHT);
    this.y = (v) => HEIGHT - BOTTOM - (v / this.max) * (HEIGHT - TOP - BOTTOM);
    this.svg.replaceChildren(...this.axes(first, last), ...(this.stacked ? this.areas() : this.lines()));
    this.mark = draw("line", { y1: TOP, y2: HEIGHT - BOTTOM, class: "mark", visibility: "hidden" });
    this.svg.append(this.mark);
    this.name(times.length - 1);
  }

  axes(first, last) {
    const drawn = [];
    for (const part of [0, 0.5, 1]) {
      const y = this.y(part * this.max);
      drawn.push(draw("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y, class: "grid" }));
      drawn.push(draw("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, short(part * this.max)));
    }
    const step = timeStep(last - first);
    for (let t = Math.ceil(first / step) * step; t <= last; t += step) {
      drawn.push(draw("text", { x: this.x(t), y: HEIGHT - 6, "text-anchor": "middle" }, clock(t)));
    }
    return drawn;
  }

  lines() {
    return this.series.map((one) => {
      let path = "", pen = "M";
      one.values.forEach((value, i) => {
        if (value == null) return void (pen = "M");
        path += `${pen}${this.x(this.times[i]).toFixed(1)} ${this.y(value).toFixed(1)}`;
        pen = "L";
      });
      return draw("path", { d: path, class: `line tone-${one.tone}` });
    });
  }

  areas() {
    let below = this.times.map(() => 0);
    return this.series.map((one) => {
      const above = below.map((base, i) => base + (one.values[i] || 0));
      const go = (values, i) => `${this.x(this.times[i]).toFixed(1)} ${this.y(values[i]).toFixed(1)}`;
      const there = above.map((_, i) => go(above, i));
      const back = below.map((_, i) => go(below, i)).reverse();
      below = above;
      return draw("path", { d: there.length ? `M${[...there, ...back].join("L")}Z` : "", class: `area tone-${one.tone}` });
    });
  }

  name(i) {
    const told = this.series.map((one) => `${one.name} ${one.values[i] == null ? "–" : short(one.values[i])}`);
    this.svg.setAttribute("aria-label", told.join(", "));
    this.legend.replaceChildren(...this.series.map((one, n) => {
      const item = element("span", told[n]);
      item.prepend(element("i", null, `tone-${one.tone}`));
      return item;
    }));
  }

  point(event) {
    if (!this.times?.length) return;
    if (!event) {
      this.mark.setAttribute("visibility", "hidden");
      return this.name(this.times.length - 1);
    }
    const at = ((event.clientX - this.svg.getBoundingClientRect().left) / this.svg.clientWidth) * WIDTH;
    let best = 0;
    this.times.forEach((t, i) => { if (Math.abs(this.x(t) - at) < Math.abs(this.x(this.times[best]) - at)) best = i; });
    const x = this.x(this.times[best]);
    for (const [name, value] of [["x1", x], ["x2", x], ["visibility", "visible"]]) this.mark.setAttribute(name, value);
    this.name(best);
  }
}

// One bar of counts: [{name, count, tone}].
export function bar(box, legend, parts) {
  const sum = parts.reduce((total, part) => total + part.count, 0);
  box.replaceChildren(...parts.filter((part) => part.count).map((part) => {
    const piece = element("span", null, `tone-${part.tone}`);
    piece.style.flexGrow = part.count / Math.max(sum, 1);
    return piece;
  }));
  box.setAttribute("aria-label", parts.map((part) => `${part.name} ${part.count}`).join(", "));
  legend.replaceChildren(...parts.map((part) => {
    const item = element("span", `${part.name} ${part.count.toLocaleString(document.documentElement.lang)}`);
    item.prepend(element("i", null, `tone-${part.tone}`));
    return item;
  }));
}
