/** The console: every byte, and hands for the world that they come from. */
import { html, render, useEffect, useMemo, useRef, useState } from "../shared/html.js";
import { language, onLanguage, speak } from "../shared/i18n.js";
import { Attacks } from "./attacks.js";
import { Charts } from "./charts.js";
import { Detail, Word } from "./detail.js";
import { lines, pytest, records, save } from "./exchange.js";
import { Hands } from "./hands.js";
import { Keys } from "./keys.js";
import { Lanes } from "./lanes.js";
import { Rows } from "./list.js";
import { Source } from "./source.js";
import { KEPT, Store, matcher, stamp } from "./store.js";
import { t } from "./words.js";

const TABS = ["trace", "lanes", "requests", "events", "keys", "attacks", "charts", "hands"];
const OF = /** @type {Record<string, (of: string) => boolean>} */ ({
  trace: (of) => of === "frame",
  lanes: (of) => of === "frame" || of === "request",
  requests: (of) => of === "request",
  events: (of) => of !== "frame" && of !== "request",
});

function App() {
  const source = useMemo(() => new Source(), []);
  const [state, setState] = useState("knocking");
  const [, redraw] = useState(0);
  useEffect(() => onLanguage(() => redraw((/** @type {number} */ n) => n + 1)), []);
  const knock = () => source.knock().then((found) => setState(found === "gateway" && source.token === null ? "gateway-locked" : found), () => setState("away"));
  useEffect(() => {
    knock();
  }, []);
  useEffect(() => {
    document.title = `${t("title")} - keygw`;
  });
  if (state === "studio" || state === "gateway" || state === "trace") {
    return html`<${Console} source=${source} api=${state !== "trace"} onEnd=${() => { source.token = null; sessionStorage.clear(); setState("gateway-locked"); }} />`;
  }
  return html`<${Frame} source=${source}>
    ${state === "knocking" && html`<p class="empty" role="status">${t("loading")}</p>`}
    ${state === "away" && html`<section class="card door stack"><h2>${t("away")}</h2><p>${t("away_how")}</p><button class="primary" onClick=${knock}>${t("again")}</button></section>`}
    ${state === "locked" && html`<${Door} key="code" label=${t("code")} how=${t("code_how")} open=${async (/** @type {string} */ given) => { await source.enter(given); await knock(); }} />`}
    ${state === "gateway-locked" && html`<${Door} key="token" label=${t("token")} how=${t("token_how")}
      open=${async (/** @type {string} */ given) => { source.hold(given); await source.api("/keys"); setState("gateway"); }}
      other=${html`<button type="button" class="wide" onClick=${() => setState("trace")}>${t("trace_only")}</button>`} />`}
  </${Frame}>`;
}

/** @param {{source: Source, children?: unknown, bar?: unknown}} props */
function Frame({ source, children, bar }) {
  return html`<a class="skip" href="#main">${t("skip")}</a>
    <header><p class="banner ${source.simulator ? "simulator" : "real"}">${t(source.simulator ? "simulator" : "real")}</p>
      <div class="bar"><h1>${t("title")}</h1>${bar}
        <button class="quiet small-button" lang=${language() === "en" ? "zh-CN" : "en"} onClick=${() => speak(language() === "en" ? "zh-CN" : "en")}>${t("language")}</button></div>
    </header><main id="main" tabindex="-1">${children}</main>`;
}

/** @param {{label: string, how: string, open: (given: string) => Promise<void>, other?: unknown}} props */
function Door({ label, how, open, other }) {
  const [wrong, setWrong] = useState("");
  const submit = async (/** @type {any} */ event) => {
    event.preventDefault();
    const given = String(new FormData(event.target).get("secret") ?? "").trim();
    try {
      await open(given);
    } catch (error) {
      setWrong(/** @type {Error} */ (error).message);
    }
  };
  return html`<form class="card door stack" onSubmit=${submit}>
    <label for="secret">${label}</label>
    <input id="secret" name="secret" type="password" autocomplete="off" required aria-describedby="how" aria-invalid=${wrong !== ""} />
    ${wrong && html`<p class="fault" role="alert">${wrong}</p>`}
    <p id="how" class="hint">${how}</p><button class="primary wide">${t("open")}</button>${other}</form>`;
}

