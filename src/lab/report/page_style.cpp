#include "lab/report/page_style.h"

namespace crucible::lab::report {
namespace {

// The colours of baseline and candidate are blue and vermilion of Okabe and Ito's palette, which
// readers with any colour vision tell apart; verdicts carry a sign and a word besides their colour.
// Further targets of a scaling have its green, purple and orange, and the ink, as well as a mark
// and a dash of their own.
constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2230;--soft:#5a6475;
--line:#dde1e8;
--grid:#e7eaf0;--a:#0072b2;--b:#d55e00;--d:#009e73;--e:#cc79a7;--g:#e69f00;--good:#137a4b;--bad:#b3261e;--open:#8a5a00;
--good-bg:#e3f4ea;
--bad-bg:#fdeceb;--open-bg:#fdf3dc;--same-bg:#eceff4;--band:#dfe5ee;--code:#eef0f4}
@media (prefers-color-scheme:dark){:root{--page:#12161d;--card:#1a2029;--ink:#e6e9ef;--soft:#9aa5b5;
--line:#2f3845;--grid:#29313d;--a:#56b4e9;--b:#ff8c42;--d:#1fa97c;--e:#c76bb0;--g:#f5e663;--good:#5ad19a;--bad:#ff8f86;--open:#f0bf5c;
--good-bg:#15352a;--bad-bg:#43211f;--open-bg:#3a2f17;--same-bg:#2a323e;--band:#2a3442;
--code:#252d38}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
overflow-wrap:break-word}
header,main,footer{max-width:1180px;margin:0 auto;padding:0 20px}
header{padding-top:32px}
h1{font-size:clamp(1.45rem,1.1rem + 1.6vw,2.1rem);line-height:1.2;margin:.35em 0 .6em;
letter-spacing:-.01em;text-wrap:balance;max-width:34em}
h2{font-size:1.35rem;line-height:1.25;margin:0 0 .3em}
h3{font-size:1rem;margin:1.6em 0 .5em}
p{margin:.4em 0}
a{color:var(--a)}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;
font-size:.9em;overflow-wrap:anywhere}
pre{background:var(--code);border-radius:8px;padding:12px 14px;margin:.5em 0;white-space:pre-wrap}
.kind{color:var(--soft);font-size:.9rem;margin:0;display:flex;gap:.8em;align-items:center;
flex-wrap:wrap}
.badge{font-weight:700;font-size:.8rem;letter-spacing:.06em;border-radius:6px;padding:3px 10px;
color:var(--open);background:var(--open-bg);border:1px solid currentColor}
.badge.adopt{color:var(--good);background:var(--good-bg)}
.badge.keep,.badge.failed{color:var(--bad);background:var(--bad-bg)}
.badge.no_difference,.badge.done{color:var(--ink);background:var(--same-bg)}
.sides{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,320px),1fr));gap:12px;
margin:0}
.side{background:var(--card);border:1px solid var(--line);border-left:5px solid var(--a);
border-radius:8px;padding:8px 14px;min-width:0}
.side.b{border-left-color:var(--b)}.side.d{border-left-color:var(--d)}
.side.e{border-left-color:var(--e)}.side.f{border-left-color:var(--ink)}
.side.g{border-left-color:var(--g)}
.side dt{font-size:.8rem;color:var(--soft)}
.side dd{margin:0}
section,.alert{background:var(--card);border:1px solid var(--line);border-radius:12px;
padding:22px 24px;
margin:18px 0;min-width:0}
.alert{border-color:var(--bad);background:var(--bad-bg)}
.alert h2{color:var(--bad);font-size:1.1rem}
.alert ul,.reasons ul{margin:.4em 0;padding-left:1.3em}
.reasons li{margin:.25em 0}
.sub{color:var(--soft);margin:.2em 0}
.ok{color:var(--good)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(134px,1fr));gap:10px;
margin:18px 0 6px}
.cards.wide{grid-template-columns:repeat(auto-fit,minmax(180px,1fr))}
.card{border:1px solid var(--line);border-radius:10px;padding:10px 12px;min-width:0}
.card .name{font-size:.82rem;color:var(--soft);display:block}
.card .big{font-size:1.35rem;font-weight:650;font-variant-numeric:tabular-nums;display:block;
line-height:1.3}
.card .from{font-size:.8rem;color:var(--soft);font-variant-numeric:tabular-nums;display:block;
margin-bottom:6px}
.card.better .big{color:var(--good)}.card.worse .big{color:var(--bad)}
.chip{display:inline-block;font-size:.78rem;font-weight:600;border-radius:999px;padding:1px 9px;
white-space:nowrap;
background:var(--same-bg);color:var(--ink)}
.chip.better,.chip.passed{background:var(--good-bg);color:var(--good)}
.chip.worse,.chip.failed{background:var(--bad-bg);color:var(--bad)}
.chip.inconclusive{background:var(--open-bg);color:var(--open)}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,500px),1fr));
gap:12px 28px;align-items:start}
figure{margin:14px 0 0;min-width:0}
figcaption{font-size:.85rem;color:var(--soft);margin-top:4px}
.frame{overflow-x:auto}
.frame svg{display:block;width:100%;min-width:430px;height:auto}
.small{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,270px),1fr));
gap:10px 22px}
.small svg{width:100%;height:auto;display:block}
.scroll{overflow-x:auto;margin:.6em 0}
.scroll:focus-visible{outline:2px solid var(--a);outline-offset:2px}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-weight:650;padding:0 0 .4em}
th,td{padding:6px 10px;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}
th:first-child,td:first-child{padding-left:0}
thead th{font-size:.8rem;color:var(--soft);font-weight:600;border-bottom:1px solid var(--soft);
white-space:nowrap}
tbody th{font-weight:600;white-space:nowrap}
tbody.rest th{font-weight:400}
tbody .group{color:var(--soft);font-size:.8rem;font-weight:600;padding-top:14px}
.num{text-align:right;white-space:nowrap}
.note{color:var(--soft);min-width:15em;font-size:.85rem}
.range{color:var(--soft);font-size:.85em;white-space:nowrap}
.bad{color:var(--bad);font-weight:700}
details{margin:.8em 0}
summary{cursor:pointer;font-weight:600}
.facts{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:4px 18px;margin:.6em 0;
font-size:.92rem}
.facts dt{color:var(--soft)}
.facts dd{margin:0}
footer{color:var(--soft);font-size:.85rem;padding:6px 20px 40px}
svg{font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
svg text{fill:var(--ink)}
svg .tick,svg .label{fill:var(--soft)}
svg .row.gated,svg .heading{font-weight:650}
svg .grid{stroke:var(--grid)}svg .axis{stroke:var(--soft)}
svg .band{fill:var(--band)}svg .invalid{fill:var(--bad);opacity:.13}
svg .curve{fill:none;stroke-width:2.25;stroke-linejoin:round;stroke-linecap:round}
svg .curve.a{stroke:var(--a)}svg .curve.b{stroke:var(--b)}svg .curve.c{stroke:var(--soft)}
svg .curve.thin{stroke-width:1.5}svg .curve.thin.b{stroke-dasharray:6 2}
svg .curve.thin.c{stroke-dasharray:2 2}
svg .curve.d{stroke:var(--d)}svg .curve.e{stroke:var(--e)}svg .curve.f{stroke:var(--ink)}
svg .curve.g{stroke:var(--g)}
svg .curve.thin.d{stroke-dasharray:1 4}svg .curve.thin.e{stroke-dasharray:9 3 1 3}
svg .curve.thin.f{stroke-dasharray:14 4}svg .curve.thin.g{stroke-dasharray:4 4}
svg .law{opacity:.14}svg .law.a{fill:var(--a)}svg .law.b{fill:var(--b)}svg .law.d{fill:var(--d)}
svg .law.e{fill:var(--e)}svg .law.f{fill:var(--ink)}svg .law.g{fill:var(--g)}
svg .break.a{stroke:var(--a)}svg .break.b{stroke:var(--b)}svg .break.d{stroke:var(--d)}
svg .break.e{stroke:var(--e)}svg .break.f{stroke:var(--ink)}svg .break.g{stroke:var(--g)}
svg .break{stroke-width:1.5;stroke-dasharray:5 4}
svg .error.a{stroke:var(--a)}svg .error.b{stroke:var(--b)}svg .error.d{stroke:var(--d)}
svg .error.e{stroke:var(--e)}svg .error.f{stroke:var(--ink)}svg .error.g{stroke:var(--g)}
svg .dot{stroke:var(--card);stroke-width:1}
svg .dot.c{fill:var(--soft)}svg .dot.a{fill:var(--a)}svg .dot.b{fill:var(--b)}
svg .dot.d{fill:var(--d)}svg .dot.e{fill:var(--e)}svg .dot.f{fill:var(--ink)}
svg .dot.g{fill:var(--g)}
svg .dot.hollow{fill:var(--card);stroke:var(--a);stroke-width:1.5}
svg .interval{stroke:var(--ink);stroke-width:2.25}
svg .interval.better{stroke:var(--good)}svg .interval.worse{stroke:var(--bad)}
svg .control{stroke:var(--soft);stroke-width:1.25;stroke-dasharray:2 2}
svg .arrow{fill:var(--soft)}
svg .verdict{fill:var(--card);stroke:var(--ink);stroke-width:1.75}
svg .verdict.better{fill:var(--good);stroke:var(--good)}svg .verdict.worse{fill:var(--bad);
stroke:var(--bad)}
svg .verdict.equivalent,svg .verdict.changed_within_margin{fill:var(--ink)}
.key{display:inline-block;width:.75em;height:.75em;border-radius:50%;margin:0 .25em 0 .6em}
.key.a{background:var(--a)}.key.h{border:2px solid var(--a)}
.key.b{background:var(--b);border-radius:1px;transform:rotate(45deg) scale(.85)}
@media (max-width:560px){body{font-size:15px}header,main,footer{padding-left:12px;
padding-right:12px}
section,.alert{padding:16px 14px;border-radius:10px}.facts{grid-template-columns:1fr;gap:0}
.facts dd{margin-bottom:6px}.note{min-width:24em}.cards{grid-template-columns:repeat(auto-fit,
minmax(132px,1fr))}}
@media print{:root{--page:#fff}body{font-size:11pt}header,main,footer{max-width:none;padding:0}
section,.alert{border:0;padding:0;margin:14pt 0}figure,.card,tr,.alert{break-inside:avoid}
h2,h3,caption{break-after:avoid}.scroll,.frame{overflow:visible}.frame svg{min-width:0}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)css";

}  // namespace

std::string_view page_style() noexcept {
    return kStyle;
}

}  // namespace crucible::lab::report
