/** Digital keys: how far each has come, and how far a change of it has travelled. */
import { html, useEffect, useState } from "../shared/html.js";
import { moment } from "../shared/i18n.js";
import { t } from "./words.js";

const LOOK_MS = 1500;
const STATES = /** @type {Record<string, string>} */ ({ active: "ok", suspended: "waiting", suspending: "waiting", revoking: "waiting", revoked: "refused", expired: "refused" });

/** @param {{source: import("./source.js").Source, fail: (error: any) => void}} props */
export function Keys({ source, fail }) {
  const [keys, setKeys] = useState(/** @type {any[] | null} */ (null));
  const [held, setHeld] = useState(/** @type {number | null} */ (null));
  const [stale, setStale] = useState(false);
  const look = () => Promise.all([
    source.api("/keys").then((told) => setKeys(told.keys)),
    source.simulator ? source.order("car", { do: "status" }).then((told) => setHeld(told.list_sequence)) : null,
  ]).then(() => setStale(false), () => setStale(true));
  useEffect(() => {
    look();
    const timer = setInterval(() => document.visibilityState === "visible" && look(), LOOK_MS);
    return () => clearInterval(timer);
  }, []);
  if (keys === null) {
    return html`<p class="empty" role="status">${t(stale ? "gateway_away" : "loading")}</p>`;
  }
  const act = (/** @type {string} */ id, /** @type {string} */ what) => source.send(`${source.simulator ? "../gateway" : ".."}/v1/keys/${id}:${what}`, undefined, "POST").then(look, fail);
  return html`<div class="scroll stack pad ${stale ? "stale" : ""}" role="region" aria-label=${t("tab_keys")} tabindex="0">
    ${stale && html`<p class="note waiting" role="alert">${t("gateway_away")}</p>`}
    ${keys.length === 0 && html`<p class="empty">${t("keys_none")}</p>`}
    <ul class="keys">${keys.map((key) => {
      const { current, acknowledged } = key.list;
      const waits = current > acknowledged;
      return html`<li class="card stack tight">
        <div class="row apart"><h2>${key.label || t(`role_${key.role}`)}</h2><span class="badge ${STATES[key.state] ?? ""}">${t(`key_${key.state}`)}</span></div>
        <p class="small"><span class="mono">${key.id}</span> · ${t(`role_${key.role}`)} · ${t("until", { when: moment(key.expires_at) })}</p>
        <ol class="road" aria-label=${t("propagation")}>
          <li class="done"><b>${t("road_signed")}</b><span>${t("list_n", { n: current })}</span></li>
          <li class=${held !== null && held >= current ? "done" : ""}><b>${t("road_car")}</b><span>${held === null ? "-" : t("list_n", { n: held })}</span></li>
          <li class=${waits ? "" : "done"}><b>${t("road_known")}</b><span>${t("list_n", { n: acknowledged })}</span></li>
        </ol>
        ${waits && html`<p class="note waiting">${t("waiting_for_car")}</p>`}
        ${key.state !== "revoked" && key.role !== "owner" && html`<div class="row">
          ${key.state === "suspended" ? html`<button class="small-button" onClick=${() => act(key.id, "resume")}>${t("resume")}</button>`
            : html`<button class="small-button" onClick=${() => act(key.id, "suspend")}>${t("suspend")}</button>`}
          <button class="small-button danger" onClick=${() => act(key.id, "revoke")}>${t("revoke")}</button></div>`}
      </li>`;
    })}</ul></div>`;
}
