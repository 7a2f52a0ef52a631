"""Checks stripped images with programs that are not ours.

check_strip.py STRIP EXIFTOOL FOLDER...

STRIP is the command that strips (`cargo local exif --strip`), and EXIFTOOL is ExifTool. For each image below the folders, and for
both scopes: ExifTool finds nothing but what is allowed, coded pictures are the same, Pillow decodes the same pixels, and the
bytes of the output hold no text of six bytes and no value of eight bytes of what was removed.
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
ALLOWED_GROUPS = {"XMP-hdrgm", "XMP-GContainer", "Adobe"}
ALLOWED_TIFF = set(
    """SubfileType OldSubfileType ImageWidth ImageHeight BitsPerSample Compression PhotometricInterpretation Thresholding CellWidth
    CellLength FillOrder StripOffsets Orientation SamplesPerPixel RowsPerStrip StripByteCounts MinSampleValue MaxSampleValue
    XResolution YResolution PlanarConfiguration XPosition YPosition GrayResponseUnit GrayResponseCurve T4Options T6Options
    ResolutionUnit PageNumber TransferFunction Predictor WhitePoint PrimaryChromaticities ColorMap HalftoneHints TileWidth TileLength
    TileOffsets TileByteCounts InkSet NumberofInks DotRange ExtraSamples SampleFormat SMinSampleValue SMaxSampleValue TransferRange
    PreviewImage PreviewImageStart PreviewImageLength OtherImage OtherImageStart OtherImageLength JPEGTables YCbCrCoefficients YCbCrSubSampling YCbCrPositioning ReferenceBlackWhite StripRowCounts""".split()
)
HEIF = ("HEIC", "HEIF", "AVIF", "HEICS", "AVIFS")
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


def turned(fields):
    """How a picture is to be turned. None if it is upright."""
    value = fields.get(("EXIF", "IFD0", "Orientation"))
    return None if value in (None, 1, "1", "Horizontal (normal)", "Unknown (0)", 0) else value


def is_covered(source, before, scope):
    """Whether ExifTool's ImageDataHash covers only what stays."""
    if before.get(("File", "File", "FileType")) in ("HEIC", "HEIF", "AVIF"):
        # It covers thumbnails and other pictures, too. The bytes of each item are compared.
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
MAKER_NOTE = 0x927C
# Density and colours, which stay.
KEPT_RATIONALS = {282, 283, 286, 287, 318, 319, 529, 532}


def forms_of(value):
    """The bytes of a value of eight bytes or more, in both byte orders. A longer one is cut into pieces of eight bytes."""
    if isinstance(value, bytes):
        pieces = [value[at : at + 8] for at in range(0, len(value) - 7, 8)]
        # Zeros, blanks and the like are everywhere.
        return [piece for piece in pieces if len(set(piece)) >= 6]
    parts = value if isinstance(value, tuple) else (value,)
    if all(isinstance(part, IFDRational) for part in parts):
        flat, codes = [number for part in parts for number in (part.numerator, part.denominator)], "I"
    elif all(isinstance(part, int) for part in parts):
        flat, codes = list(parts), "HI"
    else:
        return []
    forms = []
    for code in codes:
        if all(0 <= number < 1 << (16 if code == "H" else 32) for number in flat):
            forms += [struct.pack(f"{order}{len(flat)}{code}", *flat) for order in "<>"]
    # Simple values, such as 1/1, are in other places by chance.
    return [form for form in forms if len(form) >= 8 and len(set(form)) >= 4]


def numbers(path, is_location):
    """Values of eight bytes or more that must not be in the output."""
    try:
        with Image.open(path) as image:
            exif = image.getexif()
            tables = [(False, dict(exif))] + [(is_gps, dict(exif.get_ifd(table))) for table, is_gps in EXIF_TABLES.items()]
            icc = image.info.get("icc_profile") or b""
            is_tiff = image.format in ("TIFF", "MPO")
    except Exception:
        return
    for is_gps, table in tables:
        for tag, value in table.items():
            # Pillow has the tables of a TIFF in place of its EXIF.
            if tag in KEPT_RATIONALS or is_tiff and not is_gps and tag < 0x8000:
                continue
            if is_location and not is_gps and tag != MAKER_NOTE:
                continue
            forms = [form for form in forms_of(value) if form not in icc]
            if tag == MAKER_NOTE:
                # It may repeat what stays elsewhere: a model, or the tables of a JPEG.
                others = outside_pictures(path, []).replace(value, b"")
                forms = [form for form in forms if form not in others]
            if forms:
                yield tag, forms


def boxes(data, start, end):
    """The boxes of a file in this range: type, and where the content is."""
    while start + 8 <= end:
        size, kind = struct.unpack(">I4s", data[start : start + 8])
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", data[start + 8 : start + 16])[0], 16
        stop = end if size == 0 else min(start + size, end)
        yield kind, start + head, stop
        if stop <= start:
            return
        start = stop


def number(data, at, width):
    return int.from_bytes(data[at : at + width], "big"), at + width


