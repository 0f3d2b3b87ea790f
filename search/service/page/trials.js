// The table of trials, in pages.
import { download, get, pathOf, withQuery } from "./api.js";
import { html, useState } from "./html.js";
import { ErrorBox, Field, Pages, State, number, useAnswer, useSettled } from "./parts.js";

const PAGE = 25;
const STATES = ["scored", "stopped", "broken", "failed", "duplicate"];

export function Trials({ name, version, chosen, onChoose }) {
    const [filter, setFilter] = useState({ state: "", where: "" });
    const [offset, setOffset] = useState(0);
    const settled = useSettled(filter, 400);
    const path = withQuery(`${pathOf(name)}/trials`, { ...settled, offset, limit: PAGE });
    const { value, error } = useAnswer((signal) => get(path, signal), `${path} ${version}`);
    const change = (part) => (setFilter({ ...filter, ...part }), setOffset(0));
    const save = () => download(withQuery(`${pathOf(name)}/trials`, { ...settled, format: "parquet" }), `${name}.parquet`);
    return html`<section aria-labelledby="trials-title">
        <h2 id="trials-title">Trials</h2>
        <div class="row">
            <${Field} as="select" label="State" onChange=${(event) => change({ state: event.target.value })}>
                <option value="">all</option>${STATES.map((each) => html`<option>${each}</option>`)}
            <//>
            <${Field} label="Where" class="wide" value=${filter.where} onInput=${(event) => change({ where: event.target.value })} spellcheck=${false} autocapitalize="off" hint="A condition on the scores." />
            <button onClick=${save}>Save as Parquet</button>
        </div>
        <${ErrorBox} error=${error} />
        ${value && html`<${Table} trials=${value.trials} chosen=${chosen} onChoose=${onChoose} />`}
        ${value && html`<${Pages} offset=${offset} page=${PAGE} total=${value.total} onChange=${setOffset} />`}
    </section>`;
}

function Table({ trials, chosen, onChoose }) {
    if (!trials.length) return html`<p>No trial.</p>`;
    const names = Object.keys(Object.assign({}, ...trials.map((each) => each.scores)));
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Trials"><table>
        <thead><tr><th class="number">trial</th><th>state</th>${names.map((each) => html`<th class="number">${each}</th>`)}<th class="number">seconds</th><th>label or cause</th></tr></thead>
        <tbody>${trials.map((each) => html`<${Row} key=${each.proposal.number} trial=${each} names=${names} chosen=${chosen} onChoose=${onChoose} />`)}</tbody>
    </table></div>`;
}

function Row({ trial, names, chosen, onChoose }) {
    const n = trial.proposal.number;
    const seconds = Object.values(trial.seconds).reduce((sum, each) => sum + each, 0);
    const can = trial.state === "scored";
    return html`<tr class=${n === chosen.trial ? "picked" : ""}>
        <th scope="row" class="number">${can ? html`<button class="link" aria-label=${`show trial ${n}`} onClick=${() => onChoose({ trial: n })}>${n}</button>` : n}</th>
        <td><${State} state=${trial.state} /></td>
        ${names.map((each) => html`<td class="number">${number(trial.scores[each])}</td>`)}
        <td class="number">${seconds < 10 ? seconds.toFixed(2) : Math.round(seconds)}</td>
        <td>${trial.cause || trial.proposal.label || ""}</td>
    </tr>`;
}
