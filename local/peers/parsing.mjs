// Measures metadata alone, in memory. exifr reads each file of a list and decodes EXIF, XMP, IPTC and the colour profile.
// Prints one line of JSON: {"library", "version", "files", "seconds": [CPU time of each pass]}.
//
// parsing.mjs LIST PASSES: LIST has one path per line.

import { readFileSync } from 'node:fs';
import exifr from 'exifr';

const [list, passes] = process.argv.slice(2);
const bodies = readFileSync(list, 'utf8').split('\n').map((path) => readFileSync(path));
const everything = { xmp: true, icc: true, iptc: true, jfif: true, ihdr: true, interop: true };

const seconds = [];
for (let pass = 0; pass < Number(passes); pass++) {
  const before = process.cpuUsage();
  for (const body of bodies) {
    try {
      await exifr.parse(body, everything);
    } catch {
      // Damaged files are a part of the work, too.
    }
  }
  const used = process.cpuUsage(before);
  seconds.push((used.user + used.system) / 1e6);
}
const { version } = JSON.parse(readFileSync(new URL('node_modules/exifr/package.json', import.meta.url)));
console.log(JSON.stringify({ library: 'exifr', version, files: bodies.length, seconds }));
