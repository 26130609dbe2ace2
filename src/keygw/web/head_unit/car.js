/** The simulated car's own API, at this page's origin. The token stays in this tab, and goes into no URL. */

const KEPT = "keygw.car.token";
const AGAIN_MS = [250, 500, 1000, 2000, 4000];

/**
 * @typedef {{digits: string, app: string | null, seconds: number}} Code
 * @typedef {{number: number, ask: string, text: string, about: string, seconds: number}} Prompt
 * @typedef {{app: string, app_name?: string, name: string, template: string, title: string, lines: string[], buttons: {name: string, label: string}[]}} Card
 * @typedef {{moving: boolean, codes: Code[], prompts: Prompt[], around: {key: string, role: string, zone: string}[],
 *   keys: {key: string, owner: boolean, removed: boolean}[], cards: Card[],
 *   told: {code: string, values: Record<string, string | number>}[],
 *   destination?: {name: string, latitude: number, longitude: number, app: string} | null,
 *   voice?: {app: string, text: string}[]}} Screen
 * @typedef {{name: string, screen: Screen}} Seen
 */

/** The token from the fragment, which no server sees; it leaves the address at once. */
export function takeToken() {
  const told = new URLSearchParams(location.hash.slice(1)).get("token");
  if (told !== null) {
    sessionStorage.setItem(KEPT, told);
    history.replaceState(null, "", location.pathname + location.search);
  }
  return told ?? sessionStorage.getItem(KEPT);
}

/** @param {string} token */
export function keepToken(token) {
  sessionStorage.setItem(KEPT, token);
}

export function dropToken() {
  sessionStorage.removeItem(KEPT);
}

export class Car {
  /** @param {string} token @param {string} [which] number, name or id */
  constructor(token, which = "1") {
    this._token = token;
    this._path = `../cars/${encodeURIComponent(which)}/screen`;
  }

  /** @returns {Promise<"ok" | "token" | "none">} whether there is a car that takes this token */
  async knock() {
    const answer = await fetch(this._path, { headers: this._headers() });
    if (answer.ok) {
      return "ok";
    }
    return answer.status === 401 && (await answer.json()).code === "token_unknown" ? "token" : "none";
  }

  /** @param {Record<string, unknown>} order @returns {Promise<string>} "done", or the code of the refusal */
  async order(order) {
    const answer = await fetch(this._path, {
      method: "POST",
      headers: { ...this._headers(), "Content-Type": "application/json" },
      body: JSON.stringify(order),
      signal: AbortSignal.timeout(10_000),
    });
    const said = await answer.json();
    return said.outcome ?? said.code;
  }

  /**
   * What is seen, again and again, over links that break.
   * @param {(seen: Seen) => void} onSeen @param {() => void} onLost @returns {() => void} ends it
   */
  watch(onSeen, onLost) {
    let ended = false;
    let tries = 0;
    /** @type {WebSocket | undefined} */
    let socket;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let waiting;
    const open = () => {
      const url = new URL(`${this._path}/stream`, location.href);
      url.protocol = url.protocol.replace("http", "ws");
      socket = new WebSocket(url, ["keygw-sim", `bearer.${this._token}`]);
      socket.onmessage = (message) => {
        tries = 0;
        onSeen(JSON.parse(message.data));
      };
      socket.onclose = () => {
        if (!ended) {
          onLost();
          waiting = setTimeout(open, AGAIN_MS[Math.min(tries++, AGAIN_MS.length - 1)]);
        }
      };
    };
    open();
    return () => {
      ended = true;
      clearTimeout(waiting);
      socket?.close();
    };
  }

  _headers() {
    return { Authorization: `Bearer ${this._token}` };
  }
}
