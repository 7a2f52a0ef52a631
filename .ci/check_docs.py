#!/usr/bin/env python3
"""Checks README.md, CHANGELOG.md and docs/ against the code.

- Each relative link leads to an existing file, and to an existing heading in it.
- Each command exists, and has the options that the pages use. This script runs short commands that need no AWS. Other
  steps of .ci/run and the tests run the rest.
- The docs name every request field, environment variable, template parameter, output and failure class. They name
  none that does not exist.

Usage: .ci/check_docs.py LOCAL JOB, where LOCAL and JOB are the programs that `cargo local` and `cargo job` run.
"""

import json
import re
import shlex
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

problems = []


def wrong(page, problem):
    problems.append(f"{page.relative_to(ROOT)}: {problem}")


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


# Links


def slug(heading):
    """Returns the anchor that GitHub gives a heading."""
    text = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def anchors(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)}


def check_links(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists():
            wrong(page, f"the link {target} leads to a file that does not exist")
        elif anchor and anchor not in anchors(file):
            wrong(page, f"the link {target} leads to a heading that does not exist")


# Commands


def code_lines(page):
    """Returns the lines of all code blocks. A line that ends with a backslash is joined with the next one."""
    fenced, lines = False, []
    for line in page.read_text(encoding="utf-8").split("\n"):
        if line.strip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            lines.append(line.strip())
    return re.sub(r"\\\n", " ", "\n".join(lines)).split("\n")


def commands(page):
    starts = r"(cargo|sam|aws|fanout|pip|rustup|\.ci/run)\b"
    for line in code_lines(page):
        if re.match(starts + r" ?(?![:=])", line):
            yield line
    for span in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)):
        if re.match(r"(cargo (demo|job|local|lambda|test)|sam |\.ci/)", span):
            yield span


@cache
def help_of(program, subcommands):
    result = subprocess.run([program, *subcommands, "--help"], capture_output=True, text=True, check=False)
    return result.stdout if result.returncode == 0 else None


def check_program(page, command, words, program):
    """Checks that `--help` of a program lists the subcommand and the options of a command."""
    subcommands = []
    for word in words:
        listed = re.findall(r"^  ([a-z][a-z0-9-]*)\b", help_of(program, tuple(subcommands)).partition("Commands:")[2], re.MULTILINE)
        if word not in listed:
            break
        subcommands.append(word)
    if not subcommands and words:
        return wrong(page, f"`{command}`: there is no command {words[0]}")
    text = help_of(program, tuple(subcommands))
    for option in re.findall(r"--[a-z-]+", " ".join(words)):
        if option != "--help" and not re.search(re.escape(option) + r"(?![a-z-])", text):
            wrong(page, f"`{command}`: this command has no option {option}")


def check_payload(page, command, payload, fields):
    try:
        request = json.loads(payload)
    except ValueError as error:
        return wrong(page, f"`{command}`: the payload is not JSON: {error}")
    for field in request.keys() - fields:
        wrong(page, f"`{command}`: a request has no field {field}")


def check_command(page, command, programs, fields):
    local, job = programs
    plain = command.split("  #")[0].replace("[", " ").replace("]", " ").replace("...", " ")
    try:
        words = shlex.split(plain)
    except ValueError as error:
        return wrong(page, f"`{command}`: not a valid shell command: {error}")
    match words:
        case ["cargo", "demo", *rest]:
            check_program(page, command, ["demo", *rest], local)
        case ["cargo", "local", *rest]:
            check_program(page, command, rest, local)
        case ["cargo", "job", *rest]:
            check_program(page, command, rest, job)
        case ["cargo", "lambda", "invoke", *rest]:
            for file in re.findall(r"--data-file (\S+)", " ".join(rest)):
                if not (ROOT / file).exists():
                    wrong(page, f"`{command}`: the file {file} does not exist")
        case ["fanout", payload, *_] if payload.startswith("{"):
            check_payload(page, command, payload, fields)
        case [".ci/run"] | ["cargo", "test" | "lambda" | "fuzz" | "install", *_]:
            pass
        case ["aws" | "sam" | "pip" | "rustup" | "fanout" | "fanout()", *_]:
            # These need AWS, or install something.
            pass
        case _:
            wrong(page, f"`{command}`: unknown command; add it to check_command")


