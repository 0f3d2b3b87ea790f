// A config as a form.
import { isOfName } from "./config_errors.js";
import { isEmpty, kept, numberOf, textOf, withValue } from "./config_fields.js";
import { html } from "./html.js";
import { Field } from "./parts.js";
import { Rows } from "./rows.js";

/** `errors` are texts by path; those of empty fields are shown if `all` are wanted. */
export function ConfigForm({ fields, schema, errors, all, onChange }) {
    const { content, models, objectives } = fields;
    const set = (key, value) => onChange({ ...fields, content: withValue(content, key, value) });
    const at = (path, value) => (all || textOf(value) !== "" ? errors[path] : undefined);
    const line = (key, label, hint) => html`<${Field} label=${label} hint=${hint} value=${textOf(content[key])} errors=${at(key, content[key])} ...${PLAIN} onInput=${(event) => set(key, event.target.value)} />`;
    const limit = (key, label, hint) => html`<${Field} label=${label} hint=${hint} inputmode="decimal" value=${textOf(content.budget?.[key])} placeholder=${textOf(schema.$defs.Budget.properties[key].default)} errors=${at(`budget.${key}`, content.budget?.[key])}
        ...${PLAIN} onInput=${(event) => set("budget", withValue(content.budget, key, numberOf(event.target.value.trim())))} />`;
    const ofModel = (name, value, isWanted) => {
        const found = at(`models.${name}`, name + textOf(value))?.filter(isWanted);
        return found?.length ? found : undefined;
    };
    const filled = (rows) => (rows.every(isEmpty) ? "" : "filled");
    return html`<div class="form">
        <div class="two">${line("name", "Name", "Of the search.")}${line("base", "Base", "The model that the others are derived from.")}</div>
        <${Rows} title="Models" what="model" rows=${models} least=${2} errors=${at("models", filled(models))} onChange=${(rows) => onChange({ ...fields, models: rows })} blank=${() => ({ name: "", value: "" })}
            row=${({ name, value }, change) => html`
                <${Field} label="Name" value=${name} errors=${ofModel(name, value, isOfName)} ...${PLAIN} onInput=${(event) => change({ name: event.target.value, value })} />
                <${Field} label="Folder or hub id" value=${textOf(value)} errors=${ofModel(name, value, (text) => !isOfName(text))} ...${PLAIN} onInput=${(event) => change({ name, value: event.target.value })} />`} />
        <${Rows} title="Objectives" what="objective" rows=${objectives} least=${1} errors=${at("objectives", filled(objectives))} onChange=${(rows) => onChange({ ...fields, objectives: rows })} blank=${() => ({ name: "", value: {} })}
            row=${(each, change) => html`
                <${Field} label="Name" value=${each.name} errors=${isEmpty(each) && !all ? undefined : errors[`objectives.${each.name}`]} ...${PLAIN} onInput=${(event) => change({ ...each, name: event.target.value })} />
                ${["task", "metric"].map((key) => html`<${Field} label=${{ task: "Task", metric: "Metric" }[key]} value=${textOf(each.value?.[key])} errors=${errors[`objectives.${each.name}.${key}`]} ...${PLAIN} onInput=${(event) => change({ ...each, value: withValue(each.value, key, event.target.value) })} />`)}`} />
        ${line("tasks", "Folder of tasks", "Beside those of lm-eval; may be empty.")}
        <${Methods} methods=${content.methods} schema=${schema.properties.methods} errors=${errors.methods} onChange=${(methods) => set("methods", methods)} />
        <fieldset><legend>Budget</legend><div class="two">${limit("trials", "Trials", "Models that are merged and scored.")}${limit("hours", "Hours", "May be empty: no limit.")}</div></fieldset>
        ${kept(content).length > 0 && html`<p class="kept">Also in this config, and kept as it is: ${kept(content).map((path, i) => html`${i > 0 && ", "}<code>${path}</code>`)}. It can be changed in the YAML.</p>`}
    </div>`;
}

const PLAIN = { spellcheck: false, autocapitalize: "off", autocomplete: "off" };

function Methods({ methods, schema, errors, onChange }) {
    const known = schema.items.oneOf;
    const checked = methods || schema.default;
    const unknown = checked.filter((name) => !known.some((each) => each.const === name)).map((name) => ({ const: name, description: "" }));
    const toggle = (name) => onChange(checked.includes(name) ? checked.filter((each) => each !== name) : [...checked, name]);
    return html`<fieldset><legend>Methods</legend>
        <div class="choices">${[...known, ...unknown].map((each) => html`<div key=${each.const}>
            <label class="check"><input type="checkbox" aria-describedby=${`method-${each.const}`} checked=${checked.includes(each.const)} onChange=${() => toggle(each.const)} />${each.const}</label>
            <small id=${`method-${each.const}`}>${each.description}</small>
        </div>`)}</div>
        ${errors?.map((text) => html`<p class="wrong">${text}</p>`)}
    </fieldset>`;
}
