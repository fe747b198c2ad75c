/** Small charts as SVG paths. */

/** The largest value of many rows, so that charts of one page share a scale; at least 1. */
export function scaleOf(rows: readonly (readonly number[])[]): number {
  let top = 1;
  for (const row of rows) for (const value of row) if (value > top) top = value;
  return top;
}

/**
 * Bars of one chart as one path, `width` × `height` units. Heights follow the square root, so that a quiet group is
 * still seen beside a noisy one; what is not nothing is at least one unit high.
 */
export function bars(values: readonly number[], top: number, width: number, height: number): string {
  if (values.length === 0) return '';
  const step = width / values.length;
  const bar = Math.max(step - 1, step * 0.6);
  let path = '';
  for (const [index, value] of values.entries()) {
    if (!(value > 0)) continue;
    const size = Math.max(1, Math.round(Math.sqrt(Math.min(value / top, 1)) * height * 10) / 10);
    path += `M${round(index * step)} ${height}v${-size}h${round(bar)}v${size}z`;
  }
  return path;
}

const round = (value: number) => Math.round(value * 100) / 100;
