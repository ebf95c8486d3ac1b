/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The partitions of an image as a value, and as the text in which skep-dissect tells of them, see
 * dissection.h. Opens nothing and looks at no image. */
#include "image/dissection.h"

#include "base/parse.h"

static const char *const table_names[_PARTITION_TABLE_MAX] = {
        [PARTITION_TABLE_NONE] = "none",
        [PARTITION_TABLE_GPT] = "gpt",
        [PARTITION_TABLE_MBR] = "mbr",
};

static const struct {
        PartitionFlags flag;
        const char *name;
} flag_names[] = {
        { PARTITION_READ_ONLY, "read-only" },
        { PARTITION_GROWFS, "growfs" },
        { PARTITION_NO_AUTO, "no-auto" },
        { PARTITION_SECONDARY, "secondary" },
};

void dissection_done(Dissection *d) {
        for (size_t i = 0; i < d->n_signatures; i++)
                buf_done(&d->signatures[i].signature);
        free(d->partitions);
        *d = (Dissection){};
}

int dissection_add(Dissection *d, const Partition *p) {
        Partition *list;

        if (d->n >= PARTITIONS_MAX)
                return -E2BIG;
        list = reallocarray(d->partitions, d->n + 1, sizeof *list);
        if (!list)
                return -ENOMEM;
        d->partitions = list;
        list[d->n++] = *p;
        return 0;
}

int dissection_add_signature(Dissection *d, const RootHash *hash, Buf *signature) {
        if (d->n_signatures >= SIGNATURES_MAX) {
                buf_done(signature);
                return -E2BIG;
        }
        d->signatures[d->n_signatures++] = (PartitionSignature){ .partition = d->n - 1,
                                                                 .root_hash = *hash,
                                                                 .signature = *signature };
        *signature = (Buf){};
        return 0;
}

/* Return: 1, 0 or -ENOTUNIQ, as dissection_find(). */
static int find_one(const Dissection *d, PartitionDesignator which, PartitionFlags secondary,
                    const Partition **ret, Error *e) {
        const Partition *found = NULL;

        for (size_t i = 0; i < d->n; i++) {
                const Partition *p = d->partitions + i;

                if (p->designator != which || p->flags & PARTITION_NO_AUTO ||
                    (p->flags & PARTITION_SECONDARY) != secondary)
                        continue;
                if (found)
                        return error_set(e, ENOTUNIQ,
                                         "partitions %u and %u are both of the type '%s'",
                                         found->number, p->number,
                                         partition_designator_name(which));
                found = p;
        }
        if (!found)
                return 0;
        *ret = found;
        return 1;
}

int dissection_find(const Dissection *d, PartitionDesignator which, const Partition **ret,
                    Error *e) {
        int r = find_one(d, which, 0, ret, e);

        if (r == 0)
                r = find_one(d, which, PARTITION_SECONDARY, ret, e);
        if (r == 0 && which == PARTITION_ROOT)
                r = find_one(d, PARTITION_GENERIC, 0, ret, e);
        return r;
}

int partition_flags_format(PartitionFlags flags, Buf *out) {
        const char *separator = "";
        int r = flags ? 0 : buf_puts(out, "-");

        for (size_t i = 0; i < ELEMENTSOF(flag_names) && r >= 0; i++) {
                if (!(flags & flag_names[i].flag))
                        continue;
                r = buf_printf(out, "%s%s", separator, flag_names[i].name);
                separator = ",";
        }
        return r;
}

/* One line, all fields in this order, separated by spaces:
 *   partition NUMBER DESIGNATOR OFFSET SIZE FLAGS FSTYPE TYPE UUID LABEL
 * "-" stands for what is empty; the label is escaped and last. */
static int format_partition(const Partition *p, Buf *out) {
        char type[ID128_TEXT_MAX], uuid[ID128_TEXT_MAX];
        _cleanup_free_ char *label = str_escape(p->label, streq(p->label, "-") ? "-" : " ");
        int r;

        if (!label)
                return -ENOMEM;
        r = buf_printf(out, "partition %u %s %llu %llu ", p->number,
                       partition_designator_name(p->designator), (unsigned long long) p->offset,
                       (unsigned long long) p->size);
        if (r >= 0)
                r = partition_flags_format(p->flags, out);
        if (r >= 0)
                r = buf_printf(out, " %s %s %s %s\n", p->fstype[0] ? p->fstype : "-",
                               id128_format_uuid(&p->type, type), id128_format_uuid(&p->uuid, uuid),
                               label[0] ? label : "-");
        return r;
}

/* After the partition that holds it: signature HASH HEX */
static int format_signature(const PartitionSignature *s, Buf *out) {
        char text[ROOT_HASH_TEXT_MAX];
        int r = buf_printf(out, "signature %s ", root_hash_format(&s->root_hash, text));

        for (size_t i = 0; i < s->signature.n && r >= 0; i++)
                r = buf_printf(out, "%02x", (unsigned char) s->signature.p[i]);
        return r < 0 ? r : buf_puts(out, "\n");
}

int dissection_format(const Dissection *d, Buf *out) {
        int r = buf_printf(out, "table %s %u %llu\n", table_names[d->table], d->sector_size,
                           (unsigned long long) d->size);

        for (size_t i = 0, s = 0; i < d->n && r >= 0; i++) {
                r = format_partition(d->partitions + i, out);
                for (; s < d->n_signatures && d->signatures[s].partition == i && r >= 0; s++)
                        r = format_signature(d->signatures + s, out);
        }
        return r;
}

