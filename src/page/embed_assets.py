#!/usr/bin/python3
"""Writes files into a C file as the table of src/page/assets.h.

    embed_assets.py OUT.c FILE...

`index.html` becomes `/`, `openapi.json` `/openapi.json`, any other FILE `/assets/` and its name. The same files give the
same bytes of C.
"""
import hashlib
import pathlib
import re
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
OUTSIDE_ASSETS = {"index.html": "/", "openapi.json": "/openapi.json"}


def bytes_of(path):
    """A pointer to a source map, which is not served, is left out: it would be a failed request in the reader's tools."""
    return re.sub(rb"\n?(//# sourceMappingURL=\S+|/\*# sourceMappingURL=\S+ \*/)\s*$", b"\n", path.read_bytes())


def array(name, data):
    rows = (", ".join(map(str, data[at:at + 32])) for at in range(0, len(data), 32))
    return f"static const uint8_t {name}[] = {{\n" + "".join(f"    {row},\n" for row in rows) + "};\n"


def main():
    out, files = pathlib.Path(sys.argv[1]), sorted(map(pathlib.Path, sys.argv[2:]), key=lambda path: path.name)
    arrays, rows = [], []
    for index, path in enumerate(files):
        data = bytes_of(path)
        if not data:
            sys.exit(f"embed_assets: {path} is empty")
        etag = r'"\"' + hashlib.sha256(data).hexdigest()[:24] + r'\""'
        served = OUTSIDE_ASSETS.get(path.name, f"/assets/{path.name}")
        arrays.append(array(f"asset_{index}", data))
        rows.append(f'    {{"{served}", "{TYPES[path.suffix]}", {etag}, PAGE_HEADERS({etag}), asset_{index}, '
                    f"sizeof asset_{index}}},\n")
    out.write_text('#include "page/assets.h"\n\n' + "\n".join(arrays) +
                   "\nconst struct page_asset page_assets[] = {\n" + "".join(rows) + "};\n"
                   "const size_t page_assets_count = sizeof page_assets / sizeof page_assets[0];\n")


if __name__ == "__main__":
    main()
