/** Preact and htm, under the names that pages use. One import, so that all of them have the same copy. */
export {
  Component, createContext, h, html, render, useCallback, useContext, useEffect, useLayoutEffect, useMemo, useReducer,
  useRef, useState,
} from "../vendor/htm/standalone.module.js";
