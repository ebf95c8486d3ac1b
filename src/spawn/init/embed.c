/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes a file as an array of C, while building. */
#include <stdio.h>

int main(int argc, char **argv) {
        FILE *in = argc == 3 ? fopen(argv[1], "rbe") : NULL,
             *out = in ? fopen(argv[2], "we") : NULL;
        int c;

        if (!out)
                return 1;
        (void) fputs("#include \"spawn/init/init.h\"\n\nconst unsigned char init_image[] = {", out);
        for (unsigned long n = 0; (c = getc(in)) != EOF; n++)
                (void) fprintf(out, "%s0x%02x,", n % 16 ? " " : "\n        ", (unsigned) c);
        (void) fputs("\n};\n\nconst size_t init_image_size = sizeof init_image;\n", out);
        (void) fclose(in);
        return fclose(out) == 0 ? 0 : 1;
}
