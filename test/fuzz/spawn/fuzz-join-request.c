/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a join reads of a machine: its record, the environment and the status of its first process. What is
 * made of an environment is one, and has no word on what is not the machine's to say. */
#include <stddef.h>
#include <stdint.h>

#include "spawn/join-target.h"

static void read_environment(const uint8_t *data, size_t size) {
        char name[] = "root", home[] = "/root";
        const User user = { .name = name, .home = home };
        _cleanup_strv_ char **env = NULL;

        assert_se(join_environment((const char *) data, size, true, &user, NULL, NULL, &env) == 0);
        STRV_FOREACH(s, env) {
                assert_se(env_assignment_is_valid(*s));
                STRV_FOREACH(other, s + 1)
                        assert_se(strncmp(*s, *other, strcspn(*s, "=") + 1) != 0);
        }
        assert_se(streq(strv_env_get(env, "HOME"), "/root") && strv_env_get(env, "PATH"));
        assert_se(!strv_env_get(env, "NOTIFY_SOCKET") && !strv_env_get(env, "TERM"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = NULL;
        ProcessLimits limits;
        JoinRecord record;

        if (size > 65536)
                return 0;
        if (join_record_parse("web", (const char *) data, size, &record, NULL) == 0)
                assert_se(record.leader > 1);
        read_environment(data, size);
        text = strndup((const char *) data, size);
        if (text)
                (void) process_limits_parse(text, &limits);
        return 0;
}
