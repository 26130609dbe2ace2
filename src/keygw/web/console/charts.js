/** Figures of the last two minutes: frames, bytes, refusals each second, and how long commands took. */
import { html, useEffect, useRef } from "../shared/html.js";
import uPlot from "../shared/uplot.js";
import { stamp } from "./store.js";
import { t } from "./words.js";

const SECONDS = 120;
const HIGH = 170;

/** @param {import("./store.js").Entry[]} entries */
function figures(entries) {
  const end = Math.floor(entries.length ? entries[entries.length - 1].at : Date.now() / 1000);
  const start = end - SECONDS + 1;
  const rows = Array.from({ length: 6 }, () => new Array(SECONDS).fill(0));
  const took = new Array(SECONDS).fill(null);
  for (let place = entries.length - 1; place >= 0; place -= 1) {
    const each = entries[place];
    const second = Math.floor(each.at) - start;
    if (second < 0) {
      if (second < -5) {
        break;
      }
      continue;
    }
    if (second >= SECONDS) {
      continue;
    }
    if (each.of === "frame") {
      rows[each.by === "vehicle" ? 1 : 0][second] += 1;
      rows[each.by === "vehicle" ? 3 : 2][second] += each.size;
      rows[4][second] += each.word === "refused" ? 1 : 0;
      rows[5][second] += each.word === "breach" ? 1 : 0;
    } else if ((each.of === "order" && each.name === "ask") || each.of === "request") {
      took[second] = Math.max(took[second] ?? 0, each.size);
    }
  }
  const at = Array.from({ length: SECONDS }, (_, second) => start + second);
  return [[at, rows[0], rows[1]], [at, rows[2], rows[3]], [at, rows[4], rows[5]], [at, took]];
}

/** @param {{store: import("./store.js").Store, version: number}} props */
export function Charts({ store, version }) {
  const data = figures(store.entries);
  const names = [["by_device", "by_vehicle"], ["by_device", "by_vehicle"], ["word_refused", "word_breach"], ["took"]];
  return html`<div class="scroll pad charts" role="region" aria-label=${t("tab_charts")} tabindex="0">
    ${["chart_frames", "chart_bytes", "chart_refused", "chart_took"].map((title, place) => html`<figure class="card stack tight">
      <figcaption><h2>${t(title)}</h2></figcaption>
      <${Plot} data=${data[place]} names=${names[place].map((name) => t(name))} points=${place === 3} tones=${place === 2 ? ["--refused", "--danger"] : ["--accent", "--ok"]} version=${version} />
    </figure>`)}
  </div>`;
}

/** @param {{data: any[], names: string[], points: boolean, tones: string[], version: number}} props */
function Plot({ data, names, points, tones, version }) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const plot = useRef(/** @type {any} */ (null));
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const drawn = names.join();
  useEffect(() => {
    const place = /** @type {HTMLElement} */ (box.current);
    const tone = (/** @type {string} */ name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const axis = { stroke: tone("--text-soft"), grid: { stroke: tone("--line"), width: 1 }, ticks: { stroke: tone("--line"), width: 1 } };
    plot.current = new uPlot({
      width: Math.max(240, place.clientWidth), height: HIGH, cursor: { show: false }, legend: { show: true, live: false },
      scales: { y: { range: (/** @type {any} */ _, /** @type {number} */ low, /** @type {number} */ high) => [0, Math.max(1, high ?? 1)] } },
      axes: [{ ...axis, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map((each) => stamp(each).slice(0, 8)), space: 90 }, { ...axis, size: 56 }],
      series: [{}, ...names.map((label, number) => ({
        label, stroke: tone(tones[number]), width: 2, dash: number ? [6, 3] : undefined, points: { show: points, size: 6 }, paths: points ? () => null : undefined,
      }))],
    }, data, place);
    const watching = new ResizeObserver(() => plot.current?.setSize({ width: Math.max(240, place.clientWidth), height: HIGH }));
    watching.observe(place);
    return () => {
      watching.disconnect();
      plot.current.destroy();
      plot.current = null;
    };
  }, [drawn, dark]);
  useEffect(() => plot.current?.setData(data), [version]);
  return html`<div ref=${box} class="plot" role="img" aria-label=${`${names.join(", ")}: ${data.slice(1).map((row) => Math.max(0, ...row.map((/** @type {any} */ each) => each ?? 0))).join(", ")}`}></div>`;
}