def run_commands(local):
    """Runs the short commands that need no AWS, on a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        for arguments in (
            ["dataset", "--out", folder, "--count", "3"],
            ["exif", folder],
            ["exif", "--explain", folder],
        ):
            result = subprocess.run([local, *arguments], capture_output=True, text=True, check=False)
            if result.returncode != 0:
                problems.append(f"cargo local {' '.join(arguments)} failed: {result.stderr}")


# Names


def without_tests(path):
    return read(path).split("#[cfg(test)]")[0]


def names_in_code():
    request = re.search(r"^request_fields! \{\n(.*?)^\}", read("functions/fanout/src/request.rs"), re.DOTALL | re.MULTILINE)
    fields = set(re.findall(r"^    (\w+): ", request[1], re.MULTILINE))
    sources = "".join(
        map(without_tests, ("functions/fanout/src/request.rs", "functions/fanout/src/config.rs", "functions/processor/src/config.rs", "shared/src/logs/mod.rs"))
    )
    variables = set(re.findall(r'"([A-Z][A-Z_]{3,})"', sources)) - {"VARIABLE", "FATAL"}
    enum = re.search(r"pub enum FailureClass \{(.*?)\n\}", read("shared/src/protocol/failure.rs"), re.DOTALL)[1]
    variants = re.findall(r"^    (\w+),", enum, re.MULTILINE)
    classes = {re.sub(r"(?<!^)(?=[A-Z])", "_", variant).lower() for variant in variants}
    template = read("template.yaml")
    section = lambda name: set(
        re.findall(r"^  (\w+):", re.search(rf"^{name}:\n(.*?)(?=^\S|\Z)", template, re.DOTALL | re.MULTILINE)[1], re.MULTILINE)
    )
    return fields, variables, classes, section("Parameters"), section("Outputs")


def section(page, heading):
    """Returns the text below a heading, up to the next heading."""
    text = page.read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.DOTALL | re.MULTILINE)
    if found is None:
        wrong(page, f"the section {heading} is missing")
    return found[1] if found else ""


def first_cells(text):
    """Returns the names in the first column of a section's tables."""
    cells = [line.split("|")[1] for line in text.split("\n") if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def compare(page, what, documented, known):
    for name in sorted(known - documented):
        wrong(page, f"the {what} {name} is not documented")
    for name in sorted(documented - known):
        wrong(page, f"the {what} {name} does not exist")


def check_names(fields, variables, classes, parameters, outputs):
    page = ROOT / "docs/configuration.md"
    compare(page, "request field", first_cells(section(page, "Request to fanout")), fields)
    compare(page, "template parameter", first_cells(section(page, "Template parameters")), parameters)
    compare(page, "output", first_cells(section(page, "Outputs")), outputs)
    text = section(page, "Environment variables of fanout") + section(page, "Environment variables of processor")
    ours = set(re.findall(r"`([A-Z][A-Z_]{3,})`", text)) - {"AWS_REGION", "AWS_LAMBDA_MAX_CONCURRENCY"}
    ours -= {name for name in ours if name.startswith("AWS_ENDPOINT_URL")}
    compare(page, "environment variable", ours, variables)
    for name in ("docs/troubleshooting.md", "docs/output.md"):
        page = ROOT / name
        heading = "Failure classes" if "troubleshooting" in name else "Failed keys"
        compare(page, "failure class", first_cells(section(page, heading)), classes)


def main():
    programs = sys.argv[1:]
    names = names_in_code()
    check_names(*names)
    count = 0
    for page in PAGES:
        check_links(page)
        for command in commands(page):
            check_command(page, command, programs, names[0])
            count += 1
    run_commands(programs[0])
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(1)
    print(f"{len(PAGES)} pages and {count} commands agree with the code")


main()
