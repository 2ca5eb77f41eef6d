#include "lab/profile/flame_script.h"

namespace crucible::lab {

const std::string_view kFlameStyle = R"css(
.flame{--page:#fff;--ink:#1b2230;--soft:#5a6475;--match:#c026d3;background:var(--page);
font:12px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
@media (prefers-color-scheme:dark){.flame{--page:#12161d;--ink:#e6e9ef;--soft:#9aa5b5;
--match:#f0abfc}}
.flame .page{fill:var(--page)}
.flame text{fill:var(--ink)}
.flame .heading{font-size:17px;font-weight:650}
.flame .soft{fill:var(--soft)}
.flame .frame rect{stroke:var(--page);stroke-width:.5}
.flame .frame text{fill:#1b2230;font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,
"DejaVu Sans Mono",monospace;pointer-events:none}
.flame.live .frame{cursor:pointer}
.flame .frame:hover rect{stroke:var(--ink);stroke-width:1.5}
.flame .frame.above{opacity:.55}
.flame .frame.match rect{fill:var(--match)}
.flame .frame.match text{fill:var(--page)}
.flame .reset{cursor:pointer;text-decoration:underline;visibility:hidden}
.flame.zoomed .reset{visibility:visible}
.flame input{box-sizing:border-box;width:100%;height:100%;font:inherit;padding:2px 8px;
border:1px solid var(--soft);border-radius:6px;background:var(--page);color:var(--ink)}
)css";

// Positions are read from the picture itself, so that it is the same without this.
const std::string_view kFlameScript = R"js(
(() => {
  const svg = document.currentScript.ownerSVGElement;
  const details = svg.querySelector('.details');
  const letterWidth = 6.6;
  const near = 0.01;
  const frames = Array.from(svg.querySelectorAll('.frame'), (group) => {
    const rect = group.querySelector('rect');
    const lines = group.querySelector('title').textContent.split('\n');
    return {group, rect, text: group.querySelector('text'), lines, name: lines[0],
      depth: Number(group.dataset.depth),
      x: Number(rect.getAttribute('x')), width: Number(rect.getAttribute('width'))};
  });
  if (frames.length === 0) return;
  const whole = frames.reduce((a, b) => (b.depth < a.depth ? b : a));
  const ofGroup = new Map(frames.map((frame) => [frame.group, frame]));
  let standing = '';

  function say(text) { details.textContent = text || standing; }

  function place(frame, x, width) {
    frame.rect.setAttribute('x', x);
    frame.rect.setAttribute('width', width);
    const letters = Math.floor((width - 6) / letterWidth);
    frame.text.setAttribute('x', x + 3);
    frame.text.textContent = letters < 3 ? '' : label(frame, letters);
  }

  // The whole name, without parameters, or its last part: the first that has room.
  function label(frame, letters) {
    const shorter = frame.group.dataset.short || frame.name;
    const last = Array.from(shorter.split('::').pop());
    return [frame.name, shorter].find((text) => Array.from(text).length <= letters)
      || (last.length <= letters ? last : [...last.slice(0, letters - 2), '..']).join('');
  }

  function zoom(target) {
    const scale = whole.width / target.width;
    const end = target.x + target.width;
    for (const frame of frames) {
      const frameEnd = frame.x + frame.width;
      const above = frame.depth < target.depth && frame.x <= target.x + near
        && frameEnd >= end - near;
      const inside = frame.depth >= target.depth && frame.x >= target.x - near
        && frameEnd <= end + near;
      frame.group.style.display = above || inside ? '' : 'none';
      frame.group.classList.toggle('above', above);
      if (above) place(frame, whole.x, whole.width);
      if (inside) place(frame, whole.x + (frame.x - target.x) * scale, frame.width * scale);
    }
    svg.classList.toggle('zoomed', target !== whole);
  }

  function search(query) {
    const wanted = query.trim().toLowerCase();
    const found = [];
    for (const frame of frames) {
      const match = wanted !== '' && frame.name.toLowerCase().includes(wanted);
      frame.group.classList.toggle('match', match);
      if (match) found.push(frame);
    }
    // A function found inside another that was found counts once.
    found.sort((a, b) => a.x - b.x);
    let covered = 0;
    let end = -Infinity;
    for (const frame of found) {
      const frameEnd = frame.x + frame.width;
      covered += Math.max(0, frameEnd - Math.max(frame.x, end));
      end = Math.max(end, frameEnd);
    }
    const percent = (100 * covered / whole.width).toFixed(1);
    standing = wanted === '' ? '' : `${found.length} frames found, ${percent} % of the whole`;
    say('');
  }

  svg.addEventListener('mouseover', (event) => {
    const group = event.target.closest('.frame');
    say(group ? ofGroup.get(group).lines.join('  \u2013  ') : '');
  });
  svg.addEventListener('click', (event) => {
    const group = event.target.closest('.frame');
    if (group) zoom(ofGroup.get(group));
    if (event.target.closest('.reset')) zoom(whole);
  });

  const searchPlace = svg.querySelector('.search');
  const holder = document.createElementNS('http://www.w3.org/2000/svg', 'foreignObject');
  for (const name of ['x', 'y', 'width', 'height'])
    holder.setAttribute(name, searchPlace.getAttribute(name));
  const input = document.createElementNS('http://www.w3.org/1999/xhtml', 'input');
  input.setAttribute('type', 'search');
  input.setAttribute('placeholder', 'Search functions');
  input.setAttribute('aria-label', 'Search functions');
  input.addEventListener('input', () => search(input.value));
  holder.append(input);
  searchPlace.replaceWith(holder);
  document.addEventListener('keydown', (event) => {
    if (event.key === 'Escape') zoom(whole);
  });
  svg.classList.add('live');
})();
)js";

}  // namespace crucible::lab
