/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls of varlink: what is taken apart is made of text that can be read again, and parameters of a shape hold
 * what they were read from, or nothing. */
#include "fuzz.h"

#include "base/json.h"
#include "varlink/message.h"

typedef struct Parameters {
        char *name;
        JsonUnsigned pid;
        char **args;
        bool more;
} Parameters;

static const JsonRow rows[] = {
        { .name = "name", .kind = &json_string_kind, .at = offsetof(Parameters, name) },
        { .name = "pid", .kind = &json_unsigned_kind, .at = offsetof(Parameters, pid) },
        { .name = "args", .kind = &json_strings_kind, .at = offsetof(Parameters, args) },
        { .name = "more", .kind = &json_bool_kind, .at = offsetof(Parameters, more) },
};
static const JsonShape shape = { rows, ELEMENTSOF(rows), sizeof(Parameters), NULL };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = size > 65536 ? NULL : strndup((const char *) data, size);
        _cleanup_(varlink_message_done) VarlinkMessage m = {};
        _cleanup_(buf_done) Buf again = {};
        _cleanup_free_ char *wrong = NULL;
        Parameters p = {};
        Error e = {};

        if (!text || varlink_message_parse(text, &m, &e) < 0)
                return 0;
        assert_se(*m.interface && *m.method && !strchr(m.method, '.'));
        assert_se(json_check(m.parameters) >= 0 && *m.parameters == '{');
        int r = varlink_parameters_parse(&shape, m.parameters, &p, &wrong, &e);
        assert_se(r >= 0 ? !wrong : error_is_set(&e));
        if (r >= 0)
                assert_se(json_shape_write(&shape, &p, &again) >= 0 && json_check(again.p) >= 0);
        json_shape_done(&shape, &p);
        return 0;
}
