/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Splitting, escaping and values: no text makes them misbehave, and escaping can be undone. */
#include "fuzz.h"

#include "base/id128.h"
#include "base/name.h"
#include "base/parse.h"
#include "base/path.h"
#include "base/proc.h"

static void values(const char *s) {
        uint64_t u;
        int32_t i;
        Id128 id;

        (void) parse_size(s, &u);
        (void) parse_duration(s, &u);
        (void) parse_signal(s, &i);
        (void) parse_i32(s, &i);
        (void) id128_parse(s, &id);

        _cleanup_(idmap_done) IdMap m = {};
        (void) idmap_parse(s, &m);

        _cleanup_free_ char *host = hostname_clean(s), *path = path_clean(s);
        assert_se(host && (!*host || hostname_is_valid(host)));
        assert_se(path && (path[0] != '/' || !path_is_safe(path) || path_is_absolute_clean(path)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size > 16 * 1024)
                return 0;

        _cleanup_free_ char *s = strndup((const char *) data, size), *escaped = NULL, *back = NULL;
        _cleanup_strv_ char **words = NULL, **pieces = NULL;
        assert_se(s);

        (void) str_split_quoted(s, &words, NULL);
        (void) str_split_colon(s, &pieces);
        escaped = str_escape(s, " '\"");
        assert_se(escaped && str_unescape(escaped, &back) == 0 && streq(back, s));
        values(s);
        return 0;
}
