// A recipe: in words, as heat maps, as a file.
import { download, get, pathOf, withQuery } from "./api.js";
import { html } from "./html.js";
import { ErrorBox, number, useAnswer, useSettled } from "./parts.js";

const HOVER = 120; // milliseconds before a recipe is asked for
const known = new Map(); // a trial's recipe never changes

function recipeOf(name, chosen, signal) {
    const path = withQuery(`${pathOf(name)}/recipe`, chosen);
    if (chosen.trial === undefined) return get(path, signal);
    if (known.has(path)) return Promise.resolve(known.get(path));
    return get(path, signal).then((value) => (known.set(path, value), value));
}

/** The recipe of a trial in words, for a pointer that stays on it. */
export function RecipeLines({ name, trial }) {
    const settled = useSettled(trial, HOVER);
    const { value } = useAnswer((signal) => (settled === trial ? recipeOf(name, { trial }, signal) : new Promise(() => {})), `${name} ${settled}`);
    if (value?.trial !== trial) return html`<p>…</p>`;
    return html`<ul>${value.lines.map((line) => html`<li>${line}</li>`)}</ul>`;
}

/** The recipe of the chosen trial. */
export function useRecipe(name, chosen, version) {
    return useAnswer((signal) => recipeOf(name, chosen, signal), `${name} ${JSON.stringify(chosen)} ${chosen.pick ? version : ""}`);
}

export function Recipe({ name, recipe, error }) {
    if (!recipe) return html`<${ErrorBox} error=${error} />`;
    const save = () => download(withQuery(`${pathOf(name)}/recipe`, { trial: recipe.trial, format: "yaml" }), `${name}-${recipe.trial}.yaml`);
    return html`
        <ul class="lines">${recipe.lines.map((line) => html`<li>${line}</li>`)}</ul>
        <div class="maps">${recipe.maps.map((map) => html`<${HeatMap} map=${map} all=${recipe.maps} />`)}</div>
        <p><button onClick=${save}>Save the recipe's file</button></p>
    `;
}

/** One parameter of one model by layer and module; its colours compare all models. */
function HeatMap({ map, all }) {
    const values = all.filter((each) => each.parameter === map.parameter).flatMap((each) => each.values.flat()).filter((each) => each !== null);
    const low = Math.min(...values);
    const span = Math.max(...values) - low || 1;
    const colour = (value) => (value === null ? undefined : { "--share": `${Math.round(((value - low) / span) * 50)}%` });
    return html`<table class="heat">
        <caption>${map.parameter} of ${map.model}</caption>
        <thead><tr><td></td>${map.modules.map((each) => html`<th scope="col">${each}</th>`)}</tr></thead>
        <tbody>${map.values.map((row, i) => html`<tr>
            <th scope="row">${map.layers[i]}</th>
            ${row.map((value) => html`<td class=${value === null ? "" : "cell"} style=${colour(value)}>${value === null ? "" : number(value, 2)}</td>`)}
        </tr>`)}</tbody>
    </table>`;
}
