// The front: as a plot of two objectives, and as a table that the keyboard reaches.
import { get, pathOf, withQuery } from "./api.js";
import { html, useState } from "./html.js";
import { useScored } from "./live.js";
import { ErrorBox, Field, arrow, number, useAnswer, useSettled } from "./parts.js";
import { FrontPlot, TRIAL } from "./front_plot.js";

const TYPING = 400; // milliseconds

export function Front({ name, version, chosen, onChoose, where, onWhere }) {
    const others = useScored(name, version);
    const [axes, setAxes] = useState({});
    const condition = useSettled(where.trim(), TYPING);
    const path = withQuery(`${pathOf(name)}/front`, { where: condition, pick: chosen.pick || "knee" });
    const { value, error } = useAnswer((signal) => get(path, signal), `${path} ${version}`);
    const names = value ? Object.keys(value.objectives) : [];
    const x = axes.x || names[0];
    const y = axes.y || names[1] || names[0];
    const across = axes.x || (names.length > 1 ? x : TRIAL);
    const picked = chosen.trial ?? value?.pick;
    const axis = (label, current, key) => html`<${Field} as="select" label=${label} value=${current} onChange=${(event) => setAxes({ ...axes, [key]: event.target.value })}>
        ${[...names, TRIAL].map((each) => html`<option value=${each} selected=${each === current}>${each}</option>`)}
    <//>`;
    return html`<section aria-labelledby="front-title">
        <h2 id="front-title">Front</h2>
        <div class="row">
            ${value && html`${axis("Across", across, "x")}${axis("Up", y, "y")}`}
            <${Field} label="Where" class="wide" value=${where} onInput=${(event) => onWhere(event.target.value)} spellcheck=${false} autocapitalize="off"
                hint="A condition such as picks >= 0.98 * base.picks; or drag over the plot." />
            ${where && html`<button onClick=${() => onWhere("")}>Clear</button>`}
        </div>
        <${ErrorBox} error=${error} />
        ${value && html`
            <${FrontPlot} name=${name} front=${value} others=${others} x=${across} y=${y} picked=${picked} onPick=${(trial) => onChoose({ trial })} onBrush=${onWhere} />
            <${Table} front=${value} names=${names} picked=${picked} onChoose=${onChoose} />
        `}
    </section>`;
}

function Table({ front, names, picked, onChoose }) {
    if (!front.front.length) return html`<p role="status">No model of the front satisfies this condition.</p>`;
    return html`<div class="scroll short" tabindex="0" role="region" aria-label="Models of the front"><table>
        <thead><tr><th>pick</th><th class="number">trial</th>${names.map((each) => html`<th class="number">${each} ${arrow(front.objectives[each])}</th>`)}<th class="number" title="0 is the worst of base and models, 1 the best; above 1 is better than the best model of each objective">mean</th></tr></thead>
        <tbody>${front.front.map((each) => html`<tr key=${each.trial} class=${each.trial === picked ? "picked" : ""}>
            <td><input type="radio" name="pick" aria-label=${`pick trial ${each.trial}`} checked=${each.trial === picked} onChange=${() => onChoose({ trial: each.trial })} /></td>
            <th scope="row" class="number">${each.trial}</th>
            ${names.map((objective) => html`<td class="number">${number(each.scores[objective])}</td>`)}
            <td class="number">${number(each.mean, 3)}</td>
        </tr>`)}</tbody>
    </table></div>
    <p><button onClick=${() => onChoose({ pick: "knee" })}>Pick the knee</button> <button onClick=${() => onChoose({ pick: "mean" })}>Pick the best mean</button></p>`;
}
