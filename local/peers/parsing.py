"""Measures EXIF alone, in memory. Each library reads every file of a folder and decodes all fields.

Prints one line of JSON for each library: {"library", "version", "files", "seconds"}. "seconds" has the CPU time of
each pass.
"""

import argparse
import io
import json
import pathlib
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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--files", type=int, help="read only this number of files")
    parser.add_argument("--passes", type=int, default=3, help="how often each library reads all files")
    options = parser.parse_args()
    paths = sorted(options.folder.iterdir())[: options.files]
    bodies = [path.read_bytes() for path in paths]
    for library, read in LIBRARIES.items():
        seconds = []
        for _ in range(options.passes):
            start = time.process_time()
            for body in bodies:
                read(body)
            seconds.append(time.process_time() - start)
        print(
            json.dumps(
                {"library": library, "version": version(library), "files": len(bodies), "seconds": seconds}
            )
        )


if __name__ == "__main__":
    main()
