/* sweep.c: every fault at every place, one after the other: `sweep [--all] [--share I/N] [--script NAME] [--only KIND]
 * [--nth N]`.
 *
 * --share 0/4: of the calls that fail every fourth, from the fourth on. --all: of damaged bytes each bit.
 * What is wrong is printed with the arguments that repeat it. The last line is `N passed, M failed`, a case a position. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sweep/damage.h"
#include "sweep/faults.h"
#include "sweep/memory.h"
#include "sweep/runs.h"
#include "sweep/store.h"

static int usage(void) {
    (void)fprintf(stderr, "sweep [--all] [--share I/N] [--script NAME] [--only KIND] [--nth N]\n");
    return 2;
}

int main(int argc, char **argv) {
    struct table table = {0};
    const char *script = NULL;
    bool all = false;
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--script") == 0 && i + 1 < argc)
            script = argv[++i];
        else if (strcmp(argv[i], "--all") == 0)
            all = true;
        else if (strcmp(argv[i], "--share") == 0 && i + 1 < argc &&
                 sscanf(argv[i + 1], "%" SCNu64 "/%" SCNu64, &table.share, &table.shares) == 2)
            i++;
        else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            table.only = argv[++i];
        else if (strcmp(argv[i], "--nth") == 0 && i + 1 < argc)
            table.nth = strtoull(argv[++i], NULL, 10);
        else
            return usage();
    }
    for (size_t i = 0; scripts[i] != NULL; i++) {
        table.script = script_name(scripts[i]);
        if (script != NULL && strcmp(script, table.script) != 0) continue;
        sweep_faults(scripts[i], &table);
        sweep_memory(scripts[i], &table);
    }
    if (script == NULL || strcmp(script, "small") == 0) sweep_damage(&table, all);
    if (script == NULL || strcmp(script, "store") == 0) sweep_store(&table, all);
    if (script == NULL || strcmp(script, "runs") == 0) sweep_runs(&table, all);
    table_print(&table);
    unsigned long long passed = 0, failed = 0;
    for (size_t i = 0; i < table.count; i++) {
        failed += table.rows[i].wrong;
        passed += table.rows[i].positions - table.rows[i].wrong;
    }
    printf("%llu passed, %llu failed\n", passed, failed);
    return failed == 0 && passed > 0 ? 0 : 1;
}
