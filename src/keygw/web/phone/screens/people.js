// Who else has a key: what was offered, what lives, what waits for the car's word, what has ended.

import { html, useState } from '../../shared/html.js';
import { rows } from '../model/keys.js';
import { Icon } from '../parts/icon.js';
import { Ask, Sheet } from '../parts/sheet.js';
import { met, near, profileName, rightsLine, say, t } from '../words.js';

/** @import {Row} from '../model/keys.js' */
/** @import {Phone} from '../phone.js' */
/** @import {State} from '../model/state.js' */

const OVERDUE_MS = 86_400_000;

/** @param {Row} row @param {State} state @param {number} now */
export function standWords(row, state, now) {
  const when = row.invitation && row.standing === 'invited' ? near(Date.parse(row.invitation.expires_at), now) : '';
  return t(`stands.${row.standing}`, { met: met(state.metAt, now), when });
}

/** @param {{state: State, phone: Phone, now: number}} props */
export function People({ state, phone, now }) {
  const [open, setOpen] = useState(/** @type {string | null} */ (null));
  const all = rows(state.shared, state.invitations);
  const live = all.filter((row) => !row.over);
  const over = all.filter((row) => row.over);
  const chosen = all.find((row) => row.id === open) ?? null;
  return html`<section class="stack page" aria-labelledby="people-title">
    <h2 class="page-title" id="people-title">${t('share.title')}</h2>
    ${state.shareFrom && html`<button class="primary wide" id="share-new" onClick=${() => phone.go('share-new')}><${Icon} name="plus" /> ${t('share.new')}</button>`}
    ${!live.length && html`<div class="card empty stack tight"><p class="empty-icon" aria-hidden="true"><${Icon} name="share" size=${40} /></p>
      <h3>${t(state.shareFrom ? 'share.empty' : 'share.not')}</h3><p>${t(state.shareFrom ? 'share.empty.lead' : 'share.not.lead')}</p></div>`}
    ${live.length > 0 && html`<ul class="card list people">${live.map((row) => html`<${Person} key=${row.id} row=${row} state=${state} now=${now} open=${() => setOpen(row.id)} />`)}</ul>`}
    ${over.length > 0 && html`<details class="over"><summary>${t('share.over')} (${over.length})</summary>
      <ul class="card list people">${over.map((row) => html`<${Person} key=${row.id} row=${row} state=${state} now=${now} open=${() => setOpen(row.id)} />`)}</ul></details>`}
    ${chosen && html`<${Detail} key=${chosen.id} row=${chosen} state=${state} phone=${phone} now=${now} close=${() => setOpen(null)} />`}
  </section>`;
}

/** @param {{row: Row, state: State, now: number, open: () => void}} props */
function Person({ row, state, now, open }) {
  return html`<li data-standing=${row.standing}><button class="line" onClick=${open}>
    <span class="line-main"><strong>${row.label || t('unknown')}</strong><small class="soft">${row.tone === 'waiting' ? standWords(row, state, now) : profileName(row.profile)}</small></span>
    <span class=${`badge ${row.tone}`}>${t(`stand.${row.standing}`)}</span><${Icon} name="right" size=${20} /></button></li>`;
}

/** @param {{row: Row, state: State, phone: Phone, now: number, close: () => void}} props */
function Detail({ row, state, phone, now, close }) {
  const [asked, setAsked] = useState(/** @type {string | null} */ (null));
  const [busy, setBusy] = useState(false);
  const [fault, setFault] = useState(/** @type {string | null} */ (null));
  const act = async (/** @type {string} */ what) => {
    setBusy(true);
    const refused = await phone.change(row, what);
    setBusy(false);
    setFault(refused ? say(refused) : null);
    if (!refused) setAsked(null);
  };
  if (asked) {
    return html`<${Ask} title=${t(`key.${asked}.ask`, { name: row.label || t('unknown') })} says=${t(`key.${asked}.says`)} go=${t(`key.${asked}`)} danger=${asked !== 'suspend'} busy=${busy} fault=${fault}
      yes=${() => act(asked)} close=${() => setAsked(null)} />`;
  }
  const overdue = row.standing === 'revoking' || row.standing === 'suspending' ? state.metAt !== null && now - state.metAt > OVERDUE_MS : false;
  return html`<${Sheet} title=${row.label || t('unknown')} close=${close} name="person">
    <div class=${`note ${row.tone}`} role="status"><p><span class=${`badge ${row.tone}`}>${t(`stand.${row.standing}`)}</span></p><p>${standWords(row, state, now)}</p>
      ${row.key?.suspended_for.includes('lost') && html`<p>${t('stands.lost')}</p>`}${overdue && html`<p class="fault">${t('stands.overdue')}</p>`}</div>
    ${row.invitation && row.invitation.other_claims > 0 && html`<p class="note refused">${t('stands.other')}</p>`}
    <dl class="pairs"><div><dt>${t('key.rights')}</dt><dd>${profileName(row.profile)}<br /><small class="soft">${rightsLine(row.entitlements)}</small></dd></div>
      ${row.until && html`<div><dt>${t('key.until')}</dt><dd>${near(Date.parse(row.until), now)}</dd></div>`}
      <div><dt>${t('key.since')}</dt><dd>${near(Date.parse(row.since), now)}</dd></div></dl>
    ${fault && html`<p class="fault" role="alert">${fault}</p>`}
    <div class="stack tight">${row.may.map((what) => html`<button key=${what} class=${what === 'revoke' || what === 'cancel' ? 'danger wide' : what === 'resume' ? 'primary wide' : 'wide'} data-do=${what} aria-disabled=${busy ? 'true' : 'false'}
      onClick=${() => !busy && (what === 'resume' ? act(what) : setAsked(what))}>${busy ? `${t('key.working')}\u2026` : t(`key.${what}`)}</button>`)}</div>
  <//>`;
}