def items(path):
    """The bytes of each picture item of a HEIC or AVIF."""
    data = path.read_bytes()
    meta = next((box for box in boxes(data, 0, len(data)) if box[0] == b"meta"), None)
    if not meta:
        return {}
    inside = {kind: (start, end) for kind, start, end in boxes(data, meta[1] + 4, meta[2])}
    kinds = {}
    at, end = inside[b"iinf"]
    for kind, start, _ in boxes(data, at + (6 if data[at] == 0 else 8), end):
        if kind == b"infe" and data[start] >= 2:
            item, after = number(data, start + 4, 2 if data[start] == 2 else 4)
            kinds[item] = data[after + 2 : after + 6]
    at, _ = inside[b"iloc"]
    version = data[at]
    widths = data[at + 4] >> 4, data[at + 4] & 15, data[at + 5] >> 4, data[at + 5] & 15 if version else 0
    count, at = number(data, at + 6, 2 if version < 2 else 4)
    found = {}
    for _ in range(count):
        item, at = number(data, at, 2 if version < 2 else 4)
        method = 0
        if version:
            method, at = number(data, at, 2)
        base, at = number(data, at + 2, widths[2])
        extents, at = number(data, at, 2)
        content = b""
        for _ in range(extents):
            at += widths[3]
            offset, at = number(data, at, widths[0])
            length, at = number(data, at, widths[1])
            start = base + offset + (inside[b"idat"][0] if method & 15 == 1 else 0)
            content += data[start : start + length] if length else data[start:]
        if kinds.get(item) not in (None, b"Exif", b"mime", b"uri "):
            found[item] = content
    return found


def gif_frames(path):
    """The image data of each frame of a GIF, with what controls it."""
    data = path.read_bytes()
    table = lambda flags: 3 << ((flags & 7) + 1) if flags & 0x80 else 0
    at, control, frames = 13 + table(data[10]), None, []

    def blocks(at):
        while at < len(data) and data[at]:
            at += 1 + data[at]
        return at + 1

    while at < len(data) and data[at] in (0, 0x21, 0x2C):
        start = at
        if data[at] == 0x2C:
            at = blocks(at + 11 + table(data[at + 9]))
            frames.append((control, data[start:at]))
            control = None
        elif data[at] == 0x21:
            at = blocks(at + 2)
            if data[start + 1] == 0xF9:
                control = data[start:at]
            elif data[start + 1] == 1:
                control = None
        else:
            at += 1
    return frames


def coded_pictures(kind, source, stripped):
    """Whether the coded pictures of a stripped image are those of its source, where ExifTool has no hash of them."""
    if kind == "GIF":
        return gif_frames(source) == gif_frames(stripped)
    if kind in HEIF:
        before = items(source)
        return all(before.get(item) == content for item, content in items(stripped).items())
    return True


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
    # The files with faults of each kind.
    files = {}
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
                        is_tiff = after.get(("File", "File", "FileType")) in ("TIFF", "BTF")
                        found += [
                            f"metadata: {':'.join(key)} = {str(value)[:60]}"
                            for key, value in after.items()
                            if not is_allowed(key, value, is_tiff)
                        ]
                        # HEIC, AVIF and JXL say it in properties of their own, which stay.
                        if kind.split()[0] not in (*HEIF, "JXL") and turned(before) != turned(after):
                            found.append("orientation: another one")
                    else:
                        found += [f"metadata: {difference}" for difference in compare_location(before, after)]
                    hashes = [fields.get(("File", "File", "ImageDataHash")) for fields in (before, after)]
                    if hashes[0] != hashes[1] and is_covered(source, before, scope):
                        found.append(f"coded picture: ImageDataHash {hashes}")
                    if not coded_pictures(kind, source, stripped):
                        found.append("coded picture: another one")
                    pictures = pixels(source), pixels(stripped)
                    undecoded += pictures[0] is None
                    if pictures[0] != pictures[1]:
                        found.append("pixels: others")
                    icc, kept_icc = [exiftool.ask("-b", "-ICC_Profile", path) for path in (source, stripped)]
                    if icc != kept_icc:
                        found.append("colour profile: another one")
                    rest = outside_pictures(stripped, [icc] if icc else [])
                    kept = json.dumps([str(value) for value in after.values()], ensure_ascii=False) if scope == "location" else ""
                    for name, text in secrets(before, scope == "location"):
                        # Keywords and captions stay, also those that name a place.
                        if json.dumps(text, ensure_ascii=False)[1:-1] in kept:
                            continue
                        if any(form and form in rest for form in encodings(text)):
                            found.append(f"bytes: they hold {name} = {text[:60]}")
                    for tag, forms in numbers(source, scope == "location"):
                        if any(form in rest for form in forms):
                            found.append(f"bytes: they hold a value of tag {tag:#x}")
                    for fault in found:
                        print(f"{scope}: {source.name}: {fault}")
                    for category in {fault.split(":")[0] for fault in found}:
                        files[category] = files.get(category, 0) + 1
                    faults += len(found)
    for (scope, kind), (all_files, stripped) in sorted(counts.items()):
        print(f"{scope:8} {kind:8} {stripped} of {all_files}")
    for category, number_of_files in sorted(files.items()):
        print(f"{category}: {number_of_files} files with a fault")
    print(f"{faults} faults; Pillow could not decode {undecoded} sources")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
