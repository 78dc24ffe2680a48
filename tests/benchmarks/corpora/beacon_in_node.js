// Runs a beacon.js in a page that node pretends, and prints the body of its first request.
//
//     node beacon_in_node.js web/beacon.js KEY
const vm = require("vm");
const [file, key] = process.argv.slice(2);

class EventTarget {
  addEventListener() {}
}
class Document extends EventTarget {
  get title() {
    return "Plans · Shop";
  }
  get referrer() {
    return "https://www.example.com/";
  }
  get currentScript() {
    return {
      src: "https://collector.example.com/beacon.js",
      getAttribute: (name) => (name == "data-key" && key ? key : null),
    };
  }
}
const window = {
  Document,
  EventTarget,
  sessionStorage: {},
  localStorage: {},
  navigator: {},
  history: {},
  crypto: require("crypto").webcrypto,
  fetch: async (url, { body }) => process.stdout.write(body, () => process.exit()),
};
const page = `
  window.beacon.identify("u-1742");
  window.beacon("add_to_cart", { product: "sku-17", price: 14.5, quantity: 2, in_stock: true });
  window.beacon.flush();
`;
vm.runInNewContext(require("fs").readFileSync(file, "utf8") + page, {
  window,
  document: new Document(),
  location: { href: "https://shop.example.com/pricing" },
  console,
  setTimeout,
  clearTimeout,
  encodeURIComponent,
  unescape,
});
