// A new search that is being written: as a form, and as YAML. One of both is shown and changed; the
// other is made of it when the view is switched.
import { post } from "./api.js";
import { blankFields, contentOf, fieldsOf, unshowable } from "./config_fields.js";

const KEY = "mergefront.new-search";
const YAML = "application/yaml";
const EXAMPLE = `name: my-search
base: base
models:
  first: first
  second: second
methods: [linear, ties]
tasks: tasks
objectives:
  maths: {task: maths, metric: acc}
  code: {task: code, metric: acc}
budget: {trials: 100}
`;

const begun = () => ({ view: "form", yaml: EXAMPLE, fields: blankFields(), changed: false });

/** The draft of this tab, or a new one. */
export const stored = () => JSON.parse(sessionStorage.getItem(KEY)) || begun();
export const store = (draft) => sessionStorage.setItem(KEY, JSON.stringify(draft));
export const forget = () => sessionStorage.removeItem(KEY);

/** What is sent of a draft: its text and the type of that. */
export function sourceOf({ view, yaml, fields }) {
    return view === "yaml" ? [yaml, YAML] : [JSON.stringify(contentOf(fields)), "application/json"];
}

/** The draft in the other view; fails where that would lose something. */
export async function switched(draft) {
    const view = draft.view === "yaml" ? "form" : "yaml";
    if (!draft.changed) return { ...draft, view }; // both say the same already
    const found = await post("/v1/convert", ...sourceOf(draft));
    if (view === "yaml") return { ...draft, view, yaml: found.yaml, changed: false };
    const paths = unshowable(found.json);
    if (paths.length) {
        throw Object.assign(new Error(`the form has no field for what is at ${paths.join(", ")}`), { fix: "go on in YAML" });
    }
    return { ...draft, view, fields: fieldsOf(found.json), changed: false };
}
