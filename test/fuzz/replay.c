/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for libFuzzer's main: feeds every file of the named folders to the target once. A folder
 * that is absent or empty is a failure, for a replay of nothing proves nothing. */
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

static int replay_file(int dir_fd, const char *name) {
        struct stat st;
        int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || fstat(fd, &st) < 0)
                return -1;

        uint8_t *data = malloc((size_t) st.st_size + 1);
        ssize_t n = data ? read(fd, data, (size_t) st.st_size) : -1;
        bool whole = n >= 0 && n == st.st_size;
        if (whole)
                (void) LLVMFuzzerTestOneInput(data, (size_t) n);
        free(data);
        (void) close(fd);
        return whole ? 0 : -1;
}

int main(int argc, char *argv[]) {
        unsigned n = 0;

        for (int i = 1; i < argc; i++) {
                DIR *d = opendir(argv[i]);
                if (!d) {
                        perror(argv[i]);
                        return 1;
                }

                for (struct dirent *de; (de = readdir(d));) {
                        if (de->d_name[0] == '.')
                                continue;
                        if (replay_file(dirfd(d), de->d_name) < 0) {
                                perror(de->d_name);
                                return 1;
                        }
                        n++;
                }
                (void) closedir(d);
        }

        printf("%u inputs replayed\n", n);
        return n > 0 ? 0 : 1;
}
