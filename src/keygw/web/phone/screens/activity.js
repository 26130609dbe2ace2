// What the car has done, by its own signed receipts, a day at a time.

import { html } from '../../shared/html.js';
import { Icon } from '../parts/icon.js';
import { clock, explain, language, t } from '../words.js';
import { EN } from '../words/en.js';
import { WHY_EN } from '../words/en_why.js';

/** @import {Receipt, State} from '../model/state.js' */

/** @param {{state: State, now: number}} props */
export function Activity({ state, now }) {
  const days = byDay(state.receipts, now);
  return html`<section class="stack page" aria-labelledby="activity-title">
    <h2 class="page-title" id="activity-title">${t('activity.title')}</h2>
    ${days.length === 0 ? html`<div class="card empty stack tight"><p class="empty-icon" aria-hidden="true"><${Icon} name="activity" size=${40} /></p><h3>${t('activity.empty')}</h3><p>${t('activity.empty.lead')}</p></div>`
      : html`<p class="soft">${t('activity.lead')}</p>`}
    ${days.map(([day, receipts]) => html`<section key=${day}><h3 class="day">${day}</h3>
      <ul class="card list">${receipts.map((receipt) => html`<${Line} key=${receipt.sequence} receipt=${receipt} state=${state} />`)}</ul></section>`)}
  </section>`;
}

/** @param {{receipt: Receipt, state: State}} props */
function Line({ receipt, state }) {
  const name = `activity.${receipt.action}`;
  const outcome = receipt.outcome === 'already_in_state' ? t('activity.already')
    : receipt.ok ? t('activity.ok') : t('activity.refused', { why: explain(receipt.outcome in WHY_EN ? receipt.outcome : 'other')[0] });
  return html`<li class="line"><span class="line-icon" data-ok=${receipt.ok}><${Icon} name=${receipt.ok ? ICON[receipt.action] ?? 'check' : 'cross'} /></span>
    <span class="line-main"><strong>${name in EN ? t(name) : t('activity.other', { name: receipt.action })}</strong>
      <small class="soft">${outcome} \u00b7 ${t('activity.by', { name: whose(receipt, state) })}</small></span>
    <time class="soft small">${receipt.at ? clock(receipt.at) : t('activity.notime')}</time></li>`;
}

/** @type {Record<string, string>} */
const ICON = { unlock: 'unlock', passive_unlock: 'unlock', lock: 'lock', open_trunk: 'open_trunk', flash_lights: 'flash_lights', start_engine: 'start_engine', remove_key: 'cross' };

/** @param {Receipt} receipt @param {State} state */
function whose(receipt, state) {
  if (receipt.key_id === state.mine?.keyId) return t('activity.me');
  const row = state.shared.find((each) => each.id === receipt.key_id);
  return row?.label || t('activity.someone');
}

/** @param {Receipt[]} receipts newest first @param {number} now @returns {[string, Receipt[]][]} */
function byDay(receipts, now) {
  /** @type {Map<string, Receipt[]>} */
  const days = new Map();
  const today = new Date(now).toDateString();
  const yesterday = new Date(now - 86_400_000).toDateString();
  const format = new Intl.DateTimeFormat(language(), { dateStyle: 'full' });
  for (const receipt of receipts) {
    const at = receipt.at ? new Date(receipt.at) : null;
    const day = !at ? t('activity.notime') : at.toDateString() === today ? t('activity.today') : at.toDateString() === yesterday ? t('activity.yesterday') : format.format(at);
    days.set(day, [...(days.get(day) ?? []), receipt]);
  }
  return [...days];
}
