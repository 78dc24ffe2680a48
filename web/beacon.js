// The browser side of the collector. docs/beacons.md describes the behaviour and the reasons.
//
// Each event is serialized at the call, so that the page may change its properties afterwards.
// Until the server has decided about it, it is in exactly one of three lists:
//   queue        waits for the next request
//   inFlight     is in the current request
//   unconfirmed  was sent by sendBeacon, which does not report whether the server received it
// localStorage holds a copy of all three for the next page. A page view begins outside of the
// lists, since frameworks set the title late: see endView.
//
// The page may have replaced everything that this script uses. Therefore the script has no array
// methods, no iteration of arrays (`...`, `of`, `[a] =`) and no JSON.stringify. It writes
// `window.fetch`, because `let fetch` in a script of the page would hide the global `fetch`.
//
// The collector serves the minified script in dist/: run `make web` after each change.
(() => {
  // Requests that outlive the page may have 65,536 bytes in flight together (Fetch standard).
  const MAX_BODY_BYTES = 6e4,
    MAX_COPY_CHARS = 1e5,
    MAX_QUEUE_CHARS = 2e6,
    // Of a title or URL.
    MAX_CHARS = 4000,
    SESSION_MS = 18e5,
    RESPONSE_TIMEOUT_MS = 6e4,
    PREFIX = "beacon.js:",
    SECRETS =
      "[\\w-]*(token|secret|passw(or)?d|key|session(_?id)?)|auth|code|email|pwd|sid",
    // Time of the last event, id, and user as JSON.
    SESSION = /^(\S+) ([\d-]{7,43}) (|"([^"\\\0-\x1f\u2028\u2029\ud800-\udfff]|\\u....){1,512}")$/u;

  // No call may throw into the page, and whatever belongs to the page may throw.
  const guarded = (action, report) => (a, b, c) => {
    try {
      return action(a, b, c);
    } catch (error) {
      report && report(error);
    }
  };
  const doNothing = () => {};
  const warn = guarded((what, detail) => console.warn(PREFIX, what, detail));

  const get = guarded((object, name) => object[name]);
  // `<img name="title">` replaces document.title, but not the getter.
  const getOfDocument = guarded((name) =>
    window.Document.prototype.__lookupGetter__(name).call(document)
  );
  const listen = guarded((target, name, action) =>
    window.EventTarget.prototype.addEventListener.call(target, name, guarded(action))
  );

  const stub = window.beacon;
  const script = getOfDocument("currentScript") || document.querySelector("script[data-key]");
  // A second tag has no effect. window.beacon may also be an element with the id "beacon".
  if (!script || (typeof stub == "function" && !stub.q)) return;

  // An option in the script's own URL serves where a tag manager removes the attribute.
  const option = guarded((name) => {
    const given = script.getAttribute("data-" + name);
    const inUrl = RegExp(`[?&]${name}=([^&#]*)`).exec(script.src);
    return given == null && inUrl ? decodeURIComponent(inUrl[1]) : given;
  });
  const isOn = (name) => option(name) != "false";

  const source = script.src.replace(/[?#].*/, "");
  const isShort = /\/s\b[^/]*$/.test(source);
  const base = (option("url") || source).replace(/[^/]*$/, "");
  const batchUrl = base + (isShort ? "b" : "api/v1/events/batch");
  const pixelUrl = base + (isShort ? "i" : "api/v1/pixel") + ".gif?data=";

  let queue = "",
    inFlight = "",
    unconfirmed = "",
    lost = "",
    backoff = 0,
    maxBatch = 1e4,
    session,
    timer,
    deadline,
    isTracked,
    view,
    viewTimer,
    lastUrl,
    pending;

  // Pages replace Date.now. The server takes years from 2000 to 9999, and "" as an absent time.
  const clock = guarded(() => +new Date());
  const iso = (time) =>
    guarded(() => /^\d{4}-.*Z$/.exec(new Date(time).toISOString())[0])() || "";

  const stamp = (time) => {
    const text = iso(time);
    return text > "2" ? text : "";
  };

  // The server rejects half a surrogate pair, which is what /u matches here.
  const quote = (text) =>
    `"${text.replace(/["\\\0-\x1f\u2028\u2029\ud800-\udfff]/gu, (char) =>
      char > "\ud7ff" ? "\ufffd" : "\\u" + (65536 + char.charCodeAt()).toString(16).slice(1)
    )}"`;

  // As JSON.stringify, but without the toJSON that old libraries give to all objects.
  const json = (value) => {
    if (value instanceof Date) value = iso(value) || null;
    const toJSON = value instanceof Object && get(value, "toJSON");
    if (typeof toJSON == "function" && toJSON != {}.toJSON && toJSON != [].toJSON)
      value = value.toJSON();
    if (typeof value == "string") return quote(value);
    if (/^[ufs]/.test(typeof value)) return "";
    if (!value || typeof value != "object") return isFinite(value) ? "" + value : "null";
    let text = "";
    if (Array.isArray(value)) {
      for (let at = 0; at < value.length; at++) text += "," + (json(value[at]) || "null");
      return `[${text.slice(1)}]`;
    }
    // Without a prototype, so that properties added to Object.prototype are not listed.
    const own = { __proto__: null, ...value };
    for (const name in own) text += member(name, json(own[name]));
    return `{${text.slice(1)}}`;
  };
  const member = (name, text) => text && `,${quote(name)}:${text}`;

  const save = guarded((storage, name, text) => {
    if (text) window[storage][name] = text;
    else delete window[storage][name];
    return true;
  });

  // crypto may be missing, and a page may replace both sources by constants.
  const randomId = () => {
    const words = guarded(() => window.crypto.getRandomValues(new Uint32Array(4)))() || "";
    return "0-1-2-3".replace(/\d/g, (at) => (words[at] ^ (Math.random() * 2 ** 32)) >>> 0);
  };
  const ownKey = PREFIX + randomId();

  const touchSession = (user) => {
    const now = clock();
    const stored = get(get(window, "sessionStorage"), PREFIX);
    const last = SESSION.exec(stored) || SESSION.exec(session) || "";
    // A clock that is set back ends the session too.
    const id = !last || Math.abs(now - last[1]) > SESSION_MS ? randomId() : last[2];
    user = user === undefined ? last[3] || "" : user;
    session = `${now} ${id} ${user}`;
    save("sessionStorage", PREFIX, session);
    return member("session_id", quote(id)) + member("user_id", user);
  };

  const identify = (user) => touchSession(user == null ? "" : json(user + ""));

  // An event without its end.
  const newEvent = (type, time) =>
    `\n{"event_id":"${randomId()}","timestamp":"${stamp(time) || stamp(clock())}"` +
    member("event_type", json(type)) +
    touchSession() +
    member("key", json(option("key") || undefined));

  const push = (event, properties) => {
    event += member("properties", json(properties)) + member("lost_events", lost) + "}";
    if (queue.length > MAX_QUEUE_CHARS) lost++;
    else {
      queue += event;
      lost = "";
    }
    flushIn(1);
  };

  const track = (type, properties, time) => {
    pending || look();
    push(newEvent(type, time), properties);
  };

  const flushIn = (seconds) => {
    timer = timer || setTimeout(sendQueue, seconds * 1000);
  };

  const utf8 = (text) => unescape(encodeURIComponent(text));
  const count = (events) => events.split("\n").length - 1;

  const takeBatch = () => {
    let batch = "",
      size = 0,
      number = 0;
    queue = queue.replace(/\n.*/g, (event) => {
      if (size < MAX_BODY_BYTES) size += utf8(event).length + 50;
      if (number++ && (size > MAX_BODY_BYTES || number > maxBatch)) return event;
      batch += event;
      return "";
    });
    // Without an event it would never become empty.
    if (!batch) queue = "";
    return batch;
  };

  // But for the time of sending, each attempt is the same: the server compares them.
  const bodyOf = (events) =>
    events.replace(/\n(.*)}/g, `,$1,"sent_at":"${iso(clock())}"}`).slice(1);

  const post = async (events) => {
    const body = `[${bodyOf(events)}]`;
    try {
      return await window.fetch(batchUrl, {
        method: "POST",
        body,
        keepalive: utf8(body).length < 65536,
      });
    } catch (error) {}
  };

  // If localStorage is full, the tab has the copy.
  const saveCopy = () => {
    const all = unconfirmed + inFlight + queue;
    const kept = (all + "\n").slice(0, MAX_COPY_CHARS).replace(/\n.*$/, "");
    const missing = +lost + count(all) - count(kept);
    const copy = (missing || kept) && `${missing} ${unconfirmed.length} ${clock()}${kept}`;
    return save("localStorage", ownKey, copy) || save("sessionStorage", ownKey, copy);
  };

  const send = async () => {
    if (inFlight || !queue) return;
    const batch = (inFlight = takeBatch());
    const half = count(batch) >> 1;
    awaitResponse();
    const response = (await post(batch)) || "";
    let { status, headers, bodyUsed } = response,
      reply = "";
    try {
      reply = (await response.json()) || reply;
    } catch (error) {}
    if (batch != inFlight) return;
    // Another script that wraps fetch may have read the response.
    if (!status || bodyUsed) return sendImages();
    const { event_ids, errors, error } = reply;
    if (half && !event_ids && (status == 413 || status == 400)) {
      maxBatch = half;
      retry(0.1);
    } else if (event_ids || /^4(?!08|29)/.test(status)) {
      if (status > 200) warn(status, errors || error);
      finishBatch();
    } else retry(guarded(() => headers.get("Retry-After"))());
  };

  const awaitResponse = () => {
    clearTimeout(deadline);
    deadline = setTimeout(retry, RESPONSE_TIMEOUT_MS);
  };

  const finishBatch = () => {
    inFlight = "";
    backoff = 0;
    clearTimeout(deadline);
    saveCopy();
    send();
  };

  const retry = guarded((seconds) => {
    queue = inFlight + queue;
    inFlight = "";
    clearTimeout(deadline);
    saveCopy();
    backoff = backoff < 30 ? backoff * 2 || 1 : 60;
    clearTimeout(timer);
    timer = 0;
    flushIn((+seconds || backoff) * (1 + Math.random() / 2));
  });

  // One at a time: an image that fails to load may mean that the server cannot be reached.
  const sendImages = guarded(() => {
    const batch = inFlight;
    const event = /\n.{1,5000}(?![^\n])/.exec(batch);
    if (!event) return batch ? retry() : finishBatch();
    awaitResponse();
    const image = new window.Image();
    image.onload = () => {
      if (batch != inFlight) return;
      inFlight = batch.replace(event[0], "");
      sendImages();
    };
    image.onerror = () => batch == inFlight && retry();
    image.src = pixelUrl + encodeURIComponent(btoa(utf8(bodyOf(event[0]))));
  }, retry);

  const sendQueue = () => {
    clearTimeout(timer);
    timer = 0;
    send();
  };

  const flush = () => {
    closeView();
    sendQueue();
  };

  const sendBeacons = () => {
    closeView();
    while (queue) {
      const events = takeBatch();
      unconfirmed += events;
      if (!guarded(() => window.navigator.sendBeacon(batchUrl, `[${bodyOf(events)}]`))()) {
        post(events);
        break;
      }
    }
    saveCopy();
  };

  const requeue = () => {
    queue = unconfirmed + queue;
    unconfirmed = "";
    if (queue) flushIn(1);
  };

  const masked = option("mask");
  const secrets = RegExp(
    // A value may be a URL of its own, encoded once or more often.
    `(([^\\w-]|%(25)*..)(${
      masked ? masked.replace(/[^\w-]+/g, (text) => (/,/.test(text) ? "|" : ".")) : SECRETS
    })(]|%5d)?(=|%(25)*3d))[^&#]*`,
    "gi"
  );
  const urlOf = guarded((url) => url.slice(0, MAX_CHARS).replace(secrets, "$1***"));
  let referrer = urlOf(getOfDocument("referrer"));

  // Fragments may hold tokens.
  const pageUrl = () =>
    /^(true)?$/.test(option("hash")) ? location.href : location.href.replace(/#.*/, "");
  const pageTitle = () => {
    const title = getOfDocument("title");
    return typeof title == "string" ? title.slice(0, MAX_CHARS) : undefined;
  };

  const look = guarded(() => {
    const url = pageUrl();
    if (isTracked && url != lastUrl) {
      endView();
      view = newEvent("page_view", pending && pending.time);
      lastUrl = url;
      clearTimeout(viewTimer);
      viewTimer = setTimeout(sendView, 1000);
    }
    pending = 0;
  });

  // Frameworks set the title some time after they change the URL. Therefore it is read as late as
  // possible: when the view is sent, the next one begins, or the page is left.
  const endView = () => {
    if (!view) return;
    const url = urlOf(lastUrl);
    push(view, { url, title: pending ? pending.title : pageTitle(), referrer });
    referrer = url;
    view = 0;
  };

  const closeView = () => {
    look();
    endView();
  };

  const sendView = () => {
    flushIn(0);
    closeView();
  };

  // The title is still that of the view that ends. The URL is read after redirects.
  const navigated = guarded(() => {
    pending = pending || { title: pageTitle(), time: clock() };
    setTimeout(look);
  });

  const wrap = guarded((name) => {
    const original = window.history[name];
    window.history[name] = function () {
      navigated();
      return original.apply(this, arguments);
    };
  });

  const watchNavigation = () => {
    wrap("pushState");
    wrap("replaceState");
    // It reports also the calls of a pushState that a router kept from before.
    listen(window.navigation, "currententrychange", navigated);
    listen(window, "popstate", navigated);
    listen(window, "pageshow", ({ persisted }) => {
      if (!persisted) return;
      endView();
      lastUrl = "";
      look();
    });
    look();
  };

  const recover = guarded((storage, name) => {
    const text = window[storage][name];
    const { 0: head, 1: missing, 2: beacons, 3: time } = /^(\d{1,9}) (\d+) (\S+)/.exec(text);
    // The server recognizes duplicates for a day, so older beacons are not sent again.
    // Nearly all of them have arrived.
    text
      .slice(head.length + (clock() - time > 8e7 ? +beacons : 0))
      .replace(/\n\{"event_id":"[\d-]+","timestamp":"[^\0-\x1f\u2028\u2029\ud800-\udfff]*\}/gu, (event) => {
        queue += event;
      });
    lost = +lost + +missing || "";
  });

  const eachCopy = (action) => {
    for (const storage in { localStorage: 1, sessionStorage: 1 })
      guarded(() => {
        for (const name in window[storage])
          if (name != ownKey && /^beacon\.js:./.test(name)) action(storage, name);
      })();
  };

  const start = () => {
    eachCopy(recover);
    requeue();
    if (saveCopy()) eachCopy(save);
    const calls = (stub && stub.q) || "";
    for (let at = 0; at < calls.length; at++)
      guarded(({ 0: method, 1: args, 2: time }) =>
        method ? api[method](args[0]) : api(args[0], args[1], time)
      )(calls[at]);
    isTracked = isOn("auto");
    if (isTracked) watchNavigation();
    listen(window, "online", flush);
    listen(window, "pagehide", sendBeacons);
    listen(document, "visibilitychange", () => (document.hidden ? sendBeacons() : requeue()));
  };

  const optedOut =
    isOn("respect-privacy") &&
    (get(window.navigator, "globalPrivacyControl") || get(window.navigator, "doNotTrack") == 1);
  const exposed = (action) =>
    optedOut
      ? doNothing
      : guarded(action, (error) => warn("Not sent. A circular structure?", error));
  const api = (window.beacon = exposed(track));
  api.identify = exposed(identify);
  api.flush = exposed(flush);
  if (optedOut) return;
  // `<img name="prerendering">` is true to a condition.
  if (document.prerendering === true) listen(document, "prerenderingchange", start);
  else start();
})();
