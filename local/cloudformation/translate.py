"""Translates the template as CloudFormation does, and prints the result as JSON.

usage: translate.py TEMPLATE [PARAMETER=VALUE]...

It checks the parameters and the rules, applies the SAM transform, and resolves conditions and functions. An ARN or a
name that AWS would make is made up: it has the logical id of its resource. A problem with a parameter is printed as
CloudFormation names it, and the exit status is 1.
"""

import json
import re
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ACCOUNT, REGION, PARTITION, STACK = "111122223333", "us-east-1", "aws", "stack"

PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": PARTITION,
    "AWS::StackName": STACK,
    "AWS::URLSuffix": "amazonaws.com",
}

# What Ref and GetAtt give for a resource: its name, and its ARN without the name.
ARNS = {
    "AWS::Lambda::Function": ("lambda:us-east-1:111122223333:function:", ""),
    "AWS::IAM::Role": ("iam::111122223333:role/", ""),
    "AWS::SQS::Queue": ("sqs:us-east-1:111122223333:", ""),
    "AWS::Logs::LogGroup": ("logs:us-east-1:111122223333:log-group:", ":*"),
    "AWS::Events::Rule": ("events:us-east-1:111122223333:rule/", ""),
    "AWS::StepFunctions::StateMachine": ("states:us-east-1:111122223333:stateMachine:", ""),
    "AWS::S3::Bucket": ("s3:::", ""),
    "AWS::SNS::Topic": ("sns:us-east-1:111122223333:", ""),
}
# Where the properties of these have the name that Ref gives.
NAMES = {
    "AWS::S3::Bucket": ["BucketName"],
    "AWS::Glue::Database": ["DatabaseInput", "Name"],
    "AWS::Athena::WorkGroup": ["Name"],
}
# Ref gives the ARN of these.
REF_IS_ARN = {"AWS::StepFunctions::StateMachine", "AWS::SNS::Topic"}


class Refused(Exception):
    """CloudFormation would refuse the parameters before it creates anything."""


class NoValue:
    """AWS::NoValue: whatever has this value is left out."""


class Stack:
    def __init__(self, template, given):
        self.template = template
        self.parameters = parameters(template["Parameters"], given)
        self.conditions = {}

    def check_rules(self):
        for name, rule in self.template.get("Rules", {}).items():
            for assertion in rule["Assertions"]:
                if not self.resolved(assertion["Assert"]):
                    raise Refused(f"{name}: {assertion['AssertDescription']}")

    def condition(self, name):
        if name not in self.conditions:
            self.conditions[name] = self.resolved(self.template["Conditions"][name])
        return self.conditions[name]

    def sections(self):
        """The resources and outputs that exist."""
        result = {}
        for section in ("Resources", "Outputs"):
            entries = self.template.get(section, {}).items()
            exist = {name: entry for name, entry in entries if self.exists(entry)}
            result[section] = self.resolved(exist)
        return result

    def exists(self, entry):
        return "Condition" not in entry or self.condition(entry["Condition"])

    def resolved(self, value):
        if isinstance(value, list):
            items = [self.resolved(item) for item in value]
            return [item for item in items if item is not NoValue]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), = value.items()
            if name == "Condition" and isinstance(argument, str):
                return self.condition(argument)
            if name == "Ref" or name.startswith("Fn::"):
                return self.function(name, argument)
        fields = {name: self.resolved(field) for name, field in value.items()}
        return {name: field for name, field in fields.items() if field is not NoValue}

    def function(self, name, argument):
        if name == "Ref":
            return self.ref(argument)
        if name == "Fn::GetAtt":
            resource, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
            return self.attribute(resource, attribute)
        if name == "Fn::Sub":
            return self.substituted(argument)
        if name == "Fn::If":
            chosen = argument[1] if self.condition(argument[0]) else argument[2]
            return self.resolved(chosen)
        argument = self.resolved(argument)
        if name == "Fn::Equals":
            return str(argument[0]) == str(argument[1])
        if name == "Fn::Not":
            return not argument[0]
        if name == "Fn::And":
            return all(argument)
        if name == "Fn::Or":
            return any(argument)
        if name == "Fn::Split":
            return argument[1].split(argument[0])
        if name == "Fn::Join":
            return argument[0].join(argument[1])
        raise NotImplementedError(name)

    def ref(self, name):
        if name == "AWS::NoValue":
            return NoValue
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self.parameters:
            return self.parameters[name]
        resource = self.resource(name)
        if resource["Type"] in REF_IS_ARN:
            return self.attribute(name, "Arn")
        return self.name(name)

    def resource(self, name):
        resource = self.template["Resources"][name]
        if not self.exists(resource):
            raise Refused(f"{name} does not exist under these conditions, but is referred to")
        return resource

    def name(self, name):
        resource = self.resource(name)
        named = resource.get("Properties", {})
        for field in NAMES.get(resource["Type"], ["no name"]):
            named = named.get(field, {})
        return self.resolved(named) if named else f"{STACK}-{name}"

    def attribute(self, name, attribute):
        kind = self.resource(name)["Type"]
        if attribute in ("QueueName", "Name"):
            return self.name(name)
        if attribute == "Arn":
            prefix, suffix = ARNS[kind]
            return f"arn:{PARTITION}:{prefix}{self.name(name)}{suffix}"
        raise NotImplementedError(f"{kind}.{attribute}")

    def substituted(self, argument):
        text, variables = argument if isinstance(argument, list) else (argument, {})
        variables = {name: self.resolved(value) for name, value in variables.items()}

        def value(match):
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in variables:
                return str(variables[name])
            if "." in name:
                return self.attribute(*name.split(".", 1))
            return str(self.ref(name))

        return re.sub(r"\$\{([^}]+)\}", value, text)


