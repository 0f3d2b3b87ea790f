// Asks for the token.
import { get, token } from "./api.js";
import { html, useState } from "./html.js";
import { ErrorBox, Field } from "./parts.js";

export function SignIn({ onSignIn }) {
    const [error, setError] = useState(null);
    const submit = async (event) => {
        event.preventDefault();
        token.set(new FormData(event.target).get("token").trim());
        try {
            onSignIn(await get("/v1/me"));
        } catch (problem) {
            token.forget();
            setError(problem);
        }
    };
    return html`<main class="sign-in">
        <h1>mergefront</h1>
        <form class="card" onSubmit=${submit}>
            <${Field} label="Token" name="token" type="password" required autocomplete="off" spellcheck=${false}
                hint="An operator makes one with mergefront token create. This tab forgets it when it is closed." />
            <${ErrorBox} error=${error} />
            <button class="main">Sign in</button>
        </form>
    </main>`;
}
