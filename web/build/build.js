// Minifies the scripts for browsers into web/dist/; `make web` runs it. SHA256SUMS beside them
// covers sources and output, so that a test without npm finds output that is out of date.
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import zopfli from "@gfx/zopfli";
import { transform } from "esbuild";
import { minify } from "terser";

const WEB = new URL("../", import.meta.url);
const SCRIPTS = ["beacon", "selftest"];
const gzip = promisify(zopfli.gzip);

for (const name of SCRIPTS) {
  const source = await readFile(new URL(`${name}.js`, WEB), "utf8");
  // docs/beacons.md lists the browsers that have this language.
  const { code: compatible } = await transform(source, { target: "es2018" });
  // Terser's output has fewer bytes than esbuild's, and zopfli's has fewer than gzip's.
  // One word for all declarations saves some more; it makes no difference to working code.
  const { code } = await minify(compatible.replace(/\bconst /g, "let "), {
    ecma: 2018,
    compress: { passes: 3 },
    format: { ascii_only: true },
  });
  await writeFile(new URL(`dist/${name}.min.js`, WEB), code);
  const zipped = await gzip(Buffer.from(code), { numiterations: 100 });
  await writeFile(new URL(`dist/${name}.min.js.gz`, WEB), zipped);
}

const checksum = async (path) => {
  const content = await readFile(new URL(path, WEB));
  return `${createHash("sha256").update(content).digest("hex")}  ${path}\n`;
};
const covered = [
  "build/build.js",
  "build/package-lock.json",
  ...SCRIPTS.flatMap((name) => [
    `${name}.js`,
    `dist/${name}.min.js`,
    `dist/${name}.min.js.gz`,
  ]),
].sort();
const checksums = await Promise.all(covered.map(checksum));
await writeFile(new URL("dist/SHA256SUMS", WEB), checksums.join(""));
