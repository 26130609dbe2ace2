// The consent page: a passkey signs the challenge that is bound to this request and this browser, and the gateway says
// where the browser goes from here. Without a passkey nothing is granted; the page holds no secret.

/** @param {ArrayBuffer} data */
const text = (data) =>
  btoa(String.fromCharCode(...new Uint8Array(data)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

/** @param {string} value */
const bytes = (value) =>
  Uint8Array.from(atob(value.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));

const form = /** @type {HTMLElement | null} */ (document.querySelector("[data-options]"));
if (form !== null) {
  const said = /** @type {HTMLElement} */ (document.querySelector("[role=status]"));
  const buttons = [...form.querySelectorAll("button")];
  const options = JSON.parse(form.dataset["options"] ?? "{}");

  /** @param {string} where @param {object} body */
  const send = async (where, body) => {
    const response = await fetch(`/oauth2/authorize/${where}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ query: location.search.slice(1), ...body }),
    });
    const told = await response.json();
    if (!response.ok) throw new Error(told.detail ?? told.code);
    location.assign(told.redirect_to);
  };

  const allow = async () => {
    const publicKey = { ...options, challenge: bytes(options.challenge) };
    const found = /** @type {PublicKeyCredential | null} */ (await navigator.credentials.get({ publicKey }));
    if (found === null) throw new Error(form.dataset["failed"]);
    const answer = /** @type {AuthenticatorAssertionResponse} */ (found.response);
    await send("allow", {
      credential_id: text(found.rawId),
      client_data: text(answer.clientDataJSON),
      authenticator_data: text(answer.authenticatorData),
      signature: text(answer.signature),
    });
  };
  const deny = () => send("deny", { challenge: options.challenge });

  for (const button of buttons) {
    button.addEventListener("click", async () => {
      buttons.forEach((each) => (each.disabled = true));
      said.textContent = "";
      try {
        await (button.value === "allow" ? allow() : deny());
      } catch (error) {
        const why = error instanceof DOMException || !(error instanceof Error) ? "" : error.message;
        said.textContent = [form.dataset["failed"], why].filter(Boolean).join(" ");
        buttons.forEach((each) => (each.disabled = false));
      }
    });
  }
}
