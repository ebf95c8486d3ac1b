/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties as they come over the bus, see property.h. Goes by types and by how names end, not by what
 * a property means: new ones show up by themselves. */
#include "ctl/property.h"

#include <inttypes.h>

#include "app/table.h"
#include "base/format.h"
#include "base/json.h"

void properties_done(Properties *p) {
        for (size_t i = 0; i < p->n; i++) {
                free(p->v[i].name);
                free(p->v[i].text);
        }
        free(p->v);
        *p = (Properties){};
}

static int read_bytes(sd_bus_message *m, char **ret) {
        _cleanup_(buf_done) Buf b = {};
        const uint8_t *bytes = NULL;
        size_t n = 0;
        int r = sd_bus_message_read_array(m, 'y', (const void **) &bytes, &n);

        for (size_t i = 0; i < n && r >= 0; i++)
                r = buf_printf(&b, "%02x", bytes[i]);
        if (r < 0)
                return r;
        *ret = buf_take(&b);
        return *ret ? 0 : -ENOMEM;
}

static int read_numbers(sd_bus_message *m, char **ret) {
        _cleanup_(buf_done) Buf b = {};
        const int32_t *numbers = NULL;
        size_t n = 0;
        int r = sd_bus_message_read_array(m, 'i', (const void **) &numbers, &n);

        n /= sizeof(*numbers);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = buf_printf(&b, "%s%" PRIi32, i > 0 ? " " : "", numbers[i]);
        if (r < 0)
                return r;
        *ret = buf_take(&b);
        return *ret ? 0 : -ENOMEM;
}

/* The inside of one variant of type @type. */
static int read_value(sd_bus_message *m, const char *type, Property *p) {
        const char *s;
        uint32_t u;
        int b, r;

        p->type = type[0];
        if (streq(type, "s") || streq(type, "o")) {
                r = sd_bus_message_read_basic(m, type[0], &s);
                return r < 0 ? r : str_replace(&p->text, s);
        }
        if (streq(type, "t"))
                return sd_bus_message_read_basic(m, 't', &p->number);
        if (streq(type, "u")) {
                r = sd_bus_message_read_basic(m, 'u', &u);
                p->number = u;
                return r;
        }
        if (streq(type, "b")) {
                r = sd_bus_message_read_basic(m, 'b', &b);
                p->number = (uint64_t) b;
                return r;
        }
        if (streq(type, "ay")) {
                p->type = 'y';
                return read_bytes(m, &p->text);
        }
        if (streq(type, "ai")) {
                p->type = 'I';
                return read_numbers(m, &p->text);
        }
        p->type = 0;
        return sd_bus_message_skip(m, type);
}

static int read_property(sd_bus_message *m, Property *p) {
        const char *name, *type;
        int r = sd_bus_message_read_basic(m, 's', &name);

        if (r >= 0)
                r = str_replace(&p->name, name);
        if (r >= 0)
                r = sd_bus_message_peek_type(m, NULL, &type);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'v', type);
        if (r >= 0)
                r = read_value(m, type, p);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int properties_read(sd_bus_message *reply, Properties *ret) {
        _cleanup_(properties_done) Properties p = {};
        int r = sd_bus_message_enter_container(reply, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "sv")) > 0) {
                Property *v = reallocarray(p.v, p.n + 1, sizeof(*v));

                if (!v)
                        return -ENOMEM;
                p.v = v;
                p.v[p.n] = (Property){};
                r = read_property(reply, p.v + p.n++);
        }
        if (r < 0)
                return r;
        *ret = p;
        p = (Properties){};
        return 0;
}

const Property *properties_find(const Properties *p, const char *name) {
        for (size_t i = 0; i < p->n; i++)
                if (streq(p->v[i].name, name))
                        return p->v + i;
        return NULL;
}

const char *properties_text(const Properties *p, const char *name) {
        const Property *found = properties_find(p, name);

        return found && found->text && *found->text ? found->text : NULL;
}

uint64_t properties_number(const Properties *p, const char *name, uint64_t otherwise) {
        const Property *found = properties_find(p, name);

        return found && found->type && strchr("tub", found->type) ? found->number : otherwise;
}

static bool is_time(const Property *p) {
        return p->type == 't' && str_has_suffix(p->name, "Timestamp");
}

static bool is_wanted(const Property *p, const PropertyStyle *style) {
        if (style->names)
                return strv_contains(style->names, p->name);
        if (style->all)
                return true;
        return p->type && !(p->text && !*p->text) && !(is_time(p) && p->number == 0) &&
               p->type != 'I';
}

static int format_value(const Property *p, Buf *out) {
        _cleanup_free_ char *printable = NULL;
        char text[FORMAT_MAX];

        switch (p->type) {
        case 's':
        case 'o':
        case 'y':
        case 'I':
                printable = text_printable(p->text, false);
                return printable ? buf_puts(out, printable) : -ENOMEM;
        case 'b':
                return buf_puts(out, p->number ? "yes" : "no");
        case 't':
                if (is_time(p))
                        return p->number == 0 ? 0
                                              : buf_puts(out, format_timestamp(p->number, text));
                if (p->number == UINT64_MAX && str_skip_prefix(p->name, "Limit"))
                        return buf_puts(out, "infinity");
                return buf_printf(out, "%" PRIu64, p->number);
        case 'u':
                return buf_printf(out, "%" PRIu64, p->number);
        default:
                return buf_puts(out, "[unprintable]");
        }
}

int properties_format(const Properties *p, const PropertyStyle *style, Buf *out) {
        int r = 0;

        for (size_t i = 0; i < p->n && r >= 0; i++) {
                if (!is_wanted(p->v + i, style))
                        continue;
                if (!style->values)
                        r = buf_printf(out, "%s=", p->v[i].name);
                if (r >= 0)
                        r = format_value(p->v + i, out);
                if (r >= 0)
                        r = buf_puts(out, "\n");
        }
        return r;
}

static int json_value(const Property *p, Buf *out) {
        switch (p->type) {
        case 's':
        case 'o':
        case 'y':
                return json_puts(out, p->text);
        case 'I': {
                int r = buf_puts(out, "[");

                for (const char *s = p->text; *s && r >= 0; s++)
                        r = buf_append(out, *s == ' ' ? "," : s, 1);
                return r < 0 ? r : buf_puts(out, "]");
        }
        case 'b':
                return buf_puts(out, p->number ? "true" : "false");
        case 't':
                if (p->number == UINT64_MAX)
                        return buf_puts(out, "null");
                return buf_printf(out, "%" PRIu64, p->number);
        case 'u':
                return buf_printf(out, "%" PRIu64, p->number);
        default:
                return buf_puts(out, "null");
        }
}

int properties_format_json(const Properties *p, const PropertyStyle *style, bool pretty, Buf *out) {
        const char *separator = pretty ? "\n" : "";
        int r = buf_puts(out, pretty ? "\t{" : "{");

        for (size_t i = 0; i < p->n && r >= 0; i++) {
                if (style->names && !strv_contains(style->names, p->v[i].name))
                        continue;
                r = buf_puts(out, separator);
                if (r >= 0 && pretty)
                        r = buf_puts(out, "\t\t");
                if (r >= 0)
                        r = json_puts(out, p->v[i].name);
                if (r >= 0)
                        r = buf_puts(out, pretty ? " : " : ":");
                if (r >= 0)
                        r = json_value(p->v + i, out);
                separator = pretty ? ",\n" : ",";
        }
        return r < 0 ? r : buf_puts(out, pretty ? "\n\t}" : "}");
}
