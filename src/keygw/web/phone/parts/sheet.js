// A dialog of its own layer: the browser keeps the focus in it and closes it by Escape.

import { html, useEffect, useRef } from '../../shared/html.js';
import { t } from '../words.js';
import { Icon } from './icon.js';

/** @param {{title: string, close: () => void, children?: unknown, name?: string}} props */
export function Sheet({ title, close, children, name }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    const shown = dialog.current;
    if (shown && !shown.open) shown.showModal();
    return () => shown?.close();
  }, []);
  return html`<dialog ref=${dialog} class="sheet" aria-labelledby="sheet-title" id=${name} onCancel=${(/** @type {Event} */ event) => { event.preventDefault(); close(); }}
    onClick=${(/** @type {Event} */ event) => event.target === dialog.current && close()}>
    <div class="sheet-body stack">
      <header class="row apart"><h2 id="sheet-title">${title}</h2>
        <button class="quiet round" aria-label=${t('close')} onClick=${close}><${Icon} name="close" /></button></header>
      ${children}
    </div>
  </dialog>`;
}

/**
 * A question with one grave answer.
 * @param {{title: string, says: string, go: string, danger?: boolean, busy?: boolean, fault?: string | null, yes: () => void, close: () => void}} props
 */
export function Ask({ title, says, go, danger = true, busy = false, fault = null, yes, close }) {
  return html`<${Sheet} title=${title} close=${close} name="ask">
    <p>${says}</p>
    ${fault && html`<p class="fault" role="alert">${fault}</p>`}
    <div class="stack tight">
      <button class=${danger ? 'danger primary wide' : 'primary wide'} aria-disabled=${busy ? 'true' : 'false'} onClick=${() => !busy && yes()}>${busy ? `${t('key.working')}\u2026` : go}</button>
      <button class="wide" onClick=${close}>${t('cancel')}</button>
    </div>
  <//>`;
}
