// The large action, what it is doing, and where it stopped.

import { html } from '../../shared/html.js';
import { busy, STEPS } from '../model/action.js';
import { why } from '../model/why.js';
import { explain, t } from '../words.js';
import { Icon } from './icon.js';
import { Why } from './why.js';

/** @import {Doing} from '../model/action.js' */

/** @param {Doing} doing */
export function doingWords(doing) {
  const { phase, action, code, link } = doing;
  if (phase === 'searching') return t(`doing.searching.${link ?? 'relay'}`);
  if (phase === 'asked') return t(`doing.asked.${action}`);
  if (phase === 'done') return t(code === 'already_in_state' && `doing.already.${action}` in ALREADY ? `doing.already.${action}` : `doing.done.${action}`);
  if (phase === 'failed') return t(`doing.failed.${action}`);
  if (phase === 'unsure') return t('doing.unsure');
  return t(`doing.${phase}`);
}
const ALREADY = { 'doing.already.unlock': 1, 'doing.already.lock': 1, 'doing.already.open_trunk': 1 };

/** One sentence more: how long it took, or why it failed. @param {Doing} doing */
export function doingMore(doing) {
  if (doing.phase === 'done' && doing.ms !== null) return t(doing.road === 'fast' ? 'doing.fast' : 'doing.took', { seconds: (doing.ms / 1000).toFixed(1) });
  if (doing.phase === 'failed' || doing.phase === 'unsure') return explain(why(doing.code ?? 'other', doing.reached).code)[0];
  return '';
}

/**
 * @param {{doing: Doing, action: string | null, blocked: string | null, others: string[], tap: (action: string) => void,
 *   remedy: (name: string) => void}} props `blocked`: why the key opens nothing, as a word of the table
 */
export function Tap({ doing, action, blocked, others, tap, remedy }) {
  const working = busy(doing);
  const shown = working || doing.phase === 'done' ? doing.action : action;
  const words = working || doing.phase === 'done' ? doingWords(doing) : blocked ? t(blocked) : action ? t(`do.${action}`) : t('action.none');
  const step = STEPS.indexOf(doing.phase);
  return html`<section class="tap" aria-label=${t('tab.key')}>
    <button id="tap" class="primary large" data-phase=${doing.phase} aria-disabled=${working || !action || blocked ? 'true' : 'false'}
      onClick=${() => !working && action && !blocked && tap(action)}>
      <${Icon} name=${doing.phase === 'done' ? 'check' : shown ?? 'key'} size=${30} />
      <span>${words}${working ? '\u2026' : ''}</span>
    </button>
    <div class="steps" data-phase=${doing.phase} aria-hidden="true">
      ${STEPS.slice(0, 4).map((name, place) => html`<i key=${name} class=${doing.phase === 'done' || place < step ? 'past' : place === step ? 'now' : ''}></i>`)}
    </div>
    <p id="doing" class="doing" role="status" aria-live="polite" data-phase=${doing.phase}>
      ${doing.phase === 'idle' ? '' : html`<strong>${doingWords(doing)}${working ? '\u2026' : ''}</strong> ${doingMore(doing)}`}
    </p>
    ${(doing.phase === 'failed' || doing.phase === 'unsure') && html`<${Why} doing=${doing} remedy=${remedy} />`}
    ${others.length > 0 && !blocked && html`<div class="also" role="group" aria-label=${t('also')}>
      ${others.map((each) => html`<button key=${each} class="side" data-action=${each} aria-disabled=${working ? 'true' : 'false'} onClick=${() => !working && tap(each)}>
        <${Icon} name=${each} /><span>${t(`do.${each}`)}</span></button>`)}
    </div>`}
  </section>`;
}
