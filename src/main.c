#include "cli/cli.h"
#include "cli/verbs.h"

int main(int argc, char **argv) {
    static const struct cli_verb verbs[] = {
#define X(name, text) {#name, text, verb_##name},
        VERB_TABLE(X)
#undef X
            {0}};
    return cli_main(verbs, argc, argv);
}
