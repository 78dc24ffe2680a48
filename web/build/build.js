// Minifies the scripts for browsers into web/dist/; `make web` runs it. SHA256SUMS beside them
// covers sources and output, so that a test without npm finds output that is out of date.
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const WEB = new URL("../", import.meta.url);
const SCRIPTS = ["beacon", "selftest"];

await build({
  absWorkingDir: fileURLToPath(WEB),
  entryPoints: SCRIPTS.map((name) => `${name}.js`),
  outdir: "dist",
  outExtension: { ".js": ".min.js" },
  minify: true,
  // docs/beacons.md lists the browsers that have this language.
  target: "es2018",
});

const checksum = async (path) => {
  const content = await readFile(new URL(path, WEB));
  return `${createHash("sha256").update(content).digest("hex")}  ${path}\n`;
};
const covered = [
  "build/build.js",
  "build/package-lock.json",
  ...SCRIPTS.flatMap((name) => [`${name}.js`, `dist/${name}.min.js`]),
].sort();
const checksums = await Promise.all(covered.map(checksum));
await writeFile(new URL("dist/SHA256SUMS", WEB), checksums.join(""));
