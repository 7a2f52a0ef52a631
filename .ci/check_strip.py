"""Checks stripped images with programs that are not ours.

check_strip.py STRIP EXIFTOOL FOLDER...

STRIP is the command that strips (`cargo local exif --strip`), and EXIFTOOL is ExifTool. For each image below the folders, and for
both scopes: ExifTool finds nothing but what is allowed, coded pictures are the same, Pillow decodes the same pixels, and the
bytes of the output hold no text and no fraction of what was removed.
"""

import argparse
import base64
import io
import json
import pathlib
import re
import shlex
import struct
import subprocess
import sys
import tempfile

from PIL import Image, ImageSequence
from PIL.TiffImagePlugin import IFDRational

try:
    import pillow_heif

    pillow_heif.register_heif_opener()
except ImportError:
    pass

# What ExifTool may find in an image that is stripped of all: facts of the picture and of its container.
ALLOWED_KINDS = {"File", "JFIF", "APP14", "RIFF", "PNG", "GIF", "QuickTime", "Jpeg2000", "MPF", "Composite"}
ALLOWED_GROUPS = {"XMP-hdrgm", "Adobe"}
ALLOWED_TIFF = set(
    """SubfileType OldSubfileType ImageWidth ImageHeight BitsPerSample Compression PhotometricInterpretation Thresholding CellWidth
    CellLength FillOrder StripOffsets Orientation SamplesPerPixel RowsPerStrip StripByteCounts MinSampleValue MaxSampleValue
    XResolution YResolution PlanarConfiguration XPosition YPosition GrayResponseUnit GrayResponseCurve T4Options T6Options
    ResolutionUnit PageNumber TransferFunction Predictor WhitePoint PrimaryChromaticities ColorMap HalftoneHints TileWidth TileLength
    TileOffsets TileByteCounts InkSet NumberofInks DotRange ExtraSamples SampleFormat SMinSampleValue SMaxSampleValue TransferRange
    PreviewImage PreviewImageStart PreviewImageLength JPEGTables YCbCrCoefficients YCbCrSubSampling YCbCrPositioning ReferenceBlackWhite StripRowCounts""".split()
)
# Texts, and what else a container says of itself that is no picture.
FORBIDDEN = re.compile(r"Comment|Artist|Copyright|Software|DateTime|Description|Title|Author|GPS|Thumbnail|Preview(?!Time|Duration)|"
                       r"Trailer|JUMD|C2PA|Motion|Serial", re.IGNORECASE)
TIMES = re.compile(r"(Create|Modify)Date$")


def run(command, **options):
    return subprocess.run(command, capture_output=True, check=False, **options)


