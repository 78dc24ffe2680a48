"""Scripts that change a page before beacon.js runs, by the name of what they do."""

# What old libraries add, and what breaks a script that trusts the language's own objects.
LANGUAGE = {
    **{
        f"toJSON of {name}": f"{name}.prototype.toJSON = function () {{ return '\"x\"' }}"
        for name in ("Date", "Array", "String", "Object", "Number", "Boolean")
    },
    "toJSON throws": "Object.prototype.toJSON = function () { throw new Error('toJSON') }",
    "toJSON is a getter that throws": """Object.defineProperty(Object.prototype, "toJSON",
        {get() { throw new Error("toJSON") }})""",
    "toJSON of Array, frozen": """Array.prototype.toJSON = function () { return "x" };
        Object.freeze(Array.prototype)""",
    "every method of Array throws": """
        for (const name of Object.getOwnPropertyNames(Array.prototype))
            if (name != "constructor" && name != "length")
                Array.prototype[name] = function () { throw new Error(name) };""",
    "arrays cannot be iterated": "Array.prototype[Symbol.iterator] = undefined",
    "properties on every array": "Array.prototype.each = Array.prototype.last = function () {}",
    "properties on every object": """Object.prototype.each = function () {};
        Object.prototype.localStorage = Object.prototype.q = Object.prototype["0"] = "x" """,
    "every method of Object throws": """const { defineProperty } = Object;
        for (const name of Object.getOwnPropertyNames(Object))
            if (typeof Object[name] == "function")
                Object[name] = function () { throw new Error(name) };""",
    "Function.prototype.bind of another meaning": "Function.prototype.bind = function () {}",
    "JSON missing": "window.JSON = undefined",
    "JSON of MooTools": "window.JSON = {encode() {}, decode() {}}",
    "JSON.stringify is wrong": "JSON.stringify = () => '{'",
    "JSON throws": "JSON.stringify = JSON.parse = () => { throw new Error('JSON') }",
    "Promise missing": "window.Promise = undefined",
    "URL and Blob missing": "window.URL = window.Blob = window.TextEncoder = undefined",
    "lexical names": """let history, fetch, crypto, navigator, navigation, localStorage;
        class Document {} class Image {} class EventTarget {}""",
}

CLOCK = {
    **{f"Date.now is {text}": f"Date.now = () => {text}" for text in ("NaN", "-1", "'x'", "9e15")},
    "Date.now throws": "Date.now = () => { throw new Error('now') }",
    **{
        f"the clock shows {text}": f"""window.Date = class extends Date {{
            constructor(...given) {{ super(...(given.length ? given : [{text}])) }} }}"""
        for text in ("NaN", "-1", "0", "-9e13", "2e12", "3e14")
    },
    "the clock is set back by a year after each look": """let now = Date.now();
        window.Date = class extends Date {
            constructor(...given) { super(...(given.length ? given : [now -= 31536e6])) } }""",
    "the clock is set forward by a day after each look": """let now = Date.now() - 9e9;
        window.Date = class extends Date {
            constructor(...given) { super(...(given.length ? given : [now += 86400e3])) } }""",
}

BROWSER = {
    "crypto missing": "Object.defineProperty(window, 'crypto', {value: undefined})",
    "crypto throws": "crypto.getRandomValues = () => { throw new Error('crypto') }",
    "crypto returns zeros": "crypto.getRandomValues = (array) => array",
    "Math.random is constant": "Math.random = () => 0.5",
    "console missing": "window.console = undefined",
    "sendBeacon missing": "navigator.sendBeacon = undefined",
    "sendBeacon throws": "navigator.sendBeacon = () => { throw new Error('sendBeacon') }",
    "sendBeacon says no": "navigator.sendBeacon = () => false",
    "sendBeacon lies": "navigator.sendBeacon = () => true",
    "pushState frozen": "Object.freeze(history)",
    "pushState missing": "history.pushState = history.replaceState = undefined",
    "history refuses": """for (const name of ["pushState", "replaceState"])
        Object.defineProperty(history, name, {get() {}, set() { throw new Error(name) }})""",
    "navigation is a variable of the page": "var navigation = []",
    "listeners cannot be added": "addEventListener = () => { throw new Error('listener') }",
    "setTimeout is wrapped": """const original = setTimeout;
        setTimeout = (action, delay) => original(() => action.call(null), delay)""",
}

