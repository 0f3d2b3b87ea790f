// The log and the config of a search, asked for when they are opened.
import { pathOf, text } from "./api.js";
import { html, useState } from "./html.js";
import { ErrorBox, useAnswer } from "./parts.js";

export function Logs({ name }) {
    return html`<section aria-label="Log and config">
        <${Text} title="Log" path=${`${pathOf(name)}/logs?lines=200`} />
        <${Text} title="Config" path=${`${pathOf(name)}/config`} />
    </section>`;
}

function Text({ title, path }) {
    const [opened, setOpened] = useState(0);
    const { value, error } = useAnswer((signal) => (opened ? text(path, signal) : new Promise(() => {})), `${path} ${opened}`);
    return html`<details onToggle=${(event) => event.target.open && setOpened((n) => n + 1)}>
        <summary>${title}</summary>
        <${ErrorBox} error=${error} />
        <pre tabindex="0" aria-label=${title}>${value ?? "…"}</pre>
    </details>`;
}
