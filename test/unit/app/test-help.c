/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "check.h"

#include <limits.h>

#include "app/help.h"

static int run_count(char *const *args, void *context, Error *e) {
        return (int) strv_length(args);
}

static const Verb verbs[] = {
        { .name = "list",
          .group = "Machines",
          .help = "List running machines",
          .flags = VERB_DEFAULT,
          .run = run_count },
        { .name = "poweroff",
          .alias = "stop",
          .args = "NAME…",
          .help = "Power off machines",
          .complete = "machines",
          .options = "hostname",
          .min = 1,
          .max = VERB_ANY,
          .run = run_count },
        { .name = "secret", .help = "Not shown", .flags = VERB_HIDDEN, .run = run_count },
};

static const Setting settings[] = {
        { .section = "Exec",
          .key = "Hostname",
          .flag = "hostname",
          .metavar = "NAME",
          .group = "Identity",
          .help = "Set the host name that the payload sees, which is the machine's name unless told otherwise",
          .parse = setting_string },
        { .flag = "quiet", .letter = 'q', .help = "Say less", .parse = setting_bool },
        { .flag = "old", .help = "Old spelling", .flags = SETTING_HIDDEN, .parse = setting_bool },
};

static const char *const usage[] = { "[OPTION…] COMMAND", NULL };
static const HelpPage page = { .program = "prog-x",
                               .usage = usage,
                               .about = "Does things.",
                               .manual = "prog-x(1)",
                               .verbs = verbs,
                               .n_verbs = ELEMENTSOF(verbs),
                               .settings = settings,
                               .n_settings = ELEMENTSOF(settings) };

static void runs_verbs(void **state) {
        static const struct {
                const char *words;
                int r;
                const char *text;
        } cases[] = {
                { "", 0, "" },
                { "list", 0, "" },
                { "stop a b", 2, "" },
                { "poweroff", -EINVAL, "poweroff: too few arguments, it takes NAME…" },
                { "list x", -EINVAL, "list: takes no arguments" },
                { "nope", -EINVAL, "unknown command 'nope'" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_strv_ char **words = NULL;
                Error e = {};
                assert_int_equal(str_split(cases[i].words, " ", &words), 0);
                CHECK_EQ(verb_run(verbs, ELEMENTSOF(verbs), words, NULL, &e), cases[i].r, "row %zu",
                         i);
                CHECK_STR(e.text, cases[i].text, "row %zu", i);
        }
}

static void help_names_what_there_is(void **state) {
        _cleanup_(buf_done) Buf out = {};

        assert_int_equal(help_print(&page, 60, &out), 0);
        CHECK_STR(out.p,
                  "Usage: prog-x [OPTION…] COMMAND\n\nDoes things.\n\n"
                  "Machines:\n"
                  "  list                          List running machines\n"
                  "  poweroff NAME…                Power off machines\n\n"
                  "Identity:\n"
                  "      --hostname=NAME           Set the host name that the\n"
                  "                                payload sees, which is the\n"
                  "                                machine's name unless told\n"
                  "                                otherwise\n"
                  "  -q, --quiet                   Say less\n\n"
                  "See prog-x(1) for more.\n",
                  "text");
}

static void help_of_one_verb(void **state) {
        _cleanup_(buf_done) Buf out = {}, none = {};

        assert_int_equal(help_print_verb(&page, "stop", 60, &out), 0);
        CHECK_STR(out.p,
                  "Usage: prog-x [OPTION...] poweroff NAME…\n"
                  "       prog-x [OPTION...] stop NAME…\n\n"
                  "Power off machines.\n\n"
                  "Options:\n"
                  "      --hostname=NAME           Set the host name that the\n"
                  "                                payload sees, which is the\n"
                  "                                machine's name unless told\n"
                  "                                otherwise\n\n"
                  "Options of all commands:\n"
                  "  -q, --quiet                   Say less\n\n"
                  "See prog-x(1) for more.\n",
                  "text");
        CHECK_EQ(help_print_verb(&page, "nope", 60, &none), -ENOENT, "unknown");
}

static void manual_escapes_markup(void **state) {
        _cleanup_(buf_done) Buf out = {};

        assert_int_equal(help_man(&page, &out), 0);
        assert_non_null(strstr(out.p, "*poweroff*, *stop* NAME…\n\tPower off machines.\n"));
        assert_non_null(strstr(out.p, "*--hostname*=NAME (\\[Exec\\] *Hostname=*)\n"));
        assert_null(strstr(out.p, "secret"));
        assert_null(strstr(out.p, "--old"));
}

static void completion_offers_verbs_and_options(void **state) {
        static const char *const shells[] = { "bash", "zsh", "fish" };

        for (size_t i = 0; i < ELEMENTSOF(shells); i++) {
                _cleanup_(buf_done) Buf out = {};
                assert_int_equal(help_completion(&page, shells[i], &out), 0);
                bool is_fish = streq(shells[i], "fish");
                assert_non_null(strstr(out.p, is_fish ? "-c prog-x " : "_prog_x"));
                assert_non_null(strstr(out.p, is_fish ? "-l hostname" : "--hostname"));
                assert_non_null(strstr(out.p, is_fish ? "from poweroff stop'" : "poweroff|stop)"));
                assert_non_null(strstr(out.p, "skep list --no-legend"));
                assert_null(strstr(out.p, "secret"));
                assert_null(strstr(out.p, is_fish ? "-l old" : "--old"));
        }
        _cleanup_(buf_done) Buf out = {};
        CHECK_EQ(help_completion(&page, "csh", &out), -EINVAL, "a shell it does not know");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(runs_verbs),
                cmocka_unit_test(help_names_what_there_is),
                cmocka_unit_test(help_of_one_verb),
                cmocka_unit_test(manual_escapes_markup),
                cmocka_unit_test(completion_offers_verbs_and_options),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
