// Small parts of every view: errors, dialogs, fields, numbers.
import { html, useEffect, useId, useRef, useState } from "./html.js";

/** A score with four digits behind the point, or a dash. */
export const number = (value, digits = 4) => (typeof value === "number" ? value.toFixed(digits) : "–");

/** The arrow of an objective: which way is better. */
export const arrow = (direction) => (direction === "maximize" ? "↑" : "↓");

/** What went wrong, and what to do; read aloud at once. */
export function ErrorBox({ error }) {
    if (!error) return null;
    return html`<div class="error" role="alert">
        <p>${error.message}</p>
        ${error.errors?.length > 1 && html`<ul>${error.errors.map((each) => html`<li>${each.field && html`<code>${each.field}</code>: `}${each.detail}</li>`)}</ul>`}
        ${error.fix && html`<p class="fix">${error.fix}</p>`}
    </div>`;
}

/** A labelled input, with what is wrong with it; other properties go to the input. */
export function Field({ label, hint, errors, as = "input", children, ...rest }) {
    const id = useId();
    const about = [hint && `${id}-hint`, errors && `${id}-errors`].filter(Boolean).join(" ");
    return html`<div class="field">
        <label for=${id}>${label}</label>
        <${as} id=${id} aria-describedby=${about || undefined} aria-invalid=${errors ? "true" : undefined} ...${rest}>${children}</${as}>
        ${errors && html`<small class="wrong" id=${`${id}-errors`}>${errors.join("; ")}</small>`}
        ${hint && html`<small id=${`${id}-hint`}>${hint}</small>`}
    </div>`;
}

/**
 * A dialog that asks before something is done. `action` receives the form's values by name, and its
 * error is shown in the dialog.
 */
export function Confirm({ title, button, action, onClose, danger, children }) {
    const dialog = useRef(null);
    const [error, setError] = useState(null);
    const [busy, setBusy] = useState(false);
    const id = useId();
    useEffect(() => dialog.current.showModal(), []);
    const submit = async (event) => {
        event.preventDefault();
        setBusy(true);
        try {
            await action(Object.fromEntries(new FormData(event.target)));
            onClose();
        } catch (problem) {
            setError(problem);
            setBusy(false);
        }
    };
    return html`<dialog ref=${dialog} aria-labelledby=${id} onClose=${onClose}>
        <form onSubmit=${submit}>
            <h2 id=${id}>${title}</h2>
            ${children}
            <${ErrorBox} error=${error} />
            <div class="buttons">
                <button type="button" onClick=${() => dialog.current.close()}>Cancel</button>
                <button class=${danger ? "danger" : "main"} disabled=${busy}>${button}</button>
            </div>
        </form>
    </dialog>`;
}

/** What a path answers, asked again when `key` changes; the last answer stays while it is asked. */
export function useAnswer(ask, key) {
    const [state, setState] = useState({ value: null, error: null });
    useEffect(() => {
        const abort = new AbortController();
        ask(abort.signal).then(
            (value) => setState({ value, error: null }),
            (error) => error.name !== "AbortError" && setState((last) => ({ ...last, error })),
        );
        return () => abort.abort();
    }, [key]);
    return state;
}

/** A count that grows every so many seconds, while the page is seen. */
export function useTicks(seconds) {
    const [ticks, setTicks] = useState(0);
    useEffect(() => {
        if (!seconds) return undefined;
        const timer = setInterval(() => document.hidden || setTicks((n) => n + 1), seconds * 1000);
        return () => clearInterval(timer);
    }, [seconds]);
    return ticks;
}

/** A value once it has not changed for some milliseconds. */
export function useSettled(value, wait) {
    const [settled, setSettled] = useState(value);
    useEffect(() => {
        const timer = setTimeout(() => setSettled(value), wait);
        return () => clearTimeout(timer);
    }, [value, wait]);
    return settled;
}

/** Whether a state is good, bad or neither, for its colour; its word says it too. */
export function State({ state }) {
    return html`<span class=${`state ${state}`}>${state}</span>`;
}

/** Buttons to the pages before and after, if there is more than one. */
export function Pages({ offset, page, total, onChange }) {
    if (total <= page && offset === 0) return null;
    return html`<nav class="pages" aria-label="Pages">
        <button disabled=${offset === 0} onClick=${() => onChange(Math.max(0, offset - page))}>Earlier</button>
        <span aria-live="polite">${offset + 1}–${Math.min(offset + page, total)} of ${total}</span>
        <button disabled=${offset + page >= total} onClick=${() => onChange(offset + page)}>Later</button>
    </nav>`;
}
