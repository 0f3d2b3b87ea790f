// The chosen trial: its recipe, and the verdict on it.
import { download, get, pathOf, post, withQuery } from "./api.js";
import { html, useEffect, useState } from "./html.js";
import { Confirm, ErrorBox, number, useAnswer, useTicks } from "./parts.js";
import { Recipe, useRecipe } from "./recipe.js";

const WAIT = 3; // seconds between two looks for a verdict that was asked for

export function Trial({ name, chosen, version, running, me }) {
    const { value: recipe, error } = useRecipe(name, chosen, version);
    const how = chosen.pick ? `the ${chosen.pick}` : "picked by you";
    return html`<section aria-labelledby="trial-title">
        <h2 id="trial-title">${recipe ? `Trial ${recipe.trial}, ${how}` : "Trial"}</h2>
        ${recipe && html`<p>${Object.entries(recipe.scores).map(([objective, score]) => `${objective} ${number(score)}`).join(", ")}</p>`}
        <${Recipe} name=${name} recipe=${recipe} error=${error} />
        <${Verdict} key=${JSON.stringify(chosen)} name=${name} chosen=${chosen} running=${running} me=${me} />
    </section>`;
}

function Verdict({ name, chosen, running, me }) {
    const [asked, setAsked] = useState(false);
    const [failed, setFailed] = useState(null);
    const ticks = useTicks(asked ? WAIT : 0);
    const path = withQuery(`${pathOf(name)}/verdict`, chosen);
    const key = `${path} ${asked && ticks}`;
    const { value, error } = useAnswer((signal) => get(path, signal), key);
    const { value: task } = useAnswer((signal) => (asked ? get(`${pathOf(name)}/verdict/task`, signal) : Promise.resolve(null)), key);
    const missing = error?.status === 404;
    useEffect(() => {
        const isOver = ["failed", "stopped"].includes(task?.state);
        if (isOver) setFailed(task);
        if (isOver || (value && !error)) setAsked(false);
    }, [task, value, error]);
    const begin = () => {
        setFailed(null);
        setAsked(true);
    };
    return html`
        <h3>Verdict</h3>
        ${!missing && html`<${ErrorBox} error=${error} />`}
        ${value && !error && html`<${Comparisons} verdict=${value} />`}
        ${missing && html`<p role="status">${asked ? "The documents that the search has not seen are being scored…" : "Not tested yet: the scores above are of the documents that the search used, and flatter the pick."}</p>`}
        ${missing && failed && html`<div class="error" role="alert"><p>The test is over: ${failed.state}. ${failed.message}</p><pre>${failed.log.join("\n")}</pre></div>`}
        <div class="buttons">
            ${missing && !asked && me.role !== "read" && html`<${Ask} name=${name} chosen=${chosen} running=${running} onAsked=${begin} />`}
            <button onClick=${() => download(withQuery(`${pathOf(name)}/report`, chosen), `${name}.html`)}>Save the report</button>
        </div>
    `;
}

function Ask({ name, chosen, running, onAsked }) {
    const [open, setOpen] = useState(false);
    const ask = async () => {
        await post(`${pathOf(name)}/verdict`, chosen);
        onAsked();
    };
    return html`
        <button disabled=${running} onClick=${() => setOpen(true)}>Test on unseen documents</button>${running && html` <small>once the search has ended</small>`}
        ${open && html`<${Confirm} title="Test this pick?" button="Test" action=${ask} onClose=${() => setOpen(false)}>
            <p>Workers score the pick, the base and the models on the documents that are kept for the report.</p>
        <//>`}
    `;
}

function Comparisons({ verdict }) {
    return Object.entries(verdict.objectives).map(([objective, each]) => html`
        <p>${each.sentence}</p>
        <div class="scroll" tabindex="0" role="region" aria-label=${`verdict on ${objective}`}><table>
            <thead><tr><th>compared with</th><th class="number">score</th><th class="number">improvement</th><th>95 % interval</th><th class="number">p (Holm)</th><th>result</th></tr></thead>
            <tbody>${Object.entries(each.comparisons).map(([label, found]) => html`<tr>
                <th scope="row">${label}</th>
                <td class="number">${number(found.score)}</td>
                <td class="number">${number(found.improvement)}</td>
                <td class="whole">${found.interval ? found.interval.map((end) => number(end)).join(" … ") : "–"}</td>
                <td class="number">${found.p_holm < 0.0001 ? "< 0.0001" : number(found.p_holm)}</td>
                <td>${found.result}</td>
            </tr>`)}</tbody>
        </table></div>`);
}
