// A config as YAML, with the line of each error.
import { html, useRef } from "./html.js";
import { Field } from "./parts.js";
import { lineOf } from "./yaml_line.js";

/** `errors` are those of this text, or null while it is checked. */
export function YamlEditor({ yaml, errors, onChange }) {
    const box = useRef(null);
    const show = (line) => {
        const input = box.current.querySelector("textarea");
        const before = yaml.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
        input.focus();
        input.setSelectionRange(before, before + yaml.split("\n")[line - 1].length);
    };
    return html`
        <div ref=${box}>
            <${Field} as="textarea" label="Config, as YAML" rows="18" value=${yaml} onInput=${(event) => onChange(event.target.value)} spellcheck=${false} autocapitalize="off" wrap="off"
                hint="docs/config.md has every key." />
        </div>
        <${Errors} errors=${errors} yaml=${yaml} onShow=${show} />`;
}

function Errors({ errors, yaml, onShow }) {
    if (!errors?.length) return null;
    return html`<ul class="errors">${errors.map(({ field, detail }) => {
        const line = lineOf(yaml, field);
        return html`<li>${field && html`<code>${field}</code>: `}${detail}${line && html` <button class="link" onClick=${() => onShow(line)}>line ${line}</button>`}</li>`;
    })}</ul>`;
}
