// The list of searches.
import { get, withQuery } from "./api.js";
import { html, useState } from "./html.js";
import { ErrorBox, Pages, State, number, useAnswer, useTicks } from "./parts.js";

const PAGE = 50;
const PERIOD = 5; // seconds

export function Searches({ me }) {
    const [offset, setOffset] = useState(0);
    const ticks = useTicks(PERIOD);
    const path = withQuery("/v1/searches", { offset, limit: PAGE });
    const { value, error } = useAnswer((signal) => get(path, signal), `${path} ${ticks}`);
    return html`
        <h1>Searches</h1>
        <${ErrorBox} error=${error} />
        ${value && (value.total ? html`<${Table} searches=${value.searches} />` : html`<p>There is no search yet. ${me.role !== "read" && html`<a href="#/new">Begin one.</a>`}</p>`)}
        ${value && html`<${Pages} offset=${offset} page=${PAGE} total=${value.total} onChange=${setOffset} />`}
    `;
}

function Table({ searches }) {
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Searches"><table>
        <thead><tr><th>name</th><th>state</th><th>trials</th><th class="number">front</th><th>best</th></tr></thead>
        <tbody>${searches.map((each) => html`<${Row} key=${each.name} status=${each} />`)}</tbody>
    </table></div>`;
}

function Row({ status }) {
    const name = html`<th scope="row"><a href=${`#/searches/${status.name}`}>${status.name}</a></th>`;
    if (status.state === "damaged") {
        return html`<tr>${name}<td><${State} state="damaged" /></td><td colspan="3">${status.troubles.join("; ")}</td></tr>`;
    }
    const { spent, trials } = status.budget;
    return html`<tr>
        ${name}
        <td><${State} state=${status.state} /></td>
        <td>${spent} of ${trials ?? "∞"} <progress max=${trials || 1} value=${spent} aria-label=${`trials of ${status.name}`} /></td>
        <td class="number">${status.front}</td>
        <td>${bestOf(status)}</td>
    </tr>`;
}

function bestOf({ best }) {
    return Object.entries(best || {})
        .map(([name, each]) => `${name} ${number(each)}`)
        .join(", ");
}
