// Rows of fields of which there may be any number.
import { html, useEffect, useRef } from "./html.js";

/** `row` draws one: (row, change) => fields; with `least` rows or fewer none can be removed. */
export function Rows({ title, what, rows, row, least, blank, errors, onChange }) {
    const box = useRef(null);
    const before = useRef(rows.length);
    useEffect(() => {
        const added = rows.length > before.current;
        if (rows.length !== before.current) box.current.querySelector(added ? ".line:last-of-type input" : ".add").focus();
        before.current = rows.length;
    }, [rows.length]);
    const change = (i) => (changed) => onChange(rows.map((each, k) => (k === i ? changed : each)));
    return html`<fieldset ref=${box}><legend>${title}</legend>
        ${rows.map((each, i) => html`<div class="line" key=${i} role="group" aria-label=${`${what} ${i + 1}`}>
            ${row(each, change(i))}
            ${rows.length > least && html`<button type="button" aria-label=${`Remove ${what} ${each.name || i + 1}`} onClick=${() => onChange(rows.filter((_, k) => k !== i))}>Remove</button>`}
        </div>`)}
        ${errors?.map((text) => html`<p class="wrong">${text}</p>`)}
        <button type="button" class="add" onClick=${() => onChange([...rows, blank()])}>Add ${what === "objective" ? "an" : "a"} ${what}</button>
    </fieldset>`;
}
