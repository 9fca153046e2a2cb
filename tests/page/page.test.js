// The page in a real browser over the real program: its numbers are the API's, it can be worked by keyboard, it says when it
// has lost its server, and it asks nobody else for anything.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { grouped, launch, openPage, parseCsv, picture, rowsOf } from "./browser.js";
import { CLICKS_OF, ODD_AD, world } from "./clicks.js";
import { Server, until } from "./server.js";

const VERDICTS = ["counted", "duplicate", "conflict", "too_late", "invalid", "pending"];
const LOST = [/ERR_CONNECTION_REFUSED/, /ERR_INCOMPLETE_CHUNKED_ENCODING/, /ERR_CONNECTION_RESET/, /ERR_EMPTY_RESPONSE/, /status of 503/];
const PRESET_RANGE_MINUTES = 6 * 60;

describe("the page", { timeout: 240_000 }, () => {
  const server = new Server();
  const sent = world(Date.now() - 2000);
  let browser;

  before(async () => {
    await server.start();
    for (const part of [sent.good, sent.again, sent.conflicts, sent.tooLate, sent.bad]) {
      await server.send(part);
      await server.settled(); // the order of verdicts is then ours
    }
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await server.remove();
  });

  const open = (view = "/", options = {}) => openPage(browser, server.url + view, options);
  const live = (page) => page.waitForSelector("html[data-server=live]");
  const pick = (page, name, value) => page.click(`label:has(input[name=${name}][value="${value}"])`);
  const adText = (page) => page.textContent("#ad-when");
  const shown = (page, selector, text) => until(`${selector} shows ${text}`, async () => (await page.textContent(selector)).includes(text), 20);

  it("shows the totals of the API by verdict, and that the laws hold", async () => {
    const { page, close } = await open();
    await live(page);
    const { totals } = await server.settled();
    assert.equal(totals.duplicate, sent.again.length);
    assert.equal(totals.conflict, sent.conflicts.length);
    assert.equal(totals.too_late, sent.tooLate.length);
    assert.equal(totals.rejected, sent.bad.length);
    const clicks = async () => Object.fromEntries((await rowsOf(page, "#totals-table")).map(([name, n]) => [name, n]));
    await until("nothing pending on the page", async () => Object.entries(await clicks()).some(([name, n]) => name.startsWith("pending") && n === "0"));
    const rows = await clicks();
    for (const key of [...VERDICTS, "received", "accepted", "rejected"]) {
      const [, text] = Object.entries(rows).find(([name]) => name.startsWith(key.replace("_", " ")));
      assert.equal(text, grouped(totals[key]), key);
    }
    for (const [code, n] of Object.entries(totals.rejected_by)) assert.equal(rows[code], grouped(n), code);
    for (const law of ["#law-received", "#law-accepted"]) {
      assert.equal(await page.getAttribute(law, "data-holds"), "true");
      assert.match(await page.textContent(law), /✓.*holds/);
    }
    assert.match(await page.textContent("#law-accepted"), /accepted.*counted.*duplicate.*conflict.*too late.*invalid.*pending/);
    await close();
  });

  it("raises an alarm when the parts are not the whole", async () => {
    const { page, close } = await open("/");
    await live(page);
    // No server breaks the law for a test, so the page is told so itself: its own stream, by the same door.
    await page.evaluate(async () => {
      const { Totals } = await import("/assets/totals.js");
      document.querySelectorAll("#totals-laws, #totals-table, #totals-share").forEach((host) => host.replaceChildren());
      const totals = { received: 12, accepted: 10, rejected: 2, rejected_by: {}, counted: 7, duplicate: 1, conflict: 0, too_late: 0, invalid: 0, pending: 0 };
      new Totals().update({ totals, conservation: { intake: false, partitions: true } });
    });
    assert.match(await page.textContent("#law-accepted"), /✗.*broken: the parts are 2 short/);
    assert.match(await page.textContent("#law-received"), /✗.*broken: the server reports a violation/);
    await close();
  });

  it("shows the ranking of the API for a window that is picked, typed or in the address", async () => {
    const { page, close } = await open("/?window=1440");
    const ranking = async (window) => (await server.ask(`/v1/ads/popular_ads?count=20&window=${window}`)).ads.map((ad) => [ad.ad_id, grouped(ad.count)]);
    const onPage = async () => (await rowsOf(page, "#top-table")).map(([, ad, clicks]) => [ad, clicks]);
    const same = (window) => until(`the ranking of ${window} minutes`, async () => JSON.stringify(await onPage()) === JSON.stringify(await ranking(window)), 30);
    await same(1440);
    assert.equal((await onPage()).length, Object.keys(CLICKS_OF).length);
    assert.equal((await onPage())[0][0], "ad001");
    await pick(page, "window", "5");
    await same(5);
    assert.match(page.url(), /window=5(&|$)/);
    await page.fill("#window-minutes", "90");
    await page.press("#window-minutes", "Enter");
    await same(90);
    assert.match(page.url(), /window=90(&|$)/);
    await until("a line beside each ad", async () => (await page.locator("#top-table svg").count()) === (await page.locator("#top-table tbody tr").count()));
    await close();
  });

  it("shows one ad's minutes with their states, as the API counts them", async () => {
    const { page, close } = await open("/?ad=ad001&step=minute&range=6h");
    await shown(page, "#ad-when", "1,300 clicks");
    const rows = (await rowsOf(page, "#ad-table")).reverse();
    const times = rows.map(([time]) => `${time.replace(" ", "T")}:00Z`);
    assert.equal(rows.length, PRESET_RANGE_MINUTES);
    const to = new Date(Date.parse(times.at(-1)) + 60_000).toISOString();
    const answer = await server.ask(`/v1/ads/ad001/series?step=minute&from=${times[0]}&to=${to}`);
    assert.deepEqual(rows.map((row) => row[1]), answer.counts.map(grouped));
    assert.equal(answer.counts.reduce((a, b) => a + b), CLICKS_OF.ad001);
    assert.equal(rows.at(-1)[2], "open");
    assert.equal(rows[0][2], "closed");
    const states = await page.$$eval("#ad .legend li:not([hidden]) b", (marks) => marks.map((mark) => mark.textContent));
    assert.deepEqual(states, ["open", "closed", "sealed"]);
    assert.ok((await page.locator("#ad-chart canvas").count()) > 0);
    await close();
  });

  it("shows hours and days, and sealed time", async () => {
    const { page, close } = await open("/?ad=ad002&step=day&range=7d");
    await shown(page, "#ad-when", "1,200 clicks");
    const days = await rowsOf(page, "#ad-table");
    assert.equal(days.length, 7);
    assert.equal(days.at(-1)[2], "sealed");
    assert.equal(days.reduce((sum, [, n]) => sum + Number(n.replaceAll(",", "")), 0), 1200);
    await pick(page, "step", "hour");
    await until("hours", async () => (await rowsOf(page, "#ad-table")).length === 168);
    assert.match(page.url(), /step=hour&range=7d/);
    await close();
  });

  it("takes any ad id as text, in the address and in the table", async () => {
    const { page, close } = await open(`/?${new URLSearchParams({ ad: ODD_AD, range: "6h", window: "1440" })}`);
    await shown(page, "#ad-when", `${grouped(CLICKS_OF[ODD_AD])} clicks`);
    assert.equal(await page.textContent("#ad-title"), `Ad ${ODD_AD}`);
    await page.click("#top-table a:has-text('ad003')");
    await shown(page, "#ad-when", "1,100 clicks");
    await page.goBack();
    await shown(page, "#ad-when", `${grouped(CLICKS_OF[ODD_AD])} clicks`);
    assert.equal(await page.locator("#top-table i").count(), 0);
    await close();
  });

  it("restores the whole view from the address that it was given", async () => {
    const first = await open();
    await live(first.page);
    await first.page.fill("#ad-id", "ad004");
    await first.page.press("#ad-id", "Enter");
    await pick(first.page, "step", "hour");
    await pick(first.page, "range", "24h");
    await pick(first.page, "window", "15");
    await shown(first.page, "#ad-when", "1,000 clicks");
    await pick(first.page, "range", "fixed");
    await until("a fixed range in the address", () => /from=.*&to=/.test(first.page.url()));
    await shown(first.page, "#ad-when", "1,000 clicks");
    const address = first.page.url();
    const second = await openPage(browser, address);
    await until("the same view", async () => (await adText(second.page)) === (await adText(first.page)));
    assert.equal(second.page.url(), address);
    assert.deepEqual(await rowsOf(second.page, "#ad-table"), await rowsOf(first.page, "#ad-table"));
    for (const name of ["window", "step", "range"]) {
      const [a, b] = await Promise.all([first, second].map(({ page }) => page.$eval(`input[name=${name}]:checked`, (radio) => radio.value)));
      assert.equal(b, a, name);
    }
    await first.close();
    await second.close();
  });

  it("takes the range that is drawn with the mouse into the address, and gives the one before back", async () => {
    const { page, close } = await open("/?ad=ad001&step=minute&range=6h");
    await shown(page, "#ad-when", "1,300 clicks");
    await page.locator("#ad-chart").scrollIntoViewIfNeeded();
    const box = await page.locator("#ad-chart").boundingBox();
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width * 0.6, y);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.8, y, { steps: 5 });
    await page.mouse.up();
    await until("a fixed range in the address", () => /from=.*&to=/.test(page.url()));
    const { searchParams } = new URL(page.url());
    const minutes = (Date.parse(searchParams.get("to")) - Date.parse(searchParams.get("from"))) / 60_000;
    assert.ok(minutes > 50 && minutes < 110, `${minutes} minutes`);
    await until("its minutes", async () => (await rowsOf(page, "#ad-table")).length === minutes);
    const { count } = await server.ask(`/v1/ads/ad001/aggregated_cnt?from=${searchParams.get("from")}&to=${searchParams.get("to")}`);
    await shown(page, "#ad-when", `${grouped(count)} click`);
    await page.locator("#ad-chart").dblclick();
    await until("the six hours", async () => (await rowsOf(page, "#ad-table")).length === PRESET_RANGE_MINUTES);
    assert.match(page.url(), /range=6h/);
    await close();
  });

  it("says what it does not understand in an address, and what the server refuses", async () => {
    const { page, close } = await open("/?window=1441&step=week&ad=ad001");
    await until("the notice", () => page.isVisible("#address-notice"));
    assert.match(await page.textContent("#address-notice"), /window=1441.*1 to 1440.*step=week/);
    assert.equal(await page.inputValue("#window-minutes"), "60");
    await page.fill("#ad-id", "ü".repeat(65));
    await page.press("#ad-id", "Enter");
    await shown(page, "#ad-error", "1 to 128 bytes");
    await close();
  });

  it("saves and copies exactly what its tables show", async () => {
    const { page, close } = await open(`/?${new URLSearchParams({ ad: "ad001", range: "6h", window: "1440" })}`);
    await shown(page, "#ad-when", "1,300 clicks");
    await until("the ranking", async () => (await rowsOf(page, "#top-table")).length === 10);
    const saved = async (panel) => {
      const [download] = await Promise.all([page.waitForEvent("download"), page.click(`${panel} button:has-text("Save CSV")`)]);
      return { name: download.suggestedFilename(), rows: parseCsv(fs.readFileSync(await download.path(), "utf8")) };
    };
    const top = await saved("#top");
    assert.equal(top.name, "tally-top-1440-minutes.csv");
    assert.deepEqual(top.rows[0], ["rank", "ad_id", "clicks"]);
    const topOnPage = (await rowsOf(page, "#top-table")).map(([rank, ad, clicks]) => [rank, ad, clicks.replaceAll(",", "")]);
    assert.deepEqual(top.rows.slice(1), topOnPage);
    assert.ok(topOnPage.some(([, ad]) => ad === ODD_AD));
    const ad = await saved("#ad");
    const adOnPage = (await rowsOf(page, "#ad-table")).map(([time, clicks, state]) => [`${time.replace(" ", "T")}:00Z`, clicks.replaceAll(",", ""), state]);
    assert.deepEqual(ad.rows.slice(1), adOnPage);
    for (const panel of ["#rate", "#totals", "#partitions"]) assert.ok((await saved(panel)).rows.length > 1, panel);
    await page.click("#top button:has-text('Copy')");
    await shown(page, "#top .tools", "10 rows copied");
    const copied = (await page.evaluate(() => navigator.clipboard.readText())).trimEnd().split("\n").map((line) => line.split("\t"));
    assert.deepEqual(copied, top.rows);
    await close();
  });

  it("keeps counts above 2^53 exact", async () => {
    const { page, close } = await open("/");
    const text = '{"a":9007199254740993,"s":"id 9007199254740993","list":[18446744073709551615,7],"q":"\\"12345678901234567890"}';
    const read = await page.evaluate(async (json) => {
      const { parseJson, exact } = await import("/assets/api.js");
      const { count, share } = await import("/assets/format.js");
      const value = parseJson(json);
      return [count(exact(value.a)), value.s, count(exact(value.list[0])), value.list[1], value.q, share(1n, 3n), share(1n, 10n ** 18n), share(10n ** 18n - 1n, 10n ** 18n)];
    }, text);
    assert.deepEqual(read, ["9,007,199,254,740,993", "id 9007199254740993", "18,446,744,073,709,551,615", 7, '"12345678901234567890', "33.3%", "< 0.1%", "> 99.9%"]);
    await close();
  });

  it("shows each partition's watermark and lag, and says why", async () => {
    const { page, close } = await open();
    await live(page);
    const { partitions } = await server.settled();
    const rows = await rowsOf(page, "#partitions-table");
    assert.deepEqual(rows.map((row) => row[0]), partitions.map((partition) => String(partition.partition)));
    for (const row of rows) {
      assert.match(row[1], /^-?\d+ s$|min/);
      assert.notEqual(row[2], "");
      assert.match(row[3], /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
    }
    assert.match(await page.textContent("#tile-phase"), /serving/);
    await close();
  });

  it("shows new clicks by itself", async () => {
    const { page, close } = await open("/?ad=ad-new&range=1h");
    await live(page);
    const before = (await server.settled()).totals.accepted;
    await server.send([{ ...sent.good[0], ad_id: "ad-new", event_id: "new 1", click_timestamp: Date.now() }]);
    await until("one more accepted", async () => (await rowsOf(page, "#totals-table"))[1][1] === grouped(before + 1), 20);
    await shown(page, "#ad-when", "1 click,");
    await close();
  });

  it("gives its connection back when it is hidden for long, and goes on when it is seen again", async () => {
    const { page, close } = await open();
    await live(page);
    await page.clock.install();
    const hide = (hidden) => page.evaluate((value) => {
      Object.defineProperty(document, "hidden", { value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, hidden);
    await hide(true);
    await page.clock.fastForward(61_000);
    await shown(page, "#connection-text", "paused");
    assert.equal(await page.isVisible("#lost"), false);
    await hide(false);
    await shown(page, "#connection-text", "live");
    await close();
  });

  it("can be walked by keyboard from end to end", async () => {
    const { page, close } = await open("/?ad=ad001&range=1h&window=1440");
    await shown(page, "#ad-when", "clicks");
    await until("the ranking", async () => (await rowsOf(page, "#top-table")).length >= 10);
    await page.evaluate(() => document.activeElement?.blur());
    const walked = [];
    for (let i = 0; i < 120; i++) {
      await page.keyboard.press("Tab");
      const here = await page.evaluate(() => {
        const at = document.activeElement;
        if (at === document.body || at === null) return null;
        const box = at.getBoundingClientRect();
        const label = at.getAttribute("aria-label") ?? at.labels?.[0]?.textContent ?? at.textContent;
        return { id: at.id, name: at.name ?? "", label: label.trim(), visible: box.width > 0 && box.height > 0 };
      });
      if (here === null || (walked.length > 0 && JSON.stringify(here) === JSON.stringify(walked[0]))) break;
      walked.push(here);
    }
    assert.ok(walked.length < 120, "the walk ends");
    assert.deepEqual(walked.filter((at) => at.label === "" || !at.visible), []);
    assert.equal(walked[0].label, "Skip to the counts");
    for (const wanted of ["theme", "window", "step", "range"]) assert.ok(walked.some((at) => at.name === wanted), wanted);
    for (const wanted of ["window-minutes", "ad-id", "ad-chart"]) assert.ok(walked.some((at) => at.id === wanted), wanted);
    for (const wanted of ["ad002", "Show", "Top 20 ads", "Copy the table: Partitions"]) assert.ok(walked.some((at) => at.label === wanted), wanted);

    await page.focus("#ad-chart");
    await page.keyboard.press("ArrowLeft");
    await page.keyboard.press("ArrowLeft");
    assert.match(await page.textContent("#ad-readout"), /\d{4}-\d\d-\d\d \d\d:\d\d UTC: [\d,]+ clicks?, (open|closed)/);
    await page.focus("#top-table a");
    await page.focus("input[name=window]:checked");
    await page.keyboard.press("ArrowLeft");
    await until("the window in the address", () => /window=60(&|$)/.test(page.url()));
    await close();
  });

  it("tells a screen reader what there is", async () => {
    const { page, close } = await open("/?ad=ad001&range=1h&window=1440");
    await shown(page, "#ad-when", "clicks");
    await until("the ranking", async () => (await rowsOf(page, "#top-table")).length >= 10);
    const tree = await page.locator("body").ariaSnapshot();
    for (const wanted of [/- banner/, /- main/, /- contentinfo/, /heading "Top 20 ads"/, /region "Where every click went"/, /table "Ads by clicks in 24 hours/,
      /table "Clicks of ad001 by minute/, /table "Watermark and lag of each partition"/, /img "Clicks of ad001 by minute/, /columnheader "Verdict|columnheader "Clicks"/,
      /rowheader "ad001"/, /radio "1 h"/, /group "Window"/]) assert.match(tree, wanted);
    assert.equal(await page.getAttribute("#lost", "role"), "alert");
    assert.equal(await page.getAttribute("html", "lang"), "en");
    await close();
  });

  it("is served with a policy that lets it load nothing else, and from the cache only when current", async () => {
    const first = await fetch(`${server.url}/?window=5`);
    assert.equal(first.status, 200);
    assert.match(first.headers.get("content-type"), /^text\/html/);
    assert.match(first.headers.get("content-security-policy"), /^default-src 'self'/);
    assert.doesNotMatch(first.headers.get("content-security-policy"), /unsafe/);
    assert.equal(first.headers.get("x-content-type-options"), "nosniff");
    const page = await first.text();
    for (const [, asset] of page.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) assert.equal((await fetch(server.url + asset)).status, 200, asset);
    assert.doesNotMatch(page, /<script>|<style|style=|\son[a-z]+=|https?:/);
    const again = await fetch(server.url, { headers: { "If-None-Match": first.headers.get("etag") } });
    assert.equal(again.status, 304);
    assert.equal((await fetch(`${server.url}/assets/no-such.js`)).status, 404);
    const posted = await fetch(server.url, { method: "POST", body: "x" });
    assert.equal(posted.status, 405);
    assert.equal(posted.headers.get("allow"), "GET, HEAD");
    assert.equal((await fetch(`${server.url}/assets/main.js`, { method: "HEAD" })).headers.get("content-type"), "text/javascript; charset=utf-8");
  });

  for (const width of [320, 768, 1440]) {
    for (const colours of ["light", "dark"]) {
      it(`fits ${width} pixels, ${colours}`, async () => {
        const { page, close } = await open(`/?${new URLSearchParams({ ad: "ad001", range: "6h", window: "1440" })}`, { width, colours });
        await shown(page, "#ad-when", "1,300 clicks");
        await until("the lines", async () => (await page.locator("#top-table svg").count()) >= 10);
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, "no sideways scrolling");
        await picture(page, `10-ads-${colours}-${width}`);
        const back = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
        const other = colours === "light" ? "dark" : "light";
        await pick(page, "theme", other);
        assert.notEqual(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), back);
        await page.reload();
        assert.equal(await page.getAttribute("html", "data-theme"), other, "the choice is kept");
        await close();
      });
    }
  }

  // The last ones: they stop and kill the server.
  it("says that it has lost a server that hangs, for how long, and that it is back", async () => {
    const { page, close } = await open();
    await live(page);
    assert.equal(await page.isVisible("#lost"), false);
    server.signal("SIGSTOP");
    await until("the notice", () => page.isVisible("#lost"), 15);
    await until("the time that it has lasted", async () => /No word for ([5-9]|\d\d) s\./.test(await page.textContent("#lost-for")), 15);
    await picture(page, "lost");
    server.signal("SIGCONT");
    await until("no notice", () => page.isHidden("#lost"), 30);
    assert.equal(await page.textContent("#connection-text"), "live");
    await close(LOST);
  });

  it("finds a server again that was killed and started anew, and shows what it counts", async () => {
    const { page, close } = await open("/?window=1440&ad=ad005&range=6h");
    await shown(page, "#ad-when", "900 clicks");
    await server.end();
    await until("the notice", () => page.isVisible("#lost"), 15);
    await server.start();
    await until("no notice", () => page.isHidden("#lost"), 30);
    const before = (await server.settled()).totals.accepted;
    await server.send([{ ...sent.good[0], ad_id: "ad005", event_id: "after the restart", click_timestamp: Date.now() }]);
    await until("one more accepted", async () => (await rowsOf(page, "#totals-table"))[1][1] === grouped(before + 1), 20);
    await shown(page, "#ad-when", "901 clicks");
    await close(LOST);
  });
});
