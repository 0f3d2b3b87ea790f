// Errors of a config at the fields of a form.

const SECTIONS = ["models", "objectives"];

/** Paths of all fields, of which an error is at the longest that its own begins with. */
function pathsOf({ models, objectives }) {
    return [
        "name", "base", "tasks", "methods", "budget.trials", "budget.hours", ...SECTIONS,
        ...models.map(({ name }) => `models.${name}`),
        ...objectives.flatMap(({ name }) => ["", ".task", ".metric"].map((end) => `objectives.${name}${end}`)),
    ];
}

/** Whether an error of a row is about its name, which has no path of its own. */
export const isOfName = (text) => /\b(a|this) name\b/.test(text);

/** Texts of errors by the path of their field; those of no field are at "", with their own paths. */
export function placed(errors, fields) {
    const paths = pathsOf(fields).sort((a, b) => b.length - a.length);
    const found = {};
    for (const { field, detail } of errors) {
        const whole = field ? `${field}: ${detail}` : detail; // a path with a space in it is no field
        const path = paths.find((each) => whole.startsWith(`${each}: `) || (!SECTIONS.includes(each) && whole.startsWith(`${each}.`))) || "";
        const shown = path && whole.startsWith(`${path}: `) ? whole.slice(path.length + 2) : whole;
        (found[path] ||= []).push(shown);
    }
    return found;
}

/** Errors of rows that have one name, which the rows of a mapping cannot. */
export function doubledNames(fields) {
    return SECTIONS.flatMap((section) => {
        const names = fields[section].map(({ name }) => name).filter(Boolean);
        const twice = new Set(names.filter((name, i) => names.indexOf(name) < i));
        return [...twice].map((name) => ({ field: `${section}.${name}`, detail: "two rows have this name" }));
    });
}
