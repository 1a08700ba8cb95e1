"""The style sheet of the HTML report."""

CSS = """
:root { color-scheme: light dark; --ink: #1d2430; --soft: #5a6575; --paper: #ffffff; --line: #d9dee5;
  --bar: #3b6fd4; --floor: #c2410c; --no: #b42318; }
@media (prefers-color-scheme: dark) { :root { --ink: #e7eaf0; --soft: #9aa5b5; --paper: #14181f; --line: #2d3542;
  --bar: #7aa2f7; --floor: #fdba74; --no: #fca5a5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 52rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
h1 { font-size: 1.7rem; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th { text-align: left; color: var(--soft); font-weight: 500; }
th, td { padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
svg { display: block; }
.bar { fill: var(--bar); }
.floor { stroke: var(--floor); stroke-width: 2; }
.drawing { max-width: 100%; height: auto; margin: 1rem auto; }
.drawing .edge { fill: none; stroke: var(--bar); }
.drawing .undecided { stroke: var(--floor); stroke-dasharray: 6 4; }
.drawing .weak { stroke: var(--soft); }
.drawing .head { fill: var(--soft); }
.drawing .box { fill: var(--paper); stroke: var(--soft); }
.drawing text { fill: var(--ink); font-size: 12px; text-anchor: middle; }
.no { color: var(--no); font-weight: 600; }
@media print { :root { --ink: #000; --soft: #444; --paper: #fff; --line: #bbb; } main { max-width: none; padding: 0; }
  tr, h2 { break-inside: avoid; } h2, caption { break-after: avoid; } .bar { print-color-adjust: exact; } }
"""
