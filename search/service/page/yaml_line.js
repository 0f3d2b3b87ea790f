/** The line of a field such as `models.a` in YAML in blocks, as far as its text shows it; or null. */
export function lineOf(yaml, field) {
    if (!field) return null;
    const lines = yaml.split("\n");
    let found = null;
    let from = 0;
    for (const part of field.split(".")) {
        const key = new RegExp(`(^|[\\s{,"'])${part.replace(/[^\w-]/g, "\\$&")}["']?\\s*:`);
        const at = lines.findIndex((line, i) => i >= from && key.test(line));
        if (at < 0) break;
        [found, from] = [at + 1, at];
    }
    return found;
}
