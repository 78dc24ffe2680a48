// Sends to the collector by every transport that a page has, and shows what the collector saw.
// It runs on /selftest and on any page that loads it, and tests the origin of that page.
//
// The collector serves the minified script in dist/: run `make web` after each change.
(() => {
  const script = document.currentScript;
  const base = script.src.replace(/\/selftest\.js.*$/, "");
  // The collector discards only the requests of a run that it began itself.
  let run = "";
  const RESPONSE_TIMEOUT_MS = 10000;
  const REPORT_TIMEOUT_MS = 6000;
  const BIG_EVENTS = 12;
  const BIG_EVENT_CHARS = 130000;

  const EVENT = JSON.stringify({ event_type: "selftest" });
  const ONE = "/api/v1/events";
  const BATCH = "/api/v1/events/batch";
  const PIXEL = "/api/v1/pixel.gif";

  const markedUrl = (path, row, more = "") =>
    `${base}${path}?selftest=${run}.${row}.${Date.now()}${more}`;

  // Each of these resolves to the status, or to null if the page cannot read the response.
  const post = async (row, path, body, options = {}) => {
    const signal = AbortSignal.timeout(RESPONSE_TIMEOUT_MS);
    const request = { method: "POST", body, credentials: "omit", signal, ...options };
    return (await fetch(markedUrl(path, row), request)).status;
  };
  const sendBeacon = async (row, path, body) => {
    if (!navigator.sendBeacon(markedUrl(path, row), body))
      throw new Error("the browser refused to send it");
    return null;
  };
  const loadPixel = (row) =>
    new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => resolve(null);
      image.onerror = () => reject(new Error("the image did not load"));
      image.src = markedUrl(PIXEL, row, "&event_type=selftest");
    });
  const gzipped = (text) =>
    new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
  const bigBatch = () =>
    JSON.stringify(
      Array(BIG_EVENTS).fill({ event_type: "selftest", properties: { x: "x".repeat(BIG_EVENT_CHARS) } })
    );

  const ROWS = [
    ["post", "POST without preflight", (row) => post(row, ONE, EVENT)],
    [
      "authorized",
      "POST with Authorization and preflight",
      (row) =>
        post(row, ONE, EVENT, {
          headers: { "Content-Type": "application/json", Authorization: "Bearer selftest" },
        }),
    ],
    ["beacon", "sendBeacon with a string", (row) => sendBeacon(row, ONE, EVENT)],
    [
      "blob",
      "sendBeacon with a JSON Blob and preflight",
      (row) => sendBeacon(row, ONE, new Blob([EVENT], { type: "application/json" })),
    ],
    ["keepalive", "fetch with keepalive", (row) => post(row, BATCH, `[${EVENT}]`, { keepalive: true })],
    ["pixel", "Image", loadPixel],
    [
      "gzip",
      "POST with a gzip body and preflight",
      async (row) =>
        post(row, ONE, await gzipped(EVENT), { headers: { "Content-Encoding": "gzip" } }),
    ],
    ["big", "POST with a body of 1.5 MB", (row) => post(row, BATCH, bigBatch())],
  ];
  const aliasRow = (alias, index) => [
    `alias-${index}`,
    `sendBeacon to the alias ${alias}`,
    (row) => sendBeacon(row, `${alias}/b`, `[${EVENT}]`),
  ];

  // An error that the collector sent, in contrast to one of the network.
  class Refusal extends Error {}

  const readJson = async (path, options) => {
    const response = await fetch(base + path, { credentials: "omit", ...options });
    if (response.ok) return response.json();
    const { error } = await response.json().catch(() => ({}));
    throw new Refusal(`status ${response.status}${error ? `: ${error.message}` : ""}`);
  };
  const beginRun = () => readJson("/selftest/runs", { method: "POST" });
  const readReport = () => readJson(`/selftest/report?run=${run}`);

  const attempt = async ([row, title, send]) => {
    try {
      return { row, title, status: await send(row) };
    } catch (error) {
      return { row, title, failure: String(error.message || error) };
    }
  };

  const completeReport = async (rows) => {
    const until = Date.now() + REPORT_TIMEOUT_MS;
    for (;;) {
      const report = await readReport();
      if (rows.every(([row]) => isComplete(report.rows[row])) || Date.now() > until) return report;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  };

  const isRefused = (seen) =>
    seen.origin_allowed === false ||
    (seen.preflight && seen.preflight.origin_allowed === false) ||
    /^origin_not_allowed/.test(seen.error || "");

  // A request whose preflight was refused never arrives; any other preflight announces one.
  const isComplete = (seen) => Boolean(seen && (seen.status || isRefused(seen)));

  // Advice on where to test, or undefined. The collector admits the pages of its own host, whatever
  // its settings say, so that their success says nothing about sites.
  const hintFor = (rows) => {
    if (location.origin !== new URL(base).origin) return undefined;
    if (rows.some(isRefused))
      return "The collector does not recognize this page as its own. Configure the proxy to forward the Host header. Test your sites as described at the end of this page.";
    if (rows.some((seen) => /own host/.test(seen.origin_rule || "")))
      return "The collector accepts its own page even though it is not in CORS_ALLOWED_ORIGINS. Test from one of your sites, as described at the end of this page.";
    return undefined;
  };

  // The problem of a row and its remedy, or null.
  const advice = (result, seen) => {
    if (!seen && result.status)
      return (
        `The collector responded with ${result.status}, but another process of it began this test. ` +
        "With REUSE_PORT test one process, on a port of its own. Events that the others received were kept."
      );
    if (!seen) {
      const origin = new URL(base).origin;
      return (
        `Nothing arrived (${result.failure || "the browser reports no reason"}). ` +
        "If a blocker is active, send to a path of INGEST_ALIASES. " +
        "If the page has a Content-Security-Policy, add to it: " +
        `connect-src ${origin}; img-src ${origin}. ` +
        "Otherwise look for this request in the log of the proxy."
      );
    }
    if (isRefused(seen))
      return `The collector refuses this origin. Add ${location.origin} to CORS_ALLOWED_ORIGINS.`;
    if (!seen.status)
      return "Only the preflight arrived: the browser rejected its response. Check whether a proxy removes CORS headers.";
    if (seen.status !== 200) return `The server responded with ${seen.status}: ${seen.error}.`;
    if (result.row === "authorized" && !seen.authorization)
      return "The Authorization header was lost on the way. Configure the proxy to forward it.";
    if (result.row === "gzip" && seen.content_encoding !== "gzip")
      return "The Content-Encoding header was lost on the way. Configure the proxy to forward it.";
    if (result.failure)
      return `The request arrived, but the page could not read the response (${result.failure}). Check whether a proxy removes or duplicates CORS headers.`;
    return null;
  };

  const isPrivate = (address) =>
    /^(10\.|127\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|0\.|::1$|f[cd]|fe80)/.test(address);

  const addressAdvice = (seen) => {
    const { hostname } = new URL(base);
    if (!isPrivate(seen.address) || isPrivate(hostname) || /localhost$/.test(hostname)) return null;
    if (!seen.forwarded_for)
      return "The collector sees a private address. The proxy must set X-Forwarded-For.";
    return `The collector ignores X-Forwarded-For from ${seen.peer}. If this is your proxy, add it to TRUSTED_PROXIES.`;
  };
  const clockAdvice = (seen) =>
    Math.abs(seen.skew_ms) > 2000
      ? "The clocks of this computer and of the server differ. Correct the wrong one; until then the collector corrects the timestamps of events from beacon.js."
      : null;

  // The page. All values are set as text, so that none of them can become markup.

  const CSS = `
    :host { display: block; color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif;
      --ok: light-dark(#13692f, #6fd08c); --bad: light-dark(#a4161a, #ff8f8a);
      --line: light-dark(#d5d8dc, #43474d); --soft: light-dark(#f5f6f7, #1d1f22); }
    main { max-width: 46rem; margin: 0 auto; padding: 1rem; color: light-dark(#16181b, #e8eaed);
      background: light-dark(#fff, #131416); overflow-wrap: anywhere; }
    h1 { font-size: 1.4rem; margin: 0 0 .25rem; } h2 { font-size: 1.05rem; margin: 1.5rem 0 .5rem; }
    p { margin: .25rem 0; }
    details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; }
    summary { padding: .5rem .75rem; cursor: pointer; }
    .ok::before { content: "\\2713\\00a0"; color: var(--ok); font-weight: 700; }
    .bad::before { content: "\\2717\\00a0"; color: var(--bad); font-weight: 700; }
    .hint { border-left: 3px solid var(--line); padding-left: .75rem; margin: .75rem 0; }
    .advice { color: var(--bad); padding: 0 .75rem .5rem; }
    dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .15rem 1rem;
      margin: 0; padding: .25rem .75rem .75rem; font-size: .9rem; }
    dt { opacity: .75; } dd { margin: 0; }
    pre { background: var(--soft); border: 1px solid var(--line); border-radius: .5rem;
      padding: .75rem; white-space: pre-wrap; font-size: .85rem; margin: .5rem 0; }
  `;

  const element = (tag, text, className) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };

  const facts = (pairs) => {
    const list = element("dl");
    for (const [name, value] of pairs)
      if (value !== null && value !== undefined && value !== "")
        list.append(element("dt", name), element("dd", String(value)));
    return list;
  };

  const section = (title, isGood, pairs, problem) => {
    const box = element("details");
    box.open = !isGood;
    box.append(element("summary", title, isGood ? "ok" : "bad"));
    if (problem) box.append(element("p", problem, "advice"));
    box.append(facts(pairs));
    return box;
  };

  const rowSection = (result, seen) => {
    const problem = advice(result, seen);
    const at = seen || {};
    const preflight =
      at.preflight && `status ${at.preflight.status} for headers: ${at.preflight.headers || "none"}`;
    return section(result.title, problem === null, [
      ["page received", result.failure || (result.status ? `status ${result.status}` : "response not readable, as expected")],
      ["server sent", at.status && [`status ${at.status}`, at.error].filter(Boolean).join(", ")],
      ["request", at.method && `${at.method} ${at.path}`],
      ["preflight", preflight],
      ["origin", at.origin || (at.status && "none sent")],
      ["origin rule", at.origin_rule],
      ["Content-Type", at.content_type],
      ["Content-Encoding", at.content_encoding],
      ["body", at.status && `${at.bytes} bytes`],
    ], problem);
  };

  const serverSections = (seen) => {
    const problem = addressAdvice(seen);
    const clockProblem = clockAdvice(seen);
    return [
      section("Address", problem === null, [
        ["your address", seen.address],
        ["connection from", `${seen.peer}, ${seen.peer_trusted ? "a trusted proxy" : "not a trusted proxy"}`],
        ["X-Forwarded-For", seen.forwarded_for || "none"],
      ], problem),
      section("Clock", clockProblem === null, [
        ["difference", `${seen.skew_ms} ms (clocks and network delay together)`],
      ], clockProblem),
    ];
  };

  const snippets = (version) => {
    const src = `${base}/beacon.${version.hash}.js`;
    const load = `document.head.append(Object.assign(document.createElement("script"), {src: "${base}/selftest.js"}))`;
    return [
      element("h2", "Script tag"),
      element("pre", `<script async src="${base}/beacon.js"></script>`),
      element("p", "To pin the current version and have the browser verify it:"),
      element("pre", `<script async src="${src}" integrity="${version.integrity}" crossorigin></script>`),
      element("h2", "Test another site"),
      element("p", "Open a page of the site and paste this into the console of the developer tools:"),
      element("pre", load),
    ];
  };

  const mount = () => {
    const host = document.createElement("div");
    host.id = "collector-selftest";
    document.body.append(host);
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
    root.adoptedStyleSheets = [sheet];
    const main = element("main");
    root.append(main);
    return main;
  };

  // The request that was on its way for the shortest time says most about the clock.
  const skewOf = (rows) =>
    Object.values(rows)
      .filter((row) => row.status)
      .map((row) => row.skew_ms)
      .reduce((best, next) => (Math.abs(next) < Math.abs(best) ? next : best));

  const show = (main, results, report, version) => {
    const sections = results.map((result) => rowSection(result, report.rows[result.row]));
    const seen = report.rows.post || Object.values(report.rows).find((row) => row.status);
    const about = seen && seen.status ? serverSections({ ...seen, skew_ms: skewOf(report.rows) }) : [];
    const bad = [...sections, ...about].filter((box) => box.open).length;
    main.dataset.bad = bad;
    const hint = hintFor(Object.values(report.rows));
    main.replaceChildren(
      element("h1", bad ? `${bad} of ${sections.length + about.length} checks failed` : "Everything arrives"),
      element("p", `From ${location.origin} to ${base}. The collector keeps none of these test events.`),
      ...(hint ? [element("p", hint, "hint")] : []),
      element("h2", "Transports"),
      ...sections,
      ...(about.length ? [element("h2", "Address and clock"), ...about] : []),
      ...snippets(version)
    );
  };

  const failure = (error) =>
    error instanceof Refusal
      ? [
          element("h1", "The self-test could not be completed"),
          element("p", `${base}/selftest: ${error.message}`, "hint"),
        ]
      : [
          element("h1", "The collector cannot be reached"),
          element("p", `${base}/selftest: ${error.message}. The browser's console has the cause: a Content-Security-Policy, a certificate or a wrong address.`),
        ];

  const runTest = async () => {
    const main = mount();
    main.append(element("h1", "Testing …"), element("p", `From ${location.origin} to ${base}.`));
    try {
      const begun = await beginRun();
      run = begun.run;
      const rows = [...ROWS, ...begun.aliases.map(aliasRow)];
      const results = await Promise.all(rows.map(attempt));
      show(main, results, await completeReport(rows), begun.script);
    } catch (error) {
      main.dataset.bad = "all";
      main.replaceChildren(...failure(error));
    }
  };

  if (document.body) runTest();
  else addEventListener("DOMContentLoaded", runTest);
})();
