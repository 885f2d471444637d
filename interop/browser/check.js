'use strict';
// Looks at the status page in Chromium: what axe-core has to say, what the console says, whether it keeps itself up to date, and whether it
// works without JavaScript. `node check.js CHROMIUM URL ID [FOLDER]`: ID is an application that behaves, FOLDER gets screenshots.
//
// It prints `LIVE` when the application is to go wrong and to be scraped; the page has to show that. It ends with `PASSED`, or with a line
// `FAILED: ...` for each fault and status 1.

const fs = require('fs');
const path = require('path');
const { chromium } = require('playwright-core');

const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const [executablePath, base, id, folder] = process.argv.slice(2);
const faults = [];

function check(holds, what) {
  if (!holds) faults.push(what);
}

async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.said = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) page.said.push(message.text());
  });
  page.on('pageerror', (error) => page.said.push(String(error)));
  page.on('dialog', (dialog) => { page.said.push('a dialog'); dialog.dismiss(); });
  page.on('request', (request) => {
    if (!request.url().startsWith(base)) page.said.push('a request to ' + request.url());
  });
  await page.goto(base + url, { waitUntil: 'load' });
  return page;
}

async function judge(page, name) {
  check(page.said.length === 0, `${name}: the console says ${JSON.stringify(page.said)}`);
  check(await page.evaluate(() => window.pwned === undefined), `${name}: a name was run as a script`);
  // Not by a script element, which the page's policy would refuse.
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  for (const violation of found.violations) {
    const at = violation.nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(' | ');
    faults.push(`${name}: axe: ${violation.id} (${violation.impact}): ${violation.help}: ${at}`);
  }
  check(found.passes.length > 10, `${name}: axe has looked at ${found.passes.length} rules`);
}

async function accessible(browser) {
  const hostile = await open(browser, '/?q=other%3D');
  const ids = await hostile.$$eval('tbody th[scope=row] a[href^="/app/"]', (links) => links.map((link) => link.getAttribute('href')));
  check(ids.length > 0, 'no application with a hostile name is on the page');
  await hostile.context().close();
  for (const colorScheme of ['light', 'dark']) {
    for (const url of ['/', '/?state=troubled', '/?sort=-took&q=nobody', '/?state=waiting&page=2', `/app/${id}`, '/app/nobody', ...new Set(ids)]) {
      const page = await open(browser, url, { colorScheme });
      const dark = await page.evaluate(() => getComputedStyle(document.body).backgroundColor !== 'rgb(255, 255, 255)');
      check(dark === (colorScheme === 'dark'), `${colorScheme}: the page has its colours`);
      // The application that is not known is answered by 404, which the console reports.
      if (url === '/app/nobody') page.said = page.said.filter((said) => !said.includes('404'));
      await judge(page, `${colorScheme} ${url}`);
      await page.context().close();
    }
  }
}

async function onPhone(browser) {
  for (const url of ['/', `/app/${id}`]) {
    const page = await open(browser, url, { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    check(width <= 361, `phone ${url}: the page is ${width} pixels wide`);
    await judge(page, `phone ${url}`);
    if (folder && url === '/') await page.screenshot({ path: path.join(folder, 'phone.png') });
    await page.context().close();
  }
}

async function withoutScript(browser) {
  const page = await open(browser, '/', { javaScriptEnabled: false });
  check(await page.locator(`a[href="/app/${id}"]`).count() > 0 || await page.locator('table').count() > 0, 'without JavaScript: no table');
  await page.fill('#q', id);
  await page.press('#q', 'Enter');
  await page.waitForURL((url) => url.searchParams.get('q') === id);
  check(await page.locator('table.wide tbody tr').count() === 1, 'without JavaScript: the filter finds the application alone');
  await page.click('th a:text-is("Took")');
  await page.waitForURL((url) => url.searchParams.get('sort') === '-took' && url.searchParams.get('q') === id);
  check(await page.locator('th[aria-sort="descending"]').count() === 1, 'without JavaScript: the order is shown');
  await page.click(`a[href="/app/${id}"]`);
  await page.waitForURL(`${base}/app/${id}`);
  check((await page.locator('h1').innerText()) === id, 'without JavaScript: no page of the application');
  check(page.said.length === 0, `without JavaScript: the console says ${JSON.stringify(page.said)}`);
  await page.context().close();
}

async function live(browser) {
  const page = await open(browser, '/');
  await page.evaluate(() => { window.marker = 'here'; });
  console.log('LIVE');
  const row = page.locator('table.wide tbody tr', { has: page.locator(`a[href="/app/${id}"]`) });
  try {
    await row.locator('text=failing').first().waitFor({ timeout: 30000 });
  } catch (error) {
    faults.push('live: the page does not show that the application fails');
  }
  check(await page.evaluate(() => window.marker) === 'here', 'live: the page was loaded anew');
  check((await page.title()).startsWith('('), 'live: the title does not say how many are in trouble');
  await page.click('#live button');
  let requests = 0;
  page.on('request', () => { requests += 1; });
  await page.waitForTimeout(7000);
  check(requests === 0, `live: ${requests} requests while updates are paused`);
  await page.click('#live button');
  await page.waitForTimeout(7000);
  check(requests > 0, 'live: no request after the pause');
  await judge(page, 'live');
  await page.context().close();
}

async function screenshots(browser) {
  for (const colorScheme of ['light', 'dark']) {
    const page = await open(browser, '/?q=shop', { colorScheme, viewport: { width: 1280, height: 800 } });
    await page.screenshot({ path: path.join(folder, `status-${colorScheme}.png`) });
    await page.context().close();
  }
  const page = await open(browser, `/app/${id}`, { viewport: { width: 1280, height: 800 } });
  await page.screenshot({ path: path.join(folder, 'status-app.png') });
  await page.context().close();
}

async function main() {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  try {
    await accessible(browser);
    await onPhone(browser);
    await withoutScript(browser);
    await live(browser);
    if (folder) await screenshots(browser);
  } finally {
    await browser.close();
  }
  for (const fault of faults) console.log('FAILED: ' + fault);
  if (faults.length === 0) console.log('PASSED');
  process.exitCode = faults.length === 0 ? 0 : 1;
}

main().catch((error) => { console.log('FAILED: ' + error.stack); process.exitCode = 1; });
