// Scales of a plot: from values to pixels and back, with round ticks.

/** A linear scale from the span of some values to pixels, with a margin beside the ends. */
export function scaleOf(values, from, to) {
    let low = values.length ? Math.min(...values) : 0;
    let high = values.length ? Math.max(...values) : 1;
    if (!(low < high)) [low, high] = [low - Math.abs(low || 1) * 0.05, high + Math.abs(high || 1) * 0.05];
    const margin = (high - low) * 0.06;
    [low, high] = [low - margin, high + margin];
    const place = (value) => from + ((value - low) / (high - low)) * (to - from);
    const value = (pixel) => low + ((pixel - from) / (to - from)) * (high - low);
    return { place, value, ticks: ticksOf(low, high) };
}

/** Four to nine round numbers between two, as [value, text]. */
function ticksOf(low, high) {
    const raw = (high - low) / 6;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= raw);
    const digits = Math.max(0, -Math.floor(Math.log10(step)));
    const first = Math.ceil(low / step);
    const count = Math.floor(high / step) - first + 1;
    return Array.from({ length: count }, (_, i) => [(first + i) * step, ((first + i) * step).toFixed(digits)]);
}
