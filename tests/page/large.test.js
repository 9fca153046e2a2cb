// The page over a server that has seen two million ads.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { grouped, launch, openPage, picture, rowsOf } from "./browser.js";
import { Server, until } from "./server.js";

const ADS = 2_000_000;
const BATCH = 20_000;
const SIDE_BY_SIDE = 4;
const MINUTE = 60_000;
const SPAN_MINUTES = 90;

// One click for each ad, spread over the last hour and a half, and for the first fifty more of them, the more the earlier.
function* batches(now) {
  const line = (ad, id, ms) => `{"ad_id":"ad${String(ad).padStart(7, "0")}","click_timestamp":${ms},"user_id":"user ${ad % 1009}","ip":"207.148.22.22","country":"USA","event_id":"e${id}"}`;
  let lines = [], id = 0;
  const time = () => now - (SPAN_MINUTES * MINUTE * (ADS - Math.min(id, ADS))) / ADS;
  for (let ad = 0; ad < ADS; ad++) {
    lines.push(line(ad, id++, Math.floor(time())));
    if (id % 200 === 0) for (let i = 0; i < 12; i++) lines.push(line((id * 7 + i * i * i) % (4 * i + 2), `${id}-${i}`, Math.floor(time())));
    if (lines.length >= BATCH) {
      yield lines;
      lines = [];
    }
  }
  if (lines.length > 0) yield lines;
}

describe("the page with two million ads", { timeout: 300_000 }, () => {
  const server = new Server(["--segment-size", "64MiB"]);
  let browser;

  before(async () => {
    await server.start();
    const all = batches(Date.now() - 1000);
    const send = async () => {
      for (let next = all.next(); !next.done; next = all.next()) {
        const lines = next.value;
        const answer = await until("the batch is taken", () => server.send(lines).then((said) => said.accepted === lines.length && said), 120);
        assert.equal(answer.rejected, 0);
      }
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, send));
    await server.settled();
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await server.remove();
  });

  it("shows the ranking of the API", async () => {
    const { page, close } = await openPage(browser, `${server.url}/?window=60&ad=ad0000000&range=6h`);
    await until("all ads", async () => (await page.textContent("#tile-ads")) === grouped(ADS), 30);
    const ranking = async () => (await server.ask("/v1/ads/popular_ads?count=20&window=60")).ads.map((ad) => [ad.ad_id, grouped(ad.count)]);
    await until("the ranking", async () => JSON.stringify((await rowsOf(page, "#top-table")).map(([, ad, n]) => [ad, n])) === JSON.stringify(await ranking()), 30);
    assert.equal((await rowsOf(page, "#top-table")).length, 20);
    await close();
  });

  for (const [width, colours] of [[1440, "light"], [1440, "dark"], [768, "light"], [320, "dark"]]) {
    it(`is pictured at ${width} pixels, ${colours}`, async () => {
      const { page, close } = await openPage(browser, `${server.url}/?window=60&ad=ad0000000&range=1h`, { width, colours });
      await until("the lines", async () => (await page.locator("#top-table svg").count()) === 20, 30);
      await page.waitForSelector("#ad-chart canvas");
      await picture(page, `2-million-ads-${colours}-${width}`);
      await close();
    });
  }
});
