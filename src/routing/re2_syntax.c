#include "routing/re2_syntax.h"

#include <stdlib.h>
#include <string.h>

/* RE2's own limit, of a counted repetition and of those within each other together. */
#define REPEAT_MAX 1000
/* Far below PCRE2's own, so that an expression that is refused is refused here. */
#define GROUPS_MAX 100
#define CODE_POINT_MAX 0x10ffff

#define DIGITS "0123456789"
#define HEX DIGITS "abcdefABCDEF"
#define WORD DIGITS "_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* \s of RE2; PCRE2's has the vertical tab besides. */
#define SPACES "\\t\\n\\f\\r\\x20"
#define VERTICAL_TAB "\\x0b"

#define NO_ESCAPE                                                                             \
    "an escape of RE2's: a sign, or one of \\d \\w \\s \\b \\A \\z \\pL \\x41 \\Q…\\E; no " \
    "back reference"

struct scan {
    const char *start, *at, *end;
    struct text *out;
    struct syntax_problem *problem;
    int groups;                /* that are open */
    bool is_repeatable;        /* what stands before */
    bool ignores_case;         /* somewhere */
    const char *case_property; /* one that case makes: ignoring it, RE2 and PCRE2 differ */

    /* How often the counted repetitions within each other ask for the innermost: in what stands
     * before, and at most in each open group so far. */
    long repeats;
    long group_repeats[GROUPS_MAX + 1];
};

static bool fail(const struct scan *scan, const char *at, const char *expected)
{
    return syntax_fail(scan->problem, (size_t)(at - scan->start), expected);
}

static size_t left(const struct scan *scan)
{
    return (size_t)(scan->end - scan->at);
}

static bool follows(const struct scan *scan, const char *word)
{
    return left(scan) >= strlen(word) && !strncmp(scan->at, word, strlen(word));
}

static size_t span(const struct scan *scan, const char *from, const char *accepted)
{
    size_t length = 0;
    while (from + length < scan->end && from[length] && strchr(accepted, from[length]))
        length++;
    return length;
}

static bool is_sign(char byte)
{
    return byte > ' ' && byte < 0x7f && !strchr(WORD, byte);
}

/* Appends a character so that it stands for itself anywhere. */
static void put_literal(struct scan *scan, const char *text, size_t length)
{
    if (length == 1 && is_sign(*text))
        text_putc(scan->out, '\\');
    text_append(scan->out, text, length);
}

/* ---- escapes ---- */

/* Both syntaxes agree on what these mean; the scripts are a choice of RE2's. */
static const char *const categories[] = {"Any", "L",  "Ll", "Lm", "Lo", "Lt", "Lu", "M",  "Mc",
                                         "Me",  "Mn", "N",  "Nd", "Nl", "No", "P",  "Pc", "Pd",
                                         "Pe",  "Pf", "Pi", "Po", "Ps", "S",  "Sc", "Sk", "Sm",
                                         "So",  "Z",  "Zl", "Zp", "Zs", "Cc", "Cf", "Co", NULL};
static const char *const scripts[] = {"Arabic", "Common",   "Cyrillic", "Greek",
                                      "Han",    "Hangul",   "Hebrew",   "Hiragana",
                                      "Latin",  "Katakana", "Thai",     NULL};

static bool is_among(const char *const *names, const char *name, size_t length)
{
    for (; *names; names++) {
        if (strlen(*names) == length && !strncmp(*names, name, length))
            return true;
    }
    return false;
}

/* \pL, \p{Greek}, \P{^Lu}; at stands on the p. */
static bool take_property(struct scan *scan)
{
    const char *name = scan->at + 1, *begin = scan->at;
    size_t length = 1;
    bool is_braced = name < scan->end && *name == '{', is_negated = *scan->at == 'P';
    if (is_braced && ++name < scan->end && *name == '^') {
        is_negated = !is_negated;
        name++;
    }
    if (is_braced)
        length = span(scan, name, WORD);
    const char *behind = name + length;
    bool is_closed = behind <= scan->end && (!is_braced || (behind < scan->end && *behind == '}'));
    bool is_script = is_closed && is_among(scripts, name, length);
    if (!is_script && !(is_closed && is_among(categories, name, length)))
        return fail(scan, begin,
                    "a general category as in \\p{Lu}, or \\p{Han}, \\p{Latin} and "
                    "other large scripts");
    if (length == 2 &&
        (!strncmp(name, "Lu", 2) || !strncmp(name, "Ll", 2) || !strncmp(name, "Lt", 2)))
        scan->case_property = begin;
    /* Without sc: newer PCRE2 takes in what the script shares with others. */
    text_printf(scan->out, "\\%c{%s%.*s}", is_negated ? 'P' : 'p', is_script ? "sc:" : "",
                (int)length, name);
    scan->at = behind + is_braced;
    return true;
}

