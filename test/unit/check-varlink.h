/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether what a varlink interface says of itself is what its table takes: every method, and every parameter. */
#pragma once

#include "base/text.h"
#include "check.h"
#include "varlink/server.h"

/* The text between the parentheses that follow a method's name. */
static inline char *inputs_of(const VarlinkInterface *i, const char *method) {
        _cleanup_free_ char *begin = str_format("method %s(", method);
        const char *p = strstr(i->description, begin);

        return p ? strndup(p + strlen(begin), strcspn(p + strlen(begin), ")")) : NULL;
}

static inline void check_interfaces(const VarlinkInterface *const *all, size_t n_all) {
        for (size_t n = 0; n < n_all; n++) {
                const VarlinkInterface *i = all[n];
                size_t n_described = 0;

                for (const char *p = i->description; (p = strstr(p, "\nmethod ")); p++)
                        n_described++;
                CHECK_EQ(n_described, i->n_methods, "%s", i->name);
                for (size_t m = 0; m < i->n_methods; m++) {
                        const VarlinkMethod *method = i->methods + m;
                        _cleanup_free_ char *inputs = inputs_of(i, method->name);
                        size_t n_rows = method->shape ? method->shape->n : 0, n_inputs = 0;

                        if (!inputs)
                                print_error("%s.%s\n", i->name, method->name);
                        assert_non_null(inputs);
                        for (const char *p = inputs; (p = strstr(p, ": ")); p++)
                                n_inputs++;
                        CHECK_EQ(n_inputs, n_rows, "%s.%s", i->name, method->name);
                        for (size_t k = 0; k < n_rows; k++) {
                                _cleanup_free_ char *name = str_format("%s: ",
                                                                       method->shape->rows[k].name);
                                if (!strstr(inputs, name))
                                        print_error("%s.%s: %s\n", i->name, method->name, name);
                                assert_non_null(strstr(inputs, name));
                        }
                }
        }
}
