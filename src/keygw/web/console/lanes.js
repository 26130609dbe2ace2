/** Who says what to whom, as it happens: a sequence diagram of our own. */
import { html } from "../shared/html.js";
import { stamp } from "./store.js";
import { t } from "./words.js";

const STEP = 34;
const MOST = 80;
const LANES = ["app", "gateway", "phone", "car"];
const WIDE = 580;
const AT = [112, 232, 352, 520];

/** @param {{store: import("./store.js").Store, items: any[], chosen: number, onChoose: (s: number) => void}} props */
export function Lanes({ store, items, chosen, onChoose }) {
  const told = items.filter((each) => (each.of === "frame" && each.by && each.whole && each.kind === "frame") || each.of === "request").slice(-MOST);
  if (told.length === 0) {
    return html`<p class="empty">${t("lanes_none")}</p>`;
  }
  const high = told.length * STEP + 56;
  return html`<div class="lanes" role="region" aria-label=${t("tab_lanes")} tabindex="0">
    <svg viewBox=${`0 0 ${WIDE} ${high}`} width=${WIDE} height=${high}>
      <defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse">
        <path d="M0 0 8 4 0 8z" fill="context-stroke" /></marker></defs>
      ${LANES.map((lane, place) => html`<g>
        <line class="lane" x1=${AT[place]} x2=${AT[place]} y1="34" y2=${high - 8} />
        <rect class="head" x=${AT[place] - 48} y="4" width="96" height="26" rx="8" />
        <text x=${AT[place]} y="22" text-anchor="middle" class="who">${t(`lane_${lane}`)}</text></g>`)}
      ${told.map((each, place) => {
        const y = 60 + place * STEP;
        const end = each.of === "request" ? 0 : store.ends.get(each.link) === "phone" ? 2 : 1;
        const [from, to] = each.of === "request" ? [0, 1] : each.by === "device" ? [end, 3] : [3, end];
        const way = Math.sign(AT[to] - AT[from]);
        const name = each.of === "request" ? each.name.split("/").slice(-1)[0].slice(0, 26) : each.name;
        const tell = each.of === "request" ? `${each.name.split(" ")[0]} ${name}` : `${name}${each.text ? ` · ${each.text.split(" · ")[0].slice(0, 28)}` : ""}`;
        return html`<g class="say ${each.word} ${each.s === chosen ? "chosen" : ""}" role="button" tabindex="0" aria-label=${`${stamp(each.at)} ${tell} ${each.word}`}
          onClick=${() => onChoose(each.s)} onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Enter" && onChoose(each.s)}>
          <rect class="hit" x="0" y=${y - 22} width=${WIDE} height=${STEP} />
          <text class="when" x="4" y=${y + 4}>${stamp(each.at).slice(3)}</text>
          <line x1=${AT[from] + 2 * way} x2=${AT[to] - 2 * way} y1=${y} y2=${y} marker-end="url(#tip)" />
          <text x=${(AT[from] + AT[to]) / 2} y=${y - 6} text-anchor="middle">${tell}</text>
        </g>`;
      })}
    </svg></div>`;
}
