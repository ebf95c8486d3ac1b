/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of --port=, one a line: what is read is written so that it is read again the same, and what the
 * packet filter and the record are told of it holds nothing but what belongs there. */
#include "net/port-record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_port(const Port *p) {
        _cleanup_(buf_done) Buf text = {}, twice = {};
        Port again;

        assert_se(p->n > 0 && p->host > 0 && p->host + p->n <= 65536);
        assert_se(p->inside > 0 && p->inside + p->n <= 65536);
        assert_se(port_overlaps(p, p));
        assert_se(port_format(p, &text) == 0 && port_parse(text.p, &again, NULL) == 0);
        assert_se(port_format(&again, &twice) == 0 && streq(text.p, twice.p));
}

static void check_record(const PortList *l) {
        const PortRecord p = { .netns = 1, .ports = *l };
        _cleanup_(port_record_done) PortRecord again = {};
        _cleanup_(buf_done) Buf text = {}, rules = {};
        const PortTargets t = { .ports = l,
                                .inside = { { .family = AF_INET }, { .family = AF_INET6 } } };

        assert_se(port_record_format(&p, &text) == 0);
        assert_se(port_record_parse(text.p, &again) == 0 && again.ports.n == l->n);
        assert_se(port_rules_put(&t, &rules) == 0);
        assert_se(!rules.p ||
                  !rules.p[strspn(rules.p, "abcdefghijklmnopqrstuvwxyz0123456789-.:, {}\n")]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = size > 4096 ? NULL : strndup((const char *) data, size);
        PortList l = {};
        char *save = NULL;

        for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
             line = strtok_r(NULL, "\n", &save)) {
                Error e = {};
                Port p;

                if (port_parse(line, &p, &e) < 0) {
                        assert_se(e.text[0]);
                        continue;
                }
                check_port(&p);
                if (p.n < 16)
                        (void) port_list_add(&l, &p, NULL);
        }
        check_record(&l);
        port_list_done(&l);
        return 0;
}
