import { CHAIN_STYLE } from '../launch/chain-svg.ts'

/** Fonts of the reader's own system: nothing is loaded. */
const SANS = 'system-ui,-apple-system,"Segoe UI",Cantarell,"Noto Sans","DejaVu Sans",sans-serif'
const MONO = 'ui-monospace,"Source Code Pro","Noto Sans Mono","DejaVu Sans Mono",monospace'

/** Colours by role; each pair has a contrast of 4.5:1 or more (WCAG 2.2, 1.4.3). */
const LIGHT =
  '--paper:#fbfaf7;--card:#fff;--ink:#1d2126;--soft:#5b636c;--rule:#dcdad3;--mark:#fdf6e3;--good:#1c6b3c;--good-bg:#eef6f0;--bad:#9a3412;--bad-bg:#fdf3ec'
const DARK =
  '--paper:#14181c;--card:#1a1f24;--ink:#e8eaec;--soft:#a2abb4;--rule:#323a42;--mark:#2a2718;--good:#7fd3a0;--good-bg:#16281e;--bad:#f6ad7b;--bad-bg:#2c1f16'

const SCREEN = [
  `:root{color-scheme:light dark;${LIGHT}}`,
  `@media screen and (prefers-color-scheme:dark){:root{${DARK}}}`,
  '*{box-sizing:border-box}',
  `body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 ${SANS}}`,
  'main,footer{max-width:65rem;margin:0 auto;padding:0 2rem}',
  'main{padding-top:2.2rem}',
  'h1{font-size:1.6rem;line-height:1.25;font-weight:600;margin:.15rem 0 .9rem}',
  'h2{font-size:1.05rem;font-weight:600;margin:2.2rem 0 .5rem}',
  'p{margin:.5rem 0}',
  `code{font:.84em/1.5 ${MONO};overflow-wrap:anywhere}`,
  'bdi{overflow-wrap:anywhere}',
  '.dim,.about,footer{color:var(--soft)}',
].join('')

const VERDICT = [
  '.verdict{border:1px solid var(--rule);border-left:6px solid;border-radius:6px;padding:1.3rem 1.7rem 1.1rem}',
  '.verdict.good{border-left-color:var(--good);background:var(--good-bg)}',
  '.verdict.attention,.verdict.unknown{border-left-color:var(--bad);background:var(--bad-bg)}',
  '.verdict .title{margin:0;color:var(--soft);font-size:.86rem}',
  '.verdict ul{list-style:none;margin:0;padding:0}',
  '.verdict li{display:flex;gap:.7rem;margin:.2rem 0}',
  '.verdict li b{flex:0 0 1.1rem;text-align:center}',
  'li.good b{color:var(--good)}li.attention b,li.unknown b{color:var(--bad)}',
  'li.attention span,li.unknown span{font-weight:600}',
  '.about{font-size:.86rem;margin:.9rem 0 0}',
].join('')

const TABLES = [
  '.table{overflow-x:auto}',
  'table{border-collapse:collapse;width:100%;font-size:.93rem}',
  'th{text-align:left;font-weight:500;color:var(--soft);font-size:.82rem;white-space:nowrap}',
  'th,td{padding:.36rem 1rem .36rem 0;vertical-align:top;border-bottom:1px solid var(--rule)}',
  'th:first-child,td:first-child{padding-left:.6rem}',
  'th:last-child,td:last-child{padding-right:.6rem}',
  'tr.marked td{background:var(--mark)}',
  // SHA-1 and SHA-256 in lines of 32 digits, or one of 64.
  '.hash{display:inline-block;width:32ch;font-size:.76rem;word-break:break-all}',
  '.registers tr:not(.marked) .hash{color:var(--soft)}',
  '.registers td:last-child{width:100%}',
  '.files .hash{width:64ch;max-width:100%}',
  '.packages td:nth-child(4),.components td:first-child,.answers td:first-child,.answers td:last-child{white-space:nowrap}',
  '.components td:nth-child(3){width:38%}',
  '.answers,.steps{font-variant-numeric:tabular-nums}',
  '.answers td:first-child,.steps td:first-child{color:var(--soft)}',
].join('')

/** Steps run down in columns of their own: a table that is read one line after the other and never across. */
const STEPS = [
  '.steps,.steps tbody{display:block}.steps thead{display:none}.steps tbody{columns:3 17rem;column-gap:1.6rem}',
  '.steps tr{display:flex;gap:.8rem;break-inside:avoid;font-size:.84rem}',
  '.steps tr td{border:0;padding:.06rem 0;white-space:nowrap}.steps td:nth-child(2){flex:0 0 8.6rem}',
  '.steps tr td:last-child{color:var(--soft);white-space:normal}',
  'figure{margin:0;overflow-x:auto}',
  'figure .chain .page{fill:none}',
  '.chain{display:block;max-width:100%;height:auto}',
  'footer{font-size:.86rem;margin-top:2.2rem;padding-bottom:2.4rem}',
].join('')

/** On A4 and US Letter, two pages. */
const PRINT = [
  '@page{margin:11mm 12mm}',
  '@media print{',
  'body{font-size:8.4pt;line-height:1.32;background:none}',
  'main,footer{max-width:none;padding:0}main{padding-top:0}',
  'h1{font-size:14pt;margin:.5mm 0 1.5mm}h2{font-size:9.5pt;margin:3mm 0 .6mm;break-after:avoid}',
  'p{margin:.6mm 0}.verdict{padding:2.5mm 4mm;border-width:1px 1px 1px 2mm}.verdict li{margin:.3mm 0}',
  '.title,.about,footer,table,th{font-size:inherit!important}.about{margin:1.2mm 0 0}',
  'th,td{padding-top:.5mm;padding-bottom:.5mm}tr,figure,.packages,.components,.files{break-inside:avoid}',
  'code{font-size:7.2pt}.hash{font-size:6.6pt}.files .hash{font-size:6.2pt}',
  '.chain{width:104mm}.steps tbody{columns:3}.steps tr{font-size:7.6pt}.steps code{font-size:6.7pt}.steps td:nth-child(2){flex-basis:24mm}footer{margin-top:3mm;padding:0}',
  '.table,figure{overflow:visible}',
  '}',
].join('')

/** The style of the page and of the picture in it: one text, so that the page's policy can name its digest. */
export const PAGE_STYLE = [SCREEN, VERDICT, TABLES, CHAIN_STYLE, STEPS, PRINT].join('')
