// Draws the page, and has it kept for when there is no network.

import { html, render } from '../shared/html.js';
import { App } from './app.js';
import { makePhone } from './phone.js';

/** The worker keeps what this page was made of. */
async function keep() {
  await navigator.serviceWorker.register('sw.js');
  const { active } = await navigator.serviceWorker.ready;
  const loaded = performance.getEntriesByType('resource').map((entry) => entry.name);
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => { document.documentElement.dataset.kept = 'yes'; };
  active?.postMessage([location.href.split('#')[0], ...new Set(loaded)], [port2]);
}

const place = /** @type {HTMLElement} */ (document.getElementById('app'));
const phone = makePhone();
place.replaceChildren();
render(html`<${App} phone=${phone} />`, place);
phone.start();
if ('serviceWorker' in navigator) addEventListener('load', () => keep().catch(() => undefined)); // without it: online alone
