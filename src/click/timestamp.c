#include "click/timestamp.h"

#include "base/check.h"

enum {
    DAYS_TO_1970 = 719528,    /* from 0000-01-01, proleptic Gregorian */
    DATE_TIME_BYTES = 19,     /* YYYY-MM-DDTHH:MM:SS */
    TIMESTAMP_BYTES_MAX = 64, /* more digits of a fraction than anyone writes */
    DAY_MS = 24 * HOUR_MS,
};
static const int64_t TIME_MS_MIN = 0;
static const int64_t TIME_MS_MAX = INT64_C(253402300799999); /* 9999-12-31T23:59:59.999Z */

/* Days before each month in a year that is not leap; the 13th ends the year. */
static const uint16_t days_before_month[13] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

struct civil {
    uint32_t year, month, day, hour, minute, second; /* month and day from 1 */
};

static bool year_is_leap(uint32_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* Leap years among the years [0, year) are the multiples of 4, less those of 100, and those of 400 again; 0 is one of each.
 */
static uint32_t days_before_year(uint32_t year) {
    return year * 365 + (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
}

/* Days before the month within its year; month 13 gives the length of the year. */
static uint32_t days_in_year_before(uint32_t year, uint32_t month) {
    CHECK(month >= 1 && month <= 13);
    return days_before_month[month - 1] + (month > 2 && year_is_leap(year));
}

static bool civil_is_real(const struct civil *civil) {
    if (civil->month < 1 || civil->month > 12 || civil->hour > 23 || civil->minute > 59 || civil->second > 59) return false;
    const uint32_t days =
        days_in_year_before(civil->year, civil->month + 1) - days_in_year_before(civil->year, civil->month);
    return civil->day >= 1 && civil->day <= days;
}

static int64_t civil_to_ms(const struct civil *civil) {
    const int64_t day = (int64_t)days_before_year(civil->year) + days_in_year_before(civil->year, civil->month) +
                        civil->day - 1 - DAYS_TO_1970;
    return day * DAY_MS + civil->hour * (int64_t)HOUR_MS + civil->minute * (int64_t)MINUTE_MS +
           civil->second * (int64_t)SECOND_MS;
}

static struct civil civil_of_ms(int64_t ms) {
    /* Times before 1970 are no clicks, but a watermark is a click's time minus a span. */
    const int64_t days = (ms >= 0 ? ms : ms - DAY_MS + 1) / DAY_MS;
    const int64_t ms_of_day = ms - days * DAY_MS;
    CHECKF(days >= -DAYS_TO_1970 && ms <= TIME_MS_MAX, "no year from 0 to 9999: %lld ms", (long long)ms);
    uint32_t day = (uint32_t)(days + DAYS_TO_1970);
    struct civil civil = {.year = (uint32_t)((uint64_t)day * 400 / 146097)}; /* off by one at most */
    while (days_before_year(civil.year) > day) civil.year--;
    while (days_before_year(civil.year + 1) <= day) civil.year++;
    day -= days_before_year(civil.year);
    civil.month = day / 31 + 1; /* likewise: no month has more than 31 days */
    while (days_in_year_before(civil.year, civil.month + 1) <= day) civil.month++;
    civil.day = day - days_in_year_before(civil.year, civil.month) + 1;
    civil.hour = (uint32_t)(ms_of_day / HOUR_MS);
    civil.minute = (uint32_t)(ms_of_day / MINUTE_MS % 60);
    civil.second = (uint32_t)(ms_of_day / SECOND_MS % 60);
    CHECK(civil.month <= 12 && civil.day >= 1 && ms_of_day >= 0);
    COSTLY_CHECK(civil_to_ms(&civil) + ms_of_day % SECOND_MS == ms);
    return civil;
}

/* Reads `count` digits, at most 19; anything else among them sets `*bad` and gives 0. */
static uint64_t read_digits(const uint8_t *at, size_t count, bool *bad) {
    uint64_t value = 0;
    CHECK(count <= 19);
    for (size_t i = 0; i < count; i++) {
        const uint32_t digit = (uint32_t)at[i] - '0';
        if (digit > 9) {
            *bad = true;
            return 0;
        }
        value = value * 10 + digit;
    }
    return value;
}

/* YYYY-MM-DD?HH:MM:SS in the first DATE_TIME_BYTES; the caller looks at what stands at the question mark. */
static bool read_date_time(const uint8_t *at, int64_t *ms) {
    bool bad = at[4] != '-' || at[7] != '-' || at[13] != ':' || at[16] != ':';
    const struct civil civil = {
        .year = (uint32_t)read_digits(at, 4, &bad),
        .month = (uint32_t)read_digits(at + 5, 2, &bad),
        .day = (uint32_t)read_digits(at + 8, 2, &bad),
        .hour = (uint32_t)read_digits(at + 11, 2, &bad),
        .minute = (uint32_t)read_digits(at + 14, 2, &bad),
        .second = (uint32_t)read_digits(at + 17, 2, &bad),
    };
    if (bad || !civil_is_real(&civil)) return false;
    *ms = civil_to_ms(&civil);
    return true;
}

/* Z or +HH:MM or -HH:MM, to the end of the text. */
static bool read_offset(struct bytes text, int64_t *offset_ms) {
    *offset_ms = 0;
    if (text.len == 1) return text.at[0] == 'Z' || text.at[0] == 'z';
    if (text.len != 6 || (text.at[0] != '+' && text.at[0] != '-') || text.at[3] != ':') return false;
    bool bad = false;
    const uint64_t hours = read_digits(text.at + 1, 2, &bad);
    const uint64_t minutes = read_digits(text.at + 4, 2, &bad);
    if (bad || hours > 23 || minutes > 59) return false;
    *offset_ms = (int64_t)(hours * HOUR_MS + minutes * MINUTE_MS);
    if (text.at[0] == '-') *offset_ms = -*offset_ms;
    return true;
}

/* What follows the date and time in RFC 3339: a fraction (any number of digits, cut to milliseconds) and an offset. */
static bool read_rfc3339_rest(struct bytes rest, int64_t *ms, size_t *fraction_digits) {
    size_t digits = 0;
    if (rest.len > 0 && rest.at[0] == '.') {
        int64_t weight_ms = 100;
        while (1 + digits < rest.len && rest.at[1 + digits] >= '0' && rest.at[1 + digits] <= '9') {
            *ms += (rest.at[1 + digits] - '0') * weight_ms;
            weight_ms /= 10;
            digits++;
        }
        if (digits == 0) return false;
        rest = (struct bytes){rest.at + 1 + digits, rest.len - 1 - digits};
    }
    int64_t offset_ms;
    if (!read_offset(rest, &offset_ms)) return false;
    *ms -= offset_ms;
    *fraction_digits = digits;
    return true;
}

static bool parse_date_time(struct bytes text, int64_t *ms, uint8_t *form) {
    if (text.len < DATE_TIME_BYTES || !read_date_time(text.at, ms)) return false;
    const uint8_t separator = text.at[10];
    if (separator != ' ' && separator != 'T' && separator != 't') return false;
    if (text.len == DATE_TIME_BYTES) {
        *form = TIME_SPACE;
        return separator == ' '; /* with a T it is RFC 3339, whose offset is not optional */
    }
    size_t fraction_digits;
    const struct bytes rest = {text.at + DATE_TIME_BYTES, text.len - DATE_TIME_BYTES};
    if (!read_rfc3339_rest(rest, ms, &fraction_digits)) return false;
    const bool plain = separator == 'T' && text.at[text.len - 1] == 'Z';
    *form = plain && fraction_digits == 0   ? TIME_RFC3339_Z
            : plain && fraction_digits == 3 ? TIME_RFC3339_MS_Z
                                            : TIME_VERBATIM;
    return true;
}

bool timestamp_parse(struct bytes text, struct event_time *time, uint8_t *form) {
    if (text.len < 10 || text.len > TIMESTAMP_BYTES_MAX) return false;
    bool bad = false;
    if (text.len == 13) {
        time->ms = (int64_t)read_digits(text.at, 13, &bad);
        *form = TIME_MS_NUMBER;
        return !bad;
    }
    if (text.len == 10) {
        time->ms = (int64_t)read_digits(text.at, 10, &bad) * SECOND_MS;
        *form = TIME_SECONDS_NUMBER;
        return !bad;
    }
    int64_t ms;
    if (!parse_date_time(text, &ms, form) || ms < TIME_MS_MIN || ms > TIME_MS_MAX) return false;
    time->ms = ms;
    return true;
}

bool timestamp_parse_question(struct bytes text, struct event_time *time) {
    uint8_t form;
    if (text.len != 12) return timestamp_parse(text, time, &form);
    bool bad = false;
    const struct civil civil = {
        .year = (uint32_t)read_digits(text.at, 4, &bad),
        .month = (uint32_t)read_digits(text.at + 4, 2, &bad),
        .day = (uint32_t)read_digits(text.at + 6, 2, &bad),
        .hour = (uint32_t)read_digits(text.at + 8, 2, &bad),
        .minute = (uint32_t)read_digits(text.at + 10, 2, &bad),
    };
    if (bad || civil.year < 1970 || !civil_is_real(&civil)) return false;
    time->ms = civil_to_ms(&civil);
    return true;
}

/* `count` digits with leading zeros, ending before `end`. */
static void write_digits(char *end, size_t count, uint64_t value) {
    for (size_t i = 0; i < count; i++) {
        *--end = (char)('0' + value % 10);
        value /= 10;
    }
    CHECK(value == 0);
}

static size_t write_date_time(struct event_time time, char separator, char text[TIMESTAMP_TEXT_BYTES]) {
    const struct civil civil = civil_of_ms(time.ms);
    memcpy(text, "0000-00-00 00:00:00", DATE_TIME_BYTES + 1);
    text[10] = separator;
    write_digits(text + 4, 4, civil.year);
    write_digits(text + 7, 2, civil.month);
    write_digits(text + 10, 2, civil.day);
    write_digits(text + 13, 2, civil.hour);
    write_digits(text + 16, 2, civil.minute);
    write_digits(text + 19, 2, civil.second);
    return DATE_TIME_BYTES;
}

static size_t write_rfc3339(struct event_time time, bool with_ms, char text[TIMESTAMP_TEXT_BYTES]) {
    size_t len = write_date_time(time, 'T', text);
    if (with_ms) {
        text[len] = '.';
        write_digits(text + len + 4, 3, (uint64_t)((time.ms % SECOND_MS + SECOND_MS) % SECOND_MS));
        len += 4;
    }
    memcpy(text + len, "Z", 2);
    return len + 1;
}

size_t timestamp_text(struct event_time time, char text[TIMESTAMP_TEXT_BYTES]) {
    return write_rfc3339(time, time.ms % SECOND_MS != 0, text);
}

size_t timestamp_text_in_form(struct event_time time, uint8_t form, char text[TIMESTAMP_TEXT_BYTES]) {
    CHECK(time.ms >= TIME_MS_MIN && time.ms <= TIME_MS_MAX);
    switch (form) {
    case TIME_MS_NUMBER:
        write_digits(text + 13, 13, (uint64_t)time.ms);
        text[13] = '\0';
        return 13;
    case TIME_SECONDS_NUMBER:
        write_digits(text + 10, 10, (uint64_t)(time.ms / SECOND_MS));
        text[10] = '\0';
        return 10;
    case TIME_SPACE:
        return write_date_time(time, ' ', text);
    case TIME_RFC3339_Z:
        return write_rfc3339(time, false, text);
    case TIME_RFC3339_MS_Z:
        return write_rfc3339(time, true, text);
    default:
        CHECK_FAIL("no text follows from form %u", form);
    }
}
