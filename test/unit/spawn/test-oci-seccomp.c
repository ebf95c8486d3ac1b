/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* linux.seccomp as documents have it: what the program says to calls, what is refused and why. What rules
 * mean is tested with seccomp-rules. A document named by PROFILE is taken for its size and time. */
#include "spawn/oci-seccomp.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fd.h"
#include "check.h"
#include "seccomp-run.h"

#define ALLOW   SECCOMP_RET_ALLOW
#define FAIL(e) (SECCOMP_RET_ERRNO | (e))

static OciConfig *parse(const char *seccomp) {
        _cleanup_free_ char *text = str_format(
                "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"r\"},\"linux\":{\"seccomp\":%s}}",
                seccomp);
        OciConfig *c = NULL;
        Error e = {};

        assert_non_null(text);
        CHECK_EQ(oci_config_parse(text, &c, &e), 0, "%s: %s", seccomp, e.text);
        return c;
}

static int plan(const char *seccomp, SeccompProgram *ret, Error *e) {
        _cleanup_(oci_config_freep) OciConfig *c = parse(seccomp);

        return oci_seccomp_plan(c->linux_.seccomp, ret, e);
}

static SeccompProgram planned(const char *seccomp) {
        SeccompProgram p;
        Error e = {};

        CHECK_EQ(plan(seccomp, &p, &e), 0, "%s: %s", seccomp, e.text);
        return p;
}

static void test_none(void **state) {
        SeccompProgram p = planned("null");

        CHECK_EQ(p.n, 0, "no filter");
}

#ifdef __x86_64__
static uint32_t ask(const SeccompProgram *p, uint32_t nr, uint64_t a, uint64_t b, uint64_t c) {
        struct seccomp_data d = { .arch = AUDIT_ARCH_X86_64, .nr = (int) nr, .args = { a, b, c } };

        return seccomp_run(p->filter, p->n, &d, NULL);
}

