// Makes pictures with sharp, in memory, as often as asked. Prints one line of JSON: {"files": [{"name", "bytes",
// "cpu_ms": [of each run], "ms": [..]}], "peak_bytes"}. The outputs of the last run go into a folder.
//
// pictures.mjs RUNS EDGE FORMAT OUT THREADS FILE...

import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import sharp from 'sharp';

const [runs, edge, format, out, threads, ...files] = process.argv.slice(2);
sharp.concurrency(Number(threads));
// Otherwise, the second run of a file could use results of the first.
sharp.cache(false);

const make = (file) =>
  sharp(file)
    .resize({ width: Number(edge), height: Number(edge), fit: 'inside', withoutEnlargement: true })
    .toFormat(format, { quality: 80 })
    .toBuffer();

const made = [];
for (const path of files) {
  const file = readFileSync(path);
  const cpu_ms = [];
  const ms = [];
  let picture;
  for (let run = 0; run < Number(runs); run++) {
    const started = performance.now();
    const before = process.cpuUsage();
    picture = await make(file);
    const { user, system } = process.cpuUsage(before);
    cpu_ms.push((user + system) / 1000);
    ms.push(performance.now() - started);
  }
  writeFileSync(join(out, basename(path)), picture);
  made.push({ name: basename(path), bytes: picture.length, cpu_ms, ms });
}
const [, peak] = readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+) kB/);
console.log(JSON.stringify({ files: made, peak_bytes: Number(peak) * 1024 }));
