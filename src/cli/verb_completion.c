/* `tally completion bash|zsh`: the scripts ask the program itself, so they know what this version knows. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/verbs.h"

/* Common to both: what can stand after the words $1, $2, ... (the program, the verb, the word before, the word after the
 * verb). Prints one word a line; nothing when it is a file. */
static const char words[] =
    "_tally_words() {\n"
    "    local program=$1 verb=$2 before=$3 part=$4\n"
    "    if [ -z \"$verb\" ]; then\n"
    "        \"$program\" --help 2>/dev/null | sed -n 's/^  \\([a-z][a-z]*\\)  .*/\\1/p'\n"
    "        return\n"
    "    fi\n"
    "    local help choices\n"
    "    case $verb:$part in\n"
    "    filter:[a-z]*) help=$(\"$program\" filter \"$part\" --help 2>/dev/null) ;;\n"
    "    *) help=$(\"$program\" \"$verb\" --help 2>/dev/null) ;;\n"
    "    esac\n"
    "    case $before in\n"
    "    --*)\n"
    "        if printf '%s\\n' \"$help\" | grep -q -- \"^  $before [A-Za-z]\"; then\n"
    "            choices=$(printf '%s\\n' \"$help\" | sed -n \"s/^  $before \\([^ ]*|[^ ]*\\).*/\\1/p\")\n"
    "            printf '%s\\n' \"$choices\" | tr '|' '\\n'\n"
    "            return\n"
    "        fi ;;\n"
    "    esac\n"
    "    printf '%s\\n' \"$help\" | sed -n 's/^  \\(--[a-z-]*\\).*/\\1/p'\n"
    "    case $verb:$part in\n"
    "    errors:*) \"$program\" errors 2>/dev/null | sed -n 's/^  \\([a-z_-]*\\)  .*/\\1/p' ;;\n"
    "    config:*) printf '%s\\n' check print table ;;\n"
    "    filter:) printf '%s\\n' add list show delete explain ;;\n"
    "    completion:*) printf '%s\\n' bash zsh ;;\n"
    "    esac\n"
    "}\n";

static const char bash[] = "_tally() {\n"
                           "    local word=${COMP_WORDS[COMP_CWORD]} verb='' part=''\n"
                           "    [ \"$COMP_CWORD\" -gt 1 ] && verb=${COMP_WORDS[1]}\n"
                           "    [ \"$COMP_CWORD\" -gt 2 ] && part=${COMP_WORDS[2]}\n"
                           "    COMPREPLY=($(compgen -W \"$(_tally_words \"${COMP_WORDS[0]}\" \"$verb\" "
                           "\"${COMP_WORDS[COMP_CWORD-1]}\" \"$part\")\" -- \"$word\"))\n"
                           "}\n"
                           "complete -o default -F _tally tally\n";

static const char zsh[] = "_tally() {\n"
                          "    local verb='' part='' found\n"
                          "    (( CURRENT > 2 )) && verb=$words[2]\n"
                          "    (( CURRENT > 3 )) && part=$words[3]\n"
                          "    found=(${(f)\"$(_tally_words $words[1] \"$verb\" $words[CURRENT-1] \"$part\")\"})\n"
                          "    compadd -a found || _files\n"
                          "}\n"
                          "compdef _tally tally\n";

int verb_completion(int argc, char **argv) {
    const struct cli_usage usage = {.verb = "completion",
                                    .summary = "Prints a script that completes verbs, flags, their choices and codes.",
                                    .operands = "bash|zsh",
                                    .operands_min = 1,
                                    .operands_max = 1,
                                    .notes =
                                        "bash: tally completion bash > ~/.local/share/bash-completion/completions/tally\n"
                                        "zsh:  add to ~/.zshrc, after compinit:  source <(tally completion zsh)\n"};
    int exit_code = cli_parse(&usage, &argc, argv);
    if (exit_code != CLI_CONTINUE) return exit_code;
    bool is_bash = strcmp(argv[1], "bash") == 0;
    if (!is_bash && strcmp(argv[1], "zsh") != 0) {
        cli_say("completion: \"%.60s\" is not bash or zsh", argv[1]);
        return CLI_BAD_USAGE;
    }
    printf("# Made by `tally completion %s`.\n%s%s", argv[1], words, is_bash ? bash : zsh);
    return CLI_DONE;
}
