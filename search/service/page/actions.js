// Buttons that change a search: stop, resume, export; each asks first.
import { pathOf, post } from "./api.js";
import { html, useState } from "./html.js";
import { Confirm, Field } from "./parts.js";

const LIMITS = { trials: "Trials", scorings: "Scorings", hours: "Hours", worker_hours: "Worker hours" };

export function Actions({ status, chosen, onChange, onExport }) {
    const [open, setOpen] = useState(null);
    const close = () => setOpen(null);
    const isRunning = status.state === "running" || ["PENDING", "RUNNING"].includes(status.job?.status);
    const dialog = open && html`<${{ Stop, Resume, Export }[open]} status=${status} chosen=${chosen} onClose=${close} onChange=${onChange} onExport=${onExport} />`;
    return html`<div class="buttons">
        <button disabled=${!isRunning} onClick=${() => setOpen("Stop")}>Stop…</button>
        <button disabled=${isRunning} onClick=${() => setOpen("Resume")}>Resume…</button>
        <button disabled=${status.front === 0} onClick=${() => setOpen("Export")}>Export…</button>
    </div>${dialog}`;
}

function Stop({ status, onClose, onChange }) {
    const stop = async () => {
        await post(`${pathOf(status.name)}/stop`);
        onChange();
    };
    return html`<${Confirm} title=${`Stop ${status.name}?`} button="Stop" danger action=${stop} onClose=${onClose}>
        <p>Every finished trial is kept, and the search can be resumed. Trials that run now are scored again then.</p>
    <//>`;
}

function Resume({ status, onClose, onChange }) {
    const resume = async (values) => {
        const limits = Object.entries(values).filter(([, text]) => text !== "");
        await post(`${pathOf(status.name)}/resume`, Object.fromEntries(limits.map(([name, text]) => [name, Number(text)])));
        onChange();
    };
    return html`<${Confirm} title=${`Resume ${status.name}?`} button="Resume" action=${resume} onClose=${onClose}>
        <p>${status.budget.spent} trials are spent. Give new limits, or leave what stays.</p>
        <div class="row">${Object.entries(LIMITS).map(([name, label]) => html`<${Field} label=${label} name=${name} type="number" min="0" step=${name === "trials" ? 1 : "any"} placeholder=${name === "trials" ? status.budget.trials : ""} />`)}</div>
    <//>`;
}

function Export({ status, chosen, onClose, onExport }) {
    const what = chosen.pick ? `the ${chosen.pick}` : `trial ${chosen.trial}`;
    const write = async ({ name, dtype, force }) => {
        await post(`${pathOf(status.name)}/exports`, { ...chosen, name, ...(dtype && { dtype }), force: Boolean(force) });
        onExport();
    };
    return html`<${Confirm} title=${`Export ${what} of ${status.name}?`} button="Export" action=${write} onClose=${onClose}>
        <p>The model is written to the service's folder of exports, for transformers and vLLM to load.</p>
        <${Field} label="Name" name="name" required pattern="[A-Za-z0-9][A-Za-z0-9_\\-]{0,63}" value=${chosen.pick || `trial-${chosen.trial}`} spellcheck=${false} hint="Of the model's folder: letters, digits, - and _." />
        <${Field} as="select" label="Type of numbers" name="dtype"><option value="">as the base</option><option>float32</option><option>float16</option><option>bfloat16</option><//>
        <label class="check"><input type="checkbox" name="force" /> replace an export of this name</label>
    <//>`;
}
