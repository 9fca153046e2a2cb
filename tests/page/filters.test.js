// Filters on the page: choosing one, making one, and what the page says of time that a filter does not cover.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, describe, it } from "node:test";
import { grouped, launch, openPage, parseCsv, picture, rowsOf } from "./browser.js";
import { Server, until } from "./server.js";

const MINUTE = 60_000;
const COUNTRIES = ["USA", "DEU", "FRA", null];
const MANY = 10_000;
const FIRST_OF_MANY = 5000;
const NEEDLE = 12_345; // far behind in the list
const REFUSED = [/status of 400/, /status of 404/, /status of 409/, /status of 507/];

// 5 ads over `from` to `to` (ms); country, address and user follow from the number.
function clicks(count, from, to, name) {
  return Array.from({ length: count }, (_, i) => ({
    ad_id: `ad${i % 5}`,
    click_timestamp: Math.floor(from + ((to - from) * i) / count),
    user_id: `user ${i % 7}`,
    ip: i % 3 === 0 ? "198.51.100.7" : `203.0.113.${i % 250}`,
    ...(COUNTRIES[i % 4] === null ? {} : { country: COUNTRIES[i % 4] }),
    event_id: `${name}${i}`,
  }));
}

describe("filters on the page", { timeout: 240_000 }, () => {
  const server = new Server();
  const now = Date.now() - 1000;
  let browser;

  const post = async (body) => {
    const answer = await fetch(`${server.url}/v1/filters`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    assert.ok(answer.ok, await answer.text());
  };

  before(async () => {
    await server.start();
    // Half an hour ago the filters were made: none of address or user covers what came before.
    await server.send(clicks(2000, now - 90 * MINUTE, now - 31 * MINUTE, "before"));
    await server.settled();
    await post([
      { filter_id: 1, region: "!USA" },
      { filter_id: 12, region: "USA", user_id: "user 1" },
      { filter_id: 13, ip: "198.51.100.0/24", ranked: true },
      { filter_id: 99, user_id: "somebody <b>else</b> & \"others\"" },
    ]);
    await server.send(clicks(3000, now - 29 * MINUTE, now, "after"));
    await server.settled();
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await server.remove();
  });

  const open = (view = "/", options = {}) => openPage(browser, server.url + view, options);
  const shown = (page, selector, text) => until(`${selector} shows ${text}`, async () => (await page.textContent(selector)).includes(text), 20);
  const ranking = async (of) => (await server.ask(`/v1/ads/popular_ads?count=20&window=60${of}`)).ads.map((ad) => [ad.ad_id, grouped(ad.count)]);
  const onPage = async (page) => (await rowsOf(page, "#top-table")).map(([, ad, n]) => [ad, n]);
  const sameRanking = (page, of) => until(`the ranking of${of}`, async () => {
    const wanted = JSON.stringify(await ranking(of));
    return wanted !== "[]" && JSON.stringify(await onPage(page)) === wanted;
  }, 20);
  const options = (page) => page.$$eval("#choose-list a", (links) => links.map((link) => link.textContent));

  it("counts the clicks of the filter that is chosen, and carries it in the address", async () => {
    const { page, close } = await open("/?window=60&ad=ad0&step=minute&range=1h");
    await sameRanking(page, "");
    assert.equal(await page.textContent("#top-picker"), "all clicks");
    await page.click("#top-picker");
    await until("the list", async () => (await options(page)).length === 5);
    assert.deepEqual((await options(page)).slice(0, 2), ["0 All clicks", "1 clicks from any country but USA (and from an unknown one), from any address, of any user"]);
    assert.equal(await page.getAttribute("#choose-list a[aria-current]", "href"), new URL(page.url()).search);
    await page.click("#choose-list a:has-text('any country but USA')");
    assert.equal(await page.isVisible("#choose"), false);
    await sameRanking(page, "&filter=1");
    assert.match(page.url(), /\?filter=1&window=60&ad=ad0/);
    assert.equal(await page.evaluate(() => document.activeElement.id), "top-picker");
    for (const panel of ["top", "ad"]) await shown(page, `#${panel}-picker`, "filter 1: clicks from any country but USA");
    assert.match(await page.title(), /filter 1/);
    const { searchParams } = new URL(page.url());
    assert.equal(searchParams.get("filter"), "1");
    await until("a line beside each ad", async () => (await page.locator("#top-table svg").count()) === (await onPage(page)).length);

    await until("the ad's count", async () => {
      const rows = (await rowsOf(page, "#ad-table")).reverse();
      const [from, to] = [rows[0][0], rows.at(-1)[0]].map((time) => Date.parse(`${time.replace(" ", "T")}:00Z`));
      const answer = await server.ask(`/v1/ads/ad0/series?filter=1&step=minute&from=${from}&to=${to + MINUTE}`);
      assert.ok(answer.counts.some((n) => n > 0));
      assert.equal(answer.complete, true);
      return JSON.stringify(rows.map((row) => row[1])) === JSON.stringify(answer.counts.map(grouped));
    }, 20);
    assert.equal(await page.isVisible("#ad-cover"), false);
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#top button:has-text('Save CSV')")]);
    assert.equal(download.suggestedFilename(), "tally-top-60-minutes-filter-1.csv");
    const saved = parseCsv(fs.readFileSync(await download.path(), "utf8")).slice(1).map(([, ad, n]) => [ad, grouped(n)]);
    assert.deepEqual(saved, await onPage(page));

    await page.goBack();
    await sameRanking(page, "");
    await close();
  });

  it("says from when a filter covers, and shows no 0 where it does not", async () => {
    const { page, close } = await open("/?filter=0012&window=60&ad=ad0&step=minute&range=1h");
    await until("the number without zeros", () => /\?filter=12&/.test(page.url()));
    const answer = await server.ask("/v1/ads/popular_ads?count=20&window=60&filter=12");
    assert.equal(answer.complete, false);
    const from = answer.covers_from.slice(0, 16).replace("T", " ");
    for (const panel of ["top", "ad"]) await shown(page, `#${panel}-cover`, `Counts from ${from} UTC on: filter 12`);
    await sameRanking(page, "&filter=12");
    const rows = (await rowsOf(page, "#ad-table")).reverse();
    assert.equal(rows.length, 60);
    for (const [time, n, state] of rows) {
      if (time < from) assert.deepEqual([n, state], ["–", "not covered"], time);
      else assert.match(`${n} ${state}`, /^\d+ (open|closed)$/, time);
    }
    assert.ok(rows.some(([time]) => time < from) && rows.some(([, n]) => /^[1-9]/.test(n)));
    assert.equal(await page.isVisible("#ad-uncovered"), true);
    await until("the lines", async () => (await page.locator("#top-table svg rect.uncovered").count()) === (await onPage(page)).length);
    await page.focus("#ad-chart");
    await page.keyboard.press("Home");
    assert.match(await page.textContent("#ad-readout"), /UTC: not covered$/);
    // Of the hour in which it began to count, it says since when.
    await page.click("label:has(input[name=range][value='6h'])");
    await page.click("label:has(input[name=step][value=hour])");
    await until("hours", async () => (await rowsOf(page, "#ad-table")).length === 6);
    const hour = (await rowsOf(page, "#ad-table")).find(([time]) => time === `${from.slice(0, 13)}:00`);
    if (!from.endsWith(":00")) assert.match(hour[2], new RegExp(`^(open|closed), from ${from} on$`));
    assert.equal((await rowsOf(page, "#ad-table")).at(-1)[2], "not covered");
    await close();
  });

  it("counts some countries without a filter, in this view", async () => {
    const { page, close } = await open("/?window=60&ad=ad1&range=1h");
    await page.click("#ad-picker");
    await page.fill("#region-text", "Atlantis");
    await page.press("#region-text", "Enter");
    await shown(page, "#region-error", "Atlantis");
    await page.fill("#region-text", "DEU|FRA");
    await page.press("#region-text", "Enter");
    await sameRanking(page, "&region=DEU|FRA");
    assert.equal(new URL(page.url()).searchParams.get("region"), "DEU|FRA");
    await shown(page, "#ad-picker", "region DEU|FRA: clicks from DEU or FRA");
    const second = await openPage(browser, page.url());
    await sameRanking(second.page, "&region=DEU|FRA");
    await second.close();
    await close(REFUSED);
  });

  it("says in one line that there is no such filter, and shows all clicks when asked to", async () => {
    const { page, close } = await open("/?filter=77&window=60&ad=ad0");
    await shown(page, "#filter-refused", "No numbers are shown for filter 77: there is no filter 77");
    assert.deepEqual(await rowsOf(page, "#top-table"), []);
    for (const error of ["#top-error", "#ad-error", "#ad-body", "#address-notice"]) assert.equal(await page.isVisible(error), false, error);
    await page.click("#filter-all");
    await sameRanking(page, "");
    assert.equal(await page.isVisible("#filter-notice"), false);
    await page.goto(`${server.url}/?filter=twelve`);
    await shown(page, "#address-notice", "filter=twelve in the address is not a filter's number");
    await close(REFUSED);
  });

  it("makes a filter by keyboard, saying what it will match and from when it covers", async () => {
    const { page, close } = await open("/?window=60&ad=ad0&range=1h");
    await page.focus("#top-picker");
    await page.keyboard.press("Enter");
    const tabTo = async (id) => {
      for (let i = 0; i < 30; i++) {
        if ((await page.evaluate(() => document.activeElement.id)) === id) return;
        await page.keyboard.press("Tab");
      }
      assert.fail(`no way to ${id}`);
    };
    await tabTo("choose-make");
    await page.keyboard.press("Enter");
    await until("a free number", async () => /^\d+$/.test(await page.inputValue("#make-filter_id")));
    await tabTo("make-region");
    await page.keyboard.type("!USA");
    await shown(page, "#make-covers", "every click since the journal began");
    await tabTo("make-user_id");
    await page.keyboard.type("user 2|user 3");
    await shown(page, "#make-words", "clicks from any country but USA (and from an unknown one), from any address, of user user 2 or user 3.");
    await shown(page, "#make-covers", "from about the moment when it is made");
    await tabTo("make-ranked");
    await page.keyboard.press("Space");
    await picture(page, "make-a-filter", { fullPage: false });
    const id = Number(await page.inputValue("#make-filter_id"));
    await page.keyboard.press("Enter");
    await shown(page, "#made-title", `Filter ${id} is ready`);
    const made = await server.ask(`/v1/filters/${id}`);
    assert.deepEqual([made.region, made.ip, made.user_id, made.ranked], ["!USA", "*", "user 2|user 3", true]);
    assert.equal(await page.textContent("#made-words"), `It matches ${made.words}.`);
    await shown(page, "#made-covers", `from ${made.covers_from.slice(0, 16).replace("T", " ")} UTC on`);
    assert.equal(await page.textContent("#made-command"), `tally recalculate --filter ${id} --url ${server.url}`);
    assert.equal(await page.evaluate(() => document.activeElement.id), "made-use");
    await picture(page, "made-a-filter", { fullPage: false });
    await page.keyboard.press("Enter");
    await until("the filter in the address", () => page.url().includes(`?filter=${id}&`));
    await shown(page, "#top-picker", `filter ${id}: ${made.words}`);
    await shown(page, "#top-cover", `filter ${id} did not count before`);
    await close(REFUSED);
  });

  it("shows what is wrong at the field where it was written", async () => {
    const { page, close } = await open("/");
    await page.click("#top-picker");
    await page.click("#choose-make");
    const wrong = async (field, text, said) => {
      await page.fill(`#make-${field}`, text);
      await page.keyboard.press("Tab");
      await shown(page, `#make-${field}-error`, said);
      assert.equal(await page.getAttribute(`#make-${field}`, "aria-invalid"), "true");
      assert.ok((await page.getAttribute(`#make-${field}`, "aria-describedby")).includes(`make-${field}-error`));
      await page.press(`#make-${field}`, "Enter");
      await until("the field again", () => page.evaluate((id) => document.activeElement.id === id, `make-${field}`));
      await shown(page, `#make-${field}-error`, said);
      await page.fill(`#make-${field}`, "");
      assert.equal(await page.isVisible(`#make-${field}-error`), false);
    };
    await wrong("region", "USA|Atlantis", "Atlantis");
    await wrong("ip", "10.0.0.0/8|10.1.0.0/16", "overlaps");
    await wrong("user_id", "a||b", "value 2 of the list is empty");
    await page.fill("#make-user_id", "a|b|");
    await shown(page, "#make-words", "not clear yet");
    await page.fill("#make-user_id", "user 5");
    for (const [id, said] of [["0", "a number from 1"], ["12", "another content"]]) {
      await page.fill("#make-filter_id", id);
      await page.press("#make-filter_id", "Enter");
      await shown(page, "#make-filter_id-error", said);
    }
    await picture(page, "a-filter-with-a-wrong-number", { fullPage: false });
    const deleted = await fetch(`${server.url}/v1/filters/99`, { method: "DELETE" });
    assert.equal(deleted.status, 200);
    await page.fill("#make-filter_id", "99");
    await page.press("#make-filter_id", "Enter");
    await shown(page, "#make-filter_id-error", "deleted");
    await page.keyboard.press("Escape");
    assert.equal(await page.isVisible("#make"), false);
    await close(REFUSED);
  });

  it("stops showing numbers of a filter that is deleted meanwhile, and says so", async () => {
    await post({ filter_id: 50, region: "FRA" });
    const { page, close } = await open("/?filter=50&window=60&ad=ad0&range=1h");
    await sameRanking(page, "&filter=50");
    await fetch(`${server.url}/v1/filters/50`, { method: "DELETE" });
    await server.send([{ ...clicks(1, Date.now(), Date.now(), "late")[0] }]);
    await shown(page, "#filter-refused", "filter 50 was deleted");
    await until("no ranking", async () => (await rowsOf(page, "#top-table")).length === 0);
    await close(REFUSED);
  });

  for (const width of [320, 768, 1440]) {
    for (const colours of ["light", "dark"]) {
      it(`fits ${width} pixels, ${colours}`, async () => {
        const { page, close } = await open("/?filter=12&window=60&ad=ad0&step=minute&range=1h", { width, colours });
        await shown(page, "#ad-cover", "Counts from");
        await until("the lines", async () => (await page.locator("#top-table svg").count()) > 0);
        const fits = async () => assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, "no sideways scrolling");
        await fits();
        await picture(page, `filter-${colours}-${width}`);
        await page.click("#top-picker");
        await until("the list", async () => (await options(page)).length > 2);
        await fits();
        const box = await page.locator("#choose").boundingBox();
        assert.ok(box.x >= 0 && box.x + box.width <= width);
        await picture(page, `choose-${colours}-${width}`, { fullPage: false });
        await page.click("#choose-make");
        await until("a free number", async () => (await page.inputValue("#make-filter_id")) !== "");
        await fits();
        await picture(page, `make-${colours}-${width}`, { fullPage: false });
        await close();
      });
    }
  }

  // The last: it makes many.
  it("finds a filter among many by number and by words, without asking for all of them", async () => {
    await post(Array.from({ length: MANY }, (_, i) => ({ filter_id: FIRST_OF_MANY + i, region: i % 2 ? "!DEU" : "DEU", user_id: `customer-${FIRST_OF_MANY + i}` })));
    const { page, close } = await open("/");
    const asked = [];
    page.on("request", (request) => { if (request.url().includes("/v1/filters?")) asked.push(request.url()); });
    await page.waitForSelector("html[data-server=live]");
    await page.click("#top-picker");
    await shown(page, "#choose-said", "50 filters so far");
    assert.equal(asked.length, 1);
    await page.click("#choose-more");
    await shown(page, "#choose-said", "100 filters so far");
    await page.fill("#choose-text", `0${NEEDLE}`);
    await until("the one filter", async () => (await options(page))[0] === `${NEEDLE} clicks from any country but DEU (and from an unknown one), from any address, of user customer-${NEEDLE}`);
    await page.fill("#choose-text", "any but DEU customer-14999");
    await shown(page, "#choose-said", "0 filters so far, 10,000 of 10,00");
    await page.click("#choose-more");
    await until("the last filter alone", async () => /^14999 [^|]*$/.test((await options(page)).join("|")), 30);
    await page.fill("#choose-text", "no such words");
    await shown(page, "#choose-said", "0 filters so far");
    await page.click("#choose-more");
    await shown(page, "#choose-said", "No filter matches.");
    await page.fill("#choose-text", String(NEEDLE));
    await page.press("#choose-text", "Enter");
    await until("the filter in the address", () => page.url().includes(`?filter=${NEEDLE}&`));
    await page.click("#ad-picker");
    await until("the list", async () => (await options(page)).length > 10);
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Enter");
    await until("filter 1", () => page.url().includes("?filter=1&"));
    await close();
  });
});