/** @param {{source: Source, api: boolean, onEnd: () => void}} props */
function Console({ source, api, onEnd }) {
  const store = useMemo(() => new Store(), []);
  const [version, setVersion] = useState(0);
  const [live, setLive] = useState(/** @type {boolean | null} */ (null));
  const [tab, setTab] = useState(TABS.includes(location.hash.slice(1)) ? location.hash.slice(1) : "trace");
  const [asked, setAsked] = useState("");
  const [chosen, setChosen] = useState(/** @type {number | null} */ (null));
  const [told, setTold] = useState(/** @type {{text: string, kind: string} | null} */ (null));
  const [from, setFrom] = useState("");
  const find = useRef(/** @type {HTMLInputElement | null} */ (null));
  const file = useRef(/** @type {HTMLInputElement | null} */ (null));
  const leave = useRef(/** @type {(() => void) | null} */ (null));
  const follow = () => {
    leave.current?.();
    store.clear();
    store.pause(false);
    setFrom("");
    setChosen(null);
    leave.current = source.follow((said) => store.take(said), setLive);
  };
  useEffect(() => {
    const hear = () => setVersion(store.version);
    store.listeners.add(hear);
    if (source.simulator) {
      follow();
    }
    return () => {
      store.listeners.delete(hear);
      leave.current?.();
    };
  }, []);
  const say = (/** @type {string} */ text, kind = "ok") => setTold({ text, kind });
  const fail = (/** @type {any} */ error) => say([error.message, error.code && `(${error.code})`, error.next && `- ${error.next}`].filter(Boolean).join(" "), "refused");
  useEffect(() => {
    if (told !== null) {
      const timer = setTimeout(() => setTold(null), 6000);
      return () => clearTimeout(timer);
    }
    return undefined;
  }, [told]);
  const items = useMemo(() => {
    const is = OF[tab];
    if (is === undefined) {
      return [];
    }
    const matches = matcher(asked, store);
    return store.entries.filter((each) => is(each.of) && (asked === "" || matches(each)));
  }, [version, tab, asked]);
  const place = chosen === null ? -1 : items.findIndex((each) => each.s === chosen);
  const entry = chosen === null ? null : place >= 0 ? items[place] : store.entries.find((each) => each.s === chosen) ?? null;
  const go = (/** @type {string} */ to) => {
    setTab(to);
    setChosen(null);
    history.replaceState(null, "", `#${to}`);
  };
  const copy = (/** @type {string} */ text) => navigator.clipboard.writeText(text).then(() => say(t("copied")), fail);
  const onTrace = (/** @type {string} */ trace) => {
    setAsked(`trace:${trace}`);
    go("lanes");
  };
  const bring = (/** @type {any[]} */ found, /** @type {string} */ name) => {
    leave.current?.();
    leave.current = null;
    store.load(found);
    setLive(null);
    setFrom(name);
    setAsked("");
    go("trace");
  };
  const take = async (/** @type {File | undefined} */ given) => {
    if (!given) {
      return;
    }
    try {
      const data = await given.arrayBuffer();
      if (new Uint8Array(data)[0] === 0x7b) {
        bring(records(new TextDecoder().decode(data)), given.name);
      } else if (source.simulator) {
        const { records: found, broken } = await source.decode(data);
        bring(found, given.name);
        if (broken) {
          say(broken, "waiting");
        }
      } else {
        fail(new Error(t("import_json")));
      }
    } catch (error) {
      fail(error);
    }
  };
  useEffect(() => {
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(/** @type {HTMLElement} */ (event.target).tagName);
      if (typing || event.ctrlKey || event.metaKey || event.altKey) {
        return;
      }
      if (event.key === "/") {
        event.preventDefault();
        find.current?.focus();
      } else if (event.key === "p" && source.simulator && !from) {
        store.pause(!store.paused);
      } else if (/^[1-7]$/.test(event.key) && tabs[Number(event.key) - 1]) {
        go(tabs[Number(event.key) - 1]);
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
  const tabs = source.simulator ? TABS : api ? ["trace", "lanes", "keys", "charts"] : ["trace", "lanes", "charts"];
  const listed = OF[tab] !== undefined && tab !== "lanes";
  const bar = html`${source.about && html`<span class="car-name">${source.about.car.name}</span>`}
    ${from ? html`<span class="badge waiting">${t("imported", { name: from })}</span>`
      : source.simulator && html`<span class="badge ${live === false ? "danger" : store.paused ? "waiting" : live ? "ok" : ""}" role="status">${live === false ? t("lost_stream") : store.paused ? t("paused", { n: store.waiting.length }) : t(live ? "live" : "loading")}</span>`}
    <span class="spring"></span>
    ${from && source.simulator ? html`<button class="small-button primary" onClick=${follow}>${t("back_live")}</button>`
      : source.simulator && html`<button class="small-button" aria-pressed=${store.paused} onClick=${() => store.pause(!store.paused)}>${t(store.paused ? "go_on" : "pause")}</button>`}
    <details class="menu"><summary class="button small-button">${t("session")}</summary><div class="card stack tight" onClick=${(/** @type {any} */ event) => event.currentTarget.parentElement.removeAttribute("open")}>
      <button class="small-button" onClick=${() => file.current?.click()}>${t("import")}</button>
      <button class="small-button" disabled=${store.entries.length === 0} onClick=${() => save(new Blob([lines(store.entries)], { type: "application/x-ndjson" }), "keygw-trace.jsonl")}>${t("export_json")}</button>
      ${source.simulator && html`<button class="small-button" onClick=${() => source.capture().then((blob) => save(blob, "keygw.btsnoop"), fail)}>${t("export_btsnoop")}</button>
      <button class="small-button" onClick=${() => copy(pytest(store.entries))}>${t("copy_pytest")}</button>
      <button class="small-button" onClick=${() => source.send("../studio/codes", {}).then((made) => copy(`${location.origin}${location.pathname}#enter=${made.code}`), fail)}>${t("one_more_tab")}</button>`}
      ${!source.simulator && api && html`<button class="small-button" onClick=${onEnd}>${t("leave")}</button>`}
    </div></details>
    <input ref=${file} type="file" class="unseen" tabindex="-1" aria-label=${t("import")} onChange=${(/** @type {any} */ event) => { take(event.target.files[0]); event.target.value = ""; }} />`;
  return html`<${Frame} source=${source} bar=${bar}>
    <div class="room ${source.simulator ? "" : "real-room"} ${entry ? "opened" : ""}" onDragOver=${(/** @type {any} */ event) => event.preventDefault()}
      onDrop=${(/** @type {any} */ event) => { event.preventDefault(); take(event.dataTransfer.files[0]); }}>
      ${source.simulator && html`<aside class="left ${tab === "hands" ? "shown" : ""}" aria-label=${t("tab_hands")}><${Hands} source=${source} fail=${fail} say=${say} /></aside>`}
      <div class="middle ${tab === "hands" ? "hidden-small" : ""}">
        <nav class="tabs" aria-label=${t("views")}>${tabs.map((each) => html`<button class=${each === "hands" ? "only-small" : ""} aria-current=${each === tab ? "page" : undefined} onClick=${() => go(each)}>${t(`tab_${each}`)}</button>`)}</nav>
        ${OF[tab] && html`<div class="row tools">
          <input ref=${find} class="find" type="search" aria-label=${t("find")} placeholder=${t("find_how")} value=${asked} onInput=${(/** @type {any} */ event) => setAsked(event.target.value)}
            onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === "Escape") { setAsked(""); document.getElementById("list")?.focus(); } else if (event.key === "Enter") { document.getElementById("list")?.focus(); } }} />
          <span class="small soft count" role="status">${t("count", { n: items.length, kept: KEPT })}${store.lost ? ` · ${t("lost_entries", { n: store.lost })}` : ""}</span></div>`}
        ${listed && (items.length === 0
          ? html`<p class="empty">${t(asked ? "nothing_found" : source.simulator && !from ? `none_${tab}` : "none_import")}</p>`
          : html`<${Rows} id="list" label=${t(`tab_${tab}`)} items=${items} chosen=${place} onChoose=${(/** @type {number} */ to) => setChosen(items[to]?.s ?? null)}
              onOpen=${() => setTimeout(() => document.getElementById("opened")?.focus({ preventScroll: true }))} onCopy=${() => entry && copy(entry.line)}
              row=${(/** @type {any} */ each) => html`<${Line} entry=${each} tab=${tab} trace=${store.traceOf(each)} />`} />`)}
        ${tab === "lanes" && html`<${Lanes} store=${store} items=${items} chosen=${chosen ?? 0} onChoose=${setChosen} />`}
        ${tab === "keys" && html`<${Keys} source=${source} fail=${fail} />`}
        ${tab === "attacks" && html`<${Attacks} source=${source} fail=${fail} onRecords=${(/** @type {any[]} */ found) => bring(found, t("tab_attacks"))} />`}
        ${tab === "charts" && html`<${Charts} store=${store} version=${version} />`}
      </div>
      ${OF[tab] && html`<aside class="right" aria-label=${t("detail")}><${Detail} key=${chosen} entry=${entry} trace=${entry ? store.traceOf(entry) : ""} onTrace=${onTrace} onCopy=${copy} onClose=${() => { setChosen(null); document.getElementById("list")?.focus(); }} /></aside>`}
    </div>
    ${told && html`<p class="toast note ${told.kind}" role="status">${told.text}</p>`}
  </${Frame}>`;
}

