// The service's API: requests with the token, errors as problems, and streams of events.

const KEY = "mergefront.token";

/** The token, in this tab only: closing the tab forgets it. */
export const token = {
    get: () => sessionStorage.getItem(KEY),
    set: (text) => sessionStorage.setItem(KEY, text),
    forget: () => sessionStorage.removeItem(KEY),
};

/** An answer that is an error: `application/problem+json`, or no answer at all. */
export class Problem extends Error {
    constructor(status, body) {
        super(body.detail || body.title || `the service answered ${status}`);
        this.status = status;
        this.fix = body.fix;
        this.errors = body.errors || [];
    }
}

async function answer(method, path, { body, type, signal } = {}) {
    const headers = { Authorization: `Bearer ${token.get()}` };
    if (body !== undefined) headers["Content-Type"] = type || "application/json";
    const content = body === undefined || type ? body : JSON.stringify(body);
    let response;
    try {
        response = await fetch(path, { method, headers, body: content, signal, cache: "no-store" });
    } catch (error) {
        if (error.name === "AbortError") throw error;
        throw new Problem(0, { detail: "the service does not answer", fix: "look whether it runs" });
    }
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    if (response.status === 401) window.dispatchEvent(new Event("signed-out"));
    throw new Problem(response.status, problem);
}

/** The JSON that a path answers. */
export const get = async (path, signal) => (await answer("GET", path, { signal })).json();

/** Sends JSON, or text of a type, and returns the JSON of the answer. */
export const post = async (path, body, type, signal) =>
    (await answer("POST", path, { body, type, signal })).json();

/** Text of a path, such as a log. */
export const text = async (path, signal) => (await answer("GET", path, { signal })).text();

/** A path with the parameters that are not empty. */
export function withQuery(path, parameters) {
    const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
    return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** The API's path of a search. */
export const pathOf = (name) => `/v1/searches/${encodeURIComponent(name)}`;

/** Saves what a path answers as a file: a link could not send the token. */
export async function download(path, name) {
    const blob = await (await answer("GET", path)).blob();
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** The server-sent events of a path, as {event, data}; an EventSource could not send the token. */
export async function* events(path, signal) {
    const response = await answer("GET", path, { signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let waiting = "";
    for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        const blocks = (waiting + value).split("\n\n");
        waiting = blocks.pop();
        for (const block of blocks) {
            const found = eventOf(block);
            if (found) yield found;
        }
    }
}

function eventOf(block) {
    const found = { event: "message", data: "" };
    for (const line of block.split("\n")) {
        const [, field, value] = /^(\w+): ?(.*)$/.exec(line) || [];
        if (field === "event") found.event = value;
        if (field === "data") found.data += value;
    }
    return found.data || found.event !== "message" ? found : null; // a comment keeps the connection
}
