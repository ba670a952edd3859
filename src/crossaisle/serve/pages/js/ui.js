// Preact and htm under one name, and what every view shares: the words, the voice for screen readers, loading with its states.
import { createContext, h, render } from "../vendor/preact.mjs";
import { useContext, useEffect, useLayoutEffect, useMemo, useRef, useState } from "../vendor/preact-hooks.mjs";
import htm from "../vendor/htm.mjs";

// Chromium 150 keeps the old style of an element that moveBefore moves while its class changes; without it Preact moves by insertBefore.
delete Element.prototype.moveBefore;

export { render, useEffect, useLayoutEffect, useMemo, useRef, useState };
export const html = htm.bind(h);

/** { t, told, lang, announce, number, day }: see main.js. */
export const AppContext = createContext(null);
export const useApp = () => useContext(AppContext);

/**
 * Load something and keep it while it, or the next thing, is loaded, so that nothing flickers; an answer to another question does not
 * stay beside an error.
 * @param {(signal: AbortSignal) => Promise<any>} ask
 * @param {any[]} deps loaded anew when one of them changes
 * @returns {{data: any, error: any, loading: boolean, reload: () => Promise<any>}}
 */
export function useLoad(ask, deps) {
  const [state, setState] = useState({ data: null, error: null, loading: true });
  const turn = useRef({ n: 0, stop: null });
  const latest = useRef(ask);
  latest.current = ask;
  const reload = async (another = false) => {
    turn.current.stop?.abort();
    const mine = ++turn.current.n;
    const stop = (turn.current.stop = new AbortController());
    setState((old) => ({ ...old, loading: true }));
    try {
      const data = await latest.current(stop.signal);
      if (mine === turn.current.n) setState({ data, error: null, loading: false });
      return data;
    } catch (error) {
      if (mine === turn.current.n && error.name !== "AbortError") setState((old) => ({ data: another ? null : old.data, error, loading: false }));
      return null;
    }
  };
  useEffect(() => {
    reload(true);
    return () => turn.current.stop?.abort();
  }, deps);
  return { ...state, reload: () => reload() };
}

/** A value that follows another one once that has stood still. */
export function useSettled(value, ms) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

/** Things in groups, in the order in which the groups appear. */
export function grouped(things, key) {
  const groups = new Map();
  for (const thing of things) {
    const name = key(thing);
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(thing);
  }
  return [...groups];
}