/** @param {{entry: import("./store.js").Entry, tab: string, trace: string}} props */
function Line({ entry, tab, trace }) {
  const said = tab === "trace" ? t(entry.whole ? "whole" : "piece") : "";
  return html`<span class="when">${stamp(entry.at)}</span>
    <span class=${tab === "trace" ? "way" : "way wide-way"}>${tab === "trace" ? { device: "→", vehicle: "←" }[/** @type {"device"} */ (entry.by)] ?? "·" : entry.by ? t(`by_${entry.by}`) : t(`of_${entry.of}`)}${tab === "trace" && entry.by && html`<span class="unseen">${t(`by_${entry.by}`)} ${said}</span>`}</span>
    ${tab === "trace" && html`<span class="link mono">${entry.link}</span>`}
    <span class="name">${entry.whole ? entry.name : t("frame_n", { n: entry.name })}</span>
    ${tab === "requests" ? html`<span class="size">${entry.status}</span>` : tab === "trace" && html`<span class="size">${entry.size || ""}</span>`}
    <span class="text">${entry.text || entry.code}</span>
    <span class="trace mono">${trace && trace.slice(0, 8)}</span>
    <span class="verdict">${entry.word === "ok" ? t("word_ok") : entry.word && entry.word !== "part" && html`<${Word} word=${entry.word} />`}</span>`;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById("app")));
