/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and magic numbers of packings, see format.h. Unpacks nothing. */
#include "importer/format.h"

#include "base/text.h"

static const struct {
        int format;
        size_t n;
        const char *magic;
} magics[] = {
        { FORMAT_GZIP, 2, "\x1f\x8b" },
        { FORMAT_BZIP2, 3, "BZh" },
        { FORMAT_XZ, 6,
          "\xfd"
          "7zXZ\0" },
        { FORMAT_ZSTD, 4, "\x28\xb5\x2f\xfd" },
        { FORMAT_LZ4, 4, "\x04\x22\x4d\x18" },
        { -EOPNOTSUPP, 4, "\x02\x21\x4c\x18" }, /* lz4 without frames */
        { -EOPNOTSUPP, 4, "LZIP" },
};

int format_detect(const void *data, size_t n) {
        const unsigned char *p = data;

        for (size_t i = 0; i < ELEMENTSOF(magics); i++)
                if (n >= magics[i].n && memcmp(p, magics[i].magic, magics[i].n) == 0)
                        return magics[i].format;

        /* A skippable frame, which parallel writers of zstd put first. */
        if (n >= 4 && (p[0] & 0xf0) == 0x50 && memcmp(p + 1, "\x2a\x4d\x18", 3) == 0)
                return FORMAT_ZSTD;
        return FORMAT_PLAIN;
}

const char *format_name(Format f) {
        static const char *const names[_FORMAT_MAX] = {
                [FORMAT_PLAIN] = "plain", [FORMAT_GZIP] = "gzip", [FORMAT_BZIP2] = "bzip2",
                [FORMAT_XZ] = "xz",       [FORMAT_ZSTD] = "zstd", [FORMAT_LZ4] = "lz4",
        };

        return f < _FORMAT_MAX ? names[f] : "unknown";
}

size_t format_strip_suffix(const char *name) {
        static const char *const suffixes[] = {
                ".tar", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst", ".tgz",
                ".txz", ".tbz2",   ".tzst",   ".tar.lz4", ".cpio",
        };
        static const char *const of_disks[] = { ".raw", ".qcow2", ".img", ".bin" };
        static const char *const of_packings[] = { "", ".gz", ".xz", ".bz2", ".zst", ".lz4" };
        size_t n = strlen(name);

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
                if (str_has_suffix(name, suffixes[i]))
                        return n - strlen(suffixes[i]);
        for (size_t i = 0; i < ELEMENTSOF(of_disks) * ELEMENTSOF(of_packings); i++) {
                char suffix[16];

                (void) snprintf(suffix, sizeof suffix, "%s%s", of_disks[i % ELEMENTSOF(of_disks)],
                                of_packings[i / ELEMENTSOF(of_disks)]);
                if (str_has_suffix(name, suffix))
                        return n - strlen(suffix);
        }
        return n;
}

Format format_from_suffix(const char *name) {
        static const struct {
                const char *suffix;
                Format format;
        } suffixes[] = {
                { ".gz", FORMAT_GZIP },  { ".tgz", FORMAT_GZIP },  { ".xz", FORMAT_XZ },
                { ".txz", FORMAT_XZ },   { ".bz2", FORMAT_BZIP2 }, { ".tbz2", FORMAT_BZIP2 },
                { ".zst", FORMAT_ZSTD }, { ".tzst", FORMAT_ZSTD }, { ".lz4", FORMAT_LZ4 },
        };

        for (size_t i = 0; i < ELEMENTSOF(suffixes); i++)
                if (str_has_suffix(name, suffixes[i].suffix))
                        return suffixes[i].format;
        return FORMAT_PLAIN;
}
