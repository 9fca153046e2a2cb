#include "simdjson/json_scan.h"

#include <new>
#include <simdjson.h>

static_assert(simdjson::SIMDJSON_PADDING <= JSON_SCAN_PADDING_BYTES, "simdjson reads further than our callers promise");

struct json_scanner {
    simdjson::dom::parser parser;
    size_t line_bytes_max;
};

struct json_scanner *json_scanner_create(size_t line_bytes_max) {
    auto *scanner = new (std::nothrow) json_scanner;
    if (scanner == nullptr) return nullptr;
    scanner->line_bytes_max = line_bytes_max;
    // Parser and document both: a parse that finds either too small would allocate on the hot path.
    if (scanner->parser.allocate(line_bytes_max) != simdjson::SUCCESS ||
        scanner->parser.doc.allocate(line_bytes_max) != simdjson::SUCCESS) {
        delete scanner;
        return nullptr;
    }
    return scanner;
}

void json_scanner_destroy(struct json_scanner *scanner) {
    delete scanner;
}

static struct json_scan_text text_of(std::string_view view) {
    return {reinterpret_cast<const uint8_t *>(view.data()), view.size()};
}

static bool scan_value(simdjson::dom::element value, struct json_scan_member *member) {
    switch (value.type()) {
    case simdjson::dom::element_type::STRING:
        member->kind = JSON_SCAN_STRING;
        member->string = text_of(value.get_string().value_unsafe());
        return true;
    case simdjson::dom::element_type::INT64:
        member->kind = JSON_SCAN_INTEGER;
        member->integer = value.get_int64().value_unsafe();
        return true;
    case simdjson::dom::element_type::DOUBLE:
        member->kind = JSON_SCAN_NUMBER;
        return true;
    case simdjson::dom::element_type::BOOL:
        member->kind = JSON_SCAN_BOOLEAN;
        return true;
    case simdjson::dom::element_type::NULL_VALUE:
        member->kind = JSON_SCAN_NULL;
        return true;
    default:
        return false; // nested, or an integer that only fits unsigned
    }
}

int json_scan_object(struct json_scanner *scanner, const uint8_t *line, size_t len,
                     struct json_scan_member members[JSON_SCAN_MEMBERS_MAX]) {
    if (len > scanner->line_bytes_max) return JSON_SCAN_NOT_CERTAIN;
    simdjson::dom::element root;
    if (scanner->parser.parse(line, len, false).get(root) != simdjson::SUCCESS) return JSON_SCAN_NOT_CERTAIN;
    simdjson::dom::object object;
    if (root.get(object) != simdjson::SUCCESS) return JSON_SCAN_NOT_CERTAIN;
    int count = 0;
    for (auto field : object) {
        if (count == JSON_SCAN_MEMBERS_MAX) return JSON_SCAN_NOT_CERTAIN;
        members[count].name = text_of(field.key);
        if (!scan_value(field.value, &members[count])) return JSON_SCAN_NOT_CERTAIN;
        count++;
    }
    return count;
}

bool json_scan_utf8_valid(const uint8_t *text, size_t len) {
    return simdjson::validate_utf8(reinterpret_cast<const char *>(text), len);
}
