/** The screen in the car: codes, questions, cards of apps, who is here. */
import { html, render, useEffect, useMemo, useState } from "../shared/html.js";
import { clock, language, onLanguage, speak } from "../shared/i18n.js";
import { Car, dropToken, keepToken, takeToken } from "./car.js";
import { Apps, Codes, Destination, Keys, News, Questions, Who } from "./parts.js";
import { said, t } from "./words.js";

/** @typedef {import("./car.js").Seen} Seen */

function App() {
  const [token, setToken] = useState(takeToken());
  const [state, setState] = useState(token === null ? "ask" : "knocking");
  const [, redraw] = useState(0);
  useEffect(() => onLanguage(() => redraw((/** @type {number} */ n) => n + 1)), []);
  useEffect(() => {
    document.title = `${t("title")} - keygw`;
  });
  const car = useMemo(() => (token === null ? null : new Car(token)), [token]);
  useEffect(() => {
    if (car === null) {
      return;
    }
    setState("knocking");
    car.knock().then((found) => {
      if (found === "token") {
        dropToken();
      }
      setState({ ok: "screen", token: "wrong", none: "none" }[found]);
    }, () => setState("none"));
  }, [car]);
  if (state === "screen" && car !== null) {
    return html`<${Screen} car=${car} />`;
  }
  return html`<${Frame} name="">
    ${state === "knocking" && html`<p class="empty" role="status">${t("loading")}</p>`}
    ${state === "none" && html`<${NoCar} />`}
    ${(state === "ask" || state === "wrong") && html`<${Door} wrong=${state === "wrong"} onToken=${(/** @type {string} */ given) => {
      keepToken(given);
      setToken(given);
    }} />`}
  </${Frame}>`;
}

/** @param {{name: string, moving?: boolean, children?: unknown}} props */
function Frame({ name, moving, children }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 5000);
    return () => clearInterval(timer);
  }, []);
  return html`
    <a class="skip" href="#screen">${t("skip")}</a>
    <header>
      <p class="banner simulator">${t("simulator")}</p>
      <div class="bar">
      <h1>${name || t("title")}</h1>
      ${moving !== undefined && html`<span class="badge ${moving ? "waiting" : "ok"}">${t(moving ? "driving" : "standing")}</span>`}
      <time class="clock">${clock(now)}</time>
      <button class="quiet" lang=${language() === "en" ? "zh-CN" : "en"} onClick=${() => speak(language() === "en" ? "zh-CN" : "en")}>${t("language")}</button>
      </div>
    </header>
    <main id="screen" tabindex="-1">${children}</main>`;
}

function NoCar() {
  return html`<section class="card door stack">
    <h2>${t("no_car")}</h2>
    <p>${t("no_car_how")}</p>
    <p class="mono">keygw sim vehicle</p>
  </section>`;
}

/** @param {{wrong: boolean, onToken: (token: string) => void}} props */
function Door({ wrong, onToken }) {
  const submit = (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    const given = new FormData(/** @type {HTMLFormElement} */ (event.target)).get("token");
    if (typeof given === "string" && given.trim()) {
      onToken(given.trim());
    }
  };
  return html`<form class="card door stack" onSubmit=${submit}>
    <label for="token">${t("token")}</label>
    <input id="token" name="token" type="password" autocomplete="off" required aria-describedby="how" aria-invalid=${wrong} />
    ${wrong && html`<p class="fault" role="alert">${t("token_wrong")}</p>`}
    <p id="how" class="hint">${t("token_how")}</p>
    <button class="primary">${t("open")}</button>
  </form>`;
}

/** @param {{car: Car}} props */
function Screen({ car }) {
  const [seen, setSeen] = useState(/** @type {Seen | null} */ (null));
  const [lostAt, setLostAt] = useState(/** @type {number | null} */ (null));
  const [refusal, setRefusal] = useState("");
  useEffect(() => car.watch(
    (/** @type {Seen} */ told) => {
      setLostAt(null);
      setSeen(told);
    },
    () => setLostAt((/** @type {number | null} */ at) => at ?? Date.now()),
  ), [car]);
  if (seen === null) {
    return html`<${Frame} name=""><p class="empty" role="status">${t("loading")}</p></${Frame}>`;
  }
  const { name, screen } = seen;
  const order = (/** @type {Record<string, unknown>} */ what) => {
    setRefusal("");
    car.order(what).then((outcome) => setRefusal(outcome === "done" ? "" : said("refused", outcome)), () => setLostAt(Date.now()));
  };
  return html`<${Frame} name=${name} moving=${screen.moving}>
    ${lostAt !== null && html`<p class="note danger" role="alert">${t("lost", { time: clock(lostAt) })}</p>`}
    ${refusal && html`<p class="note refused" role="alert">${refusal}</p>`}
    <div class=${lostAt === null ? "glass" : "glass stale"}>
      <div class="stack">
        <${Codes} codes=${screen.codes} />
        <${Questions} prompts=${screen.prompts} order=${order} />
        ${screen.moving && html`<p class="note">${t("later")}</p>`}
        <${Destination} to=${screen.destination} voice=${screen.voice} />
        <${Apps} cards=${screen.cards} moving=${screen.moving} order=${order} />
      </div>
      <aside class="stack">
        <${Who} around=${screen.around} />
        <${Keys} keys=${screen.keys} moving=${screen.moving} order=${order} quiet=${screen.codes.length + screen.prompts.length > 0} />
        <${News} told=${screen.told} />
      </aside>
    </div>
  </${Frame}>`;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
