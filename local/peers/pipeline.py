"""The guide's pipeline in Python, as its author would write it: GET an image, read its EXIF, PUT it.

Prints one line of JSON with the number of images, the time, the CPU time, the peak memory and the stages. Starting up
and listing are not counted. The start of s5cmd is.
"""

import argparse
import asyncio
import contextlib
import io
import itertools
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time

from memory import peak

SOURCE = "photos"
DESTINATION = "photos-out"

# The body is not hashed for the signature, as is usual over HTTPS.
UNSIGNED_PAYLOAD = {"payload_signing_enabled": False}

IFD_EXIF = 0x8769
IFD_GPS = 0x8825
MAKE, MODEL, ORIENTATION, TAKEN_AT = 0x010F, 0x0110, 0x0112, 0x9003


def exif(body):
    """Reads all EXIF of an image. Returns the fields that become metadata of its copy."""
    from PIL import Image

    tags = Image.open(io.BytesIO(body)).getexif()
    shot = tags.get_ifd(IFD_EXIF)
    tags.get_ifd(IFD_GPS)
    fields = {
        "exif-make": tags.get(MAKE),
        "exif-model": tags.get(MODEL),
        "exif-taken-at": shot.get(TAKEN_AT),
        "exif-orientation": tags.get(ORIENTATION),
    }
    return {name: str(value) for name, value in fields.items() if value}


class Stages:
    """The time of each stage, in seconds, summed over all images."""

    def __init__(self):
        self.download = self.exif = self.upload = 0.0

    def add(self, start, downloaded, parsed, uploaded):
        self.download += downloaded - start
        self.exif += parsed - downloaded
        self.upload += uploaded - parsed


def client(connections):
    import boto3
    from botocore.config import Config

    return boto3.client("s3", config=Config(max_pool_connections=connections, s3=UNSIGNED_PAYLOAD))


def keys(count):
    pages = client(1).get_paginator("list_objects_v2").paginate(Bucket=SOURCE)
    listed = (entry["Key"] for page in pages for entry in page.get("Contents", []))
    return list(itertools.islice(listed, count))


def process(s3, key, stages):
    start = time.perf_counter()
    body = s3.get_object(Bucket=SOURCE, Key=key)["Body"].read()
    downloaded = time.perf_counter()
    metadata = exif(body)
    parsed = time.perf_counter()
    s3.put_object(Bucket=DESTINATION, Key=f"images/{key}", Body=body, Metadata=metadata)
    stages.add(start, downloaded, parsed, time.perf_counter())


def serial(images, _):
    load_pillow()
    s3, stages = client(1), Stages()
    with measured() as result:
        for key in images:
            process(s3, key, stages)
    return result | {"stages": vars(stages)}


def begin_worker(all_have_begun):
    global worker_s3
    worker_s3 = client(1)
    load_pillow()
    all_have_begun.wait()


def load_pillow():
    from PIL import JpegImagePlugin  # noqa: F401


def work(key):
    before, stages = time.process_time(), Stages()
    process(worker_s3, key, stages)
    return vars(stages), os.getpid(), time.process_time() - before, peak()


def processes(images, workers):
    stages, cpu, peaks = Stages(), 0.0, {}
    all_have_begun = multiprocessing.Barrier(workers + 1)
    with multiprocessing.Pool(workers, begin_worker, [all_have_begun]) as pool:
        all_have_begun.wait()
        with measured() as result:
            done = pool.imap_unordered(work, images, chunksize=max(1, min(16, len(images) // workers)))
            for of_one, worker, seconds, memory in done:
                for stage, value in of_one.items():
                    setattr(stages, stage, getattr(stages, stage) + value)
                cpu += seconds
                peaks[worker] = memory
    result["cpu_seconds"] += cpu
    result["peak_bytes"] += sum(peaks.values())
    return result | {"stages": vars(stages)}


async def in_flight(images, workers):
    from aiobotocore.config import AioConfig
    from aiobotocore.session import get_session

    load_pillow()
    stages, waiting = Stages(), iter(images)
    config = AioConfig(max_pool_connections=workers, s3=UNSIGNED_PAYLOAD)
    async with get_session().create_client("s3", config=config) as s3:

        async def worker():
            for key in waiting:
                start = time.perf_counter()
                answer = await s3.get_object(Bucket=SOURCE, Key=key)
                async with answer["Body"] as stream:
                    body = await stream.read()
                downloaded = time.perf_counter()
                metadata = exif(body)
                parsed = time.perf_counter()
                await s3.put_object(Bucket=DESTINATION, Key=f"images/{key}", Body=body, Metadata=metadata)
                stages.add(start, downloaded, parsed, time.perf_counter())

        with measured() as result:
            await asyncio.gather(*(worker() for _ in range(workers)))
    return result | {"stages": vars(stages)}


def tasks(images, workers):
    return asyncio.run(in_flight(images, workers))


def uvloop_tasks(images, workers):
    import uvloop

    return uvloop.run(in_flight(images, workers))


def s5cmd(images, workers):
    """Copies inside S3, without EXIF."""
    program = os.path.join(os.path.dirname(sys.executable), "s5cmd")
    command = [program, "--log", "error", "--endpoint-url", os.environ["AWS_ENDPOINT_URL_S3"]]
    command += ["--numworkers", str(workers), "run"]
    copies = "".join(f"cp 's3://{SOURCE}/{key}' 's3://{DESTINATION}/images/{key}'\n" for key in images)
    with measured(resource.RUSAGE_CHILDREN) as result:
        with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
            child.stdin.write(copies.encode())
            child.stdin.close()
            most = 0
            while child.poll() is None:
                with contextlib.suppress(FileNotFoundError, StopIteration):
                    most = max(most, peak(child.pid))
                time.sleep(0.01)
    if child.returncode:
        sys.exit(f"s5cmd failed with exit code {child.returncode}")
    return result | {"peak_bytes": most}


@contextlib.contextmanager
def measured(of=resource.RUSAGE_SELF):
    """Measures the block. Afterwards, the dictionary that it yields has the time, the CPU time and the peak memory."""
    result = {}
    start, before = time.perf_counter(), resource.getrusage(of)
    yield result
    after = resource.getrusage(of)
    result["seconds"] = time.perf_counter() - start
    result["cpu_seconds"] = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    result["peak_bytes"] = peak()


HOW = {"serial": serial, "processes": processes, "asyncio": tasks, "uvloop": uvloop_tasks, "s5cmd": s5cmd}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("how", choices=HOW)
    parser.add_argument("--workers", type=int, default=1, help="number of processes, tasks or connections")
    parser.add_argument("--images", type=int, help="process only this number of images")
    options = parser.parse_args()
    images = keys(options.images)
    print(json.dumps({"images": len(images)} | HOW[options.how](images, options.workers)))


if __name__ == "__main__":
    main()
