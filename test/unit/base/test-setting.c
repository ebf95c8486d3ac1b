/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include "base/ini.h"
#include "base/parse.h"
#include "base/setting.h"

typedef struct Target {
        char *hostname;
        bool quiet;
        char **binds;
        int mode;
        unsigned count;
} Target;

static const char *const modes[] = { "off", "on", "auto", NULL };

static const Setting rows[] = {
        { .section = "Exec",
          .key = "Hostname",
          .flag = "hostname",
          .metavar = "NAME",
          .group = "Identity",
          .help = "host name",
          .trust = TRUST_ANY,
          .parse = setting_string,
          .at = offsetof(Target, hostname) },
        { .flag = "quiet",
          .letter = 'q',
          .help = "say less",
          .parse = setting_bool,
          .at = offsetof(Target, quiet) },
        { .section = "Files",
          .key = "Bind",
          .flag = "bind",
          .metavar = "PATH",
          .help = "bind",
          .flags = SETTING_LIST,
          .parse = setting_strings,
          .at = offsetof(Target, binds) },
        { .section = "Exec",
          .key = "Mode",
          .flag = "mode",
          .metavar = "[MODE]",
          .implied = "auto",
          .help = "mode",
          .trust = TRUST_ANY,
          .parse = setting_choice,
          .data = modes,
          .at = offsetof(Target, mode) },
        { .letter = 'U',
          .implied = "on",
          .help = "mode on",
          .parse = setting_choice,
          .data = modes,
          .at = offsetof(Target, mode) },
        { .section = "Exec",
          .key = "Count",
          .flag = "count",
          .letter = 'c',
          .metavar = "N",
          .help = "count",
          .trust = TRUST_ANY,
          .parse = setting_unsigned,
          .at = offsetof(Target, count) },
};

static void target_done(Target *t) {
        free(t->hostname);
        (void) strv_free(t->binds);
}

/* Command line first, then a trusted file of lower rank. */
static int read_both(const char *argv, const char *file, bool trusted, Target *t, Settings *s,
                     Error *e) {
        _cleanup_strv_ char **args = NULL, **rest = NULL;
        int r;

        settings_init(s, rows, ELEMENTSOF(rows));
        assert_int_equal(str_split(argv, " ", &args), 0);
        char *none[] = { NULL };
        r = settings_from_argv(s, args ? args : none, 2, settings_stop_at_first, &rest, e);
        if (r >= 0 && file)
                r = settings_from_text(s, "x.nspawn", file, strlen(file), trusted, 1, e);
        return r < 0 ? r : settings_apply(s, t, e);
}

static void command_line_beats_file(void **state) {
        _cleanup_(settings_done) Settings s = {};
        _cleanup_(target_done) Target t = {};
        Error e = {};
        char place[128];

        CHECK_EQ(read_both("--hostname=argv -q --bind /a",
                           "[Exec]\nHostname=file\nCount=7\n[Files]\nBind=/f\n", true, &t, &s, &e),
                 0, "%s", e.text);
        CHECK_STR(t.hostname, "argv", "hostname");
        CHECK_EQ(t.quiet, true, "quiet");
        CHECK_EQ(t.count, 7, "count of the file");
        _cleanup_free_ char *binds = strv_join(t.binds, "|");
        CHECK_STR(binds, "/f|/a", "lists add up, file first");
        CHECK_STR(settings_place(settings_find(&s, offsetof(Target, count)), place, sizeof place),
                  "x.nspawn:3: Count=", "origin in a file");
        CHECK_STR(settings_place(settings_find(&s, offsetof(Target, hostname)), place,
                                 sizeof place),
                  "--hostname", "origin on the command line");
        CHECK_EQ(settings_find(&s, offsetof(Target, mode)) == NULL, 1, "never set");
}

static void trust_is_per_key(void **state) {
        _cleanup_(settings_done) Settings s = {};
        _cleanup_(target_done) Target t = {};
        Error e = {};

        CHECK_EQ(read_both("", "[Exec]\nHostname=h\n[Files]\nBind=/etc\n", false, &t, &s, &e), 0,
                 "%s", e.text);
        CHECK_STR(t.hostname, "h", "needs no trust");
        CHECK_EQ(strv_length(t.binds), 0, "needs trust");
        CHECK_EQ(strv_length(s.notes), 1, "and is reported");
        CHECK_EQ(strncmp(s.notes[0], "x.nspawn:4: Bind= is ignored", 28), 0, "%s", s.notes[0]);
}

