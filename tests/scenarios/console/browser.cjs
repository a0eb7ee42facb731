// A person with a browser: adds a webhook, tests it, sees it deliver, fail and recover. Told by the environment where the
// console and ingest are, whether scripts run, and where pictures go, if anywhere.
"use strict";

const assert = require("node:assert/strict");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");
const { chromium } = require("playwright-core");

const { CONSOLE, INGEST, KEY, CHROMIUM, SCRIPTS, PICTURES } = process.env;
const AXE = fs.readFileSync(require.resolve("axe-core"), "utf8");
// Of `angarium dev`: the one has no webhooks, the other has two that deliver, for company on pictures.
const EMPTY = 1010;
const ACCOUNT = PICTURES ? 1234 : EMPTY;
const list = (account) => `${CONSOLE}/accounts/${account}/webhooks`;
const PATIENCE = 30_000;
const NAME = PICTURES ? "Learning records" : "<script>alert(1)</script> & Söhne";
const withScripts = SCRIPTS === "on";
// What is wrong with pages, told all at once at the end.
const unfit = [];

// The receiver: answers what it is told to, and keeps what it got.
class Receiver {
  status = 200;
  got = [];
  server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      this.got.push({ headers: request.headers, body });
      response.writeHead(this.status, { "content-type": "text/plain" });
      response.end(this.status === 200 ? "thank you" : "the database is away");
    });
  });
  async start() {
    await new Promise((listening) => this.server.listen(0, "127.0.0.1", listening));
    return `http://127.0.0.1:${this.server.address().port}/orders`;
  }
}

