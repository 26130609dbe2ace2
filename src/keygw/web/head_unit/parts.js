/** The parts of the screen. Each is a function of what the car says; `order` sends what is pressed. */
import { html } from "../shared/html.js";
import { TABLES, said, t } from "./words.js";

/**
 * @typedef {import("./car.js").Screen} Screen
 * @typedef {(what: Record<string, unknown>) => void} Order
 */

const WHOLE_SECONDS = 120;

/** @param {{codes: Screen["codes"]}} props */
export function Codes({ codes }) {
  return codes.map((code) => html`<section class="card raised code" key=${code.digits} aria-live="assertive">
    <h2>${code.app === null ? t("code_phone") : t("code_app", { app: code.app })}</h2>
    <p class="unseen">${[...code.digits].join(" ")}</p>
    <p class="digits" aria-hidden="true"><span>${code.digits.slice(0, 4)}</span><span>${code.digits.slice(4)}</span></p>
    <p class="left"><${Ring} part=${code.seconds / WHOLE_SECONDS} /> ${t("seconds", { n: code.seconds })}</p>
    <p class="soft">${t("code_how")}</p>
  </section>`);
}

/** @param {{part: number}} props */
function Ring({ part }) {
  const round = 2 * Math.PI * 9;
  return html`<svg class="ring" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
    <circle cx="12" cy="12" r="9" class="track" />
    <circle cx="12" cy="12" r="9" class="rest" stroke-dasharray="${round * Math.min(1, part)} ${round}" transform="rotate(-90 12 12)" />
  </svg>`;
}

/** @param {{prompts: Screen["prompts"], order: Order}} props */
export function Questions({ prompts, order }) {
  return prompts.map((prompt) => {
    const key = `ask_${prompt.ask}`;
    const text = key in TABLES.en ? t(key, { about: prompt.about }) : prompt.text;
    const answer = (/** @type {boolean} */ yes) => () => order({ do: "answer", prompt: prompt.number, yes });
    return html`<section class="card raised question" key=${prompt.number} aria-live="assertive" aria-labelledby="ask${prompt.number}">
      <p class="row apart small soft"><span>${t("questions")}</span><span>${t("seconds", { n: prompt.seconds })}</span></p>
      <h2 id="ask${prompt.number}">${text}</h2>
      <p class="row">
        <button class="primary" onClick=${answer(true)}>${t("yes")}</button>
        <button onClick=${answer(false)}>${t("no")}</button>
      </p>
    </section>`;
  });
}

/** @param {{to?: Screen["destination"], voice?: Screen["voice"]}} props */
export function Destination({ to, voice }) {
  return html`
    ${to && html`<section class="card to">
      <h2><span class="pin" aria-hidden="true"></span>${to.name}</h2>
      <p class="soft">${t("destination")}, ${t("from_app", { app: to.app })}</p>
      <p class="small soft">${to.latitude.toFixed(4)}, ${to.longitude.toFixed(4)}</p>
    </section>`}
    ${voice && voice.length > 0 && html`<section class="card">
      <h2>${t("voice")}</h2>
      <p>“${voice[voice.length - 1].text}” <span class="soft">${t("from_app", { app: voice[voice.length - 1].app })}</span></p>
    </section>`}`;
}

/** @param {{cards: Screen["cards"], moving: boolean, order: Order}} props */
export function Apps({ cards, moving, order }) {
  return html`<section aria-labelledby="apps" class="stack">
    <h2 id="apps">${t("cards")}</h2>
    ${cards.length === 0
      ? html`<p class="card empty">${t(moving ? "cards_moving" : "cards_none")}</p>`
      : html`<ul class="cards">${cards.map((card) => html`<li key="${card.app}/${card.name}" class="card app ${card.template}">
          <p class="small soft">${card.app_name ?? card.app}</p>
          <h3>${card.title}</h3>
          ${card.lines.map((line) => html`<p>${line}</p>`)}
          ${card.buttons.length > 0 && html`<p class="row">${card.buttons.map((button) => html`<button key=${button.name}
            onClick=${() => order({ do: "press", what: "button", app: card.app, name: card.name, button: button.name })}>${button.label}</button>`)}</p>`}
        </li>`)}</ul>`}
  </section>`;
}

/** @param {{around: Screen["around"]}} props */
export function Who({ around }) {
  return html`<section class="card" aria-labelledby="who">
    <h2 id="who">${t("around")}</h2>
    ${around.length === 0 ? html`<p class="soft">${t("around_none")}</p>` : html`<ul class="list">${around.map((who) => html`<li key=${who.key} class="row apart">
      <span>${t(who.role === "owner" ? "owner" : "friend")}<br /><span class="mono soft">${short(who.key)}</span></span>
      <span class="badge ${who.zone === "inside" ? "ok" : ""}">${t(who.zone in TABLES.en ? who.zone : "unmeasured")}</span>
    </li>`)}</ul>`}
  </section>`;
}

/** @param {{keys: Screen["keys"], moving: boolean, order: Order, quiet: boolean}} props */
export function Keys({ keys, moving, order, quiet }) {
  return html`<section class="card" aria-labelledby="keys">
    <h2 id="keys">${t("keys")}</h2>
    ${keys.length === 0 ? html`<p class="soft">${t("keys_none")}</p>` : html`<ul class="list">${keys.map((key) => html`<li key=${key.key} class="row apart">
      <span>${t(key.owner ? "owner" : "friend")}<br /><span class="mono soft">${short(key.key)}</span></span>
      ${key.removed
        ? html`<span class="badge refused">${t("removed")}</span>`
        : html`<button class="danger" disabled=${moving} aria-label=${t("remove_named", { key: key.key })}
            onClick=${() => order({ do: "press", what: "remove_key", key: key.key })}>${t("remove")}</button>`}
    </li>`)}</ul>`}
    <button class=${quiet ? "wide" : "wide primary"} disabled=${moving} onClick=${() => order({ do: "press", what: "pair_phone" })}>${t("pair")}</button>
  </section>`;
}

/** @param {{told: Screen["told"]}} props */
export function News({ told }) {
  return told.length > 0 && html`<section class="card" aria-labelledby="news">
    <h2 id="news">${t("news")}</h2>
    <ul class="list small" role="log">${told.slice(-4).reverse().map((notice, n) => html`<li key=${told.length - n}>${said("said", notice.code, notice.values)}</li>`)}</ul>
  </section>`;
}

/** @param {string} key @returns {string} its end, by which people tell keys apart */
function short(key) {
  return key.length > 14 ? `${key.slice(0, 4)}…${key.slice(-6)}` : key;
}
