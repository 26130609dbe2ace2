/** The book of attacks: run one, and see what the car says to it. */
import { html, useEffect, useMemo, useState } from "../shared/html.js";
import { Word } from "./detail.js";
import { t } from "./words.js";

/** @param {{source: import("./source.js").Source, fail: (error: any) => void, onRecords: (records: any[]) => void}} props */
export function Attacks({ source, fail, onRecords }) {
  const [book, setBook] = useState(/** @type {any[] | null} */ (null));
  const [verdicts, setVerdicts] = useState(/** @type {Record<string, any>} */ ({}));
  const [running, setRunning] = useState("");
  const [asked, setAsked] = useState("");
  useEffect(() => {
    source.send("../studio/attacks").then((told) => setBook(told.attacks), fail);
  }, []);
  const groups = useMemo(() => {
    const found = new Map();
    for (const each of book ?? []) {
      if (`${each.name} ${each.group} ${each.what}`.toLowerCase().includes(asked.toLowerCase())) {
        found.set(each.group, [...(found.get(each.group) ?? []), each]);
      }
    }
    return [...found];
  }, [book, asked]);
  if (book === null) {
    return html`<p class="empty" role="status">${t("loading")}</p>`;
  }
  const run = async (/** @type {any} */ one) => {
    setRunning(one.name);
    try {
      const told = await source.send(`../studio/attacks/${encodeURIComponent(one.name)}`, {});
      setVerdicts((/** @type {any} */ before) => ({ ...before, [one.name]: told }));
    } catch (error) {
      fail(error);
    }
    setRunning("");
  };
  return html`<div class="scroll stack pad" role="region" aria-label=${t("tab_attacks")} tabindex="0">
    <div class="row apart"><p class="soft">${t("attacks_about", { n: book.length })}</p>
      <input class="find" type="search" aria-label=${t("attacks_find")} placeholder=${t("attacks_find")} value=${asked} onInput=${(/** @type {any} */ event) => setAsked(event.target.value)} /></div>
    ${groups.length === 0 && html`<p class="empty">${t("nothing_found")}</p>`}
    ${groups.map(([group, attacks]) => html`<section class="stack tight"><h2>${group}</h2><ul class="attacks">
      ${attacks.map((/** @type {any} */ one) => {
        const told = verdicts[one.name];
        return html`<li class="card">
          <div class="row apart"><h3 class="mono">${one.name}</h3>
            <button class="small-button danger" disabled=${running !== ""} onClick=${() => run(one)}>${running === one.name ? t("attacking") : t("attack")}</button></div>
          <p lang="en">${one.what}</p>
          ${told ? html`<div class="note ${told.verdict === "BROKEN" ? "danger" : told.stopped ? "ok" : "waiting"}" role="status">
              <p><${Word} word=${told.verdict === "BROKEN" ? "breach" : told.stopped ? "ok" : "sealed"} text=${t(told.verdict === "BROKEN" ? "attack_broken" : told.stopped ? "attack_held" : "attack_known")} /></p>
              <dl class="facts small"><dt>${t("attacker_got")}</dt><dd class="mono">${told.got}</dd>
              <dt>${t("car_recorded")}</dt><dd class="mono">${told.got_recorded.join(", ") || t("nothing")}</dd>
              <dt>${t("protects")}</dt><dd lang="en">${one.protects}</dd></dl>
              ${told.records.length > 0 && html`<button class="small-button" onClick=${() => onRecords(told.records)}>${t("attack_frames", { n: told.records.length })}</button>`}
            </div>` : html`<p class="small soft">${t("attack_expected")} <span class="mono">${one.expected}</span></p>`}
        </li>`;
      })}</ul></section>`)}
  </div>`;
}
