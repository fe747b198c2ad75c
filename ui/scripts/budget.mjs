// Fails the build when the pages grow beyond what they may weigh (gzip).
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

const KB = 1000;
const budget = { initial: 130 * KB, script: 200 * KB, style: 20 * KB };

const dist = new URL('../dist/', import.meta.url).pathname;
const gzip = (path) => gzipSync(readFileSync(path), { level: 9 }).length;
const assets = readdirSync(join(dist, 'assets'));
const of = (ending) => assets.filter((name) => name.endsWith(ending));

// What index.html names, and what those files import at once (not by import()).
const initial = new Set();
const visit = (name) => {
  if (initial.has(name)) return;
  initial.add(name);
  const text = readFileSync(join(dist, 'assets', name), 'utf8');
  for (const [, found] of text.matchAll(/(?:^|[;}\s])import(?:[\w$*{}\s,]*from)?\s*["']\.\/([\w.-]+\.js)["']/g))
    visit(found);
};
const html = readFileSync(join(dist, 'index.html'), 'utf8');
for (const [, name] of html.matchAll(/\/assets\/([\w.-]+\.js)/g)) visit(name);

const sum = (names) => names.reduce((total, name) => total + gzip(join(dist, 'assets', name)), 0);
const sizes = { initial: sum([...initial]), script: sum(of('.js')), style: sum(of('.css')) };
let over = false;
for (const [what, size] of Object.entries(sizes)) {
  const line = `${what.padEnd(8)} ${(size / KB).toFixed(1).padStart(6)} of ${budget[what] / KB} kB gzip`;
  if (size > budget[what]) over = true;
  console.log(size > budget[what] ? `${line}  OVER` : line);
}
if (/style=|<style|onload=|<script>/.test(html)) {
  console.error('index.html holds inline style or script, which the content security policy forbids');
  over = true;
}
process.exit(over ? 1 : 0);