static void forms_of_options(void **state) {
        static const struct {
                const char *argv;
                int mode;
                unsigned count;
        } cases[] = {
                { "--mode", 2, 0 },
                { "--mode=off", 0, 0 },
                { "-U", 1, 0 },
                { "-U --mode=auto", 2, 0 },
                { "--mode=auto -U", 1, 0 },
                { "-c5", 0, 5 },
                { "-c 5", 0, 5 },
                { "-qc5", 0, 5 },
                { "--cou 6", 0, 6 },
                { "--count=1 --count=2", 0, 2 },
                { "x --count=1", 0, 0 },
                { "-- --count=1", 0, 0 },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(settings_done) Settings s = {};
                _cleanup_(target_done) Target t = {};
                Error e = {};
                CHECK_EQ(read_both(cases[i].argv, NULL, false, &t, &s, &e), 0, "row %zu '%s': %s",
                         i, cases[i].argv, e.text);
                CHECK_EQ(t.mode, cases[i].mode, "row %zu '%s'", i, cases[i].argv);
                CHECK_EQ(t.count, cases[i].count, "row %zu '%s'", i, cases[i].argv);
        }
}

static void says_place_and_cause(void **state) {
        static const struct {
                const char *argv, *file, *text;
        } cases[] = {
                { "--nope", NULL, "unknown option '--nope'" },
                { "-z", NULL, "unknown option '-z'" },
                { "--quiet=yes", NULL, "option '--quiet' takes no argument" },
                { "--count", NULL, "option '--count' needs an argument N" },
                { "--count=x", NULL, "--count: 'x' is not a number from 0 to 4294967295" },
                { "-c x", NULL, "-c: 'x' is not a number from 0 to 4294967295" },
                { "", "[Exec]\nCount=x\n",
                  "x.nspawn:2: Count=: 'x' is not a number from 0 to 4294967295" },
                { "", "[Exec]\n\nHostnam=x\n",
                  "x.nspawn:3: unknown key 'Hostnam=' in section [Exec]" },
                { "", "[Nope]\nA=b\n", "x.nspawn:2: unknown section [Nope]" },
                { "", "A=b\n", "x.nspawn:1: 'A=b' stands before any section" },
                { "", "[Exec]\nrubbish\n", "x.nspawn:2: 'rubbish' is not an assignment" },
                { "", "[Exec\n", "x.nspawn:1: section header '[Exec' is not closed" },
                { "", "[Exec]\nHostname=\xff\n", "x.nspawn:2: not valid UTF-8 text" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(settings_done) Settings s = {};
                _cleanup_(target_done) Target t = {};
                Error e = {};
                CHECK_EQ(read_both(cases[i].argv, cases[i].file, true, &t, &s, &e) < 0, 1,
                         "row %zu", i);
                CHECK_STR(e.text, cases[i].text, "row %zu", i);
        }
}

static int collect(const char *section, const char *key, const char *value, unsigned line,
                   void *userdata, Error *e) {
        return buf_printf(userdata, "%u:%s.%s=%s;", line, section, key, value);
}

static void ini_forms(void **state) {
        static const struct {
                const char *in, *out;
        } cases[] = {
                { "", "" },
                { "\n# c\n; c\n[A]\nb=c\n", "5:A.b=c;" },
                { "[A]\r\nb = c d \r\n", "2:A.b=c d;" },
                { "[A]\nb=c\\\n  d\n", "2:A.b=c   d;" },
                { "[A]\nb=c\\\n# between\nd\ne=f", "2:A.b=c d;5:A.e=f;" },
                { "[A]\n# comment\\\nb=c\n", "3:A.b=c;" },
                { "[X-Other]\nwhatever\n[A]\nb=\n", "4:A.b=;" },
                { "[A]\nb==c\n", "2:A.b==c;" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(buf_done) Buf out = {};
                Error e = {};
                CHECK_EQ(ini_parse("f", cases[i].in, strlen(cases[i].in), collect, &out, &e), 0,
                         "row %zu: %s", i, e.text);
                CHECK_STR(strempty(out.p), cases[i].out, "row %zu", i);
        }
}

static int own_name(const void *userdata, char **ret, Error *e) {
        return (*ret = strdup(userdata)) ? 0 : error_oom(e);
}

static int no_answer(const void *userdata, char **ret, Error *e) {
        return error_set(e, ENOENT, "nobody knows");
}

static const Specifier specifiers[] = { { 'i', false, own_name },
                                        { 'm', true, own_name },
                                        { 'n', false, no_answer } };
static const SpecifierTable specifier_table = { specifiers, ELEMENTSOF(specifiers), "web" };

static void specifiers_stand_for_something(void **state) {
        static const struct {
                const char *text;
                bool trusted;
                int r;
                const char *out; /* or the message */
        } cases[] = {
                { "", false, 0, "" },
                { "plain", false, 0, "plain" },
                { "%i", false, 0, "web" },
                { "a%i%%i%i", false, 0, "aweb%iweb" },
                { "%m", true, 0, "web" },
                { "%m", false, SPECIFIER_NEEDS_TRUST, NULL },
                { "%x", true, -EINVAL, "unknown specifier '%x'; write '%%' for a percent sign" },
                { "5%", true, -EINVAL, "'%' at the end; write '%%' for a percent sign" },
                { "%\xc3\xa4", true, -EINVAL,
                  "'%' begins no specifier; write '%%' for a percent sign" },
                { "%n", true, -ENOENT, "specifier '%n': nobody knows" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *out = NULL;
                Error e = {};
                CHECK_EQ(specifier_expand(&specifier_table, cases[i].text, cases[i].trusted, &out,
                                          &e),
                         cases[i].r, "row %zu %s", i, e.text);
                CHECK_STR(cases[i].r < 0 ? e.text : out, cases[i].out, "row %zu", i);
        }
}

/* Assigns values to Bind= in order, each "RANK TRUSTED VALUE", and says what of them counts. */
static void lists_are_taken_back(void **state) {
        static const struct {
                const char *given, *counts;
        } cases[] = {
                { "1Ta 2Tb 1Tc", "a|c|b" }, { "1Ta 1T 1Tb", "b" },   { "1T 1Ta", "a" },
                { "1Ta 2T 1Tb", "" },       { "2T 1Ta", "" },        { "2Ta 1T", "a" },
                { "1Ua 1U 1Ub", "b" },      { "1Ta 1U 1Ub", "a|b" }, { "1Ua 2T", "" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(settings_done) Settings s = {};
                _cleanup_(target_done) Target t = {};
                _cleanup_strv_ char **given = NULL;
                settings_init(&s, rows, ELEMENTSOF(rows));
                assert_int_equal(str_split(cases[i].given, " ", &given), 0);
                STRV_FOREACH(g, given) {
                        const SettingOrigin origin = { .file = "x", .trusted = (*g)[1] == 'T' };
                        assert_int_equal(settings_add(&s, rows + 2, *g + 2, &origin,
                                                      (unsigned) ((*g)[0] - '0'), NULL),
                                         0);
                }
                assert_int_equal(settings_apply(&s, &t, NULL), 0);
                _cleanup_free_ char *got = strv_join(t.binds, "|");
                CHECK_STR(got, cases[i].counts, "row %zu", i);
        }
}

static void too_many_settings_are_refused(void **state) {
        _cleanup_(settings_done) Settings s = {};
        _cleanup_(buf_done) Buf text = {};
        Error e = {};

        assert_int_equal(buf_puts(&text, "[Exec]\n"), 0);
        for (int i = 0; i <= SETTINGS_MAX; i++)
                assert_int_equal(buf_puts(&text, "Count=1\n"), 0);
        settings_init(&s, rows, ELEMENTSOF(rows));
        CHECK_EQ(settings_from_text(&s, "x", text.p, text.n, true, 1, &e), -E2BIG, "%s", e.text);
        CHECK_STR(e.text, "x:4098: more than 4096 settings", "message");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(command_line_beats_file),
                cmocka_unit_test(trust_is_per_key),
                cmocka_unit_test(forms_of_options),
                cmocka_unit_test(says_place_and_cause),
                cmocka_unit_test(ini_forms),
                cmocka_unit_test(specifiers_stand_for_something),
                cmocka_unit_test(lists_are_taken_back),
                cmocka_unit_test(too_many_settings_are_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