class ExifTool:
    """One process that answers many questions."""

    def __init__(self, command):
        self.process = subprocess.Popen(
            [*command, "-stay_open", "True", "-@", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, *arguments):
        text = "\n".join([*map(str, arguments), "-execute\n"])
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()
        out = b""
        while not out.endswith(b"{ready}\n"):
            out += self.process.stdout.readline()
        return out[: -len(b"{ready}\n")]

    def fields(self, path):
        """All fields as {(group 0, group 1, name): value}, of every table and packet."""
        out = self.ask("-j", "-G0:1", "-a", "-s", "-n", "-u", "-ee", "-api", "RequestTags=ImageDataHash", "-struct", path)
        fields = {}
        for key, value in (json.loads(out)[0] if out else {}).items():
            if key == "SourceFile":
                continue
            groups, name = key.rsplit(":", 1)
            kind, _, group = groups.partition(":")
            fields[kind, group or kind, name] = value
        return fields


def is_allowed(key, value, is_tiff):
    kind, group, field = key
    if kind == "ICC_Profile" or group.startswith("ICC"):
        return True
    if re.match(r"IFD\d+$", group):
        return field in ALLOWED_TIFF if is_tiff else field == "Orientation"
    if group in ("System", "ExifTool"):
        return True
    if TIMES.search(field):
        return value in (0, "0000:00:00 00:00:00")
    if kind in ALLOWED_KINDS or group in ALLOWED_GROUPS:
        return not FORBIDDEN.search(field)
    return False


PLACE = re.compile(
    r"GPS|(^|[a-z])Geo(tag|loc|cod|hash|graph|[A-Z]|$)|Latit|Longi|Longt|Altit|City|Countr|Provinc|[Ll]ocation|"
    r"(^|[a-z])(Lat|Lon|Lng|State)($|[A-Z])|^(lat|lon|lng|long)$"
)
# Maker notes, and what only says where something lies in the file, or follows from what was removed.
REMOVED_KINDS = {"MakerNotes", "APP6", "Composite", "MPF", "JUMBF", "Trailer", "Samsung", "ExifTool", "PrintIM", "Meta", "FlashPix"}
REMOVED_GROUPS = {"System", "GPS", "XMP-GContainer"}
REMOVED = re.compile(
    r"MakerNote|History|MicroVideo|MotionPhoto|^Directory|hdrp_|HdrPlus|shot_log|ImageDataHash|Thumbnail(Image|Offset|Length|TIFF)$|"
    r"^FileSize$|^WebP_Flags$|^MetaVersion$|^Layer|IPTCDigest$|HasExtendedXMP|^MediaData(Size|Offset)|^Free|EmbeddedVideo|^Padding$|Mapillary"
)


def compare_location(before, after):
    """What is gone but should be there, and what is there but should be gone."""
    faults = []
    for key, value in before.items():
        kind, group, field = key
        if kind in REMOVED_KINDS or group in REMOVED_GROUPS or PLACE.search(field) or REMOVED.search(field):
            continue
        if key not in after:
            faults.append(f"gone: {kind}:{group}:{field} = {str(value)[:60]}")
        elif without_places(value) != without_places(after[key]):
            faults.append(f"changed: {kind}:{group}:{field}: {str(value)[:60]} -> {str(after[key])[:60]}")
    for (kind, group, field), value in after.items():
        if kind in ("File", "ExifTool", "Composite", "ICC_Profile"):
            continue
        # The height of the light in Photoshop's effects, and the state of a selection.
        if kind == "Photoshop":
            continue
        if kind == "MakerNotes" or PLACE.search(field) or has_place(value):
            faults.append(f"still there: {kind}:{group}:{field} = {str(value)[:60]}")
    return faults


def without_places(value):
    """A structure without the fields that tell a place."""
    if isinstance(value, dict):
        return {name: without_places(field) for name, field in value.items() if not PLACE.search(name) and name != "History"}
    if isinstance(value, list):
        return [without_places(item) for item in value]
    return value


def has_place(value):
    return without_places(value) != value


def is_covered(source, before, scope):
    """Whether ExifTool's ImageDataHash covers only what stays."""
    if before.get(("File", "File", "FileType")) in ("HEIC", "HEIF", "AVIF"):
        # It covers thumbnails and other pictures, too. Our own tests compare the bytes of each item.
        return False
    if any(group.startswith("SubIFD") for _, group, _ in before):
        return scope != "all"
    # The data to make the original JPEG again.
    return b"jbrd" not in source.read_bytes()


def pixels(path):
    """The bytes of each frame. None if Pillow cannot decode it."""
    try:
        with Image.open(path) as image:
            frames = []
            # The other pictures of MPO and HEIC are no frames.
            for frame in [image] if image.format in ("MPO", "HEIF") else ImageSequence.Iterator(image):
                frames.append((frame.size, frame.mode, frame.convert("RGBA").tobytes()))
                if len(frames) == 64:
                    break
            return frames
    except Exception:
        return None


def encodings(text):
    raw = text.encode()
    yield raw
    yield text.encode("utf-16-le")
    yield text.encode("utf-16-be")
    yield raw.hex().encode()
    yield raw.hex().upper().encode()
    for shift in range(3):
        # Base64 without what depends on what comes before and after.
        digits = base64.b64encode(b"\0" * shift + raw)
        start = (0, 2, 3)[shift]
        yield digits[start : len(digits) - 4]


# Values that formats have by themselves, and that say nothing of an image.
COMMON = re.compile(rb"^[\x00-\x20]*$|^[0-9. :]*$")


def secrets(before, is_location):
    """Texts of six bytes or more that must not be in the output."""
    for (kind, group, field), value in before.items():
        if kind in ("ExifTool", "Composite", "JFIF", "APP14", "RIFF", "GIF", "QuickTime", "ICC_Profile") or group == "System":
            continue
        if kind == "File" and field != "Comment" or kind == "PNG" and field == "ProfileName":
            continue
        if is_location and not (kind == "MakerNotes" or PLACE.search(field)):
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str) and len(one.encode()) >= 6 and not one.startswith("(Binary data"):
                if not COMMON.match(one.encode()):
                    yield f"{kind}:{group}:{field}", one


EXIF_TABLES = {0x8769: False, 0x8825: True}
# Density and colours, which stay.
KEPT_RATIONALS = {282, 283, 286, 287, 318, 319, 529, 532}


