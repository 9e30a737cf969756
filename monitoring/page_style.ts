// The style of the page /status: light and dark, from 320 px on, and for print. Contrasts are at least 4.5:1 for text
// and 3:1 for graphics (WCAG 2.1 AA).

/** The style; a change needs a new hash below. */
export const pageStyle = `
:root { --page: #f5f6f8; --card: #fff; --text: #1b2027; --quiet: #545d6a; --edge: #dde1e7; --link: #0b57c4;
  --ok: #14683a; --degraded: #8a4b00; --failing: #b3191f; --track: #e4e7ec; --mark: #fff;
  --requests: #2563c9; --refused: #a86200; --failed: #c0262d; }
@media (prefers-color-scheme: dark) {
  :root { --page: #12151a; --card: #1b2027; --text: #e8ebf0; --quiet: #a5afbd; --edge: #323a45; --link: #8fbaff;
    --ok: #5fcf8b; --degraded: #f2b34a; --failing: #ff8f8a; --track: #343c48; --mark: #1b2027;
    --requests: #77a9ff; --refused: #e6a33a; --failed: #ff8580; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); overflow-wrap: anywhere;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  font-variant-numeric: tabular-nums; }
code { font: .875em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
a { color: var(--link); text-underline-offset: .2em; }
a:focus-visible { outline: 3px solid currentColor; outline-offset: 3px; border-radius: 2px; }
.ok .sign { color: var(--ok); } .degraded .sign { color: var(--degraded); } .failing .sign { color: var(--failing); }
.inner, main, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.5rem; }
.banner { border: 0 solid; padding: 1.5rem 0; }
.banner.ok { --fill: #14683a; --ink: #fff; }
.banner.degraded { --fill: #ffc645; --ink: #2b1d00; }
.banner.failing { --fill: #b3191f; --ink: #fff; }
.banner { background: var(--fill); color: var(--ink); --mark: var(--fill); }
.banner a { color: inherit; font-weight: 600; }
.banner .sign { color: inherit; width: 2rem; height: 2rem; flex: none; }
.banner p, .banner ul { margin: .75rem 0 0; max-width: 48rem; }
.banner ul { padding-left: 1.25rem; }
.banner li { margin-bottom: .25rem; break-inside: avoid; }
.banner .many { max-width: none; columns: 30rem; column-gap: 3rem; }
.when { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; font-size: .875rem; }
h1 { margin: 0; font-size: 2rem; line-height: 1.2; display: flex; align-items: center; gap: .75rem; }
h2 { margin: 2rem 0 .75rem; font-size: 1.125rem; line-height: 1.3; }
h3 { margin: 0; font-size: .875rem; line-height: 1.4; color: var(--quiet); font-weight: 600; }
.sign { width: 1em; height: 1em; fill: currentColor; vertical-align: -.125em; }
.mark { fill: none; stroke: var(--mark); stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.state { font-weight: 600; white-space: nowrap; }
.quiet, .axis { color: var(--quiet); font-size: .875rem; font-weight: 400; }
.card { background: var(--card); border: 1px solid var(--edge); border-radius: .5rem; padding: 1rem; }
.parts, .charts { display: grid; gap: 1rem; list-style: none; margin: 0; padding: 0; }
.parts { grid-template-columns: repeat(auto-fit, minmax(min(13rem, 100%), 1fr)); }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(17rem, 100%), 1fr)); }
.parts p, .charts p { margin: .25rem 0 0; }
.parts .state { font-size: 1.25rem; line-height: 1.4; }
.parts .degraded, .parts .failing { border-width: 2px; padding: calc(1rem - 1px); }
.parts .degraded { border-color: var(--degraded); } .parts .failing { border-color: var(--failing); }
.number strong { font-size: 1.75rem; line-height: 1.2; font-weight: 600; }
.number .quiet { margin-left: .5rem; }
.chart svg { display: block; width: 100%; height: 3.5rem; margin-top: .5rem; }
.requests { --ink: var(--requests); } .refused { --ink: var(--refused); } .failed { --ink: var(--failed); }
.area { fill: var(--ink); opacity: .18; }
.line { fill: none; stroke: var(--ink); stroke-width: 2; stroke-linejoin: round; vector-effect: non-scaling-stroke; }
.base { stroke: var(--quiet); vector-effect: non-scaling-stroke; opacity: .5; }
.axis { display: flex; justify-content: space-between; gap: .5rem; font-size: .8125rem; }
.columns { display: grid; gap: 0 1.5rem; }
.columns > div { min-width: 0; }
table { width: 100%; border-collapse: separate; border-spacing: 0; padding: .5rem 1rem; }
caption { text-align: left; color: var(--quiet); font-size: .875rem; padding-bottom: .375rem; }
th, td { padding: .4375rem 0 .4375rem .75rem; text-align: right; vertical-align: top; font-weight: 400; }
th:first-child { text-align: left; padding-left: 0; }
thead th { font-size: .875rem; font-weight: 600; color: var(--quiet); vertical-align: bottom; }
tbody th, tbody td { border-top: 1px solid var(--edge); }
td, thead th { overflow-wrap: normal; }
th .quiet, td .quiet, td .state { display: block; font-size: .8125rem; }
td .state { font-size: .875rem; }
td time { white-space: nowrap; }
.bar { display: block; width: 4.5rem; height: .25rem; margin: .25rem 0 0 auto; fill: var(--requests); }
.bar .rest { fill: var(--track); }
dl { margin: 0; display: grid; gap: .5rem; }
dl div { display: flex; gap: 1rem; justify-content: space-between; }
dt { color: var(--quiet); white-space: nowrap; } dd { margin: 0; text-align: right; }
footer { padding: 2rem 1.5rem 2.5rem; color: var(--quiet); font-size: .875rem; }
footer p { margin: 0; }
@media (min-width: 60rem) {
  .columns { grid-template-columns: 1fr 1fr; }
  td time + .quiet { display: inline-block; min-width: 5.5rem; }
}
@media (max-width: 30rem) {
  .inner, main, footer { padding-left: 1rem; padding-right: 1rem; }
  h1 { font-size: 1.625rem; }
  th, td { padding-left: .5rem; font-size: .875rem; }
  table, .card { padding-left: .75rem; padding-right: .75rem; }
}
@media (forced-colors: active) { .banner { border-bottom-width: 2px; } .line { stroke: CanvasText; } }
@media print {
  :root { --page: #fff; --card: #fff; --text: #000; --quiet: #444; --edge: #999; --mark: #fff; --track: #ddd;
    --ok: #14683a; --degraded: #8a4b00; --failing: #b3191f; --requests: #2563c9; --refused: #a86200; --failed: #c0262d; }
  body { font-size: 10pt; }
  .banner, .banner.ok, .banner.degraded, .banner.failing { --fill: #fff; --ink: #000; border-bottom: 2pt solid #000; }
  .banner .sign { color: #000; }
  .banner a, footer { display: none; }
  .card, tr { break-inside: avoid; }
  table.card { break-inside: auto; }
}
`;

/** SHA-256 of the style in base64; test/monitoring/status_page.test.ts computes it. */
export const pageStyleHash = 'nw3V9wowXnFMqMQYJvIh87hD9SZMzJzpQYXWs7l9XOg=';