async function publish(id) {
  const event = { eventId: id, eventName: "COURSE_ENROLLMENT", data: { userId: 42, loId: "course:7", loType: "course" } };
  const answer = await fetch(`${INGEST}/v1/accounts/${ACCOUNT}/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
    body: JSON.stringify(event),
  });
  assert.equal(answer.status, 202, await answer.text());
}

// Waits until the page has a text: it keeps itself current with scripts, and is loaded again without.
async function sees(page, text) {
  const found = page.locator("main").getByText(text).first();
  if (withScripts) {
    await found.waitFor({ timeout: PATIENCE });
    return;
  }
  const until = Date.now() + PATIENCE;
  while (!(await found.isVisible())) {
    assert.ok(Date.now() < until, `${page.url()} never says ${text}:\n${await page.locator("main").innerText()}`);
    await page.reload();
  }
}

// What is pressed leads to another page. Without scripts `sees` loads the page again, and before the other one is there that would
// undo the pressing.
async function leadsOn(page, press) {
  await (withScripts ? press() : Promise.all([page.waitForNavigation(), press()]));
}

// What holds for every page: no mistake that axe finds in either theme, and nothing beyond the edge at 320 px.
async function isFit(page, name) {
  const before = page.viewportSize();
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    if (withScripts) {
      await page.evaluate(AXE);
      const found = await page.evaluate(() =>
        window.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
      );
      const told = found.violations.map((one) => `${one.id}: ${one.help}\n  ${one.nodes.map((node) => node.html).join("\n  ")}`);
      unfit.push(...told.map((one) => `${name}, ${colorScheme}: ${one}`));
    }
    if (PICTURES && (colorScheme === "light" || ["webhooks", "webhook-failing", "test"].includes(name))) {
      const suffix = colorScheme === "dark" ? "-dark" : "";
      await page.screenshot({ path: path.join(PICTURES, `${name}${suffix}.png`), fullPage: true, animations: "disabled" });
    }
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 320, height: 800 });
  if (withScripts) {
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    if (width > 320) {
      unfit.push(`${name} is ${width} px wide on a screen of 320`);
    }
  }
  if (PICTURES && ["webhooks", "webhook"].includes(name)) {
    await page.screenshot({ path: path.join(PICTURES, `${name}-320.png`), fullPage: true, animations: "disabled" });
  }
  await page.setViewportSize(before);
}

async function adds(page, url) {
  await page.goto(list(EMPTY));
  await sees(page, "No webhooks yet");
  await isFit(page, "empty");
  await page.getByRole("link", { name: "Add the first webhook" }).click();
  await page.goto(`${list(ACCOUNT)}/new`);
  await isFit(page, "add");
  await page.getByLabel("Name", { exact: true }).fill(NAME);
  await page.getByLabel("URL", { exact: true }).fill("ftp://receiver");
  // By keyboard: Return saves.
  await leadsOn(page, () => page.keyboard.press("Enter"));
  await sees(page, "have to be put right");
  assert.equal(await page.getByLabel("Name", { exact: true }).inputValue(), NAME);
  assert.equal(await page.getByLabel("URL", { exact: true }).getAttribute("aria-invalid"), "true");
  await isFit(page, "mistakes");
  await page.getByLabel("URL", { exact: true }).fill(url);
  await page.getByLabel("COURSE_ENROLLMENT", { exact: false }).first().check();
}

async function tests(page, receiver) {
  await leadsOn(page, () => page.getByRole("button", { name: "Test webhook" }).click());
  await sees(page, "200 OK");
  await sees(page, "thank you");
  await isFit(page, "test");
  assert.equal(receiver.got.length, 1);
  assert.match(receiver.got[0].headers["webhook-id"], /^msg_test_/);
  const secret = await page.getByRole("textbox", { name: "Secret" }).inputValue();
  assert.match(secret, /^whsec_/);
  return secret;
}

async function saves(page, secret) {
  await leadsOn(page, () => page.getByRole("button", { name: "Add webhook" }).click());
  await sees(page, "It is shown this once");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("link", { name: "Save as JSON" }).click()]);
  const kept = JSON.parse(fs.readFileSync(await download.path(), "utf8"));
  assert.ok(JSON.stringify(kept).includes(secret), "what was tested with is what is saved");
  await isFit(page, "secret");
  await leadsOn(page, () => page.getByRole("link", { name: "I have saved it" }).click());
  await sees(page, "Nothing was sent yet");
}

async function watches(page, receiver) {
  await publish("order-1");
  await sees(page, "order-1");
  await sees(page, "200 OK");
  receiver.status = 500;
  await publish("order-2");
  await sees(page, "500 Internal Server Error");
  await sees(page, "Failing");
  await sees(page, "It had an error of its own");
  await isFit(page, "webhook-failing");
  const here = page.url();
  await page.goto(list(ACCOUNT));
  await sees(page, /\d failed/);
  await isFit(page, "webhooks");
  await page.goto(here);
  receiver.status = 200;
  // The next attempt comes 5 s after the first (D2).
  await sees(page, "Delivering (real-time events)");
  await isFit(page, "webhook");
  const times = page.locator("time").first();
  assert.equal(/UTC/.test(await times.innerText()), !withScripts);
}

async function explains(page, receiver) {
  await leadsOn(page, () => page.getByRole("link", { name: "order-2" }).first().click());
  await sees(page, "When it was accepted: matched");
  // Without scripts nothing but a reload shows what could not be read a moment ago.
  await sees(page, /What it carries \d+ bytes/);
  await page.getByText("What it carries").first().click();
  await page.getByText('"loId":"course:7"').first().waitFor({ timeout: PATIENCE });
  await isFit(page, "event");
  const before = receiver.got.length;
  await leadsOn(page, () => page.getByRole("button", { name: `Send again to ${NAME}` }).click());
  await sees(page, "It is sent once more");
  const until = Date.now() + PATIENCE;
  while (receiver.got.length === before) {
    assert.ok(Date.now() < until, "it is not sent again");
    await new Promise((next) => setImmediate(next));
  }
  assert.equal(receiver.got.at(-1).headers["angarium-again"], "resend");
}

async function undoes(page) {
  await page.goto(list(ACCOUNT));
  await leadsOn(page, () => page.getByRole("button", { name: `Switch off ${NAME}` }).click());
  await sees(page, "Switched off.");
  await leadsOn(page, () => page.getByRole("button", { name: `Switch on ${NAME}` }).click());
  await leadsOn(page, () => page.getByRole("link", { name: NAME, exact: true }).click());
  await leadsOn(page, () => page.getByRole("button", { name: "Delete webhook" }).click());
  await sees(page, "Deleted lately");
  await leadsOn(page, () => page.getByRole("button", { name: `Undo the deletion of ${NAME}` }).click());
  await sees(page, "It is back, as it was.");
  await leadsOn(page, () => page.getByRole("link", { name: "Changes" }).click());
  await sees(page, "Undelete webhook");
  await isFit(page, "changes");
}

// Playwright wants a path.
function found(program) {
  const places = process.env.PATH.split(path.delimiter).map((folder) => path.join(folder, program));
  return path.isAbsolute(program) ? program : places.find((place) => fs.existsSync(place));
}

async function main() {
  const receiver = new Receiver();
  const url = await receiver.start();
  const browser = await chromium.launch({ executablePath: found(CHROMIUM), args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
  const context = await browser.newContext({ javaScriptEnabled: withScripts, viewport: { width: 1280, height: 800 }, timezoneId: "Europe/Berlin", locale: "en-GB", acceptDownloads: true });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const wrong = [];
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (line) => line.type() === "error" && !/422/.test(line.text()) && wrong.push(line.text()));
  page.on("dialog", (dialog) => wrong.push(`a dialog: ${dialog.message()}`));

  await page.goto(CONSOLE);
  await sees(page, "nobody signs in");
  await page.keyboard.press("Tab");
  assert.equal(await page.locator(":focus").innerText(), "Skip to the content");
  await page.keyboard.press("Enter");
  await isFit(page, "accounts");
  await adds(page, url);
  const secret = await tests(page, receiver);
  await saves(page, secret);
  await watches(page, receiver);
  await explains(page, receiver);
  await undoes(page);
  assert.deepEqual(wrong, []);
  assert.deepEqual(unfit, [], unfit.join("\n"));
  await browser.close();
  receiver.server.closeAllConnections();
  receiver.server.close();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