def numbers(path, is_location):
    """Values of eight bytes or more that must not be in the output: rationals, in both byte orders."""
    try:
        with Image.open(path) as image:
            exif = image.getexif()
            tables = [(False, dict(exif))] + [(is_gps, dict(exif.get_ifd(table))) for table, is_gps in EXIF_TABLES.items()]
    except Exception:
        return
    for is_gps, table in tables:
        for tag, value in table.items():
            parts = value if isinstance(value, tuple) else (value,)
            rationals = [(part.numerator, part.denominator) for part in parts if isinstance(part, IFDRational)]
            if not rationals or is_location and not is_gps or tag in KEPT_RATIONALS:
                continue
            flat = [number for rational in rationals for number in rational]
            if not all(0 <= number < 1 << 32 for number in flat):
                continue
            forms = [struct.pack(f"{order}{len(flat)}I", *flat) for order in "<>"]
            # Simple values, such as 1/1, are in other places by chance.
            if len(set(forms[0])) >= 4:
                yield tag, forms


def outside_pictures(path, source_icc):
    """The bytes of a file without its coded pictures and its colour profile."""
    data = path.read_bytes()
    for profile in source_icc:
        data = data.replace(profile, b"")
    if data.startswith(b"\xff\xd8"):
        out, at = b"", 2
        while at + 4 <= len(data):
            if data[at] != 0xFF or data[at + 1] in (0, 0xD8, 0xD9, 0xFF, *range(0xD0, 0xD8)):
                at += 1
                continue
            length = struct.unpack(">H", data[at + 2 : at + 4])[0]
            out += data[at : at + 2 + length]
            at += 2 + length
        return out
    return data


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("strip")
    parser.add_argument("exiftool")
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    options = parser.parse_args()
    exiftool = ExifTool(shlex.split(options.exiftool))
    faults, counts, undecoded = 0, {}, 0
    with tempfile.TemporaryDirectory() as out:
        for folder in options.folders:
            for scope in ("all", "location"):
                target = pathlib.Path(out) / folder.parent.name / scope
                done = run([*shlex.split(options.strip), scope, str(folder), str(target)])
                for line in done.stderr.decode().splitlines():
                    print(f"{scope}: {line}")
                for source in sorted(path for path in folder.rglob("*") if path.is_file()):
                    stripped = target / source.relative_to(folder)
                    before = exiftool.fields(source)
                    kind = before.get(("File", "File", "FileType"), "?")
                    count = counts.setdefault((scope, kind), [0, 0])
                    count[0] += 1
                    if not stripped.exists():
                        continue
                    count[1] += 1
                    after = exiftool.fields(stripped)
                    found = []
                    if scope == "all":
                        is_tiff = after.get(("File", "File", "FileType")) == "TIFF"
                        found += [
                            f"{':'.join(key)} = {str(value)[:60]}" for key, value in after.items() if not is_allowed(key, value, is_tiff)
                        ]
                    else:
                        found += compare_location(before, after)
                    hashes = [fields.get(("File", "File", "ImageDataHash")) for fields in (before, after)]
                    if hashes[0] != hashes[1] and is_covered(source, before, scope):
                        found.append(f"ImageDataHash {hashes}")
                    pictures = pixels(source), pixels(stripped)
                    undecoded += pictures[0] is None
                    if pictures[0] != pictures[1]:
                        found.append("other pixels")
                    icc = [exiftool.ask("-b", "-ICC_Profile", source)]
                    rest = outside_pictures(stripped, [one for one in icc if one])
                    kept = json.dumps([str(value) for value in after.values()], ensure_ascii=False) if scope == "location" else ""
                    for name, text in secrets(before, scope == "location"):
                        # Keywords and captions stay, also those that name a place.
                        if json.dumps(text, ensure_ascii=False)[1:-1] in kept:
                            continue
                        if any(form and form in rest for form in encodings(text)):
                            found.append(f"its bytes hold {name} = {text[:60]}")
                    for tag, forms in numbers(source, scope == "location"):
                        if any(form in rest for form in forms):
                            found.append(f"its bytes hold the number of tag {tag}")
                    for fault in found:
                        print(f"{scope}: {source.name}: {fault}")
                    faults += len(found)
    for (scope, kind), (all_files, stripped) in sorted(counts.items()):
        print(f"{scope:8} {kind:8} {stripped} of {all_files}")
    print(f"{faults} faults; Pillow could not decode {undecoded} sources")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