static int parse_table(char **words, Dissection *d) {
        uint64_t sector;

        d->table = _PARTITION_TABLE_INVALID;
        for (PartitionTable t = 0; t < _PARTITION_TABLE_MAX; t++)
                if (streq(words[1], table_names[t]))
                        d->table = t;
        if (d->table < 0 || parse_u64(words[2], 512, 4096, &sector) < 0 ||
            (sector & (sector - 1)) != 0 || parse_u64(words[3], 1, INT64_MAX, &d->size) < 0)
                return -EBADMSG;
        d->sector_size = (uint32_t) sector;
        return 0;
}

static int parse_flags(const char *s, PartitionFlags *ret) {
        _cleanup_strv_ char **words = NULL;
        PartitionFlags flags = 0;

        if (!streq(s, "-") && str_split(s, ",", &words) < 0)
                return -ENOMEM;
        STRV_FOREACH(w, words) {
                size_t i = 0;
                while (i < ELEMENTSOF(flag_names) && !streq(*w, flag_names[i].name))
                        i++;
                if (i == ELEMENTSOF(flag_names))
                        return -EBADMSG;
                flags |= flag_names[i].flag;
        }
        *ret = flags;
        return 0;
}

static int parse_fstype(const char *s, char ret[static PARTITION_FSTYPE_MAX]) {
        static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                      "0123456789_-.";
        size_t n = strlen(s);

        if (streq(s, "-"))
                s = "";
        else if (n >= PARTITION_FSTYPE_MAX || strspn(s, allowed) != n)
                return -EBADMSG;
        (void) snprintf(ret, PARTITION_FSTYPE_MAX, "%s", s);
        return 0;
}

static int parse_label(const char *s, char ret[static PARTITION_LABEL_MAX]) {
        _cleanup_free_ char *label = NULL;
        int r = streq(s, "-") ? 0 : str_unescape(s, &label);

        if (r < 0)
                return r == -ENOMEM ? r : -EBADMSG;
        s = strempty(label);
        if (strlen(s) >= PARTITION_LABEL_MAX || !str_is_utf8(s, strlen(s)))
                return -EBADMSG;
        for (const char *c = s; *c; c++)
                if ((unsigned char) *c < ' ' || *c == 0x7f)
                        return -EBADMSG;
        (void) snprintf(ret, PARTITION_LABEL_MAX, "%s", s);
        return 0;
}

static int parse_partition(char **words, Dissection *d) {
        Partition p = { .designator = partition_designator_parse(words[2]) };
        uint64_t number;
        int r;

        if (p.designator < 0 || parse_u64(words[1], 0, UINT16_MAX, &number) < 0 ||
            parse_u64(words[3], 0, d->size, &p.offset) < 0 ||
            parse_u64(words[4], 1, d->size - p.offset, &p.size) < 0 ||
            id128_parse(words[7], &p.type) < 0 || id128_parse(words[8], &p.uuid) < 0)
                return -EBADMSG;
        p.number = (unsigned) number;
        r = parse_flags(words[5], &p.flags);
        if (r >= 0)
                r = parse_fstype(words[6], p.fstype);
        if (r >= 0)
                r = parse_label(words[9], p.label);
        if (r >= 0)
                r = dissection_add(d, &p);
        return r == -E2BIG ? -EBADMSG : r;
}

static bool is_signature(PartitionDesignator d) {
        return d == PARTITION_ROOT_VERITY_SIG || d == PARTITION_USR_VERITY_SIG;
}

static int parse_signature(char **words, Dissection *d) {
        size_t n = strlen(words[2]) / 2;
        _cleanup_(buf_done) Buf bytes = {};
        RootHash hash;

        if (d->n == 0 || !is_signature(d->partitions[d->n - 1].designator) ||
            (d->n_signatures > 0 && d->signatures[d->n_signatures - 1].partition == d->n - 1) ||
            root_hash_parse(words[1], &hash) < 0 || n == 0 || n > SIGNATURE_SIZE_MAX)
                return -EBADMSG;
        if (buf_reserve(&bytes, n) < 0)
                return -ENOMEM;
        if (strlen(words[2]) != 2 * n || hex_parse(words[2], (uint8_t *) bytes.p, n) < 0)
                return -EBADMSG;
        bytes.n = n;
        return dissection_add_signature(d, &hash, &bytes) < 0 ? -EBADMSG : 0;
}

static int parse_line(const char *line, bool first, Dissection *d) {
        _cleanup_strv_ char **words = NULL;

        if (str_split(line, " ", &words) < 0)
                return -ENOMEM;
        size_t n = strv_length(words);
        if (first)
                return n == 4 && streq(words[0], "table") ? parse_table(words, d) : -EBADMSG;
        if (n == 3 && streq(words[0], "signature"))
                return parse_signature(words, d);
        return n == 10 && streq(words[0], "partition") ? parse_partition(words, d) : -EBADMSG;
}

int dissection_parse(const char *text, size_t n, Dissection *ret, Error *e) {
        _cleanup_(dissection_done) Dissection d = {};
        size_t line = 0;

        if (n == 0 || memchr(text, '\0', n) || text[n - 1] != '\n')
                return error_set(e, EBADMSG, "the list of partitions is cut or no text");
        while (n > 0) {
                size_t length = (size_t) ((const char *) memchr(text, '\n', n) - text);
                _cleanup_free_ char *copy = strndup(text, length);

                if (!copy)
                        return error_oom(e);
                int r = parse_line(copy, line++ == 0, &d);
                if (r == -ENOMEM)
                        return error_oom(e);
                if (r < 0)
                        return error_set(e, r, "line %zu of the list of partitions makes no sense",
                                         line);
                text += length + 1;
                n -= length + 1;
        }
        *ret = d;
        d = (Dissection){};
        return 0;
}
