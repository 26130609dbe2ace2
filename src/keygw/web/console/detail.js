/** One entry, with all of its bytes: what each field is, where it stands, and where the specification says so. */
import { html, useState } from "../shared/html.js";
import { stamp } from "./store.js";
import { t } from "./words.js";

const ACROSS = 16;
export const MARKS = /** @type {Record<string, string>} */ ({ ok: "ok", part: "", sealed: "waiting", refused: "refused", breach: "danger" });

/** @param {{word: string, text?: string}} props */
export function Word({ word, text }) {
  return word ? html`<span class="badge ${MARKS[word] ?? ""}">${text ?? t(`word_${word}`)}</span>` : null;
}

/** @param {{entry: import("./store.js").Entry | null, trace: string, onTrace: (trace: string) => void, onCopy: (text: string) => void, onClose: () => void}} props */
export function Detail({ entry, trace, onTrace, onCopy, onClose }) {
  if (entry === null) {
    return html`<div class="empty"><p>${t("nothing_chosen")}</p><p class="small">${t("keys_help")}</p></div>`;
  }
  const said = JSON.parse(entry.line);
  return html`<article class="stack tight">
    <div class="row apart"><h2 tabindex="-1" id="opened">${entry.name || entry.kind}</h2>
      <div class="row"><button class="small-button" onClick=${() => onCopy(JSON.stringify(said, null, 2))}>${t("copy")}</button>
      <button class="small-button close" onClick=${onClose}>${t("close")}</button></div></div>
    <p class="row"><${Word} word=${entry.word} />${entry.code && entry.code !== entry.word && html`<span class="mono">${entry.code}</span>`}</p>
    <dl class="facts">
      <dt>${t("time")}</dt><dd>${stamp(entry.at)}</dd>
      ${entry.by && html`<dt>${t("from")}</dt><dd>${t(`by_${entry.by}`)}</dd>`}
      ${entry.link && html`<dt>${t("link")}</dt><dd class="mono">${entry.link}</dd>`}
      ${said.state && html`<dt>${t("state")}</dt><dd>${said.state}</dd>`}
      ${trace && html`<dt>${t("trace_id")}</dt><dd><button class="linklike mono" onClick=${() => onTrace(trace)}>${trace}</button></dd>`}
      ${(said.verdict?.spec || said.message?.spec) && html`<dt>${t("spec")}</dt>
        <dd class="mono">${said.verdict?.spec || said.message.spec}</dd>`}
    </dl>
    ${said.verdict?.detail && html`<p class="note ${MARKS[entry.word] ?? ""}">${said.verdict.detail}</p>`}
    ${entry.of === "frame" ? html`<${Bytes} said=${said} />` : html`<pre class="mono" tabindex="0" aria-label=${t("content")}>${JSON.stringify(said.event ?? said, null, 2)}</pre>`}
  </article>`;
}

/** @param {{said: any}} props */
function Bytes({ said }) {
  const [lit, setLit] = useState(/** @type {any} */ (null));
  const fields = said.message?.fields ?? said.fields ?? [];
  const raw = said.raw.match(/../g) ?? [];
  const within = said.message ? said.message.frames === 1 : said.kind !== "frame";
  const from = within && lit ? lit.at + (said.message ? 1 : 0) : -1;
  return html`
    ${fields.length > 0 && html`<h3>${t("fields")}</h3>
    <ul class="fields">
      ${fields.map((/** @type {any} */ field) => html`<li>
        <button aria-pressed=${lit === field} onClick=${() => setLit(lit === field ? null : field)}>
          <span class="at mono">${field.at}</span><span class="field-name">${field.name}</span>
          <span class="mono value">${String(field.value)}</span>
        </button></li>`)}
    </ul>`}
    <h3>${t("bytes", { n: raw.length })}</h3>
    <div class="hex mono" role="img" aria-label=${t("bytes", { n: raw.length })}>
      ${Array.from({ length: Math.ceil(raw.length / ACROSS) }, (_, line) => html`<div><span class="at">${(line * ACROSS).toString(16).padStart(4, "0")}</span>
        ${raw.slice(line * ACROSS, (line + 1) * ACROSS).map((/** @type {string} */ byte, /** @type {number} */ place) => {
          const at = line * ACROSS + place;
          return html`<span class=${from >= 0 && at >= from && at < from + lit.bytes ? "lit" : ""}>${byte}</span>`;
        })}</div>`)}
    </div>
    ${said.message && !within && html`<p class="hint">${t("many_frames", { n: said.message.frames, bytes: said.message.bytes })}</p>`}`;
}
