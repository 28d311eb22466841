"""The style sheet of the report: light and dark, narrow and wide, and on paper."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --ink: #1a1d23; --soft: #5a6372;
  --line: #dfe3e8; --accent: #1c64d8; --right: #1c64d8; --wrong: #b3261e; --track: #e6eaf0;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
@media (prefers-color-scheme: dark) { :root { --back: #14161a; --card: #1d2026; --ink: #e8eaee;
  --soft: #a3acba; --line: #333943; --accent: #8ab4f8; --right: #669df6; --wrong: #f28b82;
  --track: #2c313a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink); }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 .75rem; }
p { margin: 0 0 .75rem; max-width: 46rem; }
a { color: var(--accent); } code { font-size: .9em; background: var(--track); padding: .1em .35em;
  border-radius: 4px; }
.soft { color: var(--soft); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1.25rem; margin-top: 1.25rem; scroll-margin-top: 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin-top: .75rem; font-size: .9rem; }
.hero { display: grid; grid-template-columns: minmax(0, 3fr) minmax(0, 4fr); gap: 1.5rem 2.5rem;
  align-items: center; }
.figure { font-size: clamp(2.75rem, 9vw, 4.25rem); font-weight: 650; line-height: 1.05;
  letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.interval { position: relative; height: .75rem; border-radius: 1rem; background: var(--track);
  margin: 1rem 0 .35rem; }
.interval i { position: absolute; top: 0; bottom: 0; border-radius: 1rem; background: var(--right);
  opacity: .45; }
.interval b { position: absolute; top: -.2rem; width: 4px; height: 1.15rem; margin-left: -2px;
  border-radius: 2px; background: var(--right); }
.scale { display: flex; justify-content: space-between; font-size: .8rem; color: var(--soft); }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: 1rem;
  margin: 0; }
dt { font-size: .8rem; color: var(--soft); } dd { margin: 0; font-size: 1.25rem; font-weight: 600;
  overflow-wrap: anywhere; }
dd.code { font: 600 1rem/1.9 ui-monospace, monospace; }
dd small { display: block; font-size: .8rem; font-weight: 400; color: var(--soft); }
ol.advice { margin: 0; padding-left: 1.4rem; } ol.advice li { margin-bottom: .6rem;
  max-width: 46rem; padding-left: .25rem; }
.scroll { overflow: auto; max-height: 38rem; max-width: max-content;
  border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: separate; border-spacing: 0; font-variant-numeric: tabular-nums;
  font-size: .9rem; }
.scroll.wide { max-width: 100%; } .classes { width: 100%; }
.classes th, .classes td { padding: .35rem .75rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
.classes th:first-child { text-align: left; font-weight: 500; max-width: 16rem; overflow: hidden;
  text-overflow: ellipsis; }
.classes thead th { position: sticky; top: 0; background: var(--card); color: var(--soft);
  font-weight: 500; z-index: 1; }
.classes tbody tr:last-child > * { border-bottom: 0; }
.classes .bar { width: 40%; min-width: 5rem; } .classes thead .bar { text-align: left; }
.bar span { display: block; height: .6rem; border-radius: 1rem; background: linear-gradient(
  to right, var(--right) var(--part), var(--track) var(--part)); }
.matrix th, .matrix td { padding: 0; }
.matrix td { min-width: 1.75rem; height: 1.75rem; text-align: center; border-right: 1px solid
  var(--line); border-bottom: 1px solid var(--line); }
.matrix td.right { background: color-mix(in srgb, var(--right) var(--part), var(--card)); }
.matrix td.wrong { background: color-mix(in srgb, var(--wrong) var(--part), var(--card)); }
.matrix .strong { color: #fff; }
@media (prefers-color-scheme: dark) { .matrix .strong { color: #14161a; } }
.matrix th { background: var(--card); font-weight: 500; position: sticky; z-index: 1; }
.matrix tbody th { left: 0; text-align: right; padding: 0 .5rem; max-width: 11rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; border-right: 1px solid var(--line); }
.matrix thead th { top: 0; vertical-align: bottom; height: 1px; border-bottom: 1px solid
  var(--line); }
.matrix thead th span { writing-mode: vertical-rl; transform: rotate(180deg); display: inline-block;
  max-height: 11rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
  padding: .4rem .15rem; }
.matrix thead td { position: sticky; left: 0; top: 0; z-index: 2; background: var(--card);
  border: 0; }
.images { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; }
.images.pairs { grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); }
figure { margin: 0; border: 1px solid var(--line); border-radius: 8px; overflow: hidden;
  display: flex; flex-direction: column; }
.frame { background: var(--track); height: 11rem; display: flex; align-items: center;
  justify-content: center; gap: 2px; }
.frame img { min-width: 0; flex: 0 1 auto; width: auto; height: auto; max-width: 100%;
  max-height: 11rem; }
.pairs .frame img, .pairs .frame .missing { max-width: 50%; }
.missing { font-size: .8rem; color: var(--soft); padding: 1rem; text-align: center; }
figcaption { padding: .6rem .75rem; font-size: .85rem; overflow-wrap: anywhere; }
figcaption b { font-weight: 600; } figcaption .wrong { color: var(--wrong); }
figcaption .path { display: block; margin-top: .3rem; font-size: .75rem; color: var(--soft); }
.plot { width: 100%; max-width: 24rem; height: auto; display: block; }
.plot text { fill: var(--soft); font-size: 11px; }
.plot .ideal { stroke: var(--soft); stroke-dasharray: 4 4; } .plot .axis { stroke: var(--line); }
.plot rect { fill: var(--right); opacity: .75; } .plot .gap { fill: var(--wrong); opacity: .3; }
ul.rows { margin: 0 0 1rem; padding-left: 1.2rem; columns: 20rem; column-gap: 2rem; }
ul.rows li { overflow-wrap: anywhere; break-inside: avoid; } .images + p { margin: .75rem 0 0; }
summary { cursor: pointer; font-weight: 500; margin: 1rem 0 .5rem; }
@media (max-width: 44rem) { .hero { grid-template-columns: 1fr; } section { padding: 1rem; }
  .images { grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: .6rem; }
  .images.pairs { grid-template-columns: 1fr; }
  .classes th, .classes td { padding: .35rem .5rem; } .frame { height: 8.5rem; }
  .frame img { max-height: 8.5rem; } }
@media print { .scroll { max-height: none; overflow: visible; } body { background: none; }
  section { break-inside: auto; border: 0; padding: 0; } figure { break-inside: avoid; } }
"""
