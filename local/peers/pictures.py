"""Makes pictures with Pillow, in memory, as often as asked.

Prints one line of JSON: {"files": [{"name", "bytes", "cpu_ms": [of each run], "ms": [..]}], "peak_bytes"}. The
outputs of the last run go into a folder.
"""

import argparse
import io
import json
import pathlib
import time

from memory import peak
from PIL import Image


def make(file, edge, format):
    image = Image.open(io.BytesIO(file))
    # A JPEG is then decoded at a half, a quarter or an eighth of its size.
    image.draft("RGB", (edge, edge))
    image.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, format, quality=80)
    return out.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=int)
    parser.add_argument("edge", type=int)
    parser.add_argument("format")
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("files", type=pathlib.Path, nargs="+")
    options = parser.parse_args()
    made = []
    for path in options.files:
        file, cpu_ms, ms = path.read_bytes(), [], []
        for _ in range(options.runs):
            start, cpu_start = time.perf_counter(), time.process_time()
            picture = make(file, options.edge, options.format)
            cpu_ms.append((time.process_time() - cpu_start) * 1000)
            ms.append((time.perf_counter() - start) * 1000)
        (options.out / path.name).write_bytes(picture)
        made.append({"name": path.name, "bytes": len(picture), "cpu_ms": cpu_ms, "ms": ms})
    print(json.dumps({"files": made, "peak_bytes": peak()}))


if __name__ == "__main__":
    main()
