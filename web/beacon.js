// The page's side of the collector: docs/beacons.md says what it does and why.
//
// An event is made into _text at once, so that the page may change its properties afterwards, and
// is in exactly one of three lists until the server has decided about it: `_queue` waits,
// `_sending` is in the request under way, `_unsure` went by a beacon, which tells nobody whether
// it arrived. A copy of all three is what the next page finds in localStorage.
//
// The collector serves the minified script in dist/: `make web` after each change.
(() => {
  const _stub = window.beacon;
  const _script = document.currentScript || document.querySelector("script[data-key]");
  // A second tag changes nothing. (An element with the id "beacon" is no function.)
  if (!_script || (typeof _stub == "function" && !_stub.q)) return;

  const _options = _script.dataset;
  const _url = (path, shortPath) =>
    new URL(/\/s\b[^/]*$/.test(_script.src) ? shortPath : path, _options.url || _script.src);
  const _batchUrl = _url("api/v1/events/batch", "b");
  const _pixelUrl = _url("api/v1/pixel.gif", "i.gif") + "?data=";

  // Browsers refuse more than 65,536 bytes on their way when a page is left.
  const _MAX_BODY = 6e4,
    _MAX_KEPT = 1e5,
    _MAX_QUEUE = 5000,
    _PREFIX = "beacon.js:";

  let _queue = [],
    _sending = [],
    _unsure = [],
    _lost = 0,
    _wait = 0,
    _most = _MAX_QUEUE,
    _referrer = document.referrer,
    _timer,
    _session,
    _lastPath;

  const _nothing = () => ({});
  const _warn = (..._given) => console.warn(_PREFIX, ..._given);

  // What the page calls never throws into it; and storage may be denied.
  const _guarded = (_action, report) => (..._given) => {
    try {
      return _action(..._given);
    } catch (error) {
      report && report(error);
    }
  };
  const _load = _guarded((storage, key) => JSON.parse(window[storage][key]));
  const _save = _guarded((storage, key, value) => {
    if (value) window[storage][key] = JSON.stringify(value);
    else delete window[storage][key];
  });

  const _randomId = () => crypto.getRandomValues(new Uint32Array(4)).join("-");
  const _ownKey = _PREFIX + _randomId();

  const _touchSession = (changes) => {
    const now = Date.now();
    _session = _load("sessionStorage", _PREFIX) || _session || {};
    if (!(now - _session.at < 18e5)) _session.id = _randomId();
    _save("sessionStorage", _PREFIX, Object.assign(_session, { at: now }, changes));
    return _session;
  };

  const _add = (type, properties, time) => {
    const { id, user } = _touchSession();
    const _text = JSON.stringify({
      event_id: _randomId(),
      event_type: type,
      timestamp: new Date(time || Date.now()),
      session_id: id,
      user_id: user,
      key: _options.key,
      lost_events: _lost || undefined,
      properties,
    });
    _lost = _queue[_MAX_QUEUE] ? _lost + 1 : _queue.push(_text) && 0;
    _later(1);
  };

  const _later = (seconds) => {
    _timer = _timer || setTimeout(_flush, seconds * 1000);
  };

  const _bytes = (_text) => new Blob([_text]).size;

  const _take = () => {
    let size = 0,
      at = 0;
    while (at < _most && _queue[at] && (size += _bytes(_queue[at]) + 50) < _MAX_BODY) at++;
    return _queue.splice(0, at || 1);
  };

  const _stamped = (_text) => _text.replace(/}$/, `,"sent_at":"${new Date().toISOString()}"}`);

  const _body = (_events) => `[${_events.map(_stamped)}]`;

  const _post = async (body) =>
    fetch(_batchUrl, {
      method: "POST",
      body,
      keepalive: _bytes(body) < _MAX_BODY,
    });

  const _keep = () => {
    const all = [..._unsure, ..._sending, ..._queue];
    let room = _MAX_KEPT;
    const kept = all.filter((_text) => (room -= _text.length) > 0);
    const _missing = _lost + all.length - kept.length;
    const copy = [_missing, _unsure.length, Date.now(), ...kept];
    _save("localStorage", _ownKey, (_missing || all[0]) && copy);
  };

  const _flush = async () => {
    _timer = clearTimeout(_timer);
    if (_sending[0] || !_queue[0]) return;
    _sending = _take();
    const answer = await _post(_body(_sending)).catch(_pixels);
    if (!answer) return;
    const _status = answer.status;
    const _told = (await answer.json().catch(_nothing)) || answer;
    if (_status == 413 && _sending[1]) {
      _most = _sending.length >> 1;
      _retry(0.1);
    } else if (_told.event_ids || /^4(?!08|29)/.test(_status)) {
      if (_status > 200) _warn(_status, _told.errors || _told.error);
      _decided();
    } else _retry(answer.headers.get("Retry-After"));
  };

  const _decided = () => {
    _sending = [];
    _wait = 0;
    _keep();
    _flush();
  };

  const _retry = (seconds) => {
    _queue = [..._sending, ..._queue];
    _sending = [];
    _keep();
    _wait = Math.min(60, _wait * 2 || 1);
    _later((+seconds || _wait) * (1 + Math.random() / 2));
  };

  // One after the other, since an image that does not load may mean that nobody is there.
  const _pixels = () => {
    const at = _sending.findIndex((_text) => _text.length < 5000);
    if (at < 0) return _sending[0] ? _retry() : _decided();
    const image = new Image();
    image.onload = () => {
      _sending.splice(at, 1);
      _pixels();
    };
    image.onerror = _retry;
    const ascii = unescape(encodeURIComponent(_stamped(_sending[at])));
    image.src = _pixelUrl + encodeURIComponent(btoa(ascii));
  };

  const _leave = () => {
    while (_queue[0]) {
      const _events = _take();
      const body = _body(_events);
      _unsure.push(..._events);
      if (!_guarded(() => navigator.sendBeacon(_batchUrl, body))()) {
        _post(body).catch(_nothing);
        break;
      }
    }
    _keep();
  };

  const _back = () => {
    _queue = [..._unsure, ..._queue];
    _unsure = [];
    _later(1);
  };

  const _view = () => {
    const url = location.href;
    const path = url.split("#")[0];
    if (path == _lastPath) return;
    _lastPath = path;
    _add("page_view", { url, title: document.title, referrer: _referrer });
    _referrer = url;
  };

  // Frameworks change the title after the address.
  const _viewSoon = () => setTimeout(_guarded(_view));

  const _watchPages = () => {
    for (const name of ["pushState", "replaceState"]) {
      const original = history[name];
      history[name] = function (..._given) {
        _viewSoon();
        return original.apply(this, _given);
      };
    }
    addEventListener("popstate", _viewSoon);
    addEventListener("pageshow", (event) => {
      if (event.persisted) _lastPath = _viewSoon();
    });
    _view();
  };

  const _start = _guarded(() => {
    for (const key of _guarded(() => Object.keys(localStorage))() || [])
      if (key.startsWith(_PREFIX)) {
        const [_missing, beacons, time, ..._events] = _load("localStorage", key) || [0];
        _lost += _missing;
        // The server knows an id for a day, and a beacon has nearly always arrived.
        _queue.push(..._events.slice(Date.now() - time > 8e7 ? beacons : 0));
        _save("localStorage", key);
      }
    _back();
    _keep();
    for (const [method, _given, time] of (_stub && _stub.q) || [])
      method ? _api[method](..._given) : _api(_given[0], _given[1], time);
    if (_options.auto != "false") _watchPages();
    addEventListener("online", _flush);
    addEventListener("pagehide", _leave);
    document.addEventListener("visibilitychange", () => (document.hidden ? _leave() : _back()));
  }, _warn);

  const _refused =
    _options.respectPrivacy != "false" &&
    (navigator.globalPrivacyControl || navigator.doNotTrack == 1);
  const _exposed = (_action) => (_refused ? _nothing : _guarded(_action, _warn));
  const _api = (window.beacon = _exposed(_add));
  _api.identify = _exposed((user) => _touchSession({ user }));
  _api.flush = _exposed(_flush);
  if (_refused) return;
  if (document.prerendering) document.addEventListener("prerenderingchange", _start);
  else _start();
})();
