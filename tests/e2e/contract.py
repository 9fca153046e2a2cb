"""An OpenAPI document, and whether answers are ones that it describes, down to the last member."""
import json

import jsonschema

# JSON Schema ignores what it does not know, so a keyword with a slip in it would check nothing.
KEYWORDS = {
    "$ref", "additionalProperties", "allOf", "anyOf", "const", "default", "description", "enum", "examples", "format",
    "items", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "oneOf", "pattern", "properties",
    "propertyNames", "required", "type",
}


class Contract:
    def __init__(self, document):
        self.document = document
        self.resolver = jsonschema.RefResolver("", document)

    def resolved(self, node):
        while "$ref" in node:
            _, node = self.resolver.resolve(node["$ref"])
        return node

    def validator(self, schema):
        return jsonschema.Draft202012Validator(schema, resolver=self.resolver)

    def operations(self):
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation

    def parameters(self, operation):
        return [self.resolved(parameter) for parameter in operation.get("parameters", [])]

    def response(self, method, path, status):
        """Of the operation, or of any path when it is about the path or the method itself."""
        method = "GET" if method == "HEAD" else method
        item = self.document["paths"].get(path, {})
        responses = item.get(method.lower(), {}).get("responses", {})
        general = {405: "MethodNotAllowed"} if item and not responses else {} if item else {404: "NotFound"}
        if str(status) in responses:
            return self.resolved(responses[str(status)])
        assert status in general, f"{method} {path} answers {status}, which is not in the document"
        return self.document["components"]["responses"][general[status]]

    def branches(self, schema, value):
        """The schemas without references or alternatives that together describe this value, which is valid."""
        schema = self.resolved(schema)
        yield schema
        for part in schema.get("allOf", []):
            yield from self.branches(part, value)
        for part in schema.get("oneOf", []) + schema.get("anyOf", []):
            if self.validator(part).is_valid(value):
                yield from self.branches(part, value)

    def undescribed(self, schema, value, at="$"):
        """Members that are valid only because an object may have more than those that are described."""
        branches = list(self.branches(schema, value))
        for name, member in value.items() if isinstance(value, dict) else ():
            parts = [branch.get("properties", {}).get(name, branch.get("additionalProperties")) for branch in branches]
            parts = [part for part in parts if part is not None]
            if not parts:
                yield f"{at}.{name}"
            elif True not in parts:
                yield from self.undescribed({"allOf": parts}, member, f"{at}.{name}")
        for number, item in enumerate(value if isinstance(value, list) else ()):
            parts = [branch["items"] for branch in branches if "items" in branch]
            yield from self.undescribed({"allOf": parts}, item, f"{at}[{number}]")

    def check_value(self, schema, value):
        self.validator(schema).validate(value)
        unknown = list(self.undescribed(schema, value))
        assert not unknown, f"not in the document: {unknown}"

    def check_headers(self, response, answer):
        for name, header in response.get("headers", {}).items():
            header = self.resolved(header)
            if name not in answer.headers:
                # A probe that says no in its own words has none of a problem's.
                assert not header.get("required") or answer.type == "text/plain", f"no {name}: {answer.headers}"
            elif header["schema"]["type"] == "integer":
                self.check_value(header["schema"], int(answer.headers[name]))

    def check(self, method, path, answer):
        """That this answer of this path, as it is in the document, is described there."""
        response = self.response(method, path, answer.status)
        self.check_headers(response, answer)
        if method == "HEAD" or "content" not in response:
            assert answer.body == b""
            return
        assert answer.type in response["content"], f"{method} {path} answers {answer.status} as {answer.type}"
        media = response["content"][answer.type]
        if answer.type == "text/event-stream":
            name, data, end = answer.body.decode().splitlines()
            assert (name, end) == ("event: status", "") and data.startswith("data: ")
            self.check_value(media["x-item-schema"], json.loads(data.removeprefix("data: ")))
        elif answer.type in ("application/json", "application/problem+json"):
            self.check_value(media["schema"], answer.json)
            assert answer.type == "application/json" or answer.json["status"] == answer.status
        else:
            self.check_value(media["schema"], answer.body.decode())


def schemas_in(node):
    """Every schema of a document, with what is inside of them."""
    if isinstance(node, list):
        for part in node:
            yield from schemas_in(part)
    elif isinstance(node, dict):
        for name, part in node.items():
            if name == "schemas":
                for schema in part.values():
                    yield from parts_of(schema)
            elif name in ("schema", "x-item-schema"):
                yield from parts_of(part)
            elif name != "example":
                yield from schemas_in(part)


def parts_of(schema):
    yield schema
    inner = list(schema.get("properties", {}).values())
    inner += [part for name in ("allOf", "anyOf", "oneOf") for part in schema.get(name, [])]
    inner += [schema[name] for name in ("items", "propertyNames", "additionalProperties")
              if isinstance(schema.get(name), dict)]
    for part in inner:
        yield from parts_of(part)


def references_in(node):
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from references_in(part)
    if isinstance(node, dict) and "$ref" in node:
        yield node["$ref"]
