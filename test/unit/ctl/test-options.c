/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line, and the tables that it is read by. */
#include <limits.h>
#include <signal.h>

#include "check.h"
#include "ctl/archive-name.h"
#include "ctl/verbs.h"

/* Reads a command line given as words with spaces between. Return: 0 or -errno. */
static int read_line(const char *line, CtlOptions *o, char ***rest, Error *e) {
        _cleanup_(settings_done) Settings s = {};
        _cleanup_strv_ char **argv = NULL;
        int r;

        assert_int_equal(str_split(line, " ", &argv), 0);
        if (!argv)
                assert_non_null(argv = calloc(1, sizeof(char *)));
        ctl_options_init(o);
        settings_init(&s, ctl_settings, n_ctl_settings);
        r = settings_from_argv(&s, argv, 1, ctl_stop, rest, e);
        if (r >= 0)
                r = settings_apply(&s, o, e);
        return r < 0 ? r : ctl_options_finish(o, e);
}

static void test_positionals(void **state) {
        static const struct {
                const char *in, *rest;
        } rows[] = {
                { "list -a", "list" },
                { "-a status --lines 3 web db", "status web db" },
                { "-q shell web ls -l --all", "shell web ls -l --all" },
                { "shell -q web -- -q", "shell web -- -q" },
                { "shell --uid nobody web id", "shell web id" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(ctl_options_done) CtlOptions o = {};
                _cleanup_strv_ char **rest = NULL;
                Error e = {};

                CHECK_EQ(read_line(rows[i].in, &o, &rest, &e), 0, "row %zu: %s", i, e.text);
                _cleanup_free_ char *joined = strv_join(rest, " ");
                CHECK_STR(joined, rows[i].rest, "row %zu", i);
        }
}

/* The help of a verb shows the options that its row names, and those that no row names with every verb. */
static void test_options_of_verbs(void **state) {
        static const char *const common[] = { "help", "version", "no-pager", "no-ask-password",
                                              "host", "machine", "quiet",    "distinct",
                                              "user", "system",  NULL };
        _cleanup_strv_ char **named = NULL;

        for (size_t i = 0; i < n_ctl_verbs; i++) {
                _cleanup_strv_ char **words = NULL;

                assert_int_equal(str_split(strempty(ctl_verbs[i].options), " ", &words), 0);
                STRV_FOREACH(w, words) {
                        bool known = false;

                        for (size_t k = 0; k < n_ctl_settings && !known; k++)
                                known = streq_ptr(ctl_settings[k].flag, *w) ||
                                        (!ctl_settings[k].flag &&
                                         (*w)[0] == ctl_settings[k].letter && !(*w)[1]);
                        CHECK_EQ(known, true, "option '%s' of %s", *w, ctl_verbs[i].name);
                        assert_int_equal(strv_append(&named, *w), 0);
                }
        }
        for (size_t k = 0; k < n_ctl_settings; k++) {
                const char letter[] = { ctl_settings[k].letter, '\0' };
                const char *word = ctl_settings[k].flag ? ctl_settings[k].flag : letter;

                if (*word && !(ctl_settings[k].flags & SETTING_HIDDEN))
                        CHECK_EQ(strv_contains((char *const *) common, word) !=
                                         strv_contains(named, word),
                                 true, "option '%s' belongs to all verbs, or to some in their rows",
                                 word);
        }
}

/* Statuses are 0 and 1, unless somebody asks for more. */
static void test_exit_statuses(void **state) {
        static const struct {
                int code, status;
        } rows[] = {
                { ENOENT, 2 }, { ERR_NO_SUCH_MACHINE, 2 }, { EACCES, 3 },    { EBUSY, 4 },
                { EEXIST, 4 }, { EOPNOTSUPP, 5 },          { ETIMEDOUT, 6 }, { EINVAL, 7 },
                { EIO, 1 },
        };
        Ctl c = {};

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                c.o.distinct = false;
                CHECK_EQ(ctl_exit_status(&c, -rows[i].code), 1, "row %zu", i);
                c.o.distinct = true;
                CHECK_EQ(ctl_exit_status(&c, -rows[i].code), rows[i].status, "row %zu", i);
        }
}

static void test_values(void **state) {
        _cleanup_(ctl_options_done) CtlOptions o = {};
        _cleanup_strv_ char **rest = NULL;
        Error e = {};

        assert_int_equal(setenv("SKEP_TEST_VARIABLE", "from us", true), 0);
        CHECK_EQ(read_line("-p A -P B -p C -s HUP --full -E X=1 -E SKEP_TEST_VARIABLE -E X=2 "
                           "-E SKEP_TEST_UNSET -o json-pretty --kill-whom=leader",
                           &o, &rest, &e),
                 0, "%s", e.text);
        assert_true(o.value);
        _cleanup_free_ char *properties = strv_join(o.properties, " ");
        assert_string_equal(properties, "A C B");
        assert_int_equal(o.signal, SIGHUP);
        assert_int_equal(o.addresses, UINT_MAX);
        assert_int_equal(o.lines, UINT_MAX);
        assert_int_equal(o.json, CTL_JSON_PRETTY);
        assert_string_equal(o.whom, "leader");
        assert_int_equal(strv_length(o.environment), 2);
        assert_string_equal(strv_env_get(o.environment, "X"), "2");
        assert_string_equal(strv_env_get(o.environment, "SKEP_TEST_VARIABLE"), "from us");
}

