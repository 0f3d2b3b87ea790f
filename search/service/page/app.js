// The page: signs in, and shows the view that the address names.
import { get, token } from "./api.js";
import { html, render, useEffect, useRef, useState } from "./html.js";
import { NewSearch } from "./new_search.js";
import { Searches } from "./searches.js";
import { Search } from "./search.js";
import { SignIn } from "./sign_in.js";

const VIEWS = [
    [/^#\/new$/, (_, me) => html`<${NewSearch} me=${me} />`, () => "New search"],
    [/^#\/searches\/([\w-]+)$/, ([, name], me) => html`<${Search} key=${name} name=${name} me=${me} />`, ([, name]) => name],
    [/^/, (_, me) => html`<${Searches} me=${me} />`, () => "Searches"],
];

function useAddress() {
    const [hash, setHash] = useState(location.hash);
    useEffect(() => {
        const listen = () => setHash(location.hash);
        addEventListener("hashchange", listen);
        return () => removeEventListener("hashchange", listen);
    }, []);
    return hash;
}

/** Who is signed in: null while nobody is, undefined while the service is asked. */
function useHolder() {
    const [me, setMe] = useState(token.get() ? undefined : null);
    useEffect(() => {
        const forget = () => (token.forget(), setMe(null));
        addEventListener("signed-out", forget);
        if (token.get()) get("/v1/me").then(setMe, forget);
        return () => removeEventListener("signed-out", forget);
    }, []);
    return [me, setMe];
}

function App() {
    const [me, setMe] = useHolder();
    const hash = useAddress();
    const main = useRef(null);
    const [pattern, view, title] = VIEWS.find(([each]) => each.test(hash));
    const found = pattern.exec(hash);
    useEffect(() => {
        document.title = me ? `${title(found)} – mergefront` : "mergefront";
        main.current?.focus(); // so that a screen reader begins at the new view
    }, [hash, Boolean(me)]);
    if (me === undefined) return html`<main aria-busy="true"></main>`;
    if (me === null) return html`<${SignIn} onSignIn=${setMe} />`;
    return html`
        <header>
            <a class="brand" href="#/">mergefront</a>
            <nav aria-label="Views">
                <a href="#/" aria-current=${title(found) === "Searches" ? "page" : undefined}>Searches</a>
                ${me.role !== "read" && html`<a href="#/new" aria-current=${hash === "#/new" ? "page" : undefined}>New search</a>`}
            </nav>
            <span class="who">${me.name} (${me.role})</span>
            <button onClick=${() => dispatchEvent(new Event("signed-out"))}>Sign out</button>
        </header>
        <main ref=${main} tabindex="-1">${view(found, me)}</main>
    `;
}

render(html`<${App} />`, document.getElementById("app"));