/* \x41, \x{4e2d}; at stands on the x. */
static bool take_hexadecimal(struct scan *scan, unsigned *code_point)
{
    const char *begin = scan->at++, *digits = scan->at;
    bool is_braced = scan->at < scan->end && *digits == '{';
    digits += is_braced;
    size_t count = span(scan, digits, HEX);
    bool is_right =
        is_braced ? count > 0 && count <= 8 && digits + count < scan->end && digits[count] == '}'
                  : count >= 2;
    if (!is_braced)
        count = 2;
    *code_point = 0;
    for (size_t i = 0; is_right && i < count && *code_point <= CODE_POINT_MAX; i++) {
        unsigned digit = (unsigned)(strchr(HEX, digits[i]) - HEX);
        *code_point = *code_point * 16 + (digit > 15 ? digit - 6 : digit);
    }
    if (!is_right || *code_point > CODE_POINT_MAX ||
        (*code_point >= 0xd800 && *code_point <= 0xdfff))
        return fail(scan, begin, "two hexadecimal digits, or a character's in braces: \\x{4e2d}");
    scan->at = digits + count + is_braced;
    return true;
}

/* An escape that is one character; at stands behind the backslash. *is_one: it was one. */
static bool take_character_escape(struct scan *scan, unsigned *code_point, bool *is_one)
{
    static const char letters[] = "afnrtv", meanings[] = "\a\f\n\r\t\v";
    char letter = *scan->at;
    const char *known = strchr(letters, letter);
    *is_one = true;
    if (letter == 'x')
        return take_hexadecimal(scan, code_point);
    if (is_sign(letter))
        *code_point = (unsigned char)letter;
    else if (known)
        *code_point = (unsigned char)meanings[known - letters];
    else
        *is_one = false;
    scan->at += *is_one;
    return true;
}

static void take_quoted(struct scan *scan)
{
    for (scan->at++; scan->at < scan->end && !follows(scan, "\\E");) {
        size_t length = utf8_sequence(scan->at, left(scan));
        put_literal(scan, scan->at, length ? length : 1);
        scan->at += length ? length : 1;
        scan->is_repeatable = true;
    }
    if (scan->at < scan->end)
        scan->at += strlen("\\E");
}

static bool take_escape(struct scan *scan)
{
    const char *begin = scan->at++;
    unsigned code_point;
    bool is_one;
    if (scan->at == scan->end)
        return fail(scan, begin, NO_ESCAPE);
    char letter = *scan->at;
    if (letter == 'Q') {
        take_quoted(scan);
        return true;
    }
    scan->is_repeatable = !strchr("bBAz", letter);
    if (letter == 'p' || letter == 'P')
        return take_property(scan);
    if (!take_character_escape(scan, &code_point, &is_one))
        return false;
    if (is_one) {
        text_printf(scan->out, "\\x{%x}", code_point);
        return true;
    }
    if (!strchr("bBAzdDwWsS", letter))
        return fail(scan, begin, NO_ESCAPE);
    if (letter == 's' || letter == 'S')
        text_printf(scan->out, "[%s" SPACES "]", letter == 'S' ? "^" : "");
    else
        text_printf(scan->out, "\\%c", letter);
    scan->at++;
    return true;
}

/* ---- classes ---- */

