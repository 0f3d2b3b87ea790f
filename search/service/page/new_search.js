// A new search from YAML, checked while it is typed.
import { post } from "./api.js";
import { html, useRef, useState } from "./html.js";
import { ErrorBox, Field, useAnswer, useSettled } from "./parts.js";
import { lineOf } from "./yaml_line.js";

const TYPING = 500; // milliseconds
const YAML = "application/yaml";
const DRAFT = "mergefront.draft";
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

export function NewSearch() {
    const [yaml, setYaml] = useState(sessionStorage.getItem(DRAFT) || EXAMPLE);
    const [error, setError] = useState(null);
    const [busy, setBusy] = useState("");
    const [examined, setExamined] = useState(null);
    const box = useRef(null);
    const settled = useSettled(yaml, TYPING);
    const { value: check, error: unchecked } = useAnswer((signal) => post("/v1/check", settled, YAML, signal), settled);
    const isChecked = settled === yaml;
    const change = (event) => {
        setYaml(event.target.value);
        setExamined(null);
        setError(null);
        sessionStorage.setItem(DRAFT, event.target.value);
    };
    const attempt = (what, action) => async () => {
        setBusy(what);
        setError(null);
        await action().catch(setError);
        setBusy("");
    };
    const submit = attempt("submit", async () => {
        const { name } = await post("/v1/searches", yaml, YAML);
        sessionStorage.removeItem(DRAFT);
        location.hash = `#/searches/${name}`;
    });
    const examine = attempt("examine", async () => setExamined(await post("/v1/doctor", yaml, YAML)));
    const show = (line) => {
        const input = box.current.querySelector("textarea");
        const before = yaml.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
        input.focus();
        input.setSelectionRange(before, before + yaml.split("\n")[line - 1].length);
    };
    return html`
        <h1>New search</h1>
        <div ref=${box}>
            <${Field} as="textarea" label="Config, as YAML" rows="18" value=${yaml} onInput=${change} spellcheck=${false} autocapitalize="off" wrap="off"
                hint="Relative paths are relative to the first folder of the service's data. docs/config.md has every key." />
        </div>
        <div role="status" class="check">${isChecked ? html`<${Checked} check=${check} yaml=${yaml} onShow=${show} />` : "…"}</div>
        <${ErrorBox} error=${error || unchecked} />
        <div class="buttons">
            <button disabled=${busy !== ""} aria-busy=${busy === "examine"} onClick=${examine}>Examine models and tasks</button>
            <button class="main" disabled=${busy !== "" || !isChecked || check?.errors.length > 0} aria-busy=${busy === "submit"} onClick=${submit}>Begin the search</button>
        </div>
        ${busy && html`<p role="status">${busy === "submit" ? "The models and tasks are being read…" : "The doctor reads the models and tasks…"}</p>`}
        ${examined && html`<${Examined} found=${examined} />`}
    `;
}

function Checked({ check, yaml, onShow }) {
    if (!check) return "…";
    if (!check.errors.length) return html`<p class="good">The text has no error.</p>`;
    return html`<p>${check.errors.length === 1 ? "One error:" : `${check.errors.length} errors:`}</p>
        <ul class="errors">${check.errors.map((each) => html`<${Wrong} error=${each} line=${lineOf(yaml, each.field)} onShow=${onShow} />`)}</ul>`;
}

function Wrong({ error, line, onShow }) {
    return html`<li>${error.field && html`<code>${error.field}</code>: `}${error.detail}${line && html` <button class="link" onClick=${() => onShow(line)}>line ${line}</button>`}</li>`;
}

function Examined({ found }) {
    return html`<section aria-labelledby="examined-title">
        <h2 id="examined-title">What the doctor says</h2>
        ${["errors", "warnings"].map((level) => found[level].length > 0 && html`<h3>${level}</h3><ul>${found[level].map((each) => html`<li>${each}</li>`)}</ul>`)}
        ${!found.errors.length && !found.warnings.length && html`<p class="good">Nothing to object to.</p>`}
        <details><summary>All of it</summary><pre tabindex="0">${JSON.stringify(found, null, 2)}</pre></details>
    </section>`;
}