def parameters(declared, given):
    """The values of all parameters, checked."""
    for name in given:
        if name not in declared:
            raise Refused(f"Parameters: [{name}] do not exist in the template")
    values = {}
    for name, declaration in declared.items():
        if name not in given and "Default" not in declaration:
            raise Refused(f"Parameters: [{name}] must have values")
        value = str(given.get(name, declaration.get("Default")))
        problem = problem_with(value, declaration)
        if problem:
            raise Refused(f"Parameter '{name}' {declaration.get('ConstraintDescription', problem)}")
        values[name] = value
    return values


def problem_with(value, declaration):
    allowed = declaration.get("AllowedValues")
    if allowed is not None and value not in map(str, allowed):
        return "must be one of AllowedValues"
    pattern = declaration.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(pattern, value):
        return f"must match pattern {pattern}"
    if len(value) > declaration.get("MaxLength", 4096):
        return f"must contain at most {declaration['MaxLength']} characters"
    if declaration["Type"] == "Number":
        if not re.fullmatch(r"-?[0-9]+", value):
            return "must be a number"
        if not declaration.get("MinValue", -sys.maxsize) <= int(value) <= declaration.get("MaxValue", sys.maxsize):
            return "must be a number from MinValue to MaxValue"
    return None


class NoManagedPolicies:
    """The template names no managed policy, and this needs no account."""

    def load(self):
        return {}


def translated(template, given):
    # SAM wants code in S3, as `sam package` puts it there.
    for resource in template["Resources"].values():
        if "CodeUri" in resource.get("Properties", {}):
            resource["Properties"]["CodeUri"] = "s3://code/function.zip"
    template = transform(template, given, NoManagedPolicies())
    stack = Stack(template, given)
    stack.check_rules()
    return {"Parameters": stack.parameters, **stack.sections()}


def main():
    path, *assignments = sys.argv[1:]
    given = dict(assignment.split("=", 1) for assignment in assignments)
    with open(path, encoding="utf-8") as file:
        template = yaml_parse(file.read())
    try:
        json.dump(translated(template, given), sys.stdout, indent=1)
    except Refused as refusal:
        sys.exit(str(refusal))


if __name__ == "__main__":
    main()