/* Of a sequence of utf8_sequence's length; a byte of none stands for itself. */
static unsigned code_point_of(const char *bytes, size_t length)
{
    static const unsigned char lead[] = {0xff, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned code_point = (unsigned char)*bytes & lead[length];
    for (size_t i = 1; i < length; i++)
        code_point = code_point << 6 | ((unsigned char)bytes[i] & 0x3f);
    return code_point;
}

/* [:alpha:], [:^digit:] */
static bool take_named_class(struct scan *scan)
{
    static const char *const names[] = {"alnum", "alpha", "ascii", "blank",  "cntrl",
                                        "digit", "graph", "lower", "print",  "punct",
                                        "space", "upper", "word",  "xdigit", NULL};
    const char *name = scan->at + 2;
    name += name < scan->end && *name == '^';
    size_t length = span(scan, name, WORD);
    const char *behind = name + length;
    if (!is_among(names, name, length) || scan->end - behind < 2 || behind[0] != ':' ||
        behind[1] != ']')
        return fail(scan, scan->at, "a class as [:alpha:], or \\[ for the bracket itself");
    text_append(scan->out, scan->at, (size_t)(behind - scan->at) + 2);
    scan->at = behind + 2;
    return true;
}

/* An escape in a class that is more than one character; at stands behind the backslash. */
static bool take_class_escape(struct scan *scan, const char *begin)
{
    char letter = *scan->at;
    if (letter == 'p' || letter == 'P')
        return take_property(scan);
    if (!strchr("dDwWsS", letter))
        return fail(scan, begin, NO_ESCAPE);
    if (letter == 's')
        text_puts(scan->out, SPACES);
    else
        text_printf(scan->out, letter == 'S' ? "\\%c" VERTICAL_TAB : "\\%c", letter);
    scan->at++;
    return true;
}

/* One character of a class. *is_one is false for what is more than one, which is appended. */
static bool take_class_character(struct scan *scan, unsigned *code_point, bool *is_one)
{
    const char *begin = scan->at;
    if (*begin == '\\') {
        if (++scan->at == scan->end)
            return fail(scan, begin, NO_ESCAPE);
        return take_character_escape(scan, code_point, is_one) &&
               (*is_one || take_class_escape(scan, begin));
    }
    size_t length = utf8_sequence(begin, left(scan));
    *is_one = true;
    *code_point = code_point_of(begin, length);
    scan->at += length ? length : 1;
    return true;
}

/* A character, or a range of them. */
static bool take_class_item(struct scan *scan, bool is_first)
{
    const char *begin = scan->at;
    unsigned low, high;
    bool is_one, is_one_too;
    if (follows(scan, "[:"))
        return take_named_class(scan);
    if (*begin == '-' && !is_first && !follows(scan, "-]"))
        return fail(scan, begin, "\\- for a hyphen between others");
    if (!take_class_character(scan, &low, &is_one))
        return false;
    if (!is_one)
        return true;
    text_printf(scan->out, "\\x{%x}", low);
    if (left(scan) < 2 || scan->at[0] != '-' || scan->at[1] == ']')
        return true;
    scan->at++;
    if (!take_class_character(scan, &high, &is_one_too))
        return false;
    if (!is_one_too || high < low)
        return fail(scan, begin, "a range that goes up, as a-z");
    text_printf(scan->out, "-\\x{%x}", high);
    return true;
}

static bool take_class(struct scan *scan)
{
    const char *begin = scan->at++;
    text_putc(scan->out, '[');
    if (scan->at < scan->end && *scan->at == '^') {
        text_putc(scan->out, '^');
        scan->at++;
    }
    for (bool is_first = true; scan->at < scan->end && (is_first || *scan->at != ']');
         is_first = false) {
        if (!take_class_item(scan, is_first))
            return false;
    }
    if (scan->at == scan->end)
        return fail(scan, begin, "a ] that closes this class");
    text_putc(scan->out, ']');
    scan->at++;
    scan->is_repeatable = true;
    return true;
}

/* ---- groups ---- */

static void note_repeats(struct scan *scan)
{
    if (scan->repeats > scan->group_repeats[scan->groups])
        scan->group_repeats[scan->groups] = scan->repeats;
}

static void open_group(struct scan *scan)
{
    scan->groups++;
    scan->group_repeats[scan->groups] = 1;
}

/* (?i) or (?i:…; at stands behind the question mark. */
static bool take_flags(struct scan *scan)
{
    size_t on = span(scan, scan->at, "imsU");
    const char *behind = scan->at + on;
    bool is_off = behind < scan->end && *behind == '-';
    size_t off = is_off ? span(scan, behind + 1, "imsU") : 0;
    behind += is_off + off;
    if (behind == scan->end || !strchr(":)", *behind) || (is_off && off == 0) ||
        (*behind == ')' && on + off == 0))
        return fail(scan, scan->at - 2,
                    "a group of RE2's: (…), (?:…), (?P<name>…), or flags of i, m, s, U; there is "
                    "no look-around");
    scan->ignores_case = scan->ignores_case || memchr(scan->at, 'i', on);
    text_printf(scan->out, "(?%.*s", (int)(behind - scan->at + 1), scan->at);
    if (*behind == ':')
        open_group(scan);
    scan->at = behind + 1;
    return true;
}

/* Whether length bytes stand at an earlier place, too. */
static bool stood_before(const struct scan *scan, const char *at, size_t length)
{
    for (const char *other = scan->start; other < at; other++) {
        if (!strncmp(other, at, length))
            return true;
    }
    return false;
}

/* What is captured is of no use: every group is one without. */
static bool take_group(struct scan *scan)
{
    const char *begin = scan->at++;
    scan->is_repeatable = false;
    if (scan->groups == GROUPS_MAX)
        return fail(scan, begin, "fewer groups within each other");
    if (!follows(scan, "?")) {
        text_puts(scan->out, "(?:");
        open_group(scan);
        return true;
    }
    const char *name = scan->at + strlen("?P<");
    size_t length = follows(scan, "?P<") ? span(scan, name, WORD) : 0;
    if (length > 0 && name + length < scan->end && name[length] == '>') {
        if (stood_before(scan, scan->at, (size_t)(name - scan->at) + length + 1))
            return fail(scan, begin, "a name of its own for each group");
        text_puts(scan->out, "(?:");
        open_group(scan);
        scan->at = name + length + 1;
        return true;
    }
    scan->at++;
    return take_flags(scan);
}

static bool take_group_end(struct scan *scan)
{
    if (scan->groups == 0)
        return fail(scan, scan->at, "\\) for a bracket: no group is open");
    scan->repeats = scan->group_repeats[scan->groups--];
    note_repeats(scan);
    text_putc(scan->out, ')');
    scan->at++;
    scan->is_repeatable = true;
    return true;
}

/* ---- repetitions ---- */

/* RE2 takes no zero in front of a number. */
static bool is_number(const char *digits, size_t count)
{
    return count > 0 && (count == 1 || *digits != '0');
}

/* {2}, {2,}, {2,5}: its length; 0 if it is none. *count: how often it asks at most. */
static size_t counted_length(const struct scan *scan, long *count)
{
    const char *low = scan->at + 1;
    size_t low_digits = span(scan, low, DIGITS);
    const char *high = low + low_digits;
    bool is_range = high < scan->end && *high == ',';
    high += is_range;
    size_t high_digits = is_range ? span(scan, high, DIGITS) : 0;
    const char *brace = high + high_digits;
    if (!is_number(low, low_digits) || (high_digits > 0 && !is_number(high, high_digits)) ||
        brace == scan->end || *brace != '}')
        return 0;
    long least = strtol(low, NULL, 10);
    long most = high_digits > 0 ? strtol(high, NULL, 10) : least;
    *count = most > 0 ? most : 1;
    return least <= most && most <= REPEAT_MAX ? (size_t)(brace - scan->at) + 1 : 0;
}

static bool take_repetition(struct scan *scan)
{
    long count = 1;
    size_t length = *scan->at == '{' ? counted_length(scan, &count) : 1;
    if (length == 0)
        return fail(scan, scan->at, "{2}, {2,} or {2,5}, up to 1000; \\{ for the brace itself");
    if (!scan->is_repeatable)
        return fail(scan, scan->at,
                    "something before it that can be repeated, and only one repetition of it; "
                    "\\* for the sign itself");
    scan->repeats *= count;
    if (scan->repeats > REPEAT_MAX)
        return fail(scan, scan->at, "fewer repetitions: those within each other come to over 1000");
    note_repeats(scan);
    text_append(scan->out, scan->at, length);
    scan->at += length;
    if (follows(scan, "?"))
        text_putc(scan->out, *scan->at++);
    scan->is_repeatable = false;
    return true;
}

/* ---- the whole ---- */

static bool take_other(struct scan *scan)
{
    size_t length = utf8_sequence(scan->at, left(scan));
    char byte = *scan->at;
    scan->is_repeatable = !strchr("^$|", byte);
    if (strchr("^$|.", byte))
        text_putc(scan->out, byte);
    else
        put_literal(scan, scan->at, length ? length : 1);
    scan->at += length ? length : 1;
    return true;
}

static bool take_one(struct scan *scan)
{
    if (!strchr("*+?{", *scan->at))
        scan->repeats = 1;
    switch (*scan->at) {
    case '\\':
        return take_escape(scan);
    case '[':
        return take_class(scan);
    case '(':
        return take_group(scan);
    case ')':
        return take_group_end(scan);
    case '*':
    case '+':
    case '?':
    case '{':
        return take_repetition(scan);
    default:
        return take_other(scan);
    }
}

bool re2_to_pcre2(const char *pattern, size_t length, struct text *out,
                  struct syntax_problem *problem)
{
    struct scan scan = {
        .start = pattern, .at = pattern, .end = pattern + length, .out = out, .problem = problem};
    while (scan.at < scan.end) {
        if (!take_one(&scan))
            return false;
    }
    if (scan.ignores_case && scan.case_property)
        return fail(&scan, scan.case_property,
                    "no property of case beside the flag i: [A-Z] or \\pL");
    return scan.groups == 0 || fail(&scan, scan.end, "a ) for each group that is open");
}
