// The status of a search as it changes, and its scored trials as they come.
import { events, get, pathOf, withQuery } from "./api.js";
import { useEffect, useRef, useState } from "./html.js";

const RETRY = 3000; // milliseconds before a broken stream is opened again
const AGAIN = 10_000; // before one that has ended is: another may have resumed the search
const PAGE = 1000; // trials

/** The status, from the stream of events; a stream that breaks or ends is opened again. */
export function useStatus(name, key) {
    const [state, setState] = useState({ status: null, error: null });
    useEffect(() => {
        const abort = new AbortController();
        follow(name, abort.signal, setState);
        return () => abort.abort();
    }, [name, key]);
    return state;
}

async function follow(name, signal, set) {
    while (!signal.aborted) {
        let wait = RETRY;
        try {
            for await (const { event, data } of events(`${pathOf(name)}/events`, signal)) {
                if (event === "status") set({ status: JSON.parse(data), error: null });
                if (event === "end") wait = AGAIN;
            }
        } catch (error) {
            if (signal.aborted) return;
            set((last) => ({ ...last, error }));
            if (error.status >= 400 && error.status < 500 && error.status !== 429) return;
        }
        await new Promise((resolve) => setTimeout(resolve, wait));
    }
}

/** Number and scores of every scored trial; only those that are new are asked for. */
export function useScored(name, version) {
    const known = useRef([]);
    const [trials, setTrials] = useState([]);
    useEffect(() => {
        const abort = new AbortController();
        load(name, known, abort.signal).then(setTrials, () => {}); // the front says what is wrong
        return () => abort.abort();
    }, [name, version]);
    return trials;
}

async function load(name, known, signal) {
    for (;;) {
        const offset = known.current.length;
        const path = withQuery(`${pathOf(name)}/trials`, { state: "scored", offset, limit: PAGE });
        const { total, trials } = await get(path, signal);
        const points = trials.map(({ proposal, scores }) => ({ trial: proposal.number, scores }));
        if (known.current.length === offset) known.current = [...known.current, ...points];
        if (!trials.length || known.current.length >= total) return known.current;
    }
}
