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
// methods, no iteration of arrays (`f(...a)`, `of`, `[a] =`) and no JSON.stringify. It writes
// `window.fetch`, because `let fetch` in a script of the page would hide the global `fetch`.
//
// The collector serves the minified script in dist/: run `make web` after each change. Each byte
// counts there: prefer one way to do a thing, and few names.
(() => {
  const MAX_COPY_CHARS = 1e5,
    MAX_QUEUE_CHARS = 2e6,
    // Of a title or URL.
    MAX_CHARS = 4000,
    SESSION_MS = 18e5,
    RESPONSE_TIMEOUT_S = 60,
    PREFIX = "beacon.js:",
    SECRETS =
      "[\\w-]*(token|secret|passw(or)?d|key|session(_?id)?)|auth|code|email|pwd|sid",
    // Time of the last event, id, and user.
    SESSION = /^(\S+) ([\d-]{7,43}) ([^]{0,512})$/;

  // No call may throw into the page, and whatever belongs to the page may throw.
  const guarded = (action, warning) => (a, b, c) => {
    try {
      return action(a, b, c);
    } catch (error) {
      if (warning) warn(warning, error);
    }
  };
  const warn = guarded((what, detail) => console.warn(PREFIX, what, detail));

  const ofSite = guarded(() => window.localStorage)();
  const ofTab = guarded(() => window.sessionStorage)();
  // `<img name="title">` replaces document.title, but not the getter.
  const getOfDocument = guarded((name) =>
    window.Document.prototype.__lookupGetter__(name).call(document)
  );
  const listen = guarded((target, name, action) =>
    window.EventTarget.prototype.addEventListener.call(target, name, guarded(action))
  );

  const stub = window.beacon;
  const script = getOfDocument("currentScript");
  // A second tag has no effect. window.beacon may also be an element with the id "beacon".
  if (!script || (typeof stub == "function" && !stub.q)) return;

  // An option in the script's own URL serves where a tag manager removes the attribute.
  const option = guarded((name) => {
    const given = script.getAttribute("data-" + name);
    if (given != null) return given;
    return decodeURIComponent(RegExp(`[?&]${name}=([^&#]*)`).exec(script.src)[1]);
  });

  const { 1: folder, 2: isShort } = /([^?#]*\/)?(s\b)?/.exec(script.src);
  const base = option("url") || folder;
  const batchUrl = base + (isShort ? "b" : "api/v1/events/batch");
  const pixelUrl = base + (isShort ? "i" : "api/v1/pixel") + ".gif?data=";

  let queue = "",
    inFlight = "",
    unconfirmed = "",
    lost = 0,
    backoff = 0,
    // Characters without `sent_at`, with which a batch has less than 65,536 bytes: as many as
    // requests that outlive the page may have in flight together (Fetch standard).
    maxBatch = 5e4,
    session,
    timer,
    isTracked,
    view,
    viewTimer,
    lastUrl,
    pending;

  // Pages replace Date.now. The server takes years from 2000 to 9999, and "" as an absent time.
  const clock = () => +new Date();
  const iso = (time) =>
    guarded(() => /^\d.+/.exec(new Date(time).toISOString())[0])() || "";

  // ASCII, so that characters are bytes. The server rejects half a surrogate pair.
  const quote = (text) =>
    `"${text
      .replace(/[\ud800-\udfff]/gu, "\ufffd")
      .replace(
        /[^ !#-[\]-~]/g,
        (char) => "\\u" + escape(char).replace(/%u?/, "00").slice(-4)
      )}"`;

  // As JSON.stringify, but without the toJSON that old libraries give to all objects.
  const json = (value) => {
    let text = "";
    if (Array.isArray(value)) {
      for (let at = 0; at < value.length; at++) text += "," + (json(value[at]) || "null");
      return `[${text.slice(1)}]`;
    }
    if (value instanceof Date) value = iso(value) || null;
    else if (value instanceof Object)
      // The property may have no function, or a getter that throws.
      guarded(() => {
        if (value.toJSON != {}.toJSON) value = value.toJSON();
      })();
    const type = typeof value;
    if (type == "string") return quote(value);
    if (!value || type != "object")
      return /^[ufs]/.test(type) ? "" : isFinite(value) ? "" + value : "null";
    // Without a prototype, so that properties added to Object.prototype are not listed.
    for (const name in { __proto__: null, ...value }) {
      const item = json(value[name]);
      if (item) text += `,${quote(name)}:${item}`;
    }
    return `{${text.slice(1)}}`;
  };

  const save = guarded((storage, name, text) => {
    if (text) storage[name] = text;
    else delete storage[name];
    return true;
  });

  // crypto may be missing, and a page may replace both sources by constants.
  const randomId = () =>
    "0-0-0-0".replace(/0/g, () => {
      const word = guarded(() => window.crypto.getRandomValues(new Uint32Array(1))[0])();
      return (word ^ (Math.random() * 2 ** 32)) >>> 0;
    });
  const ownKey = PREFIX + randomId();

  const touchSession = (user) => {
    const now = clock();
    const last = SESSION.exec(guarded(() => ofTab[PREFIX])() || session) || "";
    // A clock that is set back ends the session too.
    const id = (Math.abs(now - last[1]) > SESSION_MS ? "" : last[2]) || randomId();
    user = user === undefined ? last[3] || "" : user;
    session = now + " " + id + " " + user;
    save(ofTab, PREFIX, session);
    return { session_id: id, user_id: user || undefined };
  };

  const identify = (user) => touchSession(user == null ? "" : user + "");

  const newEvent = (type, time) => ({
    timestamp: iso(time || clock()).replace(/^[01].+/, ""),
    event_id: randomId(),
    event_type: type,
    ...touchSession(),
    key: option("key") || undefined,
  });

  const push = (event, properties) => {
    if (queue.length > MAX_QUEUE_CHARS) lost++;
    else {
      queue += "\n" + json({ ...event, properties, lost_events: lost || undefined });
      lost = 0;
    }
    saveCopy();
    flushIn(1);
  };

  const track = (type, properties, time) => {
    if (!pending) look();
    push(newEvent(type, time), properties);
  };

  // The one timer ends the wait for the next request, or that for a response.
  const flushIn = (seconds, action = send) => {
    timer = timer || setTimeout(action, seconds * 1000);
  };
  const stopTimer = () => {
    clearTimeout(timer);
    timer = 0;
  };

  // The events at the start that have at most `max` characters together.
  const firstOf = (events, max) => events.slice(0, (events + "\n").lastIndexOf("\n", max));

  const nextBatch = () => firstOf(queue, maxBatch) || /\n.*/.exec(queue)[0];
  const takeBatch = () => {
    const batch = nextBatch();
    queue = queue.slice(batch.length);
    return batch;
  };

  // But for the time of sending, each attempt is the same: the server compares them.
  const bodyOf = (events) =>
    `[${events.replace(/\n{/g, `,{"sent_at":"${iso(clock())}",`).slice(1)}]`;

  // If localStorage is full, the tab has the copy.
  const saveCopy = () => {
    const all = unconfirmed + inFlight + queue;
    const kept = firstOf(all, MAX_COPY_CHARS);
    const missing = lost + all.slice(kept.length).split("\n").length - 1;
    const copy = (missing || kept) && missing + " " + unconfirmed.length + " " + clock() + kept;
    return save(ofSite, ownKey, copy) || save(ofTab, ownKey, copy);
  };

  const send = async () => {
    if (inFlight) return;
    stopTimer();
    if (!queue) return;
    const batch = (inFlight = takeBatch());
    flushIn(RESPONSE_TIMEOUT_S, retry);
    let status,
      headers,
      bodyUsed,
      reply = "";
    try {
      const body = bodyOf(batch);
      const response = await window.fetch(batchUrl, {
        method: "POST",
        body,
        keepalive: body.length < 65536,
      });
      ({ status, headers, bodyUsed } = response);
      reply = (await response.json()) || reply;
    } catch (error) {}
    if (batch != inFlight) return;
    // Another script that wraps fetch may have read the response.
    if (!status || bodyUsed) return sendImages();
    if (!reply.event_ids && /400|413/.test(status) && batch.lastIndexOf("\n")) {
      maxBatch = batch.length * 0.6;
      retry(0.1);
    } else if (reply.event_ids || /^4(?!08|29)/.test(status)) {
      if (status > 200) warn(status, reply.errors || reply);
      finishBatch();
    } else retry(guarded(() => headers.get("Retry-After"))());
  };

  const finishBatch = () => {
    inFlight = "";
    backoff = 0;
    saveCopy();
    send();
  };

  const retry = (seconds) => {
    queue = inFlight + queue;
    inFlight = "";
    saveCopy();
    backoff = backoff < 30 ? backoff * 2 || 1 : 60;
    stopTimer();
    flushIn((+seconds || backoff) * (1 + Math.random() / 2));
  };

  // One at a time: an image that fails to load may mean that the server cannot be reached. One that
  // ends after the timeout may send events twice, of which the server keeps one.
  const sendImages = guarded(() => {
    const event = /\n.{1,5000}(?!.)/.exec(inFlight);
    if (!event) return inFlight ? retry() : finishBatch();
    const image = new window.Image();
    image.onload = () => {
      inFlight = inFlight.replace(event[0], "");
      sendImages();
    };
    image.onerror = retry;
    image.src = pixelUrl + encodeURIComponent(btoa(bodyOf(event[0]).slice(1, -1)));
  });

  const flush = () => {
    closeView();
    send();
  };

  const sendBeacons = () => {
    closeView();
    // What sendBeacon does not take is sent by fetch.
    guarded(() => {
      while (queue && window.navigator.sendBeacon(batchUrl, bodyOf(nextBatch())))
        unconfirmed += takeBatch();
    })();
    send();
    saveCopy();
  };

  const requeue = () => {
    queue = unconfirmed + queue;
    unconfirmed = "";
    flushIn(1);
  };

  const secrets = RegExp(
    // A value may be a URL of its own, encoded once or more often.
    `(([^\\w-]|%(25)*..)(${
      (option("mask") || "").replace(/[^\w-]+/g, (text) => (/,/.test(text) ? "|" : ".")) ||
      SECRETS
    })(]|%5d)?(=|%(25)*3d))[^&#]*`,
    "gi"
  );
  const urlOf = guarded((url) => url.substring(0, MAX_CHARS).replace(secrets, "$1***"));
  let referrer = urlOf(getOfDocument("referrer"));

  // Fragments may hold tokens.
  const pageUrl = () => location.href.replace(/^(true)?$/.test(option("hash")) ? "" : /#.*/, "");
  // Only strings have this method.
  const pageTitle = guarded(() => getOfDocument("title").substring(0, MAX_CHARS));

  const look = guarded(() => {
    const url = pageUrl();
    if (isTracked && url != lastUrl) {
      endView();
      view = newEvent("page_view", pending && pending.time);
      lastUrl = url;
      clearTimeout(viewTimer);
      viewTimer = setTimeout(closeView, 1000);
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

  // The title is still that of the view that ends. The URL is read after redirects.
  const navigated = guarded(() => {
    pending = pending || { title: pageTitle(), time: clock() };
    setTimeout(look);
  });

  const wrap = guarded((name) => {
    const original = window.history[name];
    window.history[name] = (...given) => {
      navigated();
      return original.apply(window.history, given);
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

  const recover = (storage, name) => {
    storage[name].replace(
      /^(\d{1,9}) (\d+) (\S+)([^]*)/,
      (copy, missing, beacons, time, events) => {
        lost += +missing;
        // The server recognizes duplicates for a day, so older beacons are not sent again.
        // Nearly all of them have arrived.
        events
          .slice(clock() - time > 8e7 ? beacons : 0)
          .replace(/\n\{"timestamp":"[ -~]*\}/g, (event) => {
            queue += event;
          });
      }
    );
  };

  const eachCopyIn = guarded((storage, action) => {
    for (const name in storage)
      if (name != ownKey && /^beacon\.js:./.test(name)) action(storage, name);
  });
  const eachCopy = (action) => {
    eachCopyIn(ofSite, action);
    eachCopyIn(ofTab, action);
  };

  const start = () => {
    eachCopy(recover);
    requeue();
    if (saveCopy()) eachCopy(save);
    for (const at in stub && stub.q)
      guarded(({ 0: method, 1: args, 2: time }) =>
        (method ? api[method] : api)(args[0], args[1], time)
      )(stub.q[at]);
    if ((isTracked = option("auto") != "false")) watchNavigation();
    listen(window, "online", flush);
    listen(window, "pagehide", sendBeacons);
    listen(document, "visibilitychange", () => (document.hidden ? sendBeacons() : requeue()));
  };

  const optedOut =
    option("respect-privacy") != "false" &&
    (window.navigator.globalPrivacyControl || window.navigator.doNotTrack == 1);
  const exposed = (action) =>
    guarded(optedOut ? () => {} : action, "circular structure?");
  const api = (window.beacon = exposed(track));
  api.identify = exposed(identify);
  api.flush = exposed(flush);
  if (optedOut) return;
  // `<img name="prerendering">` is true to a condition.
  if (document.prerendering === true) listen(document, "prerenderingchange", start);
  else start();
})();
