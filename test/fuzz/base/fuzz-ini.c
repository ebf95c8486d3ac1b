/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unit-like files: what reaches the handler is one line of clean text, and a refusal says where. */
#include "fuzz.h"

#include <ctype.h>

#include "base/ini.h"
#include "base/text.h"

static bool is_clean(const char *s) {
        size_t n = strlen(s);

        return !strchr(s, '\n') && str_is_utf8(s, n) &&
               (n == 0 || !isspace((unsigned char) s[n - 1]));
}

static int look(const char *section, const char *key, const char *value, unsigned line,
                void *userdata, Error *e) {
        unsigned *last = userdata;

        assert_se(*key && !strchr(key, '=') && is_clean(key) && is_clean(value));
        assert_se(!strchr(section, '\n') && !str_skip_prefix(section, "X-"));
        assert_se(line > *last);
        *last = line;
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        unsigned last = 0;
        Error e = {};

        if (size <= 64 * 1024 && ini_parse("fuzz", (const char *) data, size, look, &last, &e) < 0)
                assert_se(strncmp(e.text, "fuzz:", 5) == 0 || e.code == -ENOMEM);
        return 0;
}
