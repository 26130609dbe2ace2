// Seldom needed: this phone, a lost one, another one, the language, the end of the key.

import { html, useState } from '../../shared/html.js';
import { others } from '../model/keys.js';
import { Icon } from '../parts/icon.js';
import { Ask, Sheet } from '../parts/sheet.js';
import { language, met, near, profileName, rightsLine, say, speak, t } from '../words.js';

/** @import {Key} from '../model/keys.js' */
/** @import {Phone} from '../phone.js' */
/** @import {State} from '../model/state.js' */

/** @param {{state: State, phone: Phone, now: number}} props */
export function More({ state, phone, now }) {
  const mine = state.mine;
  const [allowed, setAllowed] = useState(/** @type {string | null} */ (null));
  const owner = state.account.length > 0;
  const allow = async () => {
    const refused = await phone.allowPairing();
    setAllowed(refused ? say(refused) : t('more.add.done'));
  };
  if (!mine) return null;
  return html`<section class="stack page" aria-labelledby="more-title">
    <h2 class="page-title" id="more-title">${t('more.title')}</h2>
    ${mine.lost && html`<div class="note refused"><p>${t('lost.is')}</p><button onClick=${phone.found}>${t('lost.found')}</button></div>`}
    <section class="card stack tight"><h3>${t('more.phone')}</h3><dl class="pairs">
      <div><dt>${t('more.key')}</dt><dd>${t(mine.role === 'owner' ? 'card.owner' : 'card.friend')}<br /><small class="soft">${rightsLine(mine.entitlements)}</small></dd></div>
      <div><dt>${t('key.until')}</dt><dd>${near(Date.parse(mine.expires_at), now)}</dd></div>
      ${mine.token_expires_at && html`<div><dt>${t('more.token')}</dt><dd>${near(Date.parse(mine.token_expires_at), now)}</dd></div>`}
      <div><dt>${t('more.device')}</dt><dd class="mono small">${phone.deviceId()}</dd></div></dl></section>
    <ul class="card list">
      ${owner && html`<${Door} id="to-lost" icon="phone" title=${t('more.lost')} lead=${t('more.lost.lead')} open=${() => phone.go('lost')} />`}
      ${owner && html`<${Door} id="to-add" icon="plus" title=${t('more.add')} lead=${allowed ?? t('more.add.lead')} open=${allow} />`}
      <${Door} id="to-second" icon="key" title=${t('more.second')} lead=${t('more.second.lead')} open=${() => phone.go('welcome')} />
      <${Door} id="to-way" icon="relay" title=${t('link.title')} lead=${t(`link.${state.choice}`)} open=${() => phone.go('way')} />
      <${Door} id="to-remove" icon="cross" title=${t('more.remove')} lead=${t('more.remove.lead')} open=${() => phone.go('remove')} />
    </ul>
    <${Languages} />
  </section>`;
}

/** @param {{id: string, icon: string, title: string, lead: string, open: () => void}} props */
const Door = ({ id, icon, title, lead, open }) => html`<li><button class="line" id=${id} onClick=${open}><span class="line-icon"><${Icon} name=${icon} /></span>
  <span class="line-main"><strong>${title}</strong><small class="soft">${lead}</small></span><${Icon} name="right" size=${20} /></button></li>`;

export const Languages = () => html`<div class="languages" role="group" aria-label=${t('language')}>
  ${[['en', 'English'], ['zh-CN', '中文']].map(([code, name]) => html`<button key=${code} lang=${code} class=${language() === code ? 'on' : ''} aria-pressed=${language() === code ? 'true' : 'false'} onClick=${() => speak(/** @type {any} */ (code))}>${name}</button>`)}</div>`;

/** @param {{state: State, phone: Phone}} props */
export function RemoveSheet({ state, phone }) {
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState(/** @type {string | null} */ (null));
  const name = state.mine?.name ?? '';
  const yes = async () => {
    setBusy(true);
    const refused = await phone.remove();
    setBusy(false);
    if (refused) setFault(say(refused));
  };
  return html`<${Ask} title=${t('more.remove.ask', { name })} says=${t('more.remove.says')} go=${t('more.remove.go')} busy=${busy} fault=${fault} yes=${yes} close=${() => phone.go('more')} />`;
}

/** A phone that is lost: everything that it holds for this car pauses. @param {{state: State, phone: Phone, now: number}} props */
export function LostSheet({ state, phone, now }) {
  const [chosen, setChosen] = useState(/** @type {Key | null} */ (null));
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState(/** @type {string | null} */ (null));
  const [done, setDone] = useState(false);
  const live = others(state.shared, new Set([...state.account, state.mine?.keyId ?? ''])).filter((key) => key.state === 'active');
  const close = () => phone.go('more');
  const yes = async () => {
    if (!chosen) return;
    setBusy(true);
    const refused = await phone.lose(chosen);
    setBusy(false);
    setFault(refused ? say(refused) : null);
    setDone(!refused);
    if (!refused) setChosen(null);
  };
  const lastMet = met(state.metAt, now);
  if (chosen) return html`<${Ask} title=${t('lost.ask', { name: chosen.label || t('unknown') })} says=${t('lost.says', { met: lastMet })} go=${t('lost.go')} busy=${busy} fault=${fault} yes=${yes} close=${() => setChosen(null)} />`;
  return html`<${Sheet} title=${t('lost.title')} close=${close} name="lost">
    ${done && html`<div class="note waiting" role="status">${t('lost.done', { met: lastMet })}</div>`}
    ${live.length === 0 ? html`<p class="soft">${t('lost.none')}</p>` : html`<p>${t('lost.lead')}</p><ul class="list">${live.map((key) => html`<li key=${key.id}><button class="line" onClick=${() => setChosen(key)}>
      <span class="line-icon"><${Icon} name="phone" /></span><span class="line-main"><strong>${key.label || t('unknown')}</strong><small class="soft">${profileName(key.profile)}</small></span><${Icon} name="right" size=${20} /></button></li>`)}</ul>`}
    <button class=${done || live.length === 0 ? 'primary wide' : 'wide'} onClick=${close}>${t(done ? 'done' : 'close')}</button>
  <//>`;
}