static void test_refused(void **state) {
        static const struct {
                const char *in, *text;
        } rows[] = {
                { "--nope", "nope" },
                { "-s NOPE kill x", "--signal: 'NOPE' is no signal" },
                { "--json=xml", "xml" },
                { "--max-addresses=-1", "neither a number nor 'all'" },
                { "-E 1X=2 shell", "'1X=2' is no assignment" },
                { "-E a-b shell", "'a-b' is no name" },
                { "-o yaml status x", "'yaml' is none of short" },
                { "-n many", "many" },
                { "-H a -M b list", "--host and --machine" },
                { "-p", "-p" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_(ctl_options_done) CtlOptions o = {};
                _cleanup_strv_ char **rest = NULL;
                Error e = {};

                CHECK_EQ(read_line(rows[i].in, &o, &rest, &e), -EINVAL, "row %zu", i);
                if (!strstr(e.text, rows[i].text))
                        fail_msg("row %zu: '%s' is not in '%s'", i, rows[i].text, e.text);
                assert_null(strchr(e.text, '\n'));
        }
}

/* Every row of both tables has what help, manual and completion need, and nothing is there twice. */
static void test_tables(void **state) {
        unsigned defaults = 0;

        for (size_t i = 0; i < n_ctl_verbs; i++) {
                const Verb *v = ctl_verbs + i;

                assert_non_null(v->run);
                assert_non_null(v->help);
                if (str_has_suffix(v->help, "."))
                        fail_msg("%s: help ends in a dot", v->name);
                if (v->min > v->max || (v->max > 0) != (v->args != NULL))
                        fail_msg("%s: arguments do not fit their description", v->name);
                defaults += v->flags & VERB_DEFAULT ? 1 : 0;
                for (size_t k = 0; k < i; k++)
                        if (streq(v->name, ctl_verbs[k].name) ||
                            streq_ptr(v->alias, ctl_verbs[k].name) ||
                            streq_ptr(ctl_verbs[k].alias, v->name))
                                fail_msg("%s is there twice", v->name);
        }
        assert_int_equal(defaults, 1);

        for (size_t i = 0; i < n_ctl_settings; i++) {
                const Setting *s = ctl_settings + i;

                assert_non_null(s->parse);
                assert_non_null(s->help);
                assert_true(s->flag || s->letter);
                for (size_t k = 0; k < i; k++)
                        if ((s->flag && streq_ptr(s->flag, ctl_settings[k].flag)) ||
                            (s->letter && s->letter == ctl_settings[k].letter))
                                fail_msg("--%s, -%c is there twice", strempty(s->flag), s->letter);
        }
}

static void test_names_of_disks(void **state) {
        static const struct {
                const char *in, *out;
        } rows[] = {
                { "/x/debian-12.raw.xz", "debian-12" },
                { "a.img", "a" },
                { "v1.2.qcow2", "v1.2" },
                { "x.sysext.raw", "x" },
                { "x.tar", "x.tar" },
                { ".raw", ".raw" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *name = archive_name(rows[i].in, true);

                CHECK_STR(name, rows[i].out, "row %zu", i);
        }
}

static void test_names_of_urls(void **state) {
        static const struct {
                const char *in, *out;
        } rows[] = {
                { "https://example.org/a/web.tar.xz", "web" },
                { "https://example.org/web.tar?x=/y.tar#z/a", "web" },
                { "https://example.org/a/web/", "web" },
                { "https://example.org", "" },
                { "https://example.org/", "" },
                { "https://example.org?/web.tar", "" },
                { "file:///x/web.tgz", "web" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *name = url_name(rows[i].in, false);

                CHECK_STR(name, rows[i].out, "row %zu", i);
        }
}

static void test_formats(void **state) {
        static const char *const rows[][2] = {
                { "a.tar.xz", "xz" },   { "a.tgz", "gzip" },         { "a.raw.zst", "zstd" },
                { "a.bz2", "bzip2" },   { "a.tar", "uncompressed" }, { "xz", "uncompressed" },
                { "a.tar.lz4", "lz4" }, { "a", "uncompressed" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_STR(archive_format(rows[i][0]), rows[i][1], "row %zu", i);
}

/* The rows that are put together for the other name make sense as well: each option once, each verb its own. */
static void test_tables_of_importctl(void **state) {
        Ctl c = {};

        assert_int_equal(ctl_name_init(&c, "/usr/bin/importctl"), 0);
        assert_true(c.is_importctl);
        assert_string_equal(verb_find(c.verbs, c.n_verbs, NULL)->name, "list-transfers");
        assert_null(verb_find(c.verbs, c.n_verbs, "start"));
        for (size_t i = 0; i < c.n_settings; i++)
                for (size_t k = 0; k < i; k++) {
                        const Setting *a = c.settings + i, *b = c.settings + k;

                        assert_false(a->flag && streq_ptr(a->flag, b->flag));
                        assert_false(a->letter && a->letter == b->letter);
                }
        ctl_name_done(&c);
}

static void test_archive_name(void **state) {
        static const struct {
                const char *in, *out;
        } rows[] = {
                { "/x/debian-12.tar.xz", "debian-12" },
                { "a.tgz", "a" },
                { "root.tar", "root" },
                { "v1.2.tar.zst", "v1.2" },
                { ".tar", ".tar" },
                { "plain", "plain" },
                { "x.tar.gz.xz", "x" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *name = archive_name(rows[i].in, false);

                CHECK_STR(name, rows[i].out, "row %zu", i);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_positionals),
                cmocka_unit_test(test_options_of_verbs),
                cmocka_unit_test(test_exit_statuses),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_tables),
                cmocka_unit_test(test_archive_name),
                cmocka_unit_test(test_names_of_disks),
                cmocka_unit_test(test_names_of_urls),
                cmocka_unit_test(test_formats),
                cmocka_unit_test(test_tables_of_importctl),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
