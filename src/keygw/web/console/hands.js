/** What a developer's hands do: to the car, to the phone, to the air between them. */
import { html, useEffect, useState } from "../shared/html.js";
import { t } from "./words.js";

const LOOK_MS = 1500;
const DOORS = ["driver", "passenger", "rear_driver", "rear_passenger"];
const REACH = 60;

/** @param {{source: import("./source.js").Source, fail: (error: any) => void, say: (text: string) => void}} props */
export function Hands({ source, fail, say }) {
  const [car, setCar] = useState(/** @type {any} */ (null));
  const [phone, setPhone] = useState(/** @type {any} */ (null));
  const [metres, setMetres] = useState(/** @type {number | null} */ (null));
  const [air, setAir] = useState({ delay_ms: 0, loss: 0 });
  const [busy, setBusy] = useState("");
  const look = () => Promise.all([
    source.order("car", { do: "status" }).then(setCar),
    source.about.phone ? source.order("phone", { do: "where" }).then(setPhone) : null,
  ]).catch(() => undefined);
  useEffect(() => {
    look();
    const timer = setInterval(() => document.visibilityState === "visible" && look(), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  const give = async (/** @type {"car" | "phone" | "radio"} */ whose, /** @type {Record<string, unknown>} */ order) => {
    setBusy(JSON.stringify(order));
    try {
      const told = await source.order(whose, order);
      if (told.why || told.ok === false) {
        fail(new Error(t("not_done", { outcome: told.outcome ?? "", why: told.why ?? "" })));
      } else if (told.outcome) {
        say(t("was", { outcome: told.outcome }));
      } else if (order.do === "cut") {
        say(t("links_cut", { n: told.links }));
      }
    } catch (error) {
      fail(error);
    }
    setBusy("");
    look();
  };
  const ask = async (/** @type {string} */ action) => {
    setBusy(action);
    try {
      await source.api(`/vehicles/${source.about.car.id}/commands`, { action });
    } catch (error) {
      fail(error);
    }
    setBusy("");
  };
  if (car === null) {
    return html`<p class="empty" role="status">${t("reaching_car")}</p>`;
  }
  const body = car.body;
  const far = metres ?? (phone ? Math.round(Math.hypot(...phone.at)) : 0);
  return html`<div class="hands stack">
    <section class="card stack tight" aria-label=${t("app")}>
      <h2>${t("app")}</h2>
      <div class="pads"><button class="primary" disabled=${busy !== ""} onClick=${() => ask(body.locked ? "unlock" : "lock")}>${busy === "unlock" || busy === "lock" ? t("asking") : t(body.locked ? "app_unlock" : "app_lock")}</button>
        <button disabled=${busy !== ""} onClick=${() => ask("open_trunk")}>${t("app_trunk")}</button></div>
    </section>
    <section class="card stack tight" aria-label=${t("car")}>
      <div class="row apart"><h2>${source.about.car.name}</h2>
        <span class="badge ${body.locked ? "ok" : "waiting"}">${t(body.locked ? "locked" : "unlocked")}</span></div>
      <div class="pads">
        ${DOORS.map((door) => html`<button aria-pressed=${body[`${door}_door_open`]} onClick=${() => give("car", { do: "door", door, open: !body[`${door}_door_open`] })}>${t(`door_${door}`)}</button>`)}
        <button aria-pressed=${body.trunk_open} onClick=${() => give("car", { do: "trunk", open: !body.trunk_open })}>${t("trunk")}</button>
        <button aria-pressed=${body.speed > 0} onClick=${() => give("car", body.speed > 0 ? { do: "park" } : { do: "drive", kmh: 50 })}>${t("driving")}</button>
        <button aria-pressed=${body.asleep} onClick=${() => give("car", { do: body.asleep ? "wake" : "sleep" })}>${t("asleep")}</button>
        <button onClick=${() => give("car", { do: "reboot" })}>${t("reboot")}</button>
        <button onClick=${() => give("car", { do: "pair" })}>${t("pair")}</button>
      </div>
      <label for="warp" class="small">${t("warp")}</label>
      <select id="warp" onChange=${(/** @type {any} */ event) => give("car", { do: "warp", factor: Number(event.target.value) })}>
        ${[0, 1, 60, 3600].map((factor) => html`<option value=${factor} selected=${(car.warp ?? 1) === factor}>${t(`warp_${factor}`)}</option>`)}
      </select>
      <dl class="facts small"><dt>${t("list_held")}</dt><dd>${car.list_sequence}</dd><dt>${t("receipts")}</dt><dd>${car.receipt_sequence}</dd><dt>${t("clock")}</dt><dd>${car.time}</dd></dl>
    </section>
    ${phone && html`<section class="card stack tight" aria-label=${t("phone")}>
      <div class="row apart"><h2>${t("phone")}</h2>
        <span class="badge ${phone.linked ? "ok" : ""}">${phone.flight ? t("flight") : t(phone.linked ? "linked" : "not_linked")}</span></div>
      <label for="far" class="row apart"><span>${t("distance")}</span><span>${t("metres", { n: far })}${phone.zone !== "unmeasured" ? ` · ${phone.zone}` : ""}</span></label>
      <input id="far" type="range" min="0" max=${REACH} step="1" value=${far} onInput=${(/** @type {any} */ event) => setMetres(Number(event.target.value))}
        onChange=${async (/** @type {any} */ event) => { await give("phone", { do: "walk", to: [0, Number(event.target.value)], pace: 100 }); setMetres(null); }} />
      <div class="pads">
        <button aria-pressed=${phone.flight} onClick=${() => give("phone", { do: "flight", on: !phone.flight })}>${t("flight")}</button>
        <button aria-pressed=${phone.screen === "background"} onClick=${() => give("phone", { do: "screen", to: phone.screen === "background" ? "foreground" : "background" })}>${t("pocket")}</button>
        <button disabled=${busy !== ""} onClick=${() => give("phone", { do: "ask", action: "unlock", wait: 3 })}>${t("phone_unlock")}</button>
        <button disabled=${busy !== ""} onClick=${() => give("phone", { do: "ask", action: "lock", wait: 3 })}>${t("phone_lock")}</button>
      </div>
    </section>`}
    ${source.about.radio && html`<section class="card stack tight" aria-label=${t("air")}>
      <h2>${t("air")}</h2>
      <label for="delay" class="row apart"><span>${t("delay")}</span><span>${air.delay_ms} ms</span></label>
      <input id="delay" type="range" min="0" max="500" step="10" value=${air.delay_ms} onInput=${(/** @type {any} */ event) => setAir({ ...air, delay_ms: Number(event.target.value) })} onChange=${() => give("radio", { do: "weather", ...air })} />
      <label for="loss" class="row apart"><span>${t("loss")}</span><span>${Math.round(air.loss * 100)} %</span></label>
      <input id="loss" type="range" min="0" max="0.9" step="0.05" value=${air.loss} onInput=${(/** @type {any} */ event) => setAir({ ...air, loss: Number(event.target.value) })} onChange=${() => give("radio", { do: "weather", ...air })} />
      <div class="pads"><button class="danger" onClick=${() => give("radio", { do: "cut" })}>${t("cut")}</button>
        <button class="danger" onClick=${() => give("radio", { do: "cut", after_frames: 2, of: "any" })}>${t("cut_after")}</button></div>
    </section>`}
  </div>`;
}
