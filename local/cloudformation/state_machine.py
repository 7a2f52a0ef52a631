"""Prints the state machine of the template as Step Functions gets it, with its substitutions.

usage: state_machine.py TEMPLATE, with the packages of requirements.txt
"""

import json
import sys

from samtranslator.yaml_helper import yaml_parse

from translate import translated

PARAMETERS = {"SourceBucket": "photos", "DestinationBucket": "photos-out", "Workflow": "yes"}


def definition(path):
    with open(path, encoding="utf-8") as file:
        stack = translated(yaml_parse(file.read()), PARAMETERS)
    machine = stack["Resources"]["Map"]["Properties"]
    text = json.dumps(machine["Definition"])
    for name, value in machine["DefinitionSubstitutions"].items():
        text = text.replace("${" + name + "}", value)
    return json.loads(text)


if __name__ == "__main__":
    json.dump(definition(sys.argv[1]), sys.stdout, indent=1)
