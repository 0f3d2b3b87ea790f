// The plot of a front: hover shows a recipe, a click picks, dragging writes a condition.
import { html, useLayoutEffect, useRef, useState } from "./html.js";
import { arrow, number } from "./parts.js";
import { RecipeLines } from "./recipe.js";
import { scaleOf } from "./scale.js";

export const TRIAL = "trial";
const LEFT = 56;
const BOTTOM = 44;
const EDGE = 12;
const DRAG = 6; // pixels that a pointer moves before it draws a box

export function FrontPlot({ name, front, others, x, y, picked, onPick, onBrush }) {
    const [box, width] = useWidth();
    const [hovered, setHovered] = useState(null);
    const height = Math.min(440, Math.max(260, width * 0.6));
    const inputs = inputsOf(front);
    const onFront = new Set(front.front.map((each) => each.trial));
    const rest = others.filter((each) => !onFront.has(each.trial));
    const shown = [...front.front, ...rest, ...inputs].filter((each) => valueOf(each, x) !== undefined && valueOf(each, y) !== undefined);
    const across = scaleOf(shown.map((each) => valueOf(each, x)), LEFT, width - EDGE);
    const up = scaleOf(shown.map((each) => valueOf(each, y)), height - BOTTOM, EDGE);
    const at = (each) => ({ px: across.place(valueOf(each, x)), py: up.place(valueOf(each, y)) });
    const [brush, pointer] = useBrush((corners) => onBrush(conditionOf(corners, x, y, across, up)));
    const point = hovered && { ...at(hovered), trial: hovered };
    const hover = (each) => ({ onPointerEnter: () => setHovered(each), onPointerLeave: () => setHovered(null), onClick: () => onPick(each.trial) });
    const title = (axis) => (axis === TRIAL ? TRIAL : `${axis} ${arrow(front.objectives[axis])}`);
    const label = `${title(y)} over ${title(x)}: ${front.front.length} models on the front, ${others.length} scored; the table below has their numbers`;
    return html`<div class="plot" ref=${box}>${width > 0 && html`
        <svg width=${width} height=${height} role="img" aria-label=${label} ...${pointer}>
            <g class="axes">
                ${across.ticks.map(([value, text]) => html`<line x1=${across.place(value)} x2=${across.place(value)} y1=${EDGE} y2=${height - BOTTOM} /><text x=${across.place(value)} y=${height - BOTTOM + 16} text-anchor="middle">${text}</text>`)}
                ${up.ticks.map(([value, text]) => html`<line x1=${LEFT} x2=${width - EDGE} y1=${up.place(value)} y2=${up.place(value)} /><text x=${LEFT - 6} y=${up.place(value) + 4} text-anchor="end">${text}</text>`)}
                <text class="title" x=${(LEFT + width) / 2} y=${height - 6} text-anchor="middle">${title(x)}</text>
                <text class="title" transform=${`translate(12 ${height / 2}) rotate(-90)`} text-anchor="middle">${title(y)}</text>
            </g>
            <g class="other">${rest.map((each) => html`<circle key=${each.trial} cx=${at(each).px} cy=${at(each).py} r="3" ...${hover(each)} />`)}</g>
            <g class="front">${front.front.map((each) => html`<circle key=${each.trial} data-trial=${each.trial} cx=${at(each).px} cy=${at(each).py} r="6" ...${hover(each)} />`)}</g>
            <g class="input">${x !== TRIAL && y !== TRIAL && inputs.map((each) => html`<g transform=${`translate(${at(each).px} ${at(each).py})`}><rect x="-4.5" y="-4.5" width="9" height="9" transform="rotate(45)" /><text x="9" y="-5" text-anchor=${at(each).px > width - 80 ? "end" : "start"}>${each.label}</text></g>`)}</g>
            ${shown.filter((each) => each.trial === picked).map((each) => html`<circle class="pick" cx=${at(each).px} cy=${at(each).py} r="10" />`)}
            ${brush && html`<rect class="brush" x=${brush.left} y=${brush.top} width=${brush.width} height=${brush.height} />`}
        </svg>
        ${point && html`<${Tip} ...${point} name=${name} width=${width} objectives=${Object.keys(front.objectives)} />`}
    `}</div>
    <p class="legend" aria-hidden="true"><span class="front">front</span><span class="other">other trials</span><span class="input">base, models, uniform soup</span><span class="pick">pick</span></p>`;
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

/** A box drawn with the mouse or a pen; a finger scrolls the page instead. */
function useBrush(onDrawn) {
    const start = useRef(null);
    const box = useRef(null);
    const [drawn, setDrawn] = useState(null);
    const draw = (found) => {
        box.current = found;
        setDrawn(found);
    };
    const place = (event) => {
        const { left, top } = event.currentTarget.getBoundingClientRect();
        return [event.clientX - left, event.clientY - top];
    };
    const onPointerDown = (event) => {
        if (event.pointerType !== "touch" && event.button === 0) start.current = place(event);
    };
    const onPointerMove = (event) => {
        if (!start.current) return;
        const [[x0, y0], [x1, y1]] = [start.current, place(event)];
        const found = { left: Math.min(x0, x1), top: Math.min(y0, y1), width: Math.abs(x1 - x0), height: Math.abs(y1 - y0) };
        if (found.width + found.height > DRAG) draw(found);
    };
    const onPointerLeave = () => {
        start.current = null;
        draw(null);
    };
    const onPointerUp = () => {
        if (box.current) onDrawn(box.current);
        onPointerLeave();
    };
    return [drawn, { onPointerDown, onPointerMove, onPointerUp, onPointerLeave }];
}

/** A box as a condition on the objectives of the axes. */
function conditionOf({ left, top, width, height }, x, y, across, up) {
    const between = (axis, one, other) => [`${axis} >= ${short(Math.min(one, other))}`, `${axis} <= ${short(Math.max(one, other))}`];
    return [
        ...(x === TRIAL ? [] : between(x, across.value(left), across.value(left + width))),
        ...(y === TRIAL || y === x ? [] : between(y, up.value(top), up.value(top + height))),
    ].join(" and ");
}

const short = (value) => String(Number(value.toPrecision(5)));
