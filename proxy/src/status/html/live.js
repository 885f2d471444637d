
(() => {
  'use strict';
  const period = 5000;
  const bar = document.getElementById('live');
  if (!bar) return;
  const button = document.createElement('button');
  const state = document.createElement('span');
  button.type = 'button';
  bar.append(button, ' ', state);
  let paused = false;
  let timer = 0;
  const say = (text) => { state.textContent = text; };
  const label = () => { button.textContent = paused ? 'Update again' : 'Pause updates'; };
  const isBusy = () => {
    const at = document.activeElement;
    const chosen = document.getSelection();
    return document.hidden || (at && at.closest('main')) || (chosen && !chosen.isCollapsed);
  };
  const plan = () => { clearTimeout(timer); if (!paused) timer = setTimeout(update, period); };
  const update = async () => {
    if (isBusy()) return plan();
    try {
      const answer = await fetch(location.href, { cache: 'no-store', signal: AbortSignal.timeout(20000) });
      if (!answer.ok) throw new Error('HTTP status ' + answer.status);
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const fresh = page.querySelector('main');
      if (fresh && !paused && !isBusy()) {
        document.querySelector('main').replaceWith(fresh);
        document.title = page.title;
        say('Updated every ' + period / 1000 + ' seconds.');
      }
    } catch (error) {
      say('Not updated: ' + error.message + '.');
    }
    plan();
  };
  button.addEventListener('click', () => { paused = !paused; label(); say(paused ? 'Updates are paused.' : ''); plan(); });
  document.addEventListener('visibilitychange', () => { if (!document.hidden && !paused) { clearTimeout(timer); update(); } });
  label();
  plan();
})();
