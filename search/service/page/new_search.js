// A new search from a form or from YAML, checked while it is typed.
import { get, post } from "./api.js";
import { doubledNames, placed } from "./config_errors.js";
import { ConfigForm } from "./config_form.js";
import { forget, sourceOf, store, stored, switched } from "./draft.js";
import { html, useRef, useState } from "./html.js";
import { ErrorBox, useAnswer, useSettled } from "./parts.js";
import { YamlEditor } from "./yaml_editor.js";

const TYPING = 500; // milliseconds

export function NewSearch() {
    const [draft, setDraft] = useState(stored);
    const [{ error, busy, examined, all }, setState] = useState({});
    const box = useRef(null);
    const [text, type] = sourceOf(draft);
    const settled = useSettled(text, TYPING);
    const { value: checked, error: unchecked } = useAnswer((signal) => post("/v1/check", text, type, signal).then((found) => ({ ...found, text })), settled);
    const { value: schema, error: unread } = useAnswer((signal) => get("/v1/schema", signal), "schema");
    const isForm = draft.view === "form";
    const found = [...(checked?.errors || []), ...(isForm ? doubledNames(draft.fields) : [])];
    const errors = checked?.text === text ? found : null; // of this text, once it is checked
    const places = placed(found, draft.fields);
    const change = (changed) => {
        setDraft(changed);
        setState({ all });
        store(changed);
    };
    const attempt = (what, action) => async () => {
        setState({ busy: what, all });
        const problem = await action().then(() => null, (found) => found);
        setState((last) => ({ ...last, busy: "", error: problem }));
    };
    const turn = attempt("switch", async () => change(await switched(draft)));
    const examine = attempt("examine", async () => {
        const examined = await post("/v1/doctor", text, type);
        setState({ examined, all });
    });
    const submit = attempt("submit", async () => {
        const { name } = await post("/v1/searches", text, type);
        forget();
        location.hash = `#/searches/${name}`;
    });
    const begin = () => {
        if (!errors?.length) return submit();
        setState({ all: true });
        return setTimeout(() => box.current.querySelector("[aria-invalid]")?.focus());
    };
    return html`<div ref=${box}>
        <h1>New search</h1>
        <div class="switch" role="group" aria-label="Written as">
            ${["form", "yaml"].map((view) => html`<button aria-pressed=${draft.view === view ? "true" : "false"} disabled=${Boolean(busy)} onClick=${() => draft.view === view || turn()}>${{ form: "Form", yaml: "YAML" }[view]}</button>`)}
        </div>
        <p><small>Relative paths are relative to the first folder of the service's data.</small></p>
        ${isForm
            ? schema && html`<${ConfigForm} fields=${draft.fields} schema=${schema} errors=${places} all=${all} onChange=${(fields) => change({ ...draft, fields, changed: true })} />`
            : html`<${YamlEditor} yaml=${draft.yaml} errors=${errors} onChange=${(yaml) => change({ ...draft, yaml, changed: true })} />`}
        ${isForm && errors && places[""] && html`<ul class="errors">${places[""].map((each) => html`<li>${each}</li>`)}</ul>`}
        <p role="status" class=${errors?.length === 0 ? "good" : ""}>${errors ? summary(errors, isForm) : "…"}</p>
        <${ErrorBox} error=${error || unchecked || unread} />
        <div class="buttons">
            <button disabled=${Boolean(busy)} aria-busy=${busy === "examine"} onClick=${examine}>Examine models and tasks</button>
            <button class="main" disabled=${busy || !errors || (!isForm && errors.length > 0)} aria-busy=${busy === "submit"} onClick=${begin}>Begin the search</button>
        </div>
        ${BUSY[busy] && html`<p role="status">${BUSY[busy]}</p>`}
        ${examined && html`<${Examined} found=${examined} />`}
    </div>`;
}

const BUSY = { submit: "The models and tasks are being read…", examine: "The doctor reads the models and tasks…" };

function summary({ length }, isForm) {
    if (!length) return isForm ? "The form has no error." : "The text has no error.";
    if (!isForm) return length === 1 ? "One error." : `${length} errors.`;
    return `${length === 1 ? "One field is" : `${length} fields are`} missing or wrong.`;
}

function Examined({ found }) {
    return html`<section aria-labelledby="examined-title">
        <h2 id="examined-title">What the doctor says</h2>
        ${["errors", "warnings"].map((level) => found[level].length > 0 && html`<h3>${level}</h3><ul>${found[level].map((each) => html`<li>${each}</li>`)}</ul>`)}
        ${!found.errors.length && !found.warnings.length && html`<p class="good">Nothing to object to.</p>`}
        <details><summary>All of it</summary><pre tabindex="0">${JSON.stringify(found, null, 2)}</pre></details>
    </section>`;
}