FETCH = {
    "fetch missing": "window.fetch = undefined",
    "fetch throws": "window.fetch = () => { throw new Error('fetch') }",
    "fetch returns nothing": "window.fetch = () => {}",
    "fetch resolves to the data": """const original = fetch;
        window.fetch = async (...given) => (await original(...given)).json()""",
    "fetch reads the response": """const original = fetch;
        window.fetch = async (...given) => {
            const response = await original(...given);
            await response.text();
            return response;
        }""",
}
# Only the end of the page sends what these keep.
UNANSWERED = {
    "fetch never ends": "window.fetch = () => new Promise(() => {})",
    "fetch sends nothing and says yes": """window.fetch = async () =>
        ({status: 200, ok: true, headers: new Headers(), json: async () => ({})})""",
}

_GARBAGE = ("", "x", "null", "7", "{}", "[]", "[0]", '["x", 1, 2]', '{"id": {}, "user": []}')
STORAGE = {
    **{
        f"storage has {text!r}": f"""localStorage["beacon.js:other"] = {text!r};
            sessionStorage["beacon.js:"] = sessionStorage["beacon.js:other"] = {text!r};"""
        for text in _GARBAGE
    },
    "storage has another program's lines": """localStorage["beacon.js:other"] =
        '0 0 0\\n{"timestamp":1}\\n{"timestamp":"","event_id":"1-2"'""",
    "storage has half an event": """localStorage["beacon.js:other"] = "0 0 0" +
        '\\n{"timestamp":"","event_id":"1-2","event_type":}'""",
    "storage has half a surrogate pair": """localStorage["beacon.js:other"] = "0 0 0" +
        '\\n{"timestamp":"","event_id":"1-2","event_type":"\\ud83d"}'""",
    **{
        f"storage has an event with {name}": f"""localStorage["beacon.js:other"] = "0 0 0" +
            '\\n{{"timestamp":"","event_id":"1-2","event_type":"{text}"}}'"""
        for name, text in {"a carriage return": "\\r", "a line separator": "\\u2028"}.items()
    },
    **{
        f"a session whose user has {name}": f"""sessionStorage["beacon.js:"] =
            `${{Date.now()}} 1-2-3-4 "{text}"`"""
        for name, text in {"half a pair": "\\ud83d", "a line": "\\n", "an end": "\\u2028"}.items()
    },
    "storage is huge": """localStorage["beacon.js:other"] = "0 0 0\\n" + "x".repeat(4e6)""",
    "a session of another program": """sessionStorage["beacon.js:"] =
        `${Date.now()} 1-2-3-4 "${"x".repeat(1e5)}"`""",
    "a session of the future": """sessionStorage["beacon.js:"] =
        `${Date.now() + 1e12} 1-2-3-4 "u"`""",
    "localStorage denied": """Object.defineProperty(window, "localStorage",
        {get() { throw new DOMException("denied") }})""",
    "sessionStorage denied": """Object.defineProperty(window, "sessionStorage",
        {get() { throw new DOMException("denied") }})""",
    "localStorage missing": "Object.defineProperty(window, 'localStorage', {value: null})",
    "localStorage full": """for (let size = 4e6; size >= 1; size /= 2)
        try { while (true) localStorage["x" + Math.random()] = "x".repeat(size) } catch {}""",
}

TITLE = {
    "the title is a number": "Object.defineProperty(document, 'title', {value: 7})",
    "the title throws": """for (const owner of [document, Document.prototype])
        Object.defineProperty(owner, "title", {get() { throw new Error("title") }})""",
    "the title is an object": """Object.defineProperty(Document.prototype, "title",
        {get() { return {length: 5} }})""",
    "the title is cut in an emoji": "document.title = 'a\\u{1f600}'.slice(0, 2)",
    "the title is huge": "document.title = 'x'.repeat(1e6)",
    "the URL is huge": "history.replaceState(0, '', '?' + 'x'.repeat(5e5))",
    "the URL is cut in an emoji": "history.replaceState(0, '', '?\\ud83d')",
    "elements named as properties": """for (const name of ["title", "referrer", "currentScript",
        "prerendering", "addEventListener", "querySelector", "defaultView", "location", "beacon"]) {
            const image = document.createElement("img");
            image.name = image.id = name;
            document.documentElement.append(image);
        }""",
}

HOSTILE = {**LANGUAGE, **CLOCK, **BROWSER, **FETCH, **STORAGE, **TITLE}
