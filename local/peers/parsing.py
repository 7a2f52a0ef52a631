"""Measures EXIF alone, in memory. Each library reads each file of a list and decodes all fields.

Prints one line of JSON for each library: {"library", "version", "files", "seconds"}. "seconds" has the CPU time of
each pass.

parsing.py LIST PASSES: LIST has one path per line.
"""

import io
import json
import pathlib
import sys
import time
from importlib.metadata import version

import exifread
import piexif
from PIL import Image


def pillow(body):
    tags = Image.open(io.BytesIO(body)).getexif()
    dict(tags)
    for ifd in (0x8769, 0x8825, 0xA005):
        dict(tags.get_ifd(ifd))


def exif_read(body):
    exifread.process_file(io.BytesIO(body), details=False)


def pi_exif(body):
    piexif.load(body)


LIBRARIES = {"pillow": pillow, "ExifRead": exif_read, "piexif": pi_exif}


def main():
    paths, passes = pathlib.Path(sys.argv[1]).read_text().splitlines(), int(sys.argv[2])
    bodies = [pathlib.Path(path).read_bytes() for path in paths]
    for library, read in LIBRARIES.items():
        seconds = []
        for _ in range(passes):
            start = time.process_time()
            for body in bodies:
                try:
                    read(body)
                except Exception:
                    # Damaged files are a part of the work, too.
                    pass
            seconds.append(time.process_time() - start)
        print(
            json.dumps(
                {"library": library, "version": version(library), "files": len(bodies), "seconds": seconds}
            )
        )


if __name__ == "__main__":
    main()
