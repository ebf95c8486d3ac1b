/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* URLs: what is one, what is shown of it, and what lies beside it. */
#include "check.h"

#include "importer/url.h"

static const struct {
        const char *url, *shown, *host, *last, *sums, *sha;
} good[] = {
        { "http://h/a/b.tar.gz", "http://h/a/b.tar.gz", "h", "b.tar.gz", "http://h/a/SHA256SUMS",
          "http://h/a/b.tar.gz.sha256" },
        { "HTTPS://me:se@cret@Host.Example:8443/b%20c.raw?token=x#y",
          "HTTPS://Host.Example:8443/b%20c.raw", "host.example", "b c.raw",
          "HTTPS://me:se@cret@Host.Example:8443/SHA256SUMS",
          "HTTPS://me:se@cret@Host.Example:8443/b%20c.raw.sha256?token=x#y" },
        { "http://[::1]:80/x", "http://[::1]:80/x", "::1", "x", "http://[::1]:80/SHA256SUMS",
          "http://[::1]:80/x.sha256" },
        { "file:///a/b", "file:///a/b", "", "b", "file:///a/SHA256SUMS", "file:///a/b.sha256" },
        { "http://h", "http://h", "h", NULL, "http://h/SHA256SUMS", "http://h.sha256" },
        { "http://h?q=/a", "http://h", "h", NULL, "http://h/SHA256SUMS", "http://h.sha256?q=/a" },
        { "http://h/a/", "http://h/a/", "h", NULL, "http://h/a/SHA256SUMS", "http://h/a/.sha256" },
        { "http://h/a%2fb", "http://h/a%2fb", "h", NULL, "http://h/SHA256SUMS",
          "http://h/a%2fb.sha256" },
        { "http://h/a%0", "http://h/a%0", "h", NULL, "http://h/SHA256SUMS", "http://h/a%0.sha256" },
};

static void test_parts(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                const char *url = good[i].url;
                Error e = {};
                char *text;

                CHECK_EQ(url_check(url, &e), 0, "row %zu", i);
                CHECK_STR(text = url_redacted(url), good[i].shown, "row %zu", i);
                free(text);
                CHECK_STR(text = url_host(url), good[i].host, "row %zu", i);
                free(text);
                text = NULL;
                CHECK_EQ(url_last(url, &text, &e), good[i].last ? 0 : -EINVAL, "row %zu", i);
                CHECK_STR(text, good[i].last, "row %zu", i);
                free(text);
                CHECK_STR(text = url_with_last(url, "SHA256SUMS"), good[i].sums, "row %zu", i);
                free(text);
                CHECK_STR(text = url_with_suffix(url, ".sha256"), good[i].sha, "row %zu", i);
                free(text);
        }
}

static void test_refused(void **state) {
        static const char *const bad[] = { "",
                                           "x",
                                           "/a/b",
                                           "ftp://h/a",
                                           "http:/a",
                                           "http://",
                                           "http:///a",
                                           "http://u@/a",
                                           "http://:80/",
                                           "http://h/a b",
                                           "http://h/a\nb",
                                           "file:a",
                                           "file:%2Fa",
                                           "file://other/a",
                                           "file:///a%00b",
                                           "javascript:x",
                                           "https:h" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Error e = {};
                CHECK_EQ(url_check(bad[i], &e), -EINVAL, "'%s'", bad[i]);
                assert_true(e.text[0]);
        }
}

static void test_file(void **state) {
        Error e = {};
        char *path;

        CHECK_EQ(url_file_path("file:/a/b%20c?x", &path, &e), 0, "short form");
        CHECK_STR(path, "/a/b c", "short form");
        free(path);
        CHECK_EQ(url_file_path("file://LocalHost/a", &path, &e), 0, "with a host");
        CHECK_STR(path, "/a", "with a host");
        free(path);
}

static void test_secret(void **state) {
        Error e = {};

        CHECK_EQ(url_check("gopher://me:secret@h/a?secret", &e), -EINVAL, "scheme");
        assert_null(strstr(e.text, "secret"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parts),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_file),
                cmocka_unit_test(test_secret),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
