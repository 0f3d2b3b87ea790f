// The plot of a front: hover shows a recipe, a click picks, dragging writes a condition.
import { conditionOf, useBrush } from "./brush.js";
import { html, useLayoutEffect, useMemo, useRef, useState } from "./html.js";
import { arrow, number } from "./parts.js";
import { RecipeLines } from "./recipe.js";
import { scaleOf } from "./scale.js";

export const TRIAL = "trial";
const LEFT = 56;
const BOTTOM = 44;
const EDGE = 12;

export function FrontPlot({ name, front, others, x, y, picked, onPick, onBrush }) {
    const [box, width] = useWidth();
    const [hovered, setHovered] = useState(null);
    const [all, setAll] = useState(false);
    const height = Math.min(440, Math.max(260, width * 0.6));
    // thousands of points are drawn again only when they change, not for each move of the pointer
    const plot = useMemo(() => plotOf({ front, others, x, y, width, height, all }), [front, others, x, y, width, all]);
    const points = useMemo(() => html`<${Points} plot=${plot} x=${x} y=${y} front=${front} onHover=${setHovered} onPick=${onPick} />`, [plot]);
    const [brush, pointer] = useBrush((corners) => onBrush(conditionOf(corners, x, y, plot.across, plot.up, front.objectives)));
    const label = `${titleOf(y, front)} over ${titleOf(x, front)}: ${front.front.length} models on the front, ${others.length} scored; the table below has their numbers`;
    return html`<div class="plot" ref=${box}>${width > 0 && html`
        <svg width=${width} height=${height} role="img" aria-label=${label} ...${pointer}>
            ${points}
            ${plot.shown.filter((each) => each.trial === picked).map((each) => html`<circle class="pick" cx=${plot.px(each)} cy=${plot.py(each)} r="10" />`)}
            ${brush && html`<rect class="brush" x=${brush.left} y=${brush.top} width=${brush.width} height=${brush.height} />`}
        </svg>
        ${hovered && html`<${Tip} name=${name} trial=${hovered} px=${plot.px(hovered)} py=${plot.py(hovered)} width=${width} objectives=${Object.keys(front.objectives)} />`}
    `}</div>
    <p class="legend"><span class="front">front</span><span class="other">other trials</span><span class="input">base, models, uniform soup</span><span class="pick">pick</span></p>
    ${(plot.hidden > 0 || all) && html`<label class="check"><input type="checkbox" checked=${all} onChange=${(event) => setAll(event.target.checked)} /> draw trials that are far behind${plot.hidden > 0 && ` (${plot.hidden})`}</label>`}`;
}

/** Which points are drawn, and where: far trials only if all are wanted, as they hide the front. */
function plotOf({ front, others, x, y, width, height, all }) {
    const onFront = new Set(front.front.map((each) => each.trial));
    const inputs = inputsOf(front).filter((each) => isOn(each, x) && isOn(each, y));
    const near = [...front.front, ...inputs];
    const isNear = (each) => [x, y].every((axis) => axis === TRIAL || isBetween(each, axis, near));
    const behind = others.filter((each) => !onFront.has(each.trial));
    const rest = all || !near.length ? behind : behind.filter(isNear);
    const shown = [...near, ...rest];
    const across = scaleOf(shown.map((each) => valueOf(each, x)), LEFT, width - EDGE);
    const up = scaleOf(shown.map((each) => valueOf(each, y)), height - BOTTOM, EDGE);
    const px = (each) => across.place(valueOf(each, x));
    const py = (each) => up.place(valueOf(each, y));
    return { width, height, inputs, rest, shown, across, up, px, py, hidden: behind.length - rest.length };
}

/** Whether a trial is no further from others than they span. */
function isBetween(each, axis, others) {
    const values = others.map((other) => valueOf(other, axis));
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return low === high || Math.abs(valueOf(each, axis) - (low + high) / 2) <= 1.5 * (high - low);
}

function Points({ plot, x, y, front, onHover, onPick }) {
    const { width, height, across, up, px, py } = plot;
    const point = (each, r) => html`<circle key=${each.trial} data-trial=${each.trial} cx=${px(each)} cy=${py(each)} r=${r}
        onPointerEnter=${() => onHover(each)} onPointerLeave=${() => onHover(null)} onClick=${() => onPick(each.trial)} />`;
    return html`
        <g class="axes">
            ${across.ticks.map(([value, text]) => html`<line x1=${across.place(value)} x2=${across.place(value)} y1=${EDGE} y2=${height - BOTTOM} /><text x=${across.place(value)} y=${height - BOTTOM + 16} text-anchor="middle">${text}</text>`)}
            ${up.ticks.map(([value, text]) => html`<line x1=${LEFT} x2=${width - EDGE} y1=${up.place(value)} y2=${up.place(value)} /><text x=${LEFT - 6} y=${up.place(value) + 4} text-anchor="end">${text}</text>`)}
            <text class="title" x=${(LEFT + width) / 2} y=${height - 6} text-anchor="middle">${titleOf(x, front)}</text>
            <text class="title" transform=${`translate(14 ${(height - BOTTOM) / 2}) rotate(-90)`} text-anchor="middle">${titleOf(y, front)}</text>
        </g>
        <g class="other">${plot.rest.map((each) => point(each, 3))}</g>
        <g class="front">${front.front.map((each) => point(each, 6))}</g>
        <g class="input">${plot.inputs.map((each) => html`<g key=${each.label} transform=${`translate(${px(each)} ${py(each)})`}><rect x="-4.5" y="-4.5" width="9" height="9" transform="rotate(45)" /><text x=${px(each) > width - 80 ? -9 : 9} y="-5" text-anchor=${px(each) > width - 80 ? "end" : "start"}>${each.label}</text></g>`)}</g>
    `;
}

function Tip({ name, trial, px, py, width, objectives }) {
    const wide = Math.min(340, width - 16);
    const left = Math.max(8, Math.min(px + 14, width - wide - 8));
    return html`<div class="tip" style=${{ left: `${left}px`, top: `${py + 14}px`, width: `${wide}px` }}>
        <strong>trial ${trial.trial}</strong>
        <p>${objectives.map((each) => `${each} ${number(trial.scores[each])}`).join(", ")}</p>
        <${RecipeLines} name=${name} trial=${trial.trial} />
    </div>`;
}

/** Base, models and uniform soup, as points with a label. */
function inputsOf({ base, models, uniform }) {
    return Object.entries({ base, ...models, uniform })
        .filter(([, scores]) => scores)
        .map(([label, scores]) => ({ label, scores }));
}

const valueOf = (each, axis) => (axis === TRIAL ? each.trial : each.scores[axis]);
const isOn = (each, axis) => valueOf(each, axis) !== undefined;
const titleOf = (axis, front) => (axis === TRIAL ? TRIAL : `${axis} ${arrow(front.objectives[axis])}`);

/** The width of an element, which follows the window's. */
function useWidth() {
    const box = useRef(null);
    const [width, setWidth] = useState(0);
    useLayoutEffect(() => {
        const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry.contentRect.width)));
        observer.observe(box.current);
        return () => observer.disconnect();
    }, []);
    return [box, width];
}
