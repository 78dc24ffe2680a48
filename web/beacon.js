// The browser side of the collector. docs/beacons.md describes the behaviour and the reasons.
//
// Each event is serialized at the call, so that the page may change its properties afterwards.
// Until the server has decided about it, it is in exactly one of three lists:
//   queue        waits for the next request
//   inFlight     is in the current request
//   unconfirmed  was sent by sendBeacon, which does not report whether the server received it
// localStorage holds a copy of all three for the next page.
//
// The collector serves the minified script in dist/: run `make web` after each change.
(() => {
  const stub = window.beacon;
  const script = document.currentScript || document.querySelector("script[data-key]");
  // A second tag has no effect. window.beacon may also be an element with the id "beacon".
  if (!script || (typeof stub == "function" && !stub.q)) return;

  const options = script.dataset;
  const endpoint = (path, shortPath) =>
    new URL(/\/s\b[^/]*$/.test(script.src) ? shortPath : path, options.url || script.src);
  const batchUrl = endpoint("api/v1/events/batch", "b");
  const pixelUrl = endpoint("api/v1/pixel.gif", "i.gif") + "?data=";

  // Requests that outlive the page may have 65,536 bytes in flight together (Fetch standard).
  const MAX_BODY_BYTES = 6e4,
    MAX_COPY_CHARS = 1e5,
    MAX_QUEUE = 5000,
    PREFIX = "beacon.js:",
    REJECTED_HINT = "Rejected and not retried: correct the cause given here.";

  let queue = [],
    inFlight = [],
    unconfirmed = [],
    lost = 0,
    backoff = 0,
    maxBatch = MAX_QUEUE,
    referrer = document.referrer,
    timer,
    session,
    lastPath;

  const doNothing = () => ({});
  const warn = (...args) => console.warn(PREFIX, ...args);
  const warnOf = (problem) => (error) => warn(problem, error);

  // No call may throw into the page, and access to storage may be denied.
  const guarded = (action, report) => (...args) => {
    try {
      return action(...args);
    } catch (error) {
      report && report(error);
    }
  };
  const load = guarded((storage, key) => JSON.parse(window[storage][key]));
  const save = guarded((storage, key, value) => {
    if (value) window[storage][key] = JSON.stringify(value);
    else delete window[storage][key];
  });

  const randomId = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
  const ownKey = PREFIX + randomId();

  const touchSession = (changes) => {
    const now = Date.now();
    session = load("sessionStorage", PREFIX) || session || {};
    if (!(now - session.at < 18e5)) session.id = randomId();
    save("sessionStorage", PREFIX, Object.assign(session, { at: now }, changes));
    return session;
  };

  const enqueue = (type, properties, time) => {
    const { id, user } = touchSession();
    const text = JSON.stringify({
      event_id: randomId(),
      event_type: type,
      timestamp: new Date(time || Date.now()),
      session_id: id,
      user_id: user,
      key: options.key,
      lost_events: lost || undefined,
      properties,
    });
    lost = queue[MAX_QUEUE] ? lost + 1 : queue.push(text) && 0;
    flushIn(1);
  };

  const flushIn = (seconds) => {
    timer = timer || setTimeout(flush, seconds * 1000);
  };

  const byteLength = (text) => new Blob([text]).size;

  const takeBatch = () => {
    let size = 0,
      at = 0;
    while (at < maxBatch && queue[at] && (size += byteLength(queue[at]) + 50) < MAX_BODY_BYTES)
      at++;
    return queue.splice(0, at || 1);
  };

  const withSentAt = (text) => text.replace(/}$/, `,"sent_at":"${new Date().toISOString()}"}`);

  const bodyOf = (events) => `[${events.map(withSentAt)}]`;

  const post = async (body) =>
    fetch(batchUrl, {
      method: "POST",
      body,
      keepalive: byteLength(body) < MAX_BODY_BYTES,
    });

  const saveCopy = () => {
    const all = [...unconfirmed, ...inFlight, ...queue];
    let room = MAX_COPY_CHARS;
    const kept = all.filter((text) => (room -= text.length) > 0);
    const missing = lost + all.length - kept.length;
    const copy = [missing, unconfirmed.length, Date.now(), ...kept];
    save("localStorage", ownKey, (missing || all[0]) && copy);
  };

  const flush = async () => {
    timer = clearTimeout(timer);
    if (inFlight[0] || !queue[0]) return;
    inFlight = takeBatch();
    const response = await post(bodyOf(inFlight)).catch(sendImages);
    if (!response) return;
    const status = response.status;
    const reply = (await response.json().catch(doNothing)) || response;
    if (status == 413 && inFlight[1]) {
      maxBatch = inFlight.length >> 1;
      retry(0.1);
    } else if (reply.event_ids || /^4(?!08|29)/.test(status)) {
      if (status > 200) warn(status, reply.errors || reply.error, REJECTED_HINT);
      finishBatch();
    } else retry(response.headers.get("Retry-After"));
  };

  const finishBatch = () => {
    inFlight = [];
    backoff = 0;
    saveCopy();
    flush();
  };

  const retry = (seconds) => {
    queue = [...inFlight, ...queue];
    inFlight = [];
    saveCopy();
    backoff = Math.min(60, backoff * 2 || 1);
    flushIn((+seconds || backoff) * (1 + Math.random() / 2));
  };

  // One at a time: an image that fails to load may mean that the server cannot be reached.
  const sendImages = () => {
    const at = inFlight.findIndex((text) => text.length < 5000);
    if (at < 0) return inFlight[0] ? retry() : finishBatch();
    const image = new Image();
    image.onload = () => {
      inFlight.splice(at, 1);
      sendImages();
    };
    image.onerror = retry;
    const ascii = unescape(encodeURIComponent(withSentAt(inFlight[at])));
    image.src = pixelUrl + encodeURIComponent(btoa(ascii));
  };

  const sendBeacons = () => {
    while (queue[0]) {
      const events = takeBatch();
      const body = bodyOf(events);
      unconfirmed.push(...events);
      if (!guarded(() => navigator.sendBeacon(batchUrl, body))()) {
        post(body).catch(doNothing);
        break;
      }
    }
    saveCopy();
  };

  const requeue = () => {
    queue = [...unconfirmed, ...queue];
    unconfirmed = [];
    flushIn(1);
  };

  const trackView = () => {
    const url = location.href;
    const path = url.split("#")[0];
    if (path == lastPath) return;
    lastPath = path;
    enqueue("page_view", { url, title: document.title, referrer });
    referrer = url;
  };

  // Frameworks set the title after they change the URL.
  const trackViewSoon = () => setTimeout(guarded(trackView));

  const watchNavigation = () => {
    for (const name of ["pushState", "replaceState"]) {
      const original = history[name];
      history[name] = function (...args) {
        trackViewSoon();
        return original.apply(this, args);
      };
    }
    addEventListener("popstate", trackViewSoon);
    addEventListener("pageshow", (event) => {
      if (event.persisted) lastPath = trackViewSoon();
    });
    trackView();
  };

  const start = guarded(() => {
    for (const key of guarded(() => Object.keys(localStorage))() || [])
      if (key.startsWith(PREFIX)) {
        const [missing, beacons, time, ...events] = load("localStorage", key) || [0];
        lost += missing;
        // The server recognizes duplicates for a day, so older beacons are not sent again.
        // Nearly all of them have arrived.
        queue.push(...events.slice(Date.now() - time > 8e7 ? beacons : 0));
        save("localStorage", key);
      }
    requeue();
    saveCopy();
    for (const [method, args, time] of (stub && stub.q) || [])
      method ? api[method](...args) : api(args[0], args[1], time);
    if (options.auto != "false") watchNavigation();
    addEventListener("online", flush);
    addEventListener("pagehide", sendBeacons);
    document.addEventListener("visibilitychange", () =>
      document.hidden ? sendBeacons() : requeue()
    );
  }, warnOf("Start failed: check the calls made before it loaded."));

  const optedOut =
    options.respectPrivacy != "false" &&
    (navigator.globalPrivacyControl || navigator.doNotTrack == 1);
  const callFailed = warnOf("Call failed: pass only values that JSON can hold.");
  const exposed = (action) => (optedOut ? doNothing : guarded(action, callFailed));
  const api = (window.beacon = exposed(enqueue));
  api.identify = exposed((user) => touchSession({ user }));
  api.flush = exposed(flush);
  if (optedOut) return;
  if (document.prerendering) document.addEventListener("prerenderingchange", start);
  else start();
})();
