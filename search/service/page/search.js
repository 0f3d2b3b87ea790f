// One search: its progress, front, trial, trials and exports.
import { Actions } from "./actions.js";
import { Exports } from "./exports.js";
import { Front } from "./front.js";
import { html, useState } from "./html.js";
import { useStatus } from "./live.js";
import { Logs } from "./logs.js";
import { ErrorBox, State } from "./parts.js";
import { Progress } from "./progress.js";
import { Trial } from "./trial.js";
import { Trials } from "./trials.js";

export function Search({ name, me }) {
    const [again, setAgain] = useState(0); // a resumed search has a new stream
    const { status, error } = useStatus(name, again);
    const [chosen, setChosen] = useState({ pick: "knee" });
    const [where, setWhere] = useState("");
    const [exported, setExported] = useState(0);
    if (!status) return html`<h1>${name}</h1><${ErrorBox} error=${error} />`;
    const scored = status.trials.scored;
    return html`
        <h1>${name} <${State} state=${status.state} /></h1>
        <${ErrorBox} error=${error} />
        ${me.role === "read"
            ? html`<p><small>Your token only reads: it cannot stop, resume or export.</small></p>`
            : html`<${Actions} status=${status} chosen=${chosen} onChange=${() => setAgain((n) => n + 1)} onExport=${() => setExported((n) => n + 1)} />`}
        <${Progress} status=${status} />
        ${scored > 0 && html`
            <${Front} name=${name} version=${scored} chosen=${chosen} onChoose=${setChosen} where=${where} onWhere=${setWhere} />
            <${Trial} name=${name} chosen=${chosen} version=${scored} running=${status.state === "running"} me=${me} />
        `}
        <${Trials} name=${name} version=${status.budget.spent} chosen=${chosen} onChoose=${setChosen} />
        <${Exports} name=${name} version=${exported} />
        <${Logs} name=${name} />
    `;
}
