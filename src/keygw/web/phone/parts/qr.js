// A link as a QR code: one SVG path, dark on light in every theme, for cameras do not read it the other way round.

import { html, useMemo } from '../../shared/html.js';
import encodeQR from '../../shared/qr.js';

/** Modules of light around it: a camera needs four (ISO/IEC 18004, 9.1). */
const QUIET = 4;

/** @param {string} text @returns {{size: number, path: string}} a square for each dark module */
export function pathOf(text) {
  const rows = /** @type {boolean[][]} */ (encodeQR(text, 'raw', { ecc: 'medium', border: QUIET }));
  let path = '';
  for (const [y, row] of rows.entries()) {
    for (let x = 0; x < row.length; x += 1) {
      if (!row[x]) continue;
      let wide = 1;
      while (row[x + wide]) wide += 1;
      path += `M${x} ${y}h${wide}v1h-${wide}z`;
      x += wide;
    }
  }
  return { size: rows.length, path };
}

/** @param {{text: string, label: string}} props */
export function Qr({ text, label }) {
  const { size, path } = useMemo(() => pathOf(text), [text]);
  return html`<svg class="qr" viewBox="0 0 ${size} ${size}" role="img" aria-label=${label} shape-rendering="crispEdges">
    <rect width=${size} height=${size} fill="#fff" /><path d=${path} fill="#000" /></svg>`;
}
