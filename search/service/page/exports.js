// The exports of a search: their progress, and where the models are.
import { get, pathOf } from "./api.js";
import { html } from "./html.js";
import { ErrorBox, State, useAnswer, useTicks } from "./parts.js";

const PERIOD = 3; // seconds

export function Exports({ name, version }) {
    const ticks = useTicks(version ? PERIOD : 0);
    const { value, error } = useAnswer((signal) => get(`${pathOf(name)}/exports`, signal), `${name} ${version} ${ticks}`);
    return html`<section aria-labelledby="exports-title">
        <h2 id="exports-title">Exports</h2>
        <${ErrorBox} error=${error} />
        ${value && !value.exports.length && html`<p>No model has been exported.</p>`}
        <ul class="exports" aria-live="polite">${value?.exports.map((each) => html`<li key=${each.name}>
            <strong>${each.name}</strong> <${State} state=${each.state} />
            ${each.bytes > 0 && html` ${(each.bytes / 1e6).toFixed(1)} MB`}
            ${each.path && html` <code>${each.path}</code>`}
            ${each.message && html`<p class="error">${each.message}</p>`}
            ${each.state === "failed" && each.log.length > 0 && html`<pre>${each.log.join("\n")}</pre>`}
        </li>`)}</ul>
    </section>`;
}
