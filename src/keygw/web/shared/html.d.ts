// What `html.js` exports, for `tsc --checkJs`: the vendored file has no types of its own, and is not ours to check.
export class Component { [name: string]: any; }
export function createContext(value: any): any;
export function h(kind: any, props?: any, ...children: any[]): any;
export function html(strings: TemplateStringsArray, ...values: any[]): any;
export function render(tree: any, parent: Element): void;
export function useCallback<T extends (...given: any[]) => any>(callback: T, on: any[]): T;
export function useContext(context: any): any;
export function useEffect(effect: () => void | (() => void), on?: any[]): void;
export function useLayoutEffect(effect: () => void | (() => void), on?: any[]): void;
export function useMemo<T>(make: () => T, on: any[]): T;
export function useReducer(reducer: (state: any, action: any) => any, first: any): [any, (action: any) => void];
export function useRef<T = any>(first?: T): { current: T };
export function useState<T = any>(first: T | (() => T)): [T, (next: T | ((was: T) => T)) => void];
