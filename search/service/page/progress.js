// How far a search is, and what its workers do.
import { html } from "./html.js";

export function Progress({ status }) {
    const { budget, trials, workers } = status;
    const facts = {
        front: status.front,
        running: trials.running,
        workers: `${workers.workers}, ${workers.busy} busy${workers.starting ? `, ${workers.starting} starting` : ""}`,
        time: budget.hours === null ? null : duration(budget.hours * 3600),
        left: status.seconds_left === null ? null : duration(status.seconds_left),
        ...Object.fromEntries(["stopped", "broken", "failed", "duplicate"].map((state) => [state, trials[state] || null])),
        job: status.job?.status === "SUCCEEDED" ? null : status.job?.status,
    };
    return html`<section class="card" aria-label="Progress">
        <p class="trials">
            <label>${budget.spent} of ${budget.trials ?? "∞"} trials
                <progress max=${budget.trials || 1} value=${budget.spent} /></label>
        </p>
        <dl class="facts">${Object.entries(facts).filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
        <p role="status">${status.preparing || `The search ${sentences[status.state] || status.state}.`}</p>
        ${status.job?.status === "FAILED" && html`<p><small>${status.job.message}</small></p>`}
        ${status.troubles.length > 0 && html`<ul class="troubles">${status.troubles.map((each) => html`<li>${each}</li>`)}</ul>`}
    </section>`;
}

const sentences = { running: "is running", finished: "is finished", stopped: "does not run" };

function duration(seconds) {
    if (seconds < 90) return `${Math.round(seconds)} s`;
    if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
    return `${(seconds / 3600).toFixed(1)} h`;
}
