// What is used of uPlot, for `tsc --checkJs`: the vendored file is not ours to check.
export default class uPlot {
  constructor(options: Record<string, any>, data: any[][], place: Element);
  setData(data: any[][]): void;
  setSize(size: { width: number; height: number }): void;
  destroy(): void;
  static [name: string]: any;
}
