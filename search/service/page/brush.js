// A box over a plot, and the condition that it stands for.
import { useRef, useState } from "./html.js";

const DRAG = 6; // pixels that a pointer moves before it draws a box

/** A box drawn with the mouse or a pen; a finger scrolls the page instead. */
export function useBrush(onDrawn) {
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

/** A box as a condition on the objectives of the axes, of which the number of a trial is none. */
export function conditionOf({ left, top, width, height }, x, y, across, up, objectives) {
    const sides = { [x]: [left, left + width].map(across.value), [y]: [top, top + height].map(up.value) };
    return Object.entries(sides)
        .filter(([axis]) => axis in objectives)
        .map(([axis, ends]) => `${axis} >= ${short(Math.min(...ends))} and ${axis} <= ${short(Math.max(...ends))}`)
        .join(" and ");
}

const short = (value) => String(Number(value.toPrecision(5)));
