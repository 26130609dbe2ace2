/** Where the console's words come from: a studio beside a simulated world, or the API of a gateway alone. */

const TOKEN = "keygw.console";
const RETRY_MS = 1000;

/** An answer that says no: `code`, and what to do `next`. */
export class Refused extends Error {
  /** @param {number} status @param {any} body */
  constructor(status, body) {
    super(body?.detail ?? body?.title ?? `${status}`);
    this.status = status;
    this.code = body?.code ?? "";
    this.next = body?.next ?? "";
  }
}

/** @returns {string | null} */
function kept() {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}

/** @param {string | null} token */
function keep(token) {
  try {
    if (token === null) {
      sessionStorage.removeItem(TOKEN);
    } else {
      sessionStorage.setItem(TOKEN, token);
    }
  } catch {
    // it holds until this page is left
  }
}

export class Source {
  constructor() {
    /** @type {string | null} */
    this.token = kept();
    this.simulator = false;
    /** @type {any} */
    this.about = null;
  }

  /**
   * Find out what this page is served by. The launch code leaves the address before anything else happens.
   * @returns {Promise<"studio" | "gateway" | "locked">}
   */
  async knock() {
    const code = new URLSearchParams(location.hash.slice(1)).get("enter");
    if (code) {
      history.replaceState(null, "", location.pathname + location.search);
      await this.enter(code).catch(() => undefined);
    }
    const answer = await fetch("../studio", { headers: this.headers() });
    if (answer.status === 404) {
      return "gateway";
    }
    this.simulator = true;
    if (answer.status === 401) {
      this.token = null;
      keep(null);
      return "locked";
    }
    this.about = await answer.json();
    return "studio";
  }

  /** @param {string} code what stands behind `enter=` */
  async enter(code) {
    const found = /enter=([\w-]+)/.exec(code);
    const told = await this.send("../studio/enter", { code: found ? found[1] : code.trim() });
    this.hold(told.token);
  }

  /** @param {string} token */
  hold(token) {
    this.token = token;
    keep(token);
  }

  /** @returns {Record<string, string>} */
  headers() {
    return this.token === null ? {} : { Authorization: `Bearer ${this.token}` };
  }

  /** @param {string} path @param {unknown} [body] @param {string} [method] @returns {Promise<any>} */
  async send(path, body, method) {
    const answer = await fetch(path, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers: {
        ...this.headers(),
        .../** @type {Record<string, string>} */ (body === undefined ? {} : { "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const told = answer.status === 204 ? null : await answer.json().catch(() => null);
    if (!answer.ok) {
      throw new Refused(answer.status, told);
    }
    return told;
  }

  /** The gateway's API, by way of the studio where there is one. @param {string} path such as /keys @param {unknown} [body] */
  api(path, body) {
    return this.send(`${this.simulator ? "../gateway" : ".."}/v1${path}`, body);
  }

  /** @param {"car" | "phone" | "radio"} whose @param {Record<string, unknown>} order */
  order(whose, order) {
    return this.send(`../studio/${whose}`, order);
  }

  /** @param {ArrayBuffer} capture btsnoop or pcapng @returns {Promise<{records: any[], broken: string | null}>} */
  async decode(capture) {
    const answer = await fetch("../studio/decode", { method: "POST", headers: this.headers(), body: capture });
    const told = await answer.json();
    if (!answer.ok) {
      throw new Refused(answer.status, told);
    }
    return told;
  }

  /** @returns {Promise<Blob>} the car's btsnoop */
  async capture() {
    const answer = await fetch("../studio/capture", { headers: this.headers() });
    if (!answer.ok) {
      throw new Refused(answer.status, null);
    }
    return answer.blob();
  }

  /**
   * Everything that happens, from where it was left; it reconnects by itself.
   * @param {(lines: string[]) => void} take @param {(live: boolean) => void} state @returns {() => void} ends it
   */
  follow(take, state) {
    const ending = new AbortController();
    let seen = 0;
    const run = async () => {
      while (!ending.signal.aborted) {
        try {
          const answer = await fetch(`../studio/stream?after=${seen}`, { headers: this.headers(), signal: ending.signal });
          if (!answer.ok || answer.body === null) {
            throw new Refused(answer.status, null);
          }
          state(true);
          const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
          let rest = "";
          for (;;) {
            const { value, done } = await reader.read();
            if (done) {
              break;
            }
            const lines = (rest + value).split("\n");
            rest = lines.pop() ?? "";
            const said = lines.filter((line) => line !== "");
            if (said.length > 0) {
              const last = /^\{"s": ?(\d+)/.exec(said[said.length - 1]);
              seen = last ? Number(last[1]) : said.includes('{"fresh":true}') ? 0 : seen;
              take(said);
            }
          }
        } catch {
          // told by the state; asked again below
        }
        if (!ending.signal.aborted) {
          state(false);
          await new Promise((later) => setTimeout(later, RETRY_MS));
        }
      }
    };
    run();
    return () => ending.abort();
  }
}
