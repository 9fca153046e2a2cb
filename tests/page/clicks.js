// clicks.js: a small world of which every number is known: 10 ads in the last three hours, with one of each bad thing.
const MINUTE = 60_000;
export const ODD_AD = 'a/b,"c" <i>&ü</i>=1';
export const ADS = ["ad001", "ad002", "ad003", "ad004", "ad005", ODD_AD, "ad007", "ad008", "ad009", "ad010"];
export const CLICKS_OF = Object.fromEntries(ADS.map((ad, i) => [ad, 1300 - i * 100]));

function click(ad, ms, id, more = {}) {
  return { ad_id: ad, click_timestamp: ms, user_id: `user ${id % 97}`, ip: "207.148.22.22", country: "USA", event_id: `e${id}`, ...more };
}

// In the order in which they are sent. `now` in ms.
export function world(now) {
  const good = [];
  for (const [ad, count] of Object.entries(CLICKS_OF)) {
    for (let i = 0; i < count; i++) good.push(click(ad, now - ((i * 7919) % (175 * MINUTE)), good.length));
  }
  good.sort((a, b) => a.click_timestamp - b.click_timestamp);
  return {
    good,
    again: good.slice(100, 117),
    conflicts: good.slice(200, 203).map((one) => ({ ...one, user_id: "somebody else" })),
    tooLate: [1, 2, 3, 4, 5].map((i) => click("ad001", now - 72 * 60 * MINUTE, 1_000_000 + i)),
    bad: ["this is no click", JSON.stringify(click("", now, 2_000_000)), JSON.stringify(click("ad001", "yesterday", 2_000_001))],
  };
}
