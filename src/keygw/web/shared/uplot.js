/** uPlot, for what draws charts; `uplot.d.ts` says as much of it as is used. */
export { default } from "../vendor/uplot/uPlot.esm.js";
