#include "config/value.h"

#include <inttypes.h>

#include "base/check.h"
#include "base/units.h"

struct unit {
    const char *name;
    uint64_t size;
};

static const struct unit duration_units[] = {
    {"d", 24 * UINT64_C(3600000)}, {"h", HOUR_MS}, {"m", MINUTE_MS}, {"s", SECOND_MS}, {"ms", 1},
};
/* Those before "B" are also how sizes are printed. */
static const struct unit size_units[] = {
    {"TiB", TEBIBYTE},  {"GiB", GIBIBYTE}, {"MiB", MEBIBYTE}, {"KiB", KIBIBYTE}, {"B", 1}, {"TB", UINT64_C(1000000000000)},
    {"GB", 1000000000}, {"MB", 1000000},   {"kB", 1000},
};

enum {
    DURATION_UNITS = sizeof duration_units / sizeof duration_units[0],
    SIZE_UNITS = sizeof size_units / sizeof size_units[0],
};

/* Moves past the digits at the front; false when there are none or the number does not fit. */
static bool take_digits(struct bytes *text, uint64_t *number) {
    *number = 0;
    size_t taken = 0;
    while (taken < text->len && text->at[taken] >= '0' && text->at[taken] <= '9') {
        uint64_t digit = (uint64_t)(text->at[taken] - '0');
        if (__builtin_mul_overflow(*number, 10, number) || __builtin_add_overflow(*number, digit, number)) return false;
        taken++;
    }
    text->at += taken;
    text->len -= taken;
    return taken > 0;
}

/* Moves past the bytes up to the next digit; they are the unit's name. Returns `count` when there is no such unit. */
static size_t take_unit(struct bytes *text, const struct unit *units, size_t count) {
    struct bytes name = {text->at, 0};
    while (name.len < text->len && (text->at[name.len] < '0' || text->at[name.len] > '9')) name.len++;
    text->at += name.len;
    text->len -= name.len;
    size_t unit = 0;
    while (unit < count && !bytes_equal(name, bytes_of_text(units[unit].name))) unit++;
    return unit;
}

bool value_read_count(struct bytes text, uint64_t *count) {
    uint64_t number = 0;
    if (text.len == 0 || !take_digits(&text, &number) || text.len != 0) return false;
    *count = number;
    return true;
}

bool value_read_duration(struct bytes text, int64_t *ms) {
    uint64_t number = 0;
    if (value_read_count(text, &number)) {
        *ms = 0;
        return number == 0;
    }
    uint64_t sum = 0;
    size_t allowed = 0; /* units from here on are smaller than those before */
    do {
        uint64_t part = 0;
        if (text.len == 0 || !take_digits(&text, &number)) return false;
        size_t unit = take_unit(&text, duration_units, DURATION_UNITS);
        if (unit < allowed || unit == DURATION_UNITS) return false;
        allowed = unit + 1;
        if (__builtin_mul_overflow(number, duration_units[unit].size, &part)) return false;
        if (__builtin_add_overflow(sum, part, &sum)) return false;
    } while (text.len > 0);
    if (sum > INT64_MAX) return false;
    *ms = (int64_t)sum;
    return true;
}

bool value_read_size(struct bytes text, uint64_t *bytes) {
    uint64_t number = 0;
    if (text.len == 0 || !take_digits(&text, &number)) return false;
    uint64_t size = 1;
    if (text.len > 0) {
        size_t unit = take_unit(&text, size_units, SIZE_UNITS);
        if (unit == SIZE_UNITS || text.len > 0) return false;
        size = size_units[unit].size;
    }
    return !__builtin_mul_overflow(number, size, bytes);
}

void value_print_duration(int64_t ms, struct buffer *out) {
    CHECK(ms >= 0);
    if (ms == 0) {
        buffer_append_text(out, "0s");
        return;
    }
    uint64_t left = (uint64_t)ms;
    /* Days are read but not written: "24h" says more than "1d" next to "24h1m". */
    for (size_t unit = 1; unit < DURATION_UNITS; unit++) {
        uint64_t number = left / duration_units[unit].size;
        left %= duration_units[unit].size;
        if (number > 0) buffer_printf(out, "%" PRIu64 "%s", number, duration_units[unit].name);
    }
    CHECK(left == 0);
}

void value_print_size(uint64_t bytes, struct buffer *out) {
    for (size_t unit = 0; size_units[unit].size > 1; unit++) {
        CHECK(unit < SIZE_UNITS);
        if (bytes > 0 && bytes % size_units[unit].size == 0) {
            buffer_printf(out, "%" PRIu64 "%s", bytes / size_units[unit].size, size_units[unit].name);
            return;
        }
    }
    buffer_printf(out, "%" PRIu64, bytes);
}

void value_print_quoted(struct bytes text, struct buffer *out) {
    enum { SHOWN_BYTES_MAX = 60 };
    buffer_append_text(out, "\"");
    for (size_t i = 0; i < text.len && i < SHOWN_BYTES_MAX; i++) {
        if (text.at[i] < 0x20 || text.at[i] == 0x7f) {
            buffer_printf(out, "\\x%02x", text.at[i]);
        } else {
            buffer_append(out, &text.at[i], 1);
        }
    }
    buffer_append_text(out, text.len > SHOWN_BYTES_MAX ? "...\"" : "\"");
}

static unsigned smallest(unsigned a, unsigned b, unsigned c) {
    unsigned least = a < b ? a : b;
    return least < c ? least : c;
}

enum { NAME_BYTES_MAX = 64 }; /* longer ones are near to none */

/* Optimal string alignment (Damerau 1964), three rows of the matrix at a time. */
static unsigned distance(struct bytes a, struct bytes b) {
    CHECK(a.len <= NAME_BYTES_MAX && b.len <= NAME_BYTES_MAX);
    unsigned rows[3][NAME_BYTES_MAX + 1];
    for (size_t j = 0; j <= b.len; j++) rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *row = rows[i % 3];
        const unsigned *above = rows[(i - 1) % 3];
        row[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned replaced = above[j - 1] + (a.at[i - 1] != b.at[j - 1] ? 1 : 0);
            row[j] = smallest(above[j] + 1, row[j - 1] + 1, replaced);
            if (i > 1 && j > 1 && a.at[i - 1] == b.at[j - 2] && a.at[i - 2] == b.at[j - 1]) {
                unsigned swapped = rows[(i - 2) % 3][j - 2] + 1;
                if (swapped < row[j]) row[j] = swapped;
            }
        }
    }
    return rows[a.len % 3][b.len];
}

void suggestion_offer(struct suggestion *suggestion, const char *name) {
    struct bytes typed = suggestion->typed, offered = bytes_of_text(name);
    if (typed.len > NAME_BYTES_MAX || offered.len > NAME_BYTES_MAX) return;
    unsigned apart = distance(typed, offered);
    unsigned near = typed.len < 2 ? 0 : typed.len < 6 ? 1 : 2;
    if (apart > near) return;
    if (suggestion->best == NULL || apart < suggestion->best_distance) {
        suggestion->best = name;
        suggestion->best_distance = apart;
    }
}