/* As engines write them. */
static const char profile[] =
        "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":38,"
        "\"architectures\":[\"SCMP_ARCH_X86_64\",\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],"
        "\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_TSYNC\"],\"syscalls\":["
        "{\"names\":[\"read\",\"write\",\"nobody_knows_this\",\"clone3\"],\"action\":\"SCMP_ACT_ALLOW\"},"
        "{\"names\":[\"swapon\"],\"action\":\"SCMP_ACT_ERRNO\"},"
        "{\"names\":[\"swapoff\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":0},"
        "{\"names\":[\"ptrace\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":77},"
        "{\"names\":[\"reboot\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
        "{\"names\":[\"acct\"],\"action\":\"SCMP_ACT_KILL\",\"errnoRet\":0},"
        "{\"names\":[\"kexec_load\"],\"action\":\"SCMP_ACT_TRAP\"},"
        "{\"names\":[\"bpf\"],\"action\":\"SCMP_ACT_LOG\"},"
        "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\","
        "\"args\":[{\"index\":0,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]},"
        "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\","
        "\"args\":[{\"index\":0,\"value\":4294967295,\"op\":\"SCMP_CMP_EQ\"}]},"
        "{\"names\":[\"clone\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":[{\"index\":0,"
        "\"value\":2114060288,\"valueTwo\":0,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
        "{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":22,\"args\":["
        "{\"index\":0,\"value\":16,\"op\":\"SCMP_CMP_EQ\"},{\"index\":2,\"value\":9,\"op\":\"SCMP_CMP_EQ\"}]},"
        "{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
        "{\"index\":2,\"value\":9,\"op\":\"SCMP_CMP_NE\"}]},"
        "{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
        "{\"index\":0,\"value\":16,\"op\":\"SCMP_CMP_NE\"}]}]}";

static void test_profile(void **state) {
        static const struct {
                uint32_t nr;
                uint64_t a, b, c;
                uint32_t want;
        } rows[] = {
                { 0, 0, 0, 0, ALLOW },
                { 2, 0, 0, 0, FAIL(38) },
                { 435, 0, 0, 0, ALLOW },
                { 167, 0, 0, 0, FAIL(1) },
                { 168, 0, 0, 0, FAIL(0) },
                { 101, 0, 0, 0, SECCOMP_RET_TRACE | 77 },
                { 163, 0, 0, 0, SECCOMP_RET_KILL_THREAD },
                { 169, 0, 0, 0, SECCOMP_RET_KILL_PROCESS },
                { 246, 0, 0, 0, SECCOMP_RET_TRAP },
                { 321, 0, 0, 0, SECCOMP_RET_LOG },
                { 135, 0, 0, 0, ALLOW },
                { 135, UINT32_MAX, 0, 0, ALLOW },
                { 135, 8, 0, 0, FAIL(38) },
                { 135, UINT64_MAX, 0, 0, FAIL(38) },
                { 56, 0x1200011, 0, 0, ALLOW },
                { 56, 0x10000000, 0, 0, FAIL(38) },
                { 41, AF_NETLINK, 3, 9, FAIL(22) },
                { 41, AF_NETLINK, 3, 0, ALLOW },
                { 41, AF_INET, 1, 9, ALLOW },
        };
        SeccompProgram p = planned(profile);

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_EQ(ask(&p, rows[i].nr, rows[i].a, rows[i].b, rows[i].c), rows[i].want,
                         "row %zu", i);
        CHECK_EQ(p.flags, SECCOMP_FILTER_FLAG_LOG, "flags");
        free(p.filter);
}

/* Calls that were made after the list was. */
static void test_fresh(void **state) {
        static const struct {
                const char *action;
                uint32_t want;
        } rows[] = {
                { "\"SCMP_ACT_ERRNO\"", FAIL(38) },
                { "\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1", FAIL(38) },
                { "\"SCMP_ACT_KILL\"", FAIL(38) },
                { "\"SCMP_ACT_ALLOW\"", ALLOW },
                { "\"SCMP_ACT_LOG\"", SECCOMP_RET_LOG },
                { "\"SCMP_ACT_TRACE\"", SECCOMP_RET_TRACE | 1 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *text = str_format(
                        "{\"defaultAction\":%s,\"syscalls\":[{\"names\":[\"statx\"],"
                        "\"action\":\"SCMP_ACT_TRAP\"}]}",
                        rows[i].action);
                SeccompProgram p = planned(text);

                CHECK_EQ(ask(&p, 332, 0, 0, 0), SECCOMP_RET_TRAP, "row %zu", i);
                CHECK_EQ(ask(&p, 333, 0, 0, 0), rows[i].want, "row %zu", i);
                free(p.filter);
        }
}
#endif

static void test_refused(void **state) {
#define RULE(r)   "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"read\"]," r "}]}"
#define ALLOWS(r) "{\"defaultAction\":\"SCMP_ACT_ALLOW\"," r "}"
        static const struct {
                const char *text, *says;
        } rows[] = {
                { RULE("\"action\":\"SCMP_ACT_ALLOW\",\"errnoRet\":1"), "syscalls[0]: errnoRet" },
                { RULE("\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":4095"), "4095 is too large" },
                { RULE("\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":65536"), "too large" },
                { RULE("\"action\":\"SCMP_ACT_NOTIFY\""), "listenerPath" },
                { "{\"defaultAction\":\"SCMP_ACT_NOTIFY\",\"listenerPath\":\"/x\"}",
                  "defaultAction" },
                { ALLOWS("\"flags\":[\"SECCOMP_FILTER_FLAG_NEW\"]"), "'SECCOMP_FILTER_FLAG_NEW'" },
                { ALLOWS("\"flags\":[\"LOG\"]"), "'LOG'" },
                { ALLOWS("\"architectures\":[\"SCMP_ARCH_VAX\"]"), "'SCMP_ARCH_VAX'" },
                { ALLOWS("\"architectures\":[\"x86\"]"), "'x86'" },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                SeccompProgram p;
                Error e = {};

                CHECK_EQ(plan(rows[i].text, &p, &e), -EINVAL, "row %zu", i);
                if (!strstr(e.text, rows[i].says) || !str_skip_prefix(e.text, "linux.seccomp: "))
                        fail_msg("row %zu: %s", i, e.text);
                assert_null(p.filter);
        }
}

static void test_flags(void **state) {
        static const struct {
                const char *rest;
                unsigned want;
        } rows[] = {
                { "\"flags\":[]", 0 },
                { "\"flags\":[\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"]",
                  SECCOMP_FILTER_FLAG_SPEC_ALLOW },
                { "\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]", 0 },
                { "\"flags\":[\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"],\"listenerPath\":\"/x\","
                  "\"syscalls\":[{\"names\":[\"mknod\"],\"action\":\"SCMP_ACT_NOTIFY\"}]",
                  SECCOMP_FILTER_FLAG_NEW_LISTENER | 1U << 5 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *text = str_format("{\"defaultAction\":\"SCMP_ACT_ALLOW\",%s}",
                                                       rows[i].rest);
                SeccompProgram p = planned(text);

                CHECK_EQ(p.flags, rows[i].want, "row %zu", i);
                free(p.filter);
        }
}

static void test_time(void **state) {
        _cleanup_(oci_config_freep) OciConfig *c = NULL;
        _cleanup_free_ char *text = NULL;
        struct timespec a, b;
        Error e = {};

        if (!getenv("PROFILE"))
                skip();
        CHECK_EQ(file_read(AT_FDCWD, getenv("PROFILE"), 1 << 20, &text, NULL), 0, "read");
        c = parse(text);
        for (unsigned i = 0; i < 5; i++) {
                SeccompProgram p;

                (void) clock_gettime(CLOCK_MONOTONIC, &a);
                CHECK_EQ(oci_seccomp_plan(c->linux_.seccomp, &p, &e), 0, "%s", e.text);
                (void) clock_gettime(CLOCK_MONOTONIC, &b);
                print_message("%zu instructions, %ld us\n", p.n,
                              (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000);
                free(p.filter);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_none),
#ifdef __x86_64__
                cmocka_unit_test(test_profile), cmocka_unit_test(test_fresh),
#endif
                cmocka_unit_test(test_refused), cmocka_unit_test(test_flags),
                cmocka_unit_test(test_time),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
