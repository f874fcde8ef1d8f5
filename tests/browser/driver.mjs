// A browser for tests in Python: reads a command a line (JSON) from standard input, answers with a
// line each. One page at a time; `open` begins with a fresh context. What a page should not do
// (errors on its console, requests to anywhere else) is collected, and told by `complaints`.
//
//     node driver.mjs MODULES CHROMIUM

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";

const [modules, chromiumPath] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const SECONDS = 20;
const browser = await chromium.launch({
  executablePath: chromiumPath,
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
let page, context, complaints, answer;

const commands = {
  async open({ url, user, password, language = "en", scheme = "light", width = 1280, height = 900, script = false }) {
    await context?.close();
    complaints = [];
    context = await browser.newContext({
      locale: language,
      colorScheme: scheme,
      viewport: { width, height },
      javaScriptEnabled: script,
      httpCredentials: user && { username: user, password },
    });
    context.setDefaultTimeout(SECONDS * 1000);
    page = await context.newPage();
    const home = new URL(url).origin;
    page.on("console", (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => complaints.push(`error: ${error}`));
    page.on("request", (request) => {
      if (!request.url().startsWith(`${home}/`) && !request.url().startsWith("data:"))
        complaints.push(`request: ${request.url()}`);
    });
    page.on("response", (response) => {
      if (response.request().isNavigationRequest()) answer = response;
    });
    // A refused login is an error to the browser, and an answer to a test.
    await page.goto(url).catch((error) => {
      if (answer?.status() !== 401) throw error;
    });
    return answer.status();
  },
  reload: async () => (await page.reload()).status(),
  text: () => page.locator("body").innerText(),
  url: () => page.url(),
  click: ({ role, name, exact = false }) => page.getByRole(role, { name, exact }).first().click(),
  fill: ({ label, value }) => page.getByLabel(label).fill(value),
  select: ({ label, value }) => page.getByLabel(label).selectOption(value),
  press: ({ key }) => page.keyboard.press(key),
  // A key that leads to another page.
  enter: () => Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]).then(() => null),
  focused: () =>
    page.evaluate(() => {
      const element = document.activeElement;
      const words = element.innerText || element.name || "";
      return `${element.tagName.toLowerCase()} ${words}`.replace(/\s+/g, " ").trim();
    }),
  overflow: () => page.evaluate(() => document.scrollingElement.scrollWidth - window.innerWidth),
  html: () => answer.text(),
  complaints: () => complaints,
  async axe() {
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run());
    return found.violations.map(
      ({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`,
    );
  },
  screenshot: ({ path }) => page.screenshot({ path }).then(() => null),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { do: name, ...values } = JSON.parse(line);
  let result;
  try {
    result = { value: (await commands[name](values)) ?? null };
  } catch (error) {
    result = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
await browser.close();
