"""Removes the metadata of JPEGs with other tools.

stripping.py LIST PASSES
    Strips each file of a list in memory. LIST has one path per line. Prints one line of JSON for each tool:
    {"library", "version", "files", "seconds"}. "seconds" has the CPU time of each pass.

stripping.py --with TOOL SCOPE IN OUT
    Strips all files below a folder, as `cargo local exif --strip` does, so that `.ci/check_strip.py` can look at what stays.
    No tool removes positions alone, so only the scope `all` is done. With ExifTool, TOOL is its command.
"""

import json
import pathlib
import shlex
import subprocess
import sys
import time
from importlib.metadata import version

import exiv2
import mozjpeg_lossless_optimization


def with_exiv2(body):
    """As `exiv2 rm` does without options."""
    image = exiv2.ImageFactory.open(body)
    image.readMetadata()
    image.clearExifData()
    image.clearIptcData()
    image.clearXmpPacket()
    image.clearXmpData()
    image.clearComment()
    image.writeMetadata()
    out = image.io()
    out.open()
    return bytes(out.read(out.size()))


def with_jpegtran(body):
    """mozjpeg's jpegtran, with `-copy none -optimize -progressive`."""
    return mozjpeg_lossless_optimization.optimize(body)


TOOLS = {
    "exiv2": (with_exiv2, exiv2.version()),
    "jpegtran": (with_jpegtran, f"(mozjpeg {version('mozjpeg-lossless-optimization')})"),
}


def measure(list_file, passes):
    bodies = [pathlib.Path(path).read_bytes() for path in pathlib.Path(list_file).read_text().splitlines()]
    for tool, (strip, tool_version) in TOOLS.items():
        seconds = []
        for _ in range(passes):
            start = time.process_time()
            for body in bodies:
                try:
                    strip(body)
                except Exception:
                    # Damaged files are a part of the work, too.
                    pass
            seconds.append(time.process_time() - start)
        print(json.dumps({"library": tool, "version": tool_version, "files": len(bodies), "seconds": seconds}))


def strip_folder(tool, scope, folder, out):
    if scope != "all":
        return
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        target = out / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        if tool in TOOLS:
            try:
                target.write_bytes(TOOLS[tool][0](path.read_bytes()))
            except Exception as error:
                print(f"{path.name}: {error}", file=sys.stderr)
        else:
            subprocess.run([*shlex.split(tool), "-q", "-q", "-all=", "-o", str(target), str(path)], check=False)


def main():
    if sys.argv[1] == "--with":
        tool, scope, folder, out = sys.argv[2:]
        strip_folder(tool, scope, pathlib.Path(folder), pathlib.Path(out))
    else:
        measure(sys.argv[1], int(sys.argv[2]))


if __name__ == "__main__":
    main()
