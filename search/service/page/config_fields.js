// The fields of a form from a config in JSON, and the config from the fields. What nobody types over
// stays as it was, and what the form has no field for stays too.

const SHOWN = ["name", "base", "models", "tasks", "objectives", "methods", "budget"];
const OF_OBJECTIVES = ["task", "metric"];
const OF_BUDGET = ["trials", "hours"];

const isMapping = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isMissing = (value) => value === undefined || value === null;
const isLine = (value) => typeof value !== "object" || value === null;

/** The text of a field. */
export const textOf = (value) => (isMissing(value) ? "" : String(value));

/** A number if it is written as one, else the text, which the service then objects to. */
export const numberOf = (text) => (Number.isFinite(Number(text)) && String(Number(text)) === text ? Number(text) : text);

/** A mapping with a value at a key, which keeps its place; an empty value is none. */
export const withValue = (mapping, key, value) => ({ ...mapping, [key]: value === "" ? undefined : value });

/** Fields of a config: its mappings are rows, since names are doubled or empty while they are typed. */
export function fieldsOf(content) {
    const rows = (mapping) => Object.entries(mapping || {}).map(([name, value]) => ({ name, value }));
    return { content, models: rows(content.models), objectives: rows(content.objectives) };
}

/** Fields of no config yet. */
export const blankFields = () => ({
    content: Object.fromEntries(SHOWN.map((key) => [key, undefined])), // so that they come in this order
    models: [{ name: "", value: "" }, { name: "", value: "" }],
    objectives: [{ name: "", value: {} }],
});

/** The config of fields; an empty row is none. */
export function contentOf({ content, models, objectives }) {
    const found = { ...content };
    for (const [key, rows] of Object.entries({ models, objectives })) {
        const filled = rows.filter((row) => !isEmpty(row));
        if (filled.length || !isMissing(content[key])) found[key] = Object.fromEntries(filled.map(({ name, value }) => [name, value]));
    }
    return found;
}

/** Whether nothing is in a row. */
export const isEmpty = ({ name, value }) => name === "" && (isLine(value) ? textOf(value) === "" : Object.values(value).every(isMissing));

/** Paths of a config that fields cannot show; with any, it must stay YAML. */
export function unshowable(content) {
    const { models, objectives, methods, budget } = content;
    const lines = Object.entries({
        ...Object.fromEntries(["name", "base", "tasks"].map((key) => [key, content[key]])),
        ...under("models", models),
        ...Object.assign({}, ...Object.entries(objectives || {}).map(([name, each]) => under(`objectives.${name}`, each, OF_OBJECTIVES))),
        ...under("budget", budget, OF_BUDGET),
        ...under("methods", methods),
    });
    const mappings = Object.entries({ models, objectives, budget, ...under("objectives", objectives) });
    return [
        ...lines.filter(([, value]) => !isLine(value)),
        ...mappings.filter(([, value]) => !isMissing(value) && !isMapping(value)),
        ...(isMissing(methods) || Array.isArray(methods) ? [] : [["methods"]]),
    ].map(([path]) => path);
}

/** Paths of a config that the form has no field for, and that it keeps. */
export function kept(content) {
    const others = (prefix, mapping, shown) => Object.keys(mapping || {}).filter((key) => !shown.includes(key)).map((key) => prefix + key);
    return [
        ...others("", content, SHOWN),
        ...Object.entries(content.objectives || {}).flatMap(([name, each]) => others(`objectives.${name}.`, each, OF_OBJECTIVES)),
        ...others("budget.", content.budget, OF_BUDGET),
    ];
}

function under(prefix, value, keys) {
    if (isLine(value)) return {};
    return Object.fromEntries((keys || Object.keys(value)).map((key) => [`${prefix}.${key}`, value[key]]));
}
