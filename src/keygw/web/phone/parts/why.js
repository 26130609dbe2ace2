// "Why did it not work?": the steps, the one that failed, and the way out.

import { html } from '../../shared/html.js';
import { STEPS, why } from '../model/why.js';
import { explain, t } from '../words.js';
import { Icon } from './icon.js';

/** @import {Doing} from '../model/action.js' */

/** @param {{doing: Doing, remedy: (name: string) => void}} props */
export function Why({ doing, remedy }) {
  const found = why(doing.code ?? 'other', doing.reached);
  const [, todo] = explain(found.code);
  const failed = STEPS.indexOf(found.step);
  return html`<div class="note refused why" id="why">
    <details>
      <summary>${t('why.title')}</summary>
      <ol class="why-steps">
        ${STEPS.map((step, place) => {
          const how = place < failed ? 'ok' : place === failed ? 'fail' : 'skip';
          return html`<li key=${step} data-how=${how}><${Icon} name=${how === 'ok' ? 'check' : how === 'fail' ? 'cross' : 'more'} size=${20} />
            <span>${t(`why.step.${step}`)}</span><small>${t(`why.${how}`)}</small></li>`;
        })}
      </ol>
      <p class="mono small soft">${t('why.code', { code: doing.code ?? 'other' })}</p>
    </details>
    <p>${todo}</p>
    ${found.remedy && found.remedy !== 'ask' && html`<button onClick=${() => remedy(/** @type {string} */ (found.remedy))}>${t(`remedy.${found.remedy}`)}</button>`}
  </div>`;
}
