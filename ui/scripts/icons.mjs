// Makes one sprite of the icons in use. Source: lucide-static (ISC licence, kept in the sprite as a comment).
import { readFileSync, writeFileSync, mkdirSync } from 'node:fs';

const names = `activity arrow-right arrow-up bell-off bookmark check chevron-down chevron-left chevron-right circle-help
clipboard columns-2 command copy download ellipsis external-link eye-off filter flame keyboard lock log-out menu
message-square moon pause play refresh-cw rotate-ccw rows-3 rows-4 search server settings shield shield-alert sun sun-moon
triangle-alert undo-2 user user-plus x circle-check circle-x list panel-left table chart-column`.split(/\s+/);

const source = new URL('../node_modules/lucide-static/', import.meta.url);
const symbols = names.map((name) => {
  const svg = readFileSync(new URL(`icons/${name}.svg`, source), 'utf8');
  const inner = svg
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/<svg[\s\S]*?>/, '')
    .replace('</svg>', '')
    .replace(/\s+/g, ' ')
    .trim();
  return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${inner}</symbol>`;
});
const licence = '<!-- Icons: Lucide (https://lucide.dev), ISC licence; parts from Feather, MIT licence. -->';
const out = new URL('../src/generated/', import.meta.url);
mkdirSync(out, { recursive: true });
writeFileSync(
  new URL('icons.svg', out),
  `<svg xmlns="http://www.w3.org/2000/svg">${licence}\n${symbols.join('\n')}\n</svg>\n`,
);
writeFileSync(
  new URL('icons.ts', out),
  `// Written by scripts/icons.mjs.\nexport type IconName = ${names.map((n) => `'${n}'`).join(' | ')};\n`,
);
