/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The name for an image that was not given one. Whether it is a valid name, the daemon says. */
#include "ctl/archive-name.h"

#include "base/path.h"
#include "base/text.h"

static bool strip(char *name, const char *suffix) {
        size_t n = strlen(name), k = strlen(suffix);

        if (n <= k || !str_has_suffix(name, suffix))
                return false;
        name[n - k] = 0;
        return true;
}

char *archive_name(const char *path, bool raw) {
        static const char *const packed[] = { ".xz", ".gz", ".zst", ".bz2", ".lz4" };
        static const char *const trees[] = { ".tar", ".tgz", ".txz", ".tzst", ".tbz2", ".cpio" };
        static const char *const disks[] = { ".sysext.raw", ".confext.raw", ".raw",
                                             ".qcow2",      ".img",         ".bin" };
        const char *const *kinds = raw ? disks : trees;
        size_t n_kinds = raw ? ELEMENTSOF(disks) : ELEMENTSOF(trees);
        char *name = strdup(path_last(path));
        bool again = name != NULL;

        while (again) {
                again = false;
                for (size_t i = 0; i < ELEMENTSOF(packed); i++)
                        again = strip(name, packed[i]) || again;
                for (size_t i = 0; i < n_kinds; i++)
                        again = strip(name, kinds[i]) || again;
        }
        return name;
}

char *url_name(const char *url, bool raw) {
        const char *colon = strstr(url, "://");
        const char *host = colon ? colon + 3 : url;
        _cleanup_free_ char *path = strndup(host, strcspn(host, "?#"));

        if (!path)
                return NULL;
        for (size_t n = strlen(path); n > 0 && path[n - 1] == '/'; n--)
                path[n - 1] = 0;
        return strchr(path, '/') ? archive_name(path, raw) : strdup("");
}

const char *archive_format(const char *path) {
        static const struct {
                const char *suffix, *format;
        } formats[] = {
                { ".xz", "xz" },    { ".txz", "xz" },    { ".gz", "gzip" },
                { ".tgz", "gzip" }, { ".bz2", "bzip2" }, { ".tbz2", "bzip2" },
                { ".zst", "zstd" }, { ".tzst", "zstd" }, { ".lz4", "lz4" },
        };

        for (size_t i = 0; i < ELEMENTSOF(formats); i++)
                if (str_has_suffix(path, formats[i].suffix))
                        return formats[i].format;
        return "uncompressed";
}
