/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the text of a call to its pieces, see message.h. Knows neither sockets nor interfaces. */
#include "varlink/message.h"

#include "base/json.h"

void varlink_message_done(VarlinkMessage *m) {
        free(m->interface);
        free(m->method);
        free(m->parameters);
        *m = (VarlinkMessage){};
}

/* Return: 0, @ret untouched if there is none; -EINVAL. */
static int read_flag(const char *text, const char *name, bool *ret, Error *e) {
        const char *value;

        if (json_member(text, name, &value) < 0 || str_skip_prefix(value, "null"))
                return 0;
        bool v = str_skip_prefix(value, "true");
        if (!v && !str_skip_prefix(value, "false"))
                return error_set(e, EINVAL, "%s: neither true nor false", name);
        *ret = v;
        return 0;
}

static int read_parameters(const char *text, char **ret, Error *e) {
        const char *value;

        if (json_member(text, "parameters", &value) < 0 || str_skip_prefix(value, "null"))
                *ret = strdup("{}");
        else if (*value != '{')
                return error_set(e, EINVAL, "parameters: not an object");
        else
                *ret = strndup(value, (size_t) (json_skip(value) - value));
        return *ret ? 0 : error_oom(e);
}

static int read_method(const char *text, VarlinkMessage *ret, Error *e) {
        _cleanup_free_ char *method = NULL;
        const char *value;

        if (json_member(text, "method", &value) < 0)
                return error_set(e, EINVAL, "method: missing");
        int r = json_string(value, &method);
        if (r == -ENOMEM)
                return error_oom(e);
        if (r < 0)
                return error_set(e, EINVAL, "method: not a string");

        char *dot = strrchr(method, '.');
        if (!dot || dot == method || !dot[1] || !str_is_utf8(method, strlen(method)))
                return error_set(e, EINVAL, "method: not the name of a method");
        ret->method = strdup(dot + 1);
        *dot = '\0';
        ret->interface = TAKE_PTR(method);
        return ret->method ? 0 : error_oom(e);
}

int varlink_message_parse(const char *text, VarlinkMessage *ret, Error *e) {
        if (json_check(text) < 0)
                return error_set(e, EINVAL, "not a JSON text");
        if (*json_space(text) != '{')
                return error_set(e, EINVAL, "not an object");

        text = json_space(text);
        int r = read_method(text, ret, e);
        if (r >= 0)
                r = read_parameters(text, &ret->parameters, e);
        if (r >= 0)
                r = read_flag(text, "more", &ret->more, e);
        if (r >= 0)
                r = read_flag(text, "oneway", &ret->oneway, e);
        if (r >= 0)
                r = read_flag(text, "upgrade", &ret->upgrade, e);
        if (r < 0)
                varlink_message_done(ret);
        return r;
}

static bool shape_has(const JsonShape *shape, const char *name) {
        for (size_t i = 0; i < shape->n; i++)
                if (streq(shape->rows[i].name, name))
                        return true;
        return false;
}

/* Return: 0 all names of the object are known; -EINVAL with the first other one; -ENOMEM. */
static int check_names(const JsonShape *shape, const char *text, char **ret_wrong, Error *e) {
        const char *p = json_space(json_space(text) + 1);

        while (*p == '"') {
                _cleanup_free_ char *name = NULL;
                int r = json_string(p, &name);

                if (r == -ENOMEM)
                        return error_oom(e);
                if (r < 0 || !shape_has(shape, name)) {
                        if (r >= 0)
                                *ret_wrong = TAKE_PTR(name);
                        return error_set(e, EINVAL, "%.64s: no such parameter",
                                         strempty(*ret_wrong));
                }
                p = json_skip(json_space(json_skip(p) + 1));
                if (*p == ',')
                        p = json_space(p + 1);
        }
        return 0;
}

int varlink_parameters_parse(const JsonShape *shape, const char *text, void *at, char **ret_wrong,
                             Error *e) {
        Error own = {};

        *ret_wrong = NULL;
        if (json_check(text) < 0 || *json_space(text) != '{')
                return error_set(e, EINVAL, "not an object");
        int r = json_shape_parse(shape, text, at, &own);
        if (r >= 0)
                r = check_names(shape, text, ret_wrong, &own);
        if (r < 0 && r != -ENOMEM && !*ret_wrong) {
                /* "name[2].part: cause" */
                size_t n = strcspn(own.text, ":.[");
                *ret_wrong = own.text[n] ? strndup(own.text, n) : NULL;
                r = -EINVAL;
        }
        if (r < 0 && e)
                *e = own;
        return r;
}
